#!/bin/sh
# Makes a bare repository that looks like any directory.
# Matters: git recognises it by HEAD, objects and refs, without any .git.
# Held by: the background scan.
# judge: host
# harm: owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_repository innocent true
printf "[core]\n\tworktree = %s\n\tbare = false\n" "$PWD/innocent" >>innocent/config
