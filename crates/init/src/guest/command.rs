//! A command in the form that the kernel takes, made before the fork: afterwards nothing may be allocated.

use crate::protocol::{ARGUMENT_LIMIT, Failure, Start};
use std::ffi::{CStr, CString, c_char};
use std::ptr;

const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The strings of one `execve`.
#[derive(Debug)]
pub(super) struct Command {
    name: CString,
    candidates: Vec<CString>,
    arguments: Strings,
    environment: Strings,
    work_dir: CString,
}

impl Command {
    /// Checks and lays out what `start` asks for, its environment above `inherited`.
    pub(super) fn prepare(start: &Start, inherited: &[(Vec<u8>, Vec<u8>)]) -> Result<Command, Failure> {
        let program = start.argv.first().ok_or(Failure::Malformed)?;
        let mut arguments = Strings::default();
        for argument in &start.argv {
            arguments.push(&[argument])?;
        }
        let mut environment = Strings::default();
        for (name, value) in &start.env {
            if name.is_empty() || name.contains(&b'=') {
                return Err(Failure::Malformed);
            }
            environment.push(&[name, b"=", value])?;
        }
        for (name, value) in inherited {
            if !start.env.iter().any(|(given, _)| given == name) {
                environment.push(&[name, b"=", value])?;
            }
        }
        let path = start.env.iter().rev().find(|(name, _)| *name == b"PATH").map(|(_, value)| value.as_slice());
        let path =
            path.or_else(|| inherited.iter().find(|(name, _)| name == b"PATH").map(|(_, value)| value.as_slice()));
        let work_dir = if start.work_dir.is_empty() { b"/".as_slice() } else { &start.work_dir };
        arguments.finish();
        environment.finish();
        Ok(Command {
            name: string(program)?,
            candidates: candidates(program, path.unwrap_or(DEFAULT_PATH))?,
            arguments,
            environment,
            work_dir: string(work_dir)?,
        })
    }

    /// The program as the client named it.
    pub(super) fn name(&self) -> &CStr {
        &self.name
    }

    /// The files that the program may be, in the order to try them.
    pub(super) fn candidates(&self) -> &[CString] {
        &self.candidates
    }

    /// The arguments, ending with a null pointer.
    pub(super) fn arguments(&self) -> *const *const c_char {
        self.arguments.pointers.as_ptr()
    }

    /// The environment, ending with a null pointer.
    pub(super) fn environment(&self) -> *const *const c_char {
        self.environment.pointers.as_ptr()
    }

    pub(super) fn work_dir(&self) -> &CStr {
        &self.work_dir
    }
}

fn candidates(program: &[u8], path: &[u8]) -> Result<Vec<CString>, Failure> {
    if program.is_empty() {
        return Ok(Vec::new());
    }
    if program.contains(&b'/') {
        return Ok(vec![string(program)?]);
    }
    let join = |directory: &[u8]| {
        // An empty entry is the working directory.
        let directory = if directory.is_empty() { b".".as_slice() } else { directory };
        string(&[directory, b"/", program].concat())
    };
    path.split(|&byte| byte == b':').map(join).collect()
}

fn string(bytes: &[u8]) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| Failure::Malformed)
}

/// Zero-terminated strings in one allocation, and pointers to each.
#[derive(Debug, Default)]
struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    fn push(&mut self, parts: &[&[u8]]) -> Result<(), Failure> {
        let start = self.bytes.len();
        for part in parts {
            if part.contains(&0) {
                return Err(Failure::Malformed);
            }
            self.bytes.extend_from_slice(part);
        }
        if self.bytes.len() - start > ARGUMENT_LIMIT {
            return Err(Failure::ArgumentTooLong);
        }
        self.bytes.push(0);
        self.starts.push(start);
        Ok(())
    }

    /// Points at the strings; none may be added afterwards, since that could move them.
    fn finish(&mut self) {
        self.pointers = self.starts.iter().map(|&start| self.bytes[start..].as_ptr().cast()).collect();
        self.pointers.push(ptr::null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(program: &[u8], path: &[u8]) -> Vec<Vec<u8>> {
        candidates(program, path).unwrap().into_iter().map(CString::into_bytes).collect()
    }

    #[test]
    fn a_program_without_a_slash_is_looked_for_in_the_path() {
        assert_eq!(names(b"ls", b"/a:/b"), [b"/a/ls".to_vec(), b"/b/ls".to_vec()]);
        assert_eq!(names(b"ls", b":/b"), [b"./ls".to_vec(), b"/b/ls".to_vec()]);
        assert_eq!(names(b"./ls", b"/a"), [b"./ls".to_vec()]);
        assert_eq!(names(b"", b"/a"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn what_the_kernel_would_misread_is_refused() {
        let refused = |start: &Start| Command::prepare(start, &[]).unwrap_err();
        assert_eq!(refused(&Start::new(Vec::<Vec<u8>>::new())), Failure::Malformed);
        assert_eq!(refused(&Start::new(["a\0b"])), Failure::Malformed);
        assert_eq!(refused(&Start::new(["a"]).env("A=B", "c")), Failure::Malformed);
        assert_eq!(refused(&Start::new(["a"]).env("", "c")), Failure::Malformed);
        assert_eq!(refused(&Start::new(["a"]).env("A", "\0")), Failure::Malformed);
        assert_eq!(refused(&Start::new(["a".repeat(ARGUMENT_LIMIT + 1)])), Failure::ArgumentTooLong);
        assert!(Command::prepare(&Start::new(["a".repeat(ARGUMENT_LIMIT)]), &[]).is_ok());
    }

    #[test]
    fn the_environment_of_the_start_covers_the_inherited_one() {
        let start = Start::new(["a"]).env("A", "start");
        let inherited = [(b"A".to_vec(), b"guest".to_vec()), (b"B".to_vec(), b"guest".to_vec())];
        let command = Command::prepare(&start, &inherited).unwrap();
        assert_eq!(command.environment.bytes, b"A=start\0B=guest\0");
    }
}
