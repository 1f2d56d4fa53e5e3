#!/bin/sh
# Makes the workspace of the stage in the current directory a linked work tree of a repository beside it.
set -eu
[ -d workspace/attack ] && [ -f guarded ] && [ ! -e repository ]
export HOME="$PWD/home" GIT_CONFIG_NOSYSTEM=1
mv workspace repository
git -C repository worktree add -q -b linked ../workspace
mv repository/attack workspace/attack
echo attack/ >>repository/.git/info/exclude
sed -i 's,^workspace/\.git/,repository/.git/,' guarded
for file in worktrees/workspace/commondir worktrees/workspace/gitdir worktrees/workspace/config.worktree HEAD info; do
    echo "repository/.git/$file" >>guarded
done
# What beside the workspace is not git's own must not change either.
echo repository/file >>watched
