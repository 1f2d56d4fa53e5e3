//! The library's error, as the facade turns it into a `LoopboxError`.

use loopbox_core::Error;
use napi::Either;
use napi_derive::napi;

use crate::exec::ExecResult;

/// What a call answers: its value, or why there is none.
pub(crate) type Outcome<T> = Either<T, Failed>;

/// The place of a value when there is none.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
}

/// The fields of a `LoopboxError`.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct Failure {
    /// The stable code.
    pub code: &'static str,
    /// The message with its causes.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// What an aborted exec had produced until then.
    pub partial: Option<ExecResult>,
}

/// Turns the library's answer into what crosses to JavaScript.
pub(crate) fn outcome<T, E: Into<Error>>(result: Result<T, E>) -> Outcome<T> {
    match result {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(Failed { failure: Failure::new(&error.into()) }),
    }
}

impl Failure {
    fn new(error: &Error) -> Self {
        Self {
            code: error.code().as_str(),
            message: error.describe(),
            hint: error.hint().map(str::to_owned),
            partial: error.partial().cloned().map(ExecResult::new),
        }
    }
}
