#!/bin/sh
# Writes a configuration of the work tree's own.
# Matters: git reads config.worktree as well once a sparse checkout was made.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >.git/config.worktree
