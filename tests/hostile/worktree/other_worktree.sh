#!/bin/sh
# Plants settings in the directory of another work tree and for all of them.
# Matters: the host uses those as well.
# Held by: directories of other work trees are not there, and the common one is not the host's.
# judge: host
# harm: guarded
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
mkdir -p "$common/worktrees/other"
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >"$common/worktrees/other/config.worktree"
echo "$HOSTILE_STAGE/workspace/evil" >"$common/worktrees/other/commondir"
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >"$common/config.worktree"
