#!/bin/sh
# Replaces the directory of branches by a link to one beside the workspace.
# Matters: the next branch of the host is made there.
# Held by: links are swept after each command.
# judge: host
# harm: file
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
git pack-refs --all
mv "$common/refs/heads" "$common/refs/heads-old"
ln -s "$HOSTILE_STAGE/sibling" "$common/refs/heads"
