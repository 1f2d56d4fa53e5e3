//! Which kernel this is.

/// Whether it is Linux `major.minor` or later.
pub(crate) fn is_at_least(major: u32, minor: u32) -> bool {
    version(rustix::system::uname().release().to_str().unwrap_or_default()) >= (major, minor)
}

fn version(release: &str) -> (u32, u32) {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_release_has_a_version() {
        assert_eq!(version("6.18.44-fc-v657"), (6, 18));
        assert_eq!(version("5.14-rc1"), (5, 14));
        assert_eq!(version("7.0"), (7, 0));
        assert_eq!(version(""), (0, 0));
        assert!(super::is_at_least(3, 0));
        assert!(!super::is_at_least(1000, 0));
    }
}
