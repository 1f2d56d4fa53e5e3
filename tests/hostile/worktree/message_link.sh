#!/bin/sh
# Replaces the message of the work tree's last commit by a link.
# Matters: git writes the next message through it.
# Held by: links are swept after each command.
# judge: host
# harm: file
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
rm -f "$own/COMMIT_EDITMSG"
ln -s "$HOSTILE_STAGE/sibling/secret" "$own/COMMIT_EDITMSG"
