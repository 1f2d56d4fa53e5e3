#!/bin/sh
# Puts links in the place of the directories that hold them.
# Matters: as parent.
# Held by: read-only binds over guarded paths that exist; ancestors are bound onto themselves.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for dir in .vscode .idea .claude; do
    mkdir -p "new$dir"
    for name in tasks.json settings.json workspace.xml; do
        echo "$payload" >"new$dir/$name"
    done
    mv "$dir" "old$dir" || rm -rf "$dir"
    ln -s "new$dir" "$dir"
done
