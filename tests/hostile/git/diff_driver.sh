#!/bin/sh
# Sets a driver for differences and a filter for a file of its own.
# Matters: these are commands, and attributes of the work tree choose them.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
git config diff.x.command "$payload; true"
git config filter.x.clean "$payload; cat"
echo '* diff=x filter=x' >.gitattributes
echo changed >file
