#!/bin/sh
# What people do in a workspace after an agent worked in it: $1 is the stage. Nothing here names anything that an attack made,
# but for the directories that anybody who looks around would enter.
export HOME="$1/home" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_EDITOR=true GIT_PAGER=cat
cd "$1/workspace" || exit
git status
git add -A
git -c commit.gpgsign=false commit -q -m 'by the host'
git log --oneline
git diff HEAD
git checkout -q other
git checkout -q -
git branch made-by-the-host
git rebase --continue
git stash list
git fetch --all -q
for dir in */; do
    git -C "$dir" status
done
exit 0
