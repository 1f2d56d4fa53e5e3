#!/bin/sh
# Writes hooks of the repository, and renames another directory over them.
# Matters: they run in every work tree.
# Held by: only objects, refs, logs and the work tree's own directory are bound into a directory of the sandbox's own.
# judge: host
# harm: guarded owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
evil_hook "$common/hooks/post-checkout"
evil_hook "$common/hooks/pre-commit"
evil_hook new/post-index-change
mv "$common/hooks" "$common/hooks2" && mv new "$common/hooks"
