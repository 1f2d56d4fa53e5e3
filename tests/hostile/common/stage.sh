#!/usr/bin/env bash
# Makes the part of a host that an attack is aimed at, in the existing directory $1: a workspace that is a git repository
# with a submodule and with files of editors and agents, and beside it what must stay out of reach.
#
# `watched` and `guarded` list what witness.c compares. A `host-uses.sh` in it, if the runner puts one there, is what the host
# does in the workspace afterwards.
set -euo pipefail
stage=$(realpath "$1")
here=$(realpath "$(dirname "$0")/..")
cd "$stage"
umask 022
canary=canary-of-the-host

mkdir -p sibling home/.ssh home/.config run scratch guard workspace neighbour
echo "$canary" >sibling/secret
echo "$canary" >home/.ssh/id_ed25519
echo "# $canary" >home/.bashrc
echo "$canary" >neighbour/file
printf '%s\n' sibling home neighbour >watched

export HOME=$stage/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
git() {
    command git -c user.name=host -c user.email=host@example.com -c init.defaultBranch=main -c protocol.file.allow=always \
        -c advice.detachedHead=false -c core.hooksPath= "$@"
}
git init -q sub-origin
git -C sub-origin commit -q --allow-empty -m first
cd workspace
git init -q .
mkdir -p .vscode .idea .claude/commands .husky .git/hooks
echo '{"version": "2.0.0", "tasks": []}' >.vscode/tasks.json
echo '{}' >.vscode/settings.json
echo '<project/>' >.idea/workspace.xml
echo '{"mcpServers": {}}' >.mcp.json
echo '{}' >.claude/settings.json
echo 'say hello' >.claude/commands/hello.md
echo 'export A=1' >.envrc
echo 'exit 0' >.husky/pre-commit
echo hello >file
# By an address, since a clone by path shares its objects with the original by hard links.
git submodule --quiet add "file://$stage/sub-origin" sub
git add -A
git commit -q -m first
git branch other
# A configuration of the work tree's own is read as soon as this is set, as by `git sparse-checkout`.
git config extensions.worktreeConfig true
git config user.name host
git remote add origin "file://$stage/sub-origin"
git config user.email host@example.com
rm -f .git/hooks/*
cd ..
sed 's,^,workspace/,' "$here/common/guarded" >guarded
