#!/bin/sh
# Writes the configuration of the repository, in place, by renaming and by git.
# Matters: core.fsmonitor is a command that each git status runs, in every work tree.
# Held by: only objects, refs, logs and the work tree's own directory are bound into a directory of the sandbox's own.
# judge: host
# harm: guarded owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>"$common/config"
cp "$common/config" "$common/config.new" && mv "$common/config.new" "$common/config"
git config core.fsmonitor "$payload; false"
