#!/bin/sh
# What the hostile scripts share; sourced by each. $payload is the command that nobody outside may ever run for them.
if [ -z "${HOSTILE_HOST_PIDNS:-}" ] || [ "$(readlink /proc/self/ns/pid)" = "$HOSTILE_HOST_PIDNS" ]; then
    echo 'could not try: not in a process namespace of its own'
    exit 2
fi
cd "$HOSTILE_STAGE/workspace" || exit 2
# Whoever judges must know that the attack began.
echo began
owned=$HOSTILE_STAGE/owned
payload="touch $owned"
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x

# A directory that git takes for a repository, whose configuration runs the payload.
evil_repository() {
    mkdir -p "$1/objects" "$1/refs/heads"
    echo 'ref: refs/heads/main' >"$1/HEAD"
    printf '[core]\n\trepositoryformatversion = 0\n\tbare = %s\n\tfsmonitor = "%s; false"\n' "${2:-false}" "$payload" >"$1/config"
}

# A program that runs the payload.
evil_hook() {
    mkdir -p "$(dirname "$1")"
    printf '#!/bin/sh\n%s\n' "$payload" >"$1"
    chmod +x "$1"
}
