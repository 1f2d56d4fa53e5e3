#!/bin/sh
# Points the repository at another common directory.
# Matters: configuration and hooks come from there.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_repository evil
cp -r .git/objects .git/refs evil/
echo "$PWD/evil" >.git/commondir
