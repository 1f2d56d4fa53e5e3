#!/bin/sh
# Replaces directories of objects by links to one beside the workspace.
# Matters: the next objects of the host are written there.
# Held by: links are swept after each command.
# judge: host
# harm: file
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
i=0
while [ $i -lt 256 ]; do
    dir=$common/objects/$(printf %02x $i)
    [ -e "$dir" ] || ln -s "$HOSTILE_STAGE/sibling" "$dir"
    i=$((i + 1))
done
