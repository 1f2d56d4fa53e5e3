//! What cannot be started is refused before anything is.

use std::os::unix::ffi::OsStrExt;

use super::ExecRequest;
use crate::error::{Error, Result};

/// The longest argument or variable that Linux passes to a program (`MAX_ARG_STRLEN` less the final NUL).
const MAX_ARGUMENT: usize = 131_071;

/// Refuses what could not be started anyway, with the reason.
pub(crate) fn check(request: &ExecRequest) -> Result<()> {
    if request.argv.first().is_none_or(|program| program.is_empty()) {
        return Err(Error::invalid("command", "[]", "is empty").with_hint("give the program to run and its arguments"));
    }
    for (index, arg) in request.argv.iter().enumerate() {
        let bytes = arg.as_bytes();
        if bytes.len() > MAX_ARGUMENT {
            let size = format!("{} bytes", bytes.len());
            return Err(Error::invalid(
                &format!("command[{index}]"),
                size,
                "Linux passes at most 131,071 bytes in one argument",
            )
            .with_hint("pass the text through stdin, or through a file in the workspace"));
        }
        if bytes.contains(&0) {
            return Err(Error::invalid(&format!("command[{index}]"), arg.display(), "holds a NUL byte"));
        }
    }
    for (name, value) in &request.env {
        if name.is_empty() || name.as_bytes().contains(&b'=') || name.as_bytes().contains(&0) {
            return Err(Error::invalid(
                "env",
                name.display(),
                "a variable's name is not empty and holds no '=' and no NUL",
            ));
        }
        if value.as_bytes().contains(&0) || name.len() + value.len() + 1 > MAX_ARGUMENT {
            // The value may be secret: only the name is told.
            return Err(Error::invalid(
                "env",
                name.display(),
                "its value holds a NUL byte or is longer than 131,071 bytes",
            ));
        }
    }
    if let Some(dir) = &request.work_dir
        && (!dir.is_absolute() || dir.as_os_str().as_bytes().contains(&0))
    {
        return Err(Error::invalid(
            "workDir",
            format!("{}", dir.display()),
            "must be an absolute path inside the sandbox",
        ));
    }
    Ok(())
}
