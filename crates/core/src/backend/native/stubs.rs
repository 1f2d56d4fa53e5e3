//! Small scripts in the place of commands that need privileges, which say what to do instead.

use std::path::Path;

use loopbox_init::sandbox::{Entry, IdMap};

use super::layout::{TOOLS, has_root};

/// What every script begins with. Root of the sandbox needs no advice: it runs the command.
const SUDO: &str = r#"#!/bin/sh
# Made by loopbox.
if [ "$(id -u)" = 0 ]; then
  while :; do
    case "${1-}" in
      --) shift; break ;;
      -u|-g|--user|--group) shift 2 || exit 1 ;;
      -*) shift ;;
      *) break ;;
    esac
  done
  exec env "$@"
fi
echo "sudo: nothing in a loopbox sandbox can gain privileges." >&2
REMEDY
exit 1
"#;

/// Stands before apt and apt-get: what changes the system needs root, the rest does not.
const APT: &str = r#"#!/bin/sh
# Made by loopbox.
if [ "$(id -u)" != 0 ]; then
  for word in "$@"; do
    case "$word" in
      update|upgrade|install|reinstall|remove|purge|autoremove|dist-upgrade|full-upgrade|build-dep)
        echo "NAME: only root of the sandbox can $word packages." >&2
REMEDY
        exit 100 ;;
    esac
  done
fi
exec /usr/bin/NAME "$@"
"#;

/// The remedy where the sandbox has a root.
const FROM_OUTSIDE: &str = r#"echo "Run it from outside: loopbox exec -u root $LOOPBOX_SANDBOX COMMAND" >&2"#;

/// The remedy where it has none.
const FOR_YOURSELF: &str = r#"echo "This sandbox has no root, because an ordinary user made it: one that root makes has." >&2
echo "Without root these work: npm i -g, pip install --user, cargo install, and archives unpacked below ~/.local." >&2"#;

/// The scripts, for a sandbox with or without a root.
pub(super) fn entries(ids: IdMap) -> Vec<Entry> {
    let remedy = if has_root(ids) { FROM_OUTSIDE } else { FOR_YOURSELF };
    let script = |name: &str, text: &str| Entry::File {
        target: Path::new(TOOLS).join(name),
        content: text.replace("REMEDY", remedy).replace("NAME", name),
        mode: 0o755,
    };
    let mut entries = vec![script("sudo", SUDO)];
    let installed = ["apt", "apt-get"].into_iter().filter(|name| Path::new("/usr/bin").join(name).is_file());
    entries.extend(installed.map(|name| script(name, APT)));
    entries
}
