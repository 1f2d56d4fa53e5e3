//! The execs of a guest, whatever transport they came by.
//!
//! ```text
//!             main process ended: report
//!   Running ─────────────────────────────▶ over (a watcher may stay with what is left behind)
//!      │ timeout, cancel: TERM to the tree
//!      ▼
//!   Ending ──── tree empty: report ──────▶ over
//!      │ grace is over: KILL, repeated
//!      ▼
//!   Killing ─── tree empty: report ──────▶ over
//!      │ 10 s of that
//!      └─────── report with survivors ───▶ over
//! ```

use super::child::Plan;
use super::command::Command;
use super::privileges::Privileges;
use super::reactor::timespec;
use super::shared::{Note, Slots, Stage};
use super::spawn::CloneKey;
use super::tree::{self, Tree, Trees, Watch};
use super::{GuestError, TreeControl, Users};
use crate::protocol::{Exit, Failure, Start, Status};
use rustix::event::EventfdFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process_group, wait};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The first wait between two looks at a tree that is being ended; it doubles up to [`KILL_INTERVAL`].
const KILL_FIRST: Duration = Duration::from_millis(4);
const KILL_INTERVAL: Duration = Duration::from_millis(500);

/// After this much `SIGKILL`, what still lives is out of reach.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// What the transports ask of the engine, and what it tells them.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) privileges: Privileges,
    trees: Trees,
    bell: OwnedFd,
    slots: Slots,
    execs: HashMap<ExecId, Exec>,
    children: HashMap<Pid, ExecId>,
    deadlines: BinaryHeap<Reverse<(Instant, ExecId)>>,
    /// When to look for orphans of killed watchers again.
    sweep: Option<Instant>,
    inherited: Vec<(Vec<u8>, Vec<u8>)>,
    last: u64,
    reports: Vec<(u64, Report)>,
}

/// Names an exec for the guest's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ExecId(u64);

/// The end of an exec, for the owner that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    Exit(Exit),
    Failed(Failure),
}

/// What a command reads and writes.
#[derive(Debug)]
pub(super) enum Stdio {
    /// Standard input, output and error.
    Pipes([OwnedFd; 3]),
    /// All three.
    Terminal(OwnedFd),
}

#[derive(Debug)]
struct Exec {
    owner: u64,
    tree: Tree,
    slot: usize,
    /// The child of the guest: the main process, or its watcher.
    child: Option<Pid>,
    started: Instant,
    grace: Duration,
    phase: Phase,
    deadline: Option<Instant>,
    timed_out: bool,
    cancelled: bool,
    end: Option<End>,
    reported: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    /// Until the grace is over; from the end of the main process on the rest is looked at after each `pause`.
    Ending {
        until: Instant,
        pause: Option<Duration>,
    },
    Killing {
        since: Instant,
        pause: Duration,
    },
}

#[derive(Debug, Clone, Copy)]
enum End {
    Ended(Status, Duration),
    Failed(Failure),
}

impl Engine {
    pub(super) fn new(
        control: TreeControl,
        users: Option<Users>,
        inherited: Vec<(Vec<u8>, Vec<u8>)>,
        follow: bool,
        key: Option<CloneKey>,
    ) -> Result<Engine, GuestError> {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let bell = bell.map_err(GuestError::system("make an event counter"))?;
        let watch = Watch { bell: bell.as_raw_fd(), follow: follow.then(getpid) };
        Ok(Engine {
            privileges: Privileges::settle(users)?,
            trees: Trees::new(control, watch, key),
            bell,
            slots: Slots::new().map_err(GuestError::system("map shared memory"))?,
            execs: HashMap::new(),
            children: HashMap::new(),
            deadlines: BinaryHeap::new(),
            sweep: None,
            inherited,
            last: 0,
            reports: Vec::new(),
        })
    }

    /// Readable when a watcher has something to tell.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Starts a command. Its end comes as a report to `owner`.
    pub(super) fn start(&mut self, owner: u64, start: &Start, stdio: &Stdio) -> Result<(ExecId, Pid), Failure> {
        let command = Command::prepare(start, &self.inherited)?;
        let identity = self.privileges.identity(start.user)?;
        let slot = self.slots.take().ok_or(Failure::ProcessLimit)?;
        let plan = Plan {
            command,
            identity,
            stdio: stdio.raw(),
            terminal: matches!(stdio, Stdio::Terminal(_)),
            join: None,
            watch: None,
            open_files: self.privileges.open_files,
            slot: self.slots.slot(slot),
        };
        let started = Instant::now();
        let (tree, pid) = self.trees.start(plan).map_err(|errno| {
            self.slots.give(slot);
            spawn_failure(errno.raw_os_error())
        })?;
        self.last += 1;
        let id = ExecId(self.last);
        let deadline =
            (start.timeout_ms > 0).then(|| started.checked_add(Duration::from_millis(start.timeout_ms))).flatten();
        let exec = Exec {
            owner,
            tree,
            slot,
            child: Some(pid),
            started,
            grace: Duration::from_millis(start.grace_ms.into()),
            phase: Phase::Running,
            deadline,
            timed_out: false,
            cancelled: false,
            end: None,
            reported: false,
        };
        self.execs.insert(id, exec);
        self.children.insert(pid, id);
        self.schedule(id, deadline);
        Ok((id, pid))
    }

    /// Signals the process group of a command that has not ended.
    pub(super) fn signal(&self, id: ExecId, signal: i32) {
        let Some(exec) = self.execs.get(&id).filter(|exec| exec.end.is_none()) else { return };
        let main = match (&exec.tree, self.slots.slot(exec.slot).note()) {
            (Tree::Group(_), _) => exec.child,
            (Tree::Watched(_), Note::Nothing) => Pid::from_raw(self.slots.slot(exec.slot).main()),
            (Tree::Watched(_), _) => None,
        };
        if let (Some(main), Some(signal)) = (main, Signal::from_named_raw(signal)) {
            let _ = kill_process_group(main, signal);
        }
    }

    /// Ends the whole tree of a command that has not ended.
    pub(super) fn cancel(&mut self, id: ExecId) {
        let Some(exec) = self.execs.get_mut(&id).filter(|exec| !exec.reported) else { return };
        exec.cancelled = true;
        if matches!(exec.phase, Phase::Running) {
            self.begin_ending(id);
        }
    }

    /// Kills every command that has not ended, and waits until nothing is left of them.
    pub(super) fn kill_running(&mut self) {
        let limit = Instant::now() + KILL_LIMIT;
        let mut pause = KILL_FIRST;
        loop {
            self.reap();
            self.execs.retain(|_, exec| !exec.reported);
            for exec in self.execs.values_mut() {
                exec.phase = Phase::Killing { since: limit, pause };
                exec.tree.kill();
            }
            if self.execs.is_empty() || Instant::now() >= limit {
                return;
            }
            let _ = rustix::event::poll(&mut [], Some(&timespec(pause)));
            pause = (pause * 2).min(KILL_INTERVAL);
        }
    }

    /// Takes the ends that have come since.
    pub(super) fn take_reports(&mut self) -> Vec<(u64, Report)> {
        std::mem::take(&mut self.reports)
    }

    /// When [`Engine::expire`] has something to do, if nothing happens before.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, id))) = self.deadlines.peek() {
            if self.execs.get(&id).is_some_and(|exec| exec.deadline == Some(at)) {
                break;
            }
            self.deadlines.pop();
        }
        let first = self.deadlines.peek().map(|Reverse((at, _))| *at);
        first.into_iter().chain(self.sweep).min()
    }

    /// Does what is due.
    pub(super) fn expire(&mut self) {
        let Some(due) = self.deadline() else { return };
        let now = Instant::now();
        if due > now {
            return;
        }
        while let Some(&Reverse((at, id))) = self.deadlines.peek() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            if self.execs.get(&id).is_some_and(|exec| exec.deadline == Some(at)) {
                self.advance(id, now);
            }
        }
        if self.sweep.is_some_and(|at| at <= now) {
            self.sweep_orphans();
        }
    }

    /// Takes the ends of children.
    pub(super) fn reap(&mut self) {
        let mut touched = Vec::new();
        let mut orphans = false;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            match self.children.remove(&pid) {
                Some(id) => {
                    self.child_ended(id, status_of(status));
                    touched.push(id);
                }
                None => orphans = true,
            }
        }
        // Once for all of them: a look takes the longer the more there are, and there can be thousands.
        if orphans && self.trees.has_watches() {
            self.sweep_orphans();
        }
        for id in touched {
            self.settle(id);
        }
        // The last process of a tree that is being ended is an orphan, if it is not a child.
        for id in self.ending() {
            self.settle(id);
        }
    }

    /// Hears watchers whose command has ended.
    pub(super) fn answer_bell(&mut self) {
        let _ = rustix::io::read(&self.bell, &mut [0_u8; 8]);
        let silent: Vec<ExecId> = self.execs.iter().filter(|(_, exec)| exec.end.is_none()).map(|(&id, _)| id).collect();
        for id in silent {
            self.read_slot(id);
            self.settle(id);
        }
    }

    fn ending(&self) -> Vec<ExecId> {
        let ending = |exec: &Exec| !matches!(exec.phase, Phase::Running) && !exec.reported;
        self.execs.iter().filter(|(_, exec)| ending(exec)).map(|(&id, _)| id).collect()
    }

    fn child_ended(&mut self, id: ExecId, status: Status) {
        self.read_slot(id);
        let Some(exec) = self.execs.get_mut(&id) else { return };
        exec.child = None;
        if exec.end.is_none() {
            exec.end = Some(match exec.tree {
                Tree::Group(_) => End::Ended(status, exec.started.elapsed()),
                Tree::Watched(_) => End::Failed(Failure::Lost),
            });
        }
        if matches!(exec.tree, Tree::Watched(_)) && status != Status::Exited(0) {
            self.sweep_orphans();
        }
    }

    /// Takes over what the processes of an exec have noted.
    fn read_slot(&mut self, id: ExecId) {
        let Some(exec) = self.execs.get_mut(&id).filter(|exec| exec.end.is_none()) else { return };
        exec.end = match self.slots.slot(exec.slot).note() {
            Note::Nothing => None,
            Note::Ended(status) => Some(End::Ended(status, exec.started.elapsed())),
            Note::Failed(stage, errno) => Some(End::Failed(stage_failure(stage, errno))),
        };
    }

    /// Reports and forgets what is over.
    fn settle(&mut self, id: ExecId) {
        let Some(exec) = self.execs.get_mut(&id) else { return };
        let whole = match exec.tree {
            Tree::Group(_) => exec.child.is_none() && exec.tree.is_empty(),
            Tree::Watched(_) => exec.child.is_none(),
        };
        let over = match exec.phase {
            Phase::Running => exec.end.is_some(),
            Phase::Ending { .. } | Phase::Killing { .. } => whole,
        };
        if over && !exec.reported {
            self.report(id, false);
        } else if let (Phase::Ending { until, pause: None }, Some(_)) = (exec.phase, exec.end) {
            // What was forked while the others were told has not heard. And the kernel may see a cgroup as empty only
            // some time after the last process was reaped.
            exec.phase = Phase::Ending { until, pause: Some(KILL_FIRST) };
            exec.tree.terminate();
            self.set_deadline(id, until.min(Instant::now() + KILL_FIRST));
        }
        let Some(exec) = self.execs.get(&id) else { return };
        if exec.reported && exec.child.is_none() {
            self.forget(id);
        }
    }

    fn report(&mut self, id: ExecId, survivors: bool) {
        let Some(exec) = self.execs.get_mut(&id) else { return };
        exec.reported = true;
        exec.deadline = None;
        if matches!(exec.phase, Phase::Running) {
            self.slots.slot(exec.slot).release();
        }
        let unseen = End::Ended(Status::Signaled(Signal::KILL.as_raw()), exec.started.elapsed());
        let report = match exec.end.unwrap_or(unseen) {
            End::Failed(failure) => Report::Failed(failure),
            End::Ended(status, duration) => Report::Exit(Exit {
                status,
                timed_out: exec.timed_out,
                cancelled: exec.cancelled,
                survivors,
                duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            }),
        };
        self.reports.push((exec.owner, report));
    }

    fn forget(&mut self, id: ExecId) {
        if let Some(exec) = self.execs.remove(&id) {
            if let Some(child) = exec.child {
                self.children.remove(&child);
            }
            self.slots.give(exec.slot);
            self.trees.retire(exec.tree);
        }
    }

    fn advance(&mut self, id: ExecId, now: Instant) {
        let Some(exec) = self.execs.get_mut(&id) else { return };
        let (since, pause) = match exec.phase {
            Phase::Running => {
                exec.timed_out = true;
                return self.begin_ending(id);
            }
            Phase::Ending { until, pause: Some(pause) } if now < until => {
                let pause = (pause * 2).min(KILL_INTERVAL);
                exec.phase = Phase::Ending { until, pause: Some(pause) };
                self.set_deadline(id, until.min(now + pause));
                return self.settle(id);
            }
            Phase::Ending { .. } => (now, KILL_FIRST),
            Phase::Killing { since, pause } => (since, (pause * 2).min(KILL_INTERVAL)),
        };
        if now.duration_since(since) >= KILL_LIMIT {
            return self.report(id, true);
        }
        exec.phase = Phase::Killing { since, pause };
        exec.tree.kill();
        self.set_deadline(id, now + pause);
        self.settle(id);
    }

    fn begin_ending(&mut self, id: ExecId) {
        let Some(exec) = self.execs.get_mut(&id) else { return };
        let until = Instant::now() + exec.grace;
        exec.phase = Phase::Ending { until, pause: None };
        exec.tree.terminate();
        self.set_deadline(id, until);
        self.settle(id);
    }

    fn set_deadline(&mut self, id: ExecId, at: Instant) {
        if let Some(exec) = self.execs.get_mut(&id).filter(|exec| !exec.reported) {
            exec.deadline = Some(at);
            self.schedule(id, Some(at));
        }
    }

    fn schedule(&mut self, id: ExecId, at: Option<Instant>) {
        if let Some(at) = at {
            self.deadlines.push(Reverse((at, id)));
        }
    }

    /// Kills what killed watchers have left to the guest, and looks again until a look finds nothing.
    fn sweep_orphans(&mut self) {
        let found = tree::kill_orphans(&self.children);
        self.sweep = found.then(|| Instant::now() + KILL_FIRST);
    }
}

impl Stdio {
    fn raw(&self) -> [i32; 3] {
        match self {
            Stdio::Pipes(pipes) => [pipes[0].as_raw_fd(), pipes[1].as_raw_fd(), pipes[2].as_raw_fd()],
            Stdio::Terminal(terminal) => [terminal.as_raw_fd(); 3],
        }
    }
}

fn status_of(status: rustix::process::WaitStatus) -> Status {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => Status::Signaled(signal),
        (code, None) => Status::Exited(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)),
    }
}

fn stage_failure(stage: Stage, errno: i32) -> Failure {
    match stage {
        Stage::User => Failure::User,
        Stage::WorkDir => Failure::WorkDir(errno),
        Stage::Arguments => Failure::ArgumentTooLong,
        Stage::Memory | Stage::Fork => spawn_failure(errno),
        Stage::Setup => Failure::Spawn(errno),
    }
}

fn spawn_failure(errno: i32) -> Failure {
    match Errno::from_raw_os_error(errno) {
        Errno::AGAIN => Failure::ProcessLimit,
        Errno::NOMEM => Failure::OutOfMemory,
        _ => Failure::Spawn(errno),
    }
}
