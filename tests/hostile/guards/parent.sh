#!/bin/sh
# Moves the directories that hold them away and puts others in their place.
# Matters: a mount point does not keep the directory above it from being renamed.
# Held by: read-only binds over guarded paths that exist; ancestors are bound onto themselves.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for dir in .vscode .idea .claude; do
    mkdir -p "new$dir/commands"
    for name in tasks.json settings.json workspace.xml commands/hello.md; do
        echo "$payload" >"new$dir/$name"
    done
    mv "$dir" "old$dir" || rm -rf "$dir"
    mv "new$dir" "$dir"
done
