#!/bin/sh
# Makes guarded files that are not there yet.
# Matters: nothing is mounted over what does not exist.
# Held by: the background scan moves them to a quarantine and reports them.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
mkdir -p .claude/commands .vscode
echo "{\"hooks\": {\"x\": \"$payload\"}}" >.claude/settings.local.json
echo "$payload" >.claude/commands/planted.md
