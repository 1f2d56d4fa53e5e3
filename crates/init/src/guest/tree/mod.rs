//! The processes of an exec as one thing, which can be found and ended whole.

mod cgroup2;
mod freezer;
mod group;
mod procfs;
mod subreaper;

pub(super) use group::Group;
pub(super) use subreaper::Watch;

use super::TreeControl;
use super::child::{self, Plan};
use super::spawn;
use group::Groups;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Makes the trees of new execs.
#[derive(Debug)]
pub(super) enum Trees {
    /// A cgroup for each.
    Groups(Groups),
    /// A watching process over each.
    Watches(Watch),
}

/// The tree of one exec.
#[derive(Debug)]
pub(super) enum Tree {
    /// All that is in this cgroup. The main process is a child of the guest.
    Group(Group),
    /// All that descends from this process. The main process is its child.
    Watched(Pid),
}

impl Trees {
    pub(super) fn new(control: TreeControl, watch: Watch) -> Trees {
        match control {
            TreeControl::CgroupV2 { dir } => Trees::Groups(Groups::new(dir, group::Mechanism::Cgroup2)),
            TreeControl::FreezerV1 { dir } => Trees::Groups(Groups::new(dir, group::Mechanism::Freezer)),
            TreeControl::SubReaper => Trees::Watches(watch),
        }
    }

    /// Starts the command of `plan`. The process given is the one of the tree that is a child of the guest.
    pub(super) fn start(&mut self, plan: &mut Plan<'_>) -> Result<(Tree, Pid), Errno> {
        match self {
            Trees::Groups(groups) => {
                let group = groups.obtain()?;
                match group.fork(plan) {
                    Ok(Some(pid)) => Ok((Tree::Group(group), pid)),
                    Ok(None) => child::become_command(plan),
                    Err(errno) => {
                        groups.retire(group);
                        Err(errno)
                    }
                }
            }
            Trees::Watches(watch) => match spawn::fork()? {
                Some(pid) => Ok((Tree::Watched(pid), pid)),
                None => watch.over(plan),
            },
        }
    }

    /// Takes back the tree of an exec that is over. Processes may be left in it.
    pub(super) fn retire(&mut self, tree: Tree) {
        if let (Trees::Groups(groups), Tree::Group(group)) = (self, tree) {
            groups.retire(group);
        }
    }

    /// Whether an unknown child is what a killed watcher has left behind.
    pub(super) fn has_watches(&self) -> bool {
        matches!(self, Trees::Watches(_))
    }
}

impl Tree {
    /// Whether nothing is left of it. For a watched tree that is known by the end of its watcher alone.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Tree::Group(group) => !group.is_populated(),
            Tree::Watched(_) => false,
        }
    }

    /// Asks every process to end.
    pub(super) fn terminate(&self) {
        match self {
            Tree::Group(group) => group.signal(Signal::TERM),
            Tree::Watched(watcher) => subreaper::terminate(*watcher),
        }
    }

    /// Kills every process. To be repeated until the tree is empty: some may be on their way out, or in the kernel.
    pub(super) fn kill(&self) {
        match self {
            Tree::Group(group) => group.kill(),
            Tree::Watched(watcher) => subreaper::kill(*watcher),
        }
    }
}

/// Kills the processes that fell to the guest because their watcher was killed; whether there were any.
pub(super) fn kill_orphans<V, S: BuildHasher>(known: &HashMap<Pid, V, S>) -> bool {
    subreaper::kill_orphans(&|pid| known.contains_key(&pid))
}
