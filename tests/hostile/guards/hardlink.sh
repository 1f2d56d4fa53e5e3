#!/bin/sh
# Links them under another name and writes to that.
# Matters: the link is the same file.
# Held by: read-only binds over guarded paths that exist; ancestors are bound onto themselves.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for path in .vscode/tasks.json .idea/workspace.xml .mcp.json .claude/settings.json .claude/commands/hello.md .envrc; do
    ln "$path" "linked-${path##*/}" && echo "$payload" >>"linked-${path##*/}"
done
