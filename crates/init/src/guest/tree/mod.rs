//! The processes of an exec as one thing, which can be found and ended whole.

mod cgroup2;
mod freezer;
mod group;
mod procfs;
mod subreaper;

pub(super) use group::Group;
pub(super) use subreaper::Watch;

use super::TreeControl;
use super::child::Plan;
use super::spawn::{CloneKey, Lender};
use group::Groups;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Makes the trees of new execs.
#[derive(Debug)]
pub(super) struct Trees {
    lender: Lender,
    maker: Maker,
}

#[derive(Debug)]
enum Maker {
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
    pub(super) fn new(control: TreeControl, watch: Watch, key: Option<CloneKey>) -> Trees {
        let (lends, maker) = match control {
            TreeControl::CgroupV2 { dir } => (true, Maker::Groups(Groups::new(dir, group::Mechanism::Cgroup2))),
            TreeControl::FreezerV1 { dir } => (true, Maker::Groups(Groups::new(dir, group::Mechanism::Freezer))),
            TreeControl::SubReaper => (watch.is_simple(), Maker::Watches(watch)),
        };
        Trees { lender: Lender::new(lends, key), maker }
    }

    /// Starts the command of `plan`. The process given is the one of the tree that is a child of the guest.
    pub(super) fn start(&mut self, plan: Plan) -> Result<(Tree, Pid), Errno> {
        match &mut self.maker {
            Maker::Groups(groups) => {
                let group = groups.obtain()?;
                match group.start(&mut self.lender, plan) {
                    Ok(pid) => Ok((Tree::Group(group), pid)),
                    Err(errno) => {
                        groups.retire(group);
                        Err(errno)
                    }
                }
            }
            Maker::Watches(watch) => {
                let plan = Plan { watch: Some(*watch), ..plan };
                let pid = self.lender.start(plan, subreaper::watch_over, None)?;
                Ok((Tree::Watched(pid), pid))
            }
        }
    }

    /// Takes back the tree of an exec that is over. Processes may be left in it.
    pub(super) fn retire(&mut self, tree: Tree) {
        if let (Maker::Groups(groups), Tree::Group(group)) = (&mut self.maker, tree) {
            groups.retire(group);
        }
    }

    /// Whether an unknown child is what a killed watcher has left behind.
    pub(super) fn has_watches(&self) -> bool {
        matches!(self.maker, Maker::Watches(_))
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
