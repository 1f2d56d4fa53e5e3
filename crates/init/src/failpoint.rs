//! Places at which a fault test makes the process die.

/// Dies here by SIGKILL if the `failpoint` field of `$spec` names this step. Compiled only for fault tests.
#[macro_export]
macro_rules! failpoint {
    ($spec:expr, $step:literal) => {
        #[cfg(feature = "failpoints")]
        if $spec.failpoint.as_deref() == Some($step) {
            $crate::failpoint::die();
        }
    };
}

/// Ends this process as a crash would.
#[cfg(feature = "failpoints")]
pub fn die() -> ! {
    let _signalled = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // PID 1 of a namespace cannot be killed from within.
    crate::sandbox::exit_now(137)
}
