#!/bin/sh
# Points the .git file of the work tree at another repository.
# Matters: git follows it.
# Held by: the file is guarded.
# judge: host
# harm: owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
evil_repository evil
cp -r "$common/objects" "$common/refs" evil/
printf '\tworktree = %s\n' "$PWD" >>evil/config
rm -f .git
echo "gitdir: $PWD/evil" >.git
