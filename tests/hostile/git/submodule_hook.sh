#!/bin/sh
# Writes a hook of a submodule.
# Matters: as submodule_config.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
evil_hook .git/modules/sub/hooks/post-checkout
