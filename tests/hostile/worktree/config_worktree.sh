#!/bin/sh
# Writes the configuration of the work tree's own.
# Matters: git reads it once extensions.worktreeConfig is set.
# Held by: it is a copy.
# judge: host
# harm: guarded owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>"$own/config.worktree"
