#!/bin/sh
# Installs what this machine lacks before anything can be compiled: Debian packages (as root, or through sudo) and Rust.
# Finds nothing to do: installs nothing, needs no rights, returns at once. Every command it runs is printed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

run() {
    echo "\$ $*" >&2
    "$@"
}

# Whether a command, or a file that the pattern names, is there.
present() {
    case $1 in
        # shellcheck disable=SC2086 # the pattern is meant to be expanded
        /*) set -- $1 && [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        run "$@"
    elif command -v sudo >/dev/null 2>&1; then
        run sudo "$@"
    else
        echo "error: this needs root, and there is no sudo; as root, run: $*" >&2
        exit 1
    fi
}

# Useful also where an ordinary user's PATH leaves them out.
PATH=$PATH:/usr/sbin:/sbin
missing=
while read -r package proof _; do
    case $package in '' | '#'*) continue ;; esac
    present "$proof" || missing="$missing $package"
done <"$here/debian-packages"

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: this is no Debian system; install yourself what stands for:$missing" >&2
        exit 1
    fi
    as_root apt-get update -q
    # shellcheck disable=SC2086 # one word per package
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

if ! command -v cargo >/dev/null 2>&1 && [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    echo 'installing Rust with rustup' >&2
    installer=$(mktemp)
    run curl --proto '=https' --tlsv1.2 -fsS https://sh.rustup.rs -o "$installer"
    run sh "$installer" -y --profile minimal --component clippy --component rustfmt --default-toolchain 1.95 --no-modify-path
    rm -f "$installer"
fi
