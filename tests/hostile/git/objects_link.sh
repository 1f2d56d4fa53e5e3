#!/bin/sh
# Replaces directories of objects by links to one beside the workspace.
# Matters: the host's next objects are written there.
# Held by: links among objects are not followed, or removed.
# judge: host
# harm: file
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
i=0
while [ $i -lt 256 ]; do
    dir=.git/objects/$(printf %02x $i)
    [ -e "$dir" ] || ln -s "$HOSTILE_STAGE/sibling" "$dir"
    i=$((i + 1))
done
