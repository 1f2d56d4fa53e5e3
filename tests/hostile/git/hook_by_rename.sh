#!/bin/sh
# Replaces the directory of hooks by renaming another over it.
# Matters: a mount point keeps neither its own name nor that of its parents.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_hook new/pre-commit
evil_hook new/post-checkout
mv .git/hooks .git/hooks2
mv new .git/hooks
