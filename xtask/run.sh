#!/bin/sh
# sh xtask/run.sh TASK [OPTION...]: `cargo xtask TASK` on a machine that may have neither Rust, nor Node, nor a compiler.
set -eu
cd "$(dirname "$0")/.."
sh xtask/system.sh
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
export PATH
# `cargo xtask` builds it silently; on a fresh machine that takes a while.
cargo build --package xtask
if [ "${1:-}" != setup ]; then
    cargo xtask setup
fi
exec cargo xtask "$@"
