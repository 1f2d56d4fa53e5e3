#!/bin/sh
# Writes hooks.
# Matters: they run at the host's next commit or checkout.
# Held by: a directory of the sandbox's own at .git, into which only what is harmless is bound.
# judge: host
# harm: guarded owned
. "$HOSTILE_STAGE/workspace/attack/hostile.sh"
for hook in pre-commit post-commit post-checkout post-index-change reference-transaction; do
    evil_hook ".git/hooks/$hook"
done
