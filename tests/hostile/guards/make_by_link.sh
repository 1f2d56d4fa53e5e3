#!/bin/sh
# Makes guarded files as links to files elsewhere in the workspace.
# Matters: what is opened is what the link names.
# Held by: the background scan moves them to a quarantine and reports them.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
echo "{\"hooks\": {\"x\": \"$payload\"}}" >innocent.json
mkdir -p .claude
ln -s ../innocent.json .claude/settings.local.json
