//! How the host's files of git look inside.

use std::path::Path;

use super::find::Repository;
use super::index::Index;

/// The part of the working tree that is visible, with a slash at its end; nothing if all of it is.
pub(super) fn visible(repository: &Repository, workspace: &Path) -> Option<Vec<u8>> {
    let below = workspace.strip_prefix(repository.top()).ok()?.as_os_str().as_encoded_bytes();
    (!below.is_empty()).then(|| [below, b"/"].concat())
}

/// What follows the host's configuration: no watcher of the host's is reached, and what is not visible is not missing.
pub(super) fn config(mut bytes: Vec<u8>, visible: Option<&[u8]>) -> Vec<u8> {
    if visible.is_some() {
        bytes.extend(b"\n[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = false\n[index]\n\tsparse = false\n");
    }
    if String::from_utf8_lossy(&bytes).to_ascii_lowercase().contains("fsmonitor") {
        bytes.extend(b"\n[core]\n\tfsmonitor = false\n");
    }
    bytes
}

/// The patterns that select what is visible.
pub(super) fn sparse_checkout(visible: &[u8]) -> Vec<u8> {
    let mut pattern = b"/".to_vec();
    for byte in visible {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'\n');
    pattern
}

/// The index as the inside sees it.
pub(super) fn index(index: Index, visible: &[u8]) -> Vec<u8> {
    index.only_below(visible).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_the_directory_itself() {
        assert_eq!(sparse_checkout(b"a/b[1]*/"), b"/a/b\\[1]\\*/\n");
    }

    #[test]
    fn the_hosts_watcher_is_switched_off_where_there_is_one() {
        assert_eq!(config(b"[core]\n".to_vec(), None), b"[core]\n");
        assert!(config(b"[core]\n\tFsMonitor = x".to_vec(), None).ends_with(b"fsmonitor = false\n"));
    }
}
