#!/bin/sh
# Replaces the index of the work tree by a link.
# Matters: git writes its lock beside what the link names, and renames it over that.
# Held by: the index is a copy that is validated, or links are swept after each command.
# judge: host
# harm: file
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
cp "$own/index" "$HOSTILE_STAGE/sibling/index" 2>/dev/null
rm -f "$own/index"
ln -s "$HOSTILE_STAGE/sibling/index" "$own/index"
