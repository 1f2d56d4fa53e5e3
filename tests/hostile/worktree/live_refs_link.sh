#!/bin/sh
# Keeps links to a directory beside the workspace in the place of branches, while the host goes on working.
# Matters: the host's next branch is written there.
# Held by: directories of branches that the host writes to are not the sandbox's to replace.
# judge: host
# harm: file
# prepare: : >live; sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
i=0
while [ ! -e attack/done ] && [ $i -lt 200000 ]; do
    [ -L "$common/refs/heads" ] || { git pack-refs --all; mv "$common/refs/heads" "$common/refs/old$i"; ln -s "$HOSTILE_STAGE/sibling" "$common/refs/heads"; }
    [ -e attack/ready ] || : >attack/ready
    i=$((i + 1))
done
