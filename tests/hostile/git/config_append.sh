#!/bin/sh
# Appends to the configuration.
# Matters: core.fsmonitor is a command that each git status runs.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>.git/config
