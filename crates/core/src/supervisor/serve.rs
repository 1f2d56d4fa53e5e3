//! The supervisor at work, with its privileges given up.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loopbox_egress::{CompiledPolicy, FileLog, Proxy, ProxyConfig, SystemResolver};
use rustix::fs::AtFlags;
use rustix::process::Signal;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Supervised;
use super::control::Control;
use crate::events::{self, EventKind};
use crate::in_use::time_left;
use crate::watch::readable;

/// The longest sleep of the clock that watches for expiry: wall clocks are changed, and machines are suspended.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(10);

/// Serves until init is dead or the sandbox has expired.
pub(super) fn run(supervised: Supervised) -> io::Result<()> {
    // Each connection of the proxy takes two descriptors; the usual soft limit of 1,024 is for programs that use select.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(serve(supervised))
}

async fn serve(supervised: Supervised) -> io::Result<()> {
    let Supervised {
        name,
        instructions,
        init,
        listeners,
        control,
        run,
        logs,
        egress_log,
        events,
        used,
        _lock,
        namespaces,
    } = supervised;
    let shutdown = CancellationToken::new();
    let (policy, policies) = watch::channel(Arc::new(CompiledPolicy::new(&instructions.policy)));
    let (ttl, ttls) = watch::channel(instructions.ttl_ms);
    let proxy = Arc::new(Proxy::new(ProxyConfig {
        sandbox: name.to_string(),
        policy: policies,
        resolver: Arc::new(SystemResolver),
        log: Arc::new(FileLog::new(egress_log)?),
    }));
    for listener in listeners {
        let listener = TcpListener::from_std(std::net::TcpListener::from(listener))?;
        tokio::spawn(Arc::clone(&proxy).serve(listener, shutdown.clone()));
    }
    let control_socket = UnixListener::from_std(control)?;
    let kept = run.try_clone()?;
    let control = Control::new(
        policy,
        ttl,
        run,
        logs,
        super::control::parse_token(&instructions.token).map_err(io::Error::other)?,
        namespaces,
    );
    tokio::spawn(Arc::new(control).serve(control_socket));

    let init = readable(init)?;
    let ended = tokio::select! {
        dead = init.readable() => dead.map(|_| (EventKind::Died, why_ended(instructions.memory_events.as_deref())))?,
        over = expiry(&used, ttls, &kept) => over,
    };
    let _told = events::append(&events, &name, ended.0, ended.1);
    end(init.get_ref())
}

/// What is known of the end of an init. A few bytes are read of the cgroup in which it was.
fn why_ended(memory_events: Option<&Path>) -> &'static str {
    match memory_events.map(crate::exec::killed) {
        Some(1..) => "its init ended, and the kernel had killed processes for want of memory",
        _ => "its init ended",
    }
}

/// Ends init and with it everything inside. What is on disk is removed by the next loopbox call: this process has
/// given up what that takes.
fn end(init: &OwnedFd) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(init, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Comes back when the sandbox has not been used for its lifetime, or when nobody can find it any more, since somebody
/// removed its directory without loopbox. That is looked at now and then: a watch by the kernel would take longer to
/// close than everything else that a destroy waits for.
async fn expiry(used: &File, mut ttls: watch::Receiver<u64>, run: &OwnedFd) -> (EventKind, &'static str) {
    loop {
        let ttl = *ttls.borrow_and_update();
        let left = match ttl {
            0 => LOOK_AGAIN_AFTER,
            _ => match time_left(used, Duration::from_millis(ttl)) {
                Some(left) => left,
                None => return (EventKind::Expired, ""),
            },
        };
        if rustix::fs::statat(run, "init.sock", AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return (EventKind::Died, "its directory was removed");
        }
        tokio::select! {
            () = tokio::time::sleep(left.min(LOOK_AGAIN_AFTER)) => {}
            changed = ttls.changed() => if changed.is_err() { std::future::pending::<()>().await },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[tokio::test]
    async fn a_sandbox_ends_at_its_expiry_and_when_its_directory_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let run = OwnedFd::from(File::open(dir.path()).unwrap());
        let path = dir.path().join("used");
        std::fs::write(&path, "").unwrap();
        std::fs::write(dir.path().join("init.sock"), "").unwrap();
        let used = File::open(&path).unwrap();
        let (ttl, ttls) = watch::channel(0);
        let mut waiting = std::pin::pin!(expiry(&used, ttls.clone(), &run));
        tokio::select! {
            biased;
            over = &mut waiting => panic!("{over:?}"),
            () = std::future::ready(()) => {}
        }
        let long_ago = SystemTime::now() - Duration::from_hours(1);
        File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        ttl.send_replace(1000);
        assert_eq!(waiting.await.0, EventKind::Expired);
        ttl.send_replace(0);
        std::fs::remove_file(dir.path().join("init.sock")).unwrap();
        assert_eq!(expiry(&used, ttls, &run).await.0, EventKind::Died);
    }
}
