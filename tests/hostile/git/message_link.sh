#!/bin/sh
# Replaces the message of the last commit by a link.
# Matters: git writes the next message through it.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: file
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
rm -f .git/COMMIT_EDITMSG
ln -s "$HOSTILE_STAGE/sibling/secret" .git/COMMIT_EDITMSG
