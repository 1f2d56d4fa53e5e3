#!/bin/sh
# Points the work tree at another common directory.
# Matters: configuration and hooks come from there.
# Held by: the file is a copy, and compared.
# judge: host
# harm: guarded owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
evil_repository evil
cp -r "$common/objects" "$common/refs" evil/
echo "$PWD/evil" >"$own/commondir"
