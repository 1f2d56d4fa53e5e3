#!/bin/sh
# Makes a repository in a directory that the workspace has already, and in one below.
# Matters: as nested_repository.
# Held by: the background scan.
# judge: host
# harm: owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mkdir -p docs/deep
evil_repository docs/.git
evil_repository docs/deep/.git
