//! Environments may hold secrets: what is printed of them are the names.

use std::fmt;

/// The names of variables, in the place of the variables.
pub(crate) struct Names<I>(I);

impl<I> Names<I> {
    pub(crate) fn of(names: I) -> Self {
        Self(names)
    }
}

impl<I> fmt::Debug for Names<I>
where
    I: Clone + IntoIterator,
    I::Item: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.clone()).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, CreateOptions, ExecInput, ExecRequest};

    #[test]
    fn what_may_be_secret_is_not_printed() {
        let mut config = Config::new("/state");
        config.host_env = vec![("TOKEN".into(), "s3cret".into())];
        let mut request = ExecRequest::new(["true"]);
        request.env.insert("TOKEN".into(), "s3cret".into());
        request.stdin = ExecInput::Bytes(b"s3cret".to_vec());
        let env = Some([("TOKEN".to_owned(), "s3cret".to_owned())].into());
        let options = CreateOptions { env, ..CreateOptions::default() };
        for printed in [format!("{config:?}"), format!("{request:?} {:?}", request.stdin), format!("{options:?}")] {
            assert!(!printed.contains("s3cret"), "{printed}");
        }
        assert!(format!("{options:?}").contains("TOKEN"));
    }
}
