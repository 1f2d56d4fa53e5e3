//! The single checks, in the order in which they are shown.

use std::path::Path;

use super::machine::{Machine, Mount};
use super::restriction::Restriction;
use super::{Check, CheckStatus, Ids, Tried};
use crate::agent::{AgentProfile, Tools};
use crate::capabilities::TreeKill;
use crate::config::Config;
use crate::error::Result;

/// The names of the checks that a [`Restriction`] belongs to, what is said without one, and what is said when a
/// suspicion proved wrong.
const RESTRICTED: [(&str, &str); 5] = [
    ("kernel", "new enough"),
    ("user namespaces", "on; sandboxes can be made with it"),
    ("AppArmor's restriction of user namespaces", "on, but not for the helper executable"),
    ("container", "restricted, but sandboxes work"),
    ("overlay", "loaded when it was needed"),
];

/// What came with which kernel, after the oldest that works at all.
const LATER: [((u32, u32), &str); 4] = [
    ((5, 14), "process limits where there is no cgroup"),
    ((5, 19), "Landlock as it is used here"),
    ((6, 7), "Landlock's network rules, which the reduced backend needs to enforce a policy"),
    ((6, 12), "Landlock's scopes for signals and abstract sockets"),
];

/// File systems that cannot hold the state directory, and why.
const UNFIT: [(&str, &str); 9] = [
    ("overlay", "a layer cannot lie on another overlay, such as the root of a container"),
    ("nfs", "its locks and extended attributes do not hold"),
    ("nfs4", "its locks and extended attributes do not hold"),
    ("cifs", "it has no Unix owners and permissions"),
    ("9p", "it cannot hold the upper layer of an overlay"),
    ("vfat", "it has no owners, links or extended attributes"),
    ("exfat", "it has no owners, links or extended attributes"),
    ("ecryptfs", "it cannot hold the upper layer of an overlay"),
    ("fuse.sshfs", "it cannot hold the upper layer of an overlay"),
];

/// What can be read off the machine's files. Whether a sandbox really starts is tried by the caller.
pub(crate) fn kernel(machine: &Machine) -> Vec<Check> {
    let found = Restriction::found(machine);
    let mut checks: Vec<Check> = RESTRICTED
        .iter()
        .map(|&(name, settled)| {
            let mut of_name = found.iter().filter(|restriction| restriction.check() == name).peekable();
            let Some(first) = of_name.peek() else {
                return Check::new(name, CheckStatus::Ok, unrestricted(name, machine));
            };
            let remedy = first.remedy(machine);
            let (mut whats, mut certain) = (Vec::new(), false);
            for restriction in of_name {
                whats.push(restriction.what(machine));
                certain |= restriction.is_certain();
            }
            let status = if certain { CheckStatus::Fail } else { CheckStatus::Warn };
            let check = Check::new(name, status, whats.join("; ")).with_remedy(remedy);
            check.unless(settled)
        })
        .collect();
    checks.push(cgroups(machine));
    checks
}

fn unrestricted(name: &str, machine: &Machine) -> String {
    match name {
        "kernel" => {
            let release = machine.release().unwrap_or_default();
            let missing: Vec<&str> = LATER
                .iter()
                .filter(|(since, _)| machine.version().is_some_and(|version| version < *since))
                .map(|(_, what)| *what)
                .collect();
            if missing.is_empty() { release } else { format!("{release}; a newer one has {}", missing.join(", ")) }
        }
        "user namespaces" => match machine.read("proc/sys/user/max_user_namespaces") {
            Some(limit) => format!("up to {limit}"),
            None => "not limited".to_owned(),
        },
        "AppArmor's restriction of user namespaces" => "off".to_owned(),
        "container" => match machine.container() {
            Some(_) => "loopbox runs in one that does not restrict it".to_owned(),
            None => "none".to_owned(),
        },
        _ => "available".to_owned(),
    }
}

fn cgroups(machine: &Machine) -> Check {
    let name = "cgroups";
    let mounts = machine.mounts();
    let has = |kind: &str| mounts.iter().any(|mount| mount.kind == kind);
    let writable = |kind: &str| mounts.iter().any(|mount| mount.kind == kind && mount.has("rw"));
    let delegate = "start loopbox in a scope of its own: `systemd-run --user --scope -p Delegate=yes loopbox …` (or as \
                    root); without one nothing else is lost";
    match (has("cgroup2"), has("cgroup"), machine.privileged) {
        (true, _, true) if writable("cgroup2") => Check::new(name, CheckStatus::Ok, "version 2; every exec gets one"),
        (_, true, true) if writable("cgroup") => {
            Check::new(name, CheckStatus::Ok, "version 1; every exec gets a freezer")
        }
        (false, false, _) => Check::new(
            name,
            CheckStatus::Warn,
            "not mounted: trees are ended by a sub-reaper, memory cannot be limited",
        )
        .with_remedy("`sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup`; without one nothing else is lost"),
        (_, _, true) => {
            Check::new(name, CheckStatus::Warn, "read-only: trees are ended by a sub-reaper, memory cannot be limited")
                .with_remedy(
                    "`docker run --cgroupns=private` with a writable /sys/fs/cgroup; without one nothing else is lost",
                )
        }
        (true, _, false) => delegated(machine).unwrap_or_else(|| {
            let detail = "not delegated to this user: trees are ended by a sub-reaper, memory cannot be limited";
            Check::new(name, CheckStatus::Warn, detail).with_remedy(delegate)
        }),
        (false, true, false) => {
            let detail = "version 1, which belongs to root: trees are ended by a sub-reaper, memory cannot be limited";
            Check::new(name, CheckStatus::Warn, detail).with_remedy(
                "boot with `systemd.unified_cgroup_hierarchy=1`, or run loopbox as root; nothing else is lost",
            )
        }
    }
}

/// Whether the cgroup that this process is in is its user's to divide.
fn delegated(machine: &Machine) -> Option<Check> {
    let own = machine.read("proc/self/cgroup")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let mount = machine.mounts().into_iter().find(|mount| mount.kind == "cgroup2")?;
    let dir = mount.point.join(path);
    let procs = dir.join("cgroup.procs");
    let relative = procs.strip_prefix("/").ok()?;
    machine
        .may_write(relative)
        .then(|| Check::new("cgroups", CheckStatus::Ok, format!("version 2; {} is delegated", dir.display())))
}

/// The state directory: whether it can be used, and whether where it lies takes something from sandboxes.
pub(crate) fn state_directory(machine: &Machine, path: &Path, prepared: &Result<()>) -> Check {
    let name = "state directory";
    let elsewhere = "set LOOPBOX_STATE_DIR to a directory on a local ext4, xfs or btrfs (in a container: on a volume)";
    if let Err(error) = prepared {
        return Check::new(name, CheckStatus::Fail, error.describe())
            .with_remedy("set LOOPBOX_STATE_DIR to a directory that you can write");
    }
    let mount = machine.mount_of(path).unwrap_or_else(Mount::unknown);
    let (path, point) = (path.display(), mount.point.display());
    if let Some((kind, why)) = UNFIT.iter().find(|(kind, _)| *kind == mount.kind) {
        return Check::new(name, CheckStatus::Fail, format!("{path} lies on {kind}: {why}")).with_remedy(elsewhere);
    }
    if mount.has("noexec") {
        let detail = format!("{path} lies on {point}, which is noexec: what is installed in a private home cannot run");
        return Check::new(name, CheckStatus::Warn, detail).with_remedy(format!(
            "`sudo mount -o remount,exec {point}`, or set LOOPBOX_STATE_DIR to a directory elsewhere"
        ));
    }
    Check::new(name, CheckStatus::Ok, path.to_string())
}

/// What the sandbox that was tried really has.
pub(crate) fn enforcement(machine: &Machine, tried: &Tried) -> Vec<Check> {
    let Tried { ids, capabilities, enforced } = tried;
    let ok = |name: &str, detail: String| Check::new(name, CheckStatus::Ok, detail);
    let mut checks = Vec::new();
    checks.push(if enforced.seccomp {
        ok("seccomp", "system calls are filtered".to_owned())
    } else {
        Check::new("seccomp", CheckStatus::Warn, "system calls are not filtered: this kernel has no filters")
            .with_remedy("boot a kernel with CONFIG_SECCOMP_FILTER=y")
    });
    checks.push(match (enforced.landlock_abi, enforced.landlock_scopes) {
        (0, _) => Check::new("Landlock", CheckStatus::Warn, "absent: the second wall around files is missing")
            .with_remedy(landlock_remedy(machine)),
        (abi, true) => ok("Landlock", format!("ABI {abi}, with scopes for signals and abstract sockets")),
        (abi, false) => {
            ok("Landlock", format!("ABI {abi}; signals and abstract sockets are kept in by namespaces alone"))
        }
    });
    checks.push(ok(
        "ids",
        match ids {
            Ids::Range => "a range of every sandbox's own; `-u root` and apt-get work inside".to_owned(),
            Ids::Single => "the caller's only: no root inside (`-u root` needs a loopbox that root started)".to_owned(),
        },
    ));
    let tree = match capabilities.tree_kill {
        TreeKill::CgroupV2 => "by cgroups of version 2",
        TreeKill::FreezerV1 => "by the freezer of cgroups version 1",
        TreeKill::SubReaper => "by a sub-reaper",
    };
    let can = capabilities.limits;
    let cpus = match (can.cpu_fractions, can.cpus) {
        (true, _) => Some("CPUs"),
        (false, true) => Some("whole CPUs"),
        (false, false) => None,
    };
    let limits = [can.memory.then_some("memory"), cpus, can.pids.then_some("processes"), can.disk.then_some("disk")];
    let (possible, missing) = (limits.into_iter().flatten().collect::<Vec<_>>().join(", "), !can.memory);
    let processes = if enforced.processes { "4,096 processes" } else { "none" };
    let detail = format!("possible: {possible}; without a request: {processes}; trees are ended {tree}");
    checks.push(if missing {
        Check::new("limits", CheckStatus::Warn, format!("{detail}; no memory limit without a cgroup"))
            .with_remedy("see cgroups; without a limit on memory nothing else is lost")
    } else {
        ok("limits", detail)
    });
    checks
}

fn landlock_remedy(machine: &Machine) -> String {
    let version = machine.version();
    if version.is_some_and(|version| version < (5, 13)) {
        return "boot a kernel of version 5.19 or newer with CONFIG_SECURITY_LANDLOCK=y".to_owned();
    }
    match machine.read("sys/kernel/security/lsm").filter(|list| !list.split(',').any(|name| name == "landlock")) {
        Some(list) => format!(
            "add `lsm=landlock,{list}` to the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub, then \
             `sudo update-grub`) and boot"
        ),
        None => {
            "boot a kernel of version 5.19 or newer with CONFIG_SECURITY_LANDLOCK=y and `landlock` in its lsm= list"
                .to_owned()
        }
    }
}

/// Whether an agent is there.
pub(crate) fn agent(profile: &AgentProfile, config: &Config) -> Check {
    match Tools::find(profile, &config.host_path, config.host_home.as_deref()) {
        Ok((_, path)) => {
            Check::new(profile.name, CheckStatus::Ok, path.map(|path| path.display().to_string()).unwrap_or_default())
        }
        Err(error) => Check::new(profile.name, CheckStatus::Warn, error.describe())
            .with_remedy(error.hint().unwrap_or(profile.install)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use loopbox_init::sandbox::Enforced;
    use tempfile::TempDir;

    use super::*;
    use crate::backend::{Backend, Host};
    use crate::error::{Error, ErrorCode};

    fn machine(files: &[(&str, &str)]) -> (TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::below(root.path());
        (root, machine)
    }

    fn named<'a>(checks: &'a [Check], name: &str) -> &'a Check {
        checks.iter().find(|check| check.name == name).unwrap()
    }

    #[test]
    fn a_restriction_fails_its_check_or_makes_it_a_suspicion() {
        let (_root, machine) = machine(&[
            ("proc/sys/user/max_user_namespaces", "0"),
            ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
        ]);
        let mut checks = kernel(&machine);
        let limit = named(&checks, "user namespaces");
        assert_eq!((limit.status, limit.detail.as_str()), (CheckStatus::Fail, "user.max_user_namespaces is 0"));
        assert!(limit.remedy.as_ref().unwrap().contains("sysctl"));
        let apparmor = named(&checks, "AppArmor's restriction of user namespaces");
        assert_eq!(apparmor.status, CheckStatus::Warn);
        checks.iter_mut().for_each(Check::settle);
        let apparmor = named(&checks, "AppArmor's restriction of user namespaces");
        assert_eq!((apparmor.status, &apparmor.remedy), (CheckStatus::Ok, &None));
    }

    #[test]
    fn every_check_that_is_not_right_has_a_remedy() {
        let machines: [&[(&str, &str)]; 5] = [
            &[],
            &[("proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw")],
            &[("proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids")],
            &[("proc/sys/kernel/osrelease", "3.10.0"), ("proc/self/status", "Seccomp:\t2"), (".dockerenv", "")],
            &[("proc/filesystems", "ext4"), ("proc/sys/kernel/unprivileged_userns_clone", "0")],
        ];
        for files in machines {
            for privileged in [false, true] {
                let (_root, mut machine) = machine(files);
                machine.privileged = privileged;
                for check in kernel(&machine) {
                    assert_eq!(check.remedy.is_none(), check.status == CheckStatus::Ok, "{check:?}");
                }
            }
        }
    }

    #[test]
    fn a_cgroup_is_delegated_if_its_user_may_write_it() {
        let mounts = "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup rw";
        let own = "0::/user.slice/run-1.scope\n";
        let procs = "sys/fs/cgroup/user.slice/run-1.scope/cgroup.procs";
        let base = [("proc/self/mountinfo", mounts), ("proc/self/cgroup", own)];
        let (_root, without) = machine(&base);
        let check = cgroups(&without);
        assert_eq!(check.status, CheckStatus::Warn);
        assert!(check.remedy.unwrap().contains("systemd-run --user --scope -p Delegate=yes"));
        let (_root, with) = machine(&[base[0], base[1], (procs, "")]);
        assert_eq!(cgroups(&with).status, CheckStatus::Ok);
    }

    #[test]
    fn the_state_directory_is_judged_by_the_mount_it_lies_on() {
        let mounts = "\
            1 0 8:1 / / rw,relatime - ext4 /dev/sda rw\n\
            2 1 8:2 / /home rw,nosuid,nodev,noexec - ext4 /dev/sdb rw\n\
            3 1 8:3 / /srv rw,nosuid,nodev - ext4 /dev/sdc rw\n\
            4 1 0:9 / /net rw - nfs4 server:/ rw\n\
            5 1 0:8 / /lower rw - overlay overlay rw\n";
        let (_root, machine) = machine(&[("proc/self/mountinfo", mounts)]);
        let of = |path: &str| state_directory(&machine, Path::new(path), &Ok(()));
        assert_eq!(of("/var/s").status, CheckStatus::Ok);
        assert_eq!(of("/srv/s").status, CheckStatus::Ok, "nosuid and nodev take nothing: sandboxes have both anyway");
        let noexec = of("/home/u/s");
        assert_eq!(noexec.status, CheckStatus::Warn);
        assert!(noexec.remedy.unwrap().contains("remount,exec /home"));
        for path in ["/net/s", "/lower/s"] {
            assert_eq!(of(path).status, CheckStatus::Fail, "{path}");
        }
        let refused = Err(Error::new(ErrorCode::Io, "making directory /x"));
        assert_eq!(state_directory(&machine, Path::new("/x"), &refused).status, CheckStatus::Fail);
    }

    #[test]
    fn what_the_kernel_does_not_enforce_is_told_with_a_remedy() {
        let capabilities = Host::new(Config::new("/s")).capabilities();
        let tried = |enforced| Tried { ids: Ids::Single, capabilities: capabilities.clone(), enforced };
        let (_root, machine) = machine(&[
            ("proc/sys/kernel/osrelease", "6.1.0"),
            ("sys/kernel/security/lsm", "capability,yama,apparmor\n"),
        ]);
        let checks = enforcement(&machine, &tried(Enforced::default()));
        assert_eq!(named(&checks, "seccomp").status, CheckStatus::Warn);
        let landlock = named(&checks, "Landlock");
        assert_eq!(landlock.status, CheckStatus::Warn);
        assert!(landlock.remedy.as_ref().unwrap().contains("lsm=landlock,capability,yama,apparmor"));
        let enforced = Enforced { seccomp: true, landlock_abi: 7, landlock_scopes: true, ..Enforced::default() };
        let checks = enforcement(&machine, &tried(enforced));
        for name in ["seccomp", "Landlock", "ids"] {
            assert_eq!(named(&checks, name).status, CheckStatus::Ok, "{checks:#?}");
        }
        let limits = named(&checks, "limits");
        assert!(
            limits.status == CheckStatus::Warn && limits.remedy.is_some(),
            "the bare host limits nothing: {limits:?}"
        );
    }
}
