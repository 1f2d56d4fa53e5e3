#!/bin/sh
# Puts a file in the place of .git that names another repository.
# Matters: git follows it.
# Held by: as dotgit_moved.
# judge: host
# harm: owned guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_repository evil
mv .git away || rm -rf .git
echo "gitdir: $PWD/evil" >.git
