#!/bin/sh
# Renames other files over them.
# Matters: a mount point can be renamed over from another namespace, and a guard must not be lost by it.
# Held by: read-only binds over guarded paths that exist; ancestors are bound onto themselves.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for path in .vscode/tasks.json .idea/workspace.xml .mcp.json .claude/settings.json .claude/commands/hello.md .envrc; do
    echo "$payload" >new && mv -f new "$path"
done
