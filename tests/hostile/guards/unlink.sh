#!/bin/sh
# Removes them and makes them new.
# Matters: as rename.
# Held by: read-only binds over guarded paths that exist; ancestors are bound onto themselves.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for path in .vscode/tasks.json .idea/workspace.xml .mcp.json .claude/settings.json .claude/commands/hello.md .envrc; do
    rm -f "$path"; echo "$payload" >"$path"
done
