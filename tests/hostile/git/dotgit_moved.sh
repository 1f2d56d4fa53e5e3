#!/bin/sh
# Moves .git away and puts another in its place.
# Matters: renaming a directory takes mount points below it along.
# Held by: the parent of guarded paths is bound onto itself, and a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: owned guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mv .git away
evil_repository .git
