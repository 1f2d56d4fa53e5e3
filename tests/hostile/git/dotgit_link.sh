#!/bin/sh
# Puts a symbolic link in the place of .git.
# Matters: git follows it.
# Held by: as dotgit_moved.
# judge: host
# harm: owned guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_repository evil
mv .git away || rm -rf .git
ln -s evil .git
