#!/bin/sh
# Replaces packed-refs and FETCH_HEAD by links.
# Matters: git writes through them.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: file
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
git pack-refs --all
cp .git/packed-refs "$HOSTILE_STAGE/sibling/packed" 2>/dev/null
rm -f .git/packed-refs .git/FETCH_HEAD .git/ORIG_HEAD
ln -s "$HOSTILE_STAGE/sibling/packed" .git/packed-refs
ln -s "$HOSTILE_STAGE/sibling/secret" .git/FETCH_HEAD
ln -s "$HOSTILE_STAGE/sibling/secret" .git/ORIG_HEAD
