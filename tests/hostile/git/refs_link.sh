#!/bin/sh
# Replaces the directory of branches by a link to one beside the workspace.
# Matters: the host's next branch is made there.
# Held by: links among refs are not followed, or removed.
# judge: host
# harm: file
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
git pack-refs --all
mv .git/refs/heads heads-old
ln -s "$HOSTILE_STAGE/sibling" .git/refs/heads
