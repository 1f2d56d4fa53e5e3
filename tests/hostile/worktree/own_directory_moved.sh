#!/bin/sh
# Moves the work tree's own directory of the repository away and puts another in its place.
# Matters: git of the host reads HEAD, index and commondir there.
# Held by: it is a mount point.
# judge: host
# harm: guarded owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
evil_repository evil
cp -r "$common/objects" "$common/refs" evil/
cp -r "$own" copy
echo "$PWD/evil" >copy/commondir
mv "$own" "$common/worktrees/away" && mv copy "$own"
