#!/bin/sh
# Replaces the index by a link to a file beside the workspace.
# Matters: git writes its lock beside what the link names, and renames it over that.
# Held by: index is a copy that is validated.
# judge: host
# harm: file
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
cp .git/index index.old
rm -f .git/index
cp index.old "$HOSTILE_STAGE/sibling/index" 2>/dev/null
ln -s "$HOSTILE_STAGE/sibling/index" .git/index
