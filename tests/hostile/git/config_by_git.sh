#!/bin/sh
# Lets git write the configuration.
# Matters: git writes a lock file and renames it over the old one: a mount on the file alone detaches.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
git config core.fsmonitor "$payload; false"
git config core.hooksPath "$PWD/hooks"
evil_hook hooks/pre-commit
