#!/bin/sh
# Renames the .git file and puts a repository in its place.
# Matters: git follows it.
# Held by: the file is guarded.
# judge: host
# harm: owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
mv .git away || rm -f .git
evil_repository .git
