#!/bin/sh
# Leaves a .git file in a directory, which names a repository elsewhere in the workspace.
# Matters: as nested_repository, with the configuration somewhere else.
# Held by: the background scan.
# judge: host
# harm: owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mkdir -p pages
evil_repository .cache/store
printf '\tworktree = %s\n' "$PWD/pages" >>.cache/store/config
echo "gitdir: $PWD/.cache/store" >pages/.git
