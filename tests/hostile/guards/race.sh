#!/bin/sh
# Fights for a guarded file while others look: makes, renames and removes it many times.
# Matters: a guard that is put on late can be lost to whoever is faster.
# Held by: mounts are there before any command starts.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
i=0
while [ $i -lt 40 ]; do
    echo "$payload" >".new$i"
    mv -f ".new$i" .envrc
    mv .vscode ".old$i"
    mkdir -p .vscode
    echo "$payload" >.vscode/tasks.json
    i=$((i + 1))
done
rm -f .new*
exit 0
