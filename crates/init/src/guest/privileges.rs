//! What the guest may do, and what of it commands get.

use super::identity::{self, Identity, ROOT_CAPABILITIES};
use super::{GuestError, Users};
use crate::protocol::{Failure, User};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

const SETPCAP: u64 = 1 << 8;

/// The privileges that commands are started with.
#[derive(Debug)]
pub(super) struct Privileges {
    users: Option<Users>,
    permitted: u64,
    unbound: u64,
    /// The limit of open files that commands get, where the guest has raised its own.
    pub(super) open_files: Option<Rlimit>,
}

impl Privileges {
    /// Settles the guest's own: not to be traced, no new privileges, no core dumps, as many files as allowed.
    pub(super) fn settle(users: Option<Users>) -> Result<Privileges, GuestError> {
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(GuestError::system("become non-dumpable"))?;
        if users.is_some() {
            rustix::thread::set_no_new_privs(true).map_err(GuestError::system("renounce new privileges"))?;
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
                .map_err(GuestError::system("forbid core dumps"))?;
        }
        let permitted = identity::permitted();
        let unbound = match users {
            Some(users) if permitted & SETPCAP != 0 => lower_bounds(users),
            _ => 0,
        };
        Ok(Privileges { users, permitted, unbound, open_files: raise_open_files() })
    }

    /// The identity of a command for `user`, if commands may run as that.
    pub(super) fn identity(&self, user: User) -> Result<Identity, Failure> {
        let Some(users) = self.users else {
            return match user {
                User::Agent => Ok(Identity { ids: None, capabilities: None, unbound: 0 }),
                User::Root | User::Ids { .. } => Err(Failure::User),
            };
        };
        let ids = users.ids(user);
        let ids_to_take = match users {
            Users::Single { uid, gid } if ids == (uid, gid) => None,
            Users::Range { count, .. } if ids.0 < count && ids.1 < count => Some(ids),
            Users::Single { .. } | Users::Range { .. } => return Err(Failure::User),
        };
        let capabilities = if ids.0 == 0 { ROOT_CAPABILITIES & self.permitted } else { 0 };
        Ok(Identity { ids: ids_to_take, capabilities: Some(capabilities), unbound: self.unbound & !capabilities })
    }

    /// The owners that pipes for `user` may have: that user or the agent, whose are free to take anyway.
    pub(super) fn may_own(&self, user: User, owner: u32) -> bool {
        self.users.is_none_or(|users| owner == users.ids(User::Agent).0 || owner == users.ids(user).0)
    }

    /// The ids that a terminal for `user` shall belong to, where the guest can choose.
    pub(super) fn terminal_owner(&self, user: User) -> Option<(u32, u32)> {
        match self.users {
            Some(users @ Users::Range { .. }) => Some(users.ids(user)),
            Some(Users::Single { .. }) | None => None,
        }
    }
}

impl Users {
    fn ids(self, user: User) -> (u32, u32) {
        let (Users::Single { uid, gid } | Users::Range { uid, gid, .. }) = self;
        match user {
            User::Agent => (uid, gid),
            User::Root => (0, 0),
            User::Ids { uid, gid } => (uid, gid),
        }
    }
}

/// Takes out of the guest's bounding set, for good, what no command may have: for each command the kernel would take as
/// long as for its fork. Gives what is left to take out.
fn lower_bounds(users: Users) -> u64 {
    let keep = match users {
        Users::Single { .. } => 0,
        Users::Range { .. } => ROOT_CAPABILITIES,
    };
    let excess = Identity { ids: None, capabilities: None, unbound: identity::bounding() & !keep };
    // Without ids and capabilities to change there is nothing that can fail.
    let _ = excess.put_on();
    identity::bounding()
}

/// The guest needs some descriptors for each exec. Commands get the limit as it was: programs that use select(2) break
/// above 1,024.
fn raise_open_files() -> Option<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    (before.current != before.maximum && setrlimit(Resource::Nofile, raised).is_ok()).then_some(before)
}
