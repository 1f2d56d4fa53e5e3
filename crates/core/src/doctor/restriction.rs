//! What keeps a machine from making sandboxes, each with its exact remedy.

use std::path::Path;

use loopbox_init::sandbox::LaunchError;
use rustix::io::Errno;

use super::machine::{Container, Machine};

/// The oldest kernel with everything that a sandbox is made of: `mount_setattr` is of 5.12, overlays of ordinary users
/// of 5.11.
pub(super) const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// From `linux/capability.h`.
const CAP_SYS_ADMIN: u32 = 21;

/// The first host id that a sandbox of root's may get.
const FIRST_OWN_ID: u32 = 524_288;

/// Where a profile for the helper goes.
const PROFILE: &str = "/etc/apparmor.d/loopbox";

/// Something that is in the way of sandboxes. What is certain comes before what only may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restriction {
    /// A kernel in user space, without what a sandbox is made of.
    Gvisor,
    /// The first Windows Subsystem for Linux, which is no Linux kernel.
    Wsl1,
    /// A kernel older than [`OLDEST_KERNEL`].
    OldKernel,
    /// A kernel built without user namespaces.
    NoUserNamespaces,
    /// A kernel built without filters of system calls.
    NoFilters,
    /// `user.max_user_namespaces` is 0.
    UserNamespaceLimit,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian's and Arch's switch).
    UnprivilegedClone,
    /// Root of a container that has not got root's rights.
    WeakRoot,
    /// Root of a user namespace in which the ids of sandboxes do not exist.
    FewIds,
    /// Root whose root file system is an overlay, which cannot be shown under the ids of a sandbox.
    RootOnOverlay,
    /// `/proc` is partly covered, so that no fresh one can be mounted.
    MaskedProc,
    /// A seccomp filter of whoever started this process forbids it.
    Seccomp,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1, as on Ubuntu 24.04.
    AppArmor,
    /// The AppArmor profile that this process runs under forbids mounts.
    ContainerProfile,
    /// This kernel has no overlay file system.
    NoOverlay,
}

impl Restriction {
    const ALL: [Self; 15] = [
        Self::Gvisor,
        Self::Wsl1,
        Self::OldKernel,
        Self::NoUserNamespaces,
        Self::NoFilters,
        Self::UserNamespaceLimit,
        Self::UnprivilegedClone,
        Self::WeakRoot,
        Self::FewIds,
        Self::RootOnOverlay,
        Self::MaskedProc,
        Self::Seccomp,
        Self::AppArmor,
        Self::ContainerProfile,
        Self::NoOverlay,
    ];

    /// Those that this machine's files tell of.
    pub(crate) fn found(machine: &Machine) -> Vec<Self> {
        Self::ALL.into_iter().filter(|restriction| restriction.is_on(machine)).collect()
    }

    /// The first that makes every sandbox impossible, whatever else holds.
    pub(crate) fn certain(machine: &Machine) -> Option<Self> {
        Self::ALL.into_iter().find(|restriction| restriction.is_certain() && restriction.is_on(machine))
    }

    /// The one that explains why a step of making a sandbox failed, if the machine has any that could.
    pub(crate) fn behind(error: &LaunchError, machine: &Machine) -> Option<Self> {
        let errno = Errno::from_raw_os_error(error.errno);
        let step = error.step.as_str();
        let candidates: &[Self] = match errno {
            Errno::NOSYS | Errno::INVAL if step == "filtering system calls" => &[Self::Gvisor, Self::NoFilters],
            Errno::NOSYS => &[Self::Gvisor, Self::Wsl1, Self::OldKernel, Self::Seccomp],
            Errno::NOSPC if step == "making user namespaces" => &[Self::UserNamespaceLimit],
            Errno::NODEV if step.contains("overlay") => &[Self::Gvisor, Self::NoOverlay],
            Errno::INVAL if step == "making user namespaces" => {
                &[Self::FewIds, Self::Gvisor, Self::Wsl1, Self::NoUserNamespaces]
            }
            Errno::INVAL if step.starts_with("restricting the mount of") => &[Self::RootOnOverlay],
            Errno::PERM | Errno::ACCESS if step == "making /proc" => {
                &[Self::MaskedProc, Self::AppArmor, Self::ContainerProfile, Self::Seccomp]
            }
            Errno::PERM | Errno::ACCESS => &[
                Self::UnprivilegedClone,
                Self::WeakRoot,
                Self::FewIds,
                Self::AppArmor,
                Self::ContainerProfile,
                Self::Seccomp,
            ],
            _ => &[],
        };
        candidates.iter().copied().find(|restriction| restriction.is_on(machine))
    }

    /// The check of the doctor's that tells of it.
    pub(super) fn check(self) -> &'static str {
        match self {
            Self::Gvisor | Self::Wsl1 | Self::OldKernel | Self::NoFilters => "kernel",
            Self::NoUserNamespaces | Self::UserNamespaceLimit | Self::UnprivilegedClone => "user namespaces",
            Self::AppArmor => "AppArmor's restriction of user namespaces",
            Self::WeakRoot
            | Self::FewIds
            | Self::RootOnOverlay
            | Self::MaskedProc
            | Self::Seccomp
            | Self::ContainerProfile => "container",
            Self::NoOverlay => "overlay",
        }
    }

    /// Whether sandboxes cannot work with it; others leave that to the trial.
    pub(super) fn is_certain(self) -> bool {
        match self {
            Self::Gvisor
            | Self::Wsl1
            | Self::OldKernel
            | Self::NoUserNamespaces
            | Self::NoFilters
            | Self::UserNamespaceLimit
            | Self::UnprivilegedClone
            | Self::WeakRoot
            | Self::FewIds
            | Self::RootOnOverlay
            | Self::MaskedProc => true,
            Self::Seccomp | Self::AppArmor | Self::ContainerProfile | Self::NoOverlay => false,
        }
    }

    fn is_on(self, machine: &Machine) -> bool {
        let is = |path: &str, value: &str| machine.read(path).as_deref() == Some(value);
        match self {
            Self::Gvisor => {
                machine.has("proc/gvisor/kernel_is_gvisor")
                    // The build that it says to be, always the same.
                    || machine.read("proc/version").is_some_and(|version| {
                        version.contains("gvisor") || version.contains("Sun Jan 10 15:06:54 PST 2016")
                    })
            }
            // The second, which is a Linux kernel, spells it in small letters.
            Self::Wsl1 => machine.release().is_some_and(|release| release.ends_with("-Microsoft")),
            Self::OldKernel => {
                !Self::Gvisor.is_on(machine)
                    && !Self::Wsl1.is_on(machine)
                    && machine.version().is_some_and(|version| version < OLDEST_KERNEL)
            }
            Self::NoUserNamespaces => machine.has("proc/self") && !machine.has("proc/self/ns/user"),
            Self::NoFilters => machine.status("NoNewPrivs").is_some() && machine.status("Seccomp").is_none(),
            Self::UserNamespaceLimit => is("proc/sys/user/max_user_namespaces", "0"),
            Self::UnprivilegedClone => is("proc/sys/kernel/unprivileged_userns_clone", "0"),
            Self::AppArmor => is("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            Self::WeakRoot => machine.privileged && !machine.is_capable(CAP_SYS_ADMIN),
            Self::FewIds => machine.privileged && !machine.has_id(FIRST_OWN_ID),
            Self::RootOnOverlay => {
                machine.privileged && machine.mount_of(Path::new("/")).is_some_and(|mount| mount.kind == "overlay")
            }
            Self::MaskedProc => !machine.shows_whole_proc(),
            Self::Seccomp => machine.is_filtered(),
            Self::ContainerProfile => machine.apparmor_profile().is_some(),
            Self::NoOverlay => machine
                .read("proc/filesystems")
                .is_some_and(|kinds| !kinds.lines().any(|line| line.split_whitespace().next_back() == Some("overlay"))),
        }
    }

    /// What it is, in one clause.
    pub(crate) fn what(self, machine: &Machine) -> String {
        match self {
            Self::Gvisor => "this machine is gVisor, which lacks mounts and namespaces that are needed".into(),
            Self::Wsl1 => "this is WSL 1, which has no namespaces".into(),
            Self::OldKernel => {
                let (major, minor) = OLDEST_KERNEL;
                format!("Linux {} is older than {major}.{minor}", machine.release().unwrap_or_default())
            }
            Self::NoUserNamespaces => "this kernel has no user namespaces".into(),
            Self::NoFilters => "this kernel cannot filter system calls".into(),
            Self::UserNamespaceLimit => "user.max_user_namespaces is 0".into(),
            Self::UnprivilegedClone => "kernel.unprivileged_userns_clone is 0".into(),
            Self::AppArmor => {
                "AppArmor restricts user namespaces, as on Ubuntu 24.04 (kernel.apparmor_restrict_unprivileged_userns is 1)"
                    .into()
            }
            Self::WeakRoot => "loopbox was started by a root that may not mount (no CAP_SYS_ADMIN)".into(),
            Self::FewIds => {
                format!("loopbox was started by the root of a user namespace that has no id {FIRST_OWN_ID} and above")
            }
            Self::RootOnOverlay => {
                "loopbox was started by root on a root file system of type overlay, which cannot be idmapped".into()
            }
            Self::MaskedProc => "parts of /proc are covered, as in a container, so that none may be mounted anew".into(),
            Self::Seccomp => {
                "a seccomp filter is on this process, as in a container, which may forbid namespaces and mounts".into()
            }
            Self::ContainerProfile => {
                let profile = machine.apparmor_profile().unwrap_or_default();
                format!("the AppArmor profile '{profile}' is on this process, which may forbid mounts")
            }
            Self::NoOverlay => "the overlay file system is not loaded".into(),
        }
    }

    /// What to do about it: commands or flags to be used as they are.
    pub(crate) fn remedy(self, machine: &Machine) -> String {
        match self {
            Self::Gvisor => {
                "run loopbox outside of gVisor (in Kubernetes: a pod without `runtimeClassName: gvisor`)".into()
            }
            Self::Wsl1 => "in PowerShell: `wsl --set-version DISTRIBUTION 2`".into(),
            Self::OldKernel => {
                let (major, minor) = OLDEST_KERNEL;
                format!("boot a kernel of version {major}.{minor} or newer; 6.12 has everything")
            }
            Self::NoUserNamespaces => "boot a kernel with CONFIG_USER_NS=y".into(),
            Self::NoFilters => "boot a kernel with CONFIG_SECCOMP_FILTER=y".into(),
            Self::UserNamespaceLimit => keep("user.max_user_namespaces=15000"),
            Self::UnprivilegedClone => keep("kernel.unprivileged_userns_clone=1"),
            Self::AppArmor => apparmor_remedy(machine.helper.as_deref()),
            Self::NoOverlay => {
                "`sudo modprobe overlay`; for good: `echo overlay | sudo tee /etc/modules-load.d/overlay.conf`".into()
            }
            Self::WeakRoot
            | Self::FewIds
            | Self::RootOnOverlay
            | Self::MaskedProc
            | Self::Seccomp
            | Self::ContainerProfile => container_remedy(machine),
        }
    }
}

/// A setting, now and after the next boot.
fn keep(setting: &str) -> String {
    format!("`echo {setting} | sudo tee -a /etc/sysctl.d/60-loopbox.conf && sudo sysctl --system`")
}

/// A profile that changes nothing but that this very executable may use user namespaces.
fn apparmor_remedy(helper: Option<&Path>) -> String {
    let coarser = "coarser, for every program: `echo kernel.apparmor_restrict_unprivileged_userns=0 | sudo tee -a \
                   /etc/sysctl.d/60-loopbox.conf && sudo sysctl --system`";
    let Some(helper) = helper else { return coarser.to_owned() };
    let helper = std::fs::canonicalize(helper).unwrap_or_else(|_| helper.to_owned());
    let lines = [
        "abi <abi/4.0>,".to_owned(),
        "include <tunables/global>".to_owned(),
        format!("profile loopbox {} flags=(unconfined) {{ userns, }}", quoted(&helper.to_string_lossy())),
    ];
    let lines: Vec<String> = lines.iter().map(|line| format!("'{}'", line.replace('\'', "'\\''"))).collect();
    format!("`printf '%s\\n' {} | sudo tee {PROFILE} && sudo apparmor_parser -r {PROFILE}`; {coarser}", lines.join(" "))
}

/// A path as AppArmor reads it: its patterns are to mean themselves.
fn quoted(path: &str) -> String {
    let mut text = String::from("\"");
    for c in path.chars() {
        if matches!(c, '"' | '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '^' | '@') {
            text.push('\\');
        }
        text.push(c);
    }
    text + "\""
}

/// The options with which the container around would have to be started, and only those that it needs. Its root needs
/// more of them than an ordinary user does, so an ordinary user is what is advised.
fn container_remedy(machine: &Machine) -> String {
    let on = |restriction: Restriction| restriction.is_on(machine);
    let as_user = [Restriction::WeakRoot, Restriction::FewIds, Restriction::RootOnOverlay].into_iter().any(on);
    let container = machine.container();
    if container == Some(Container::Kubernetes) {
        // The cluster takes procMount only together with a user namespace of the pod's own.
        let mut fields = vec!["seccompProfile: {type: Unconfined}", "procMount: Unmasked"];
        if on(Restriction::ContainerProfile) {
            fields.push("appArmorProfile: {type: Unconfined}");
        }
        if as_user {
            fields.push("runAsUser: 1000");
        }
        return format!(
            "`hostUsers: false` for the pod, and for its container a `securityContext` with `{}`",
            fields.join(", ")
        );
    }
    let podman = container == Some(Container::Podman);
    let mut options = Vec::new();
    if on(Restriction::Seccomp) {
        options.push("--security-opt seccomp=unconfined");
    }
    if on(Restriction::MaskedProc) {
        options.push(if podman { "--security-opt unmask=ALL" } else { "--security-opt systempaths=unconfined" });
    }
    if on(Restriction::ContainerProfile) {
        options.push("--security-opt apparmor=unconfined");
    }
    if machine.is_labelled() {
        options.push("--security-opt label=disable");
    }
    if as_user {
        options.push("--user 1000");
    }
    let options = options.join(" ");
    let root = if as_user {
        " (to stay root takes `--cap-add SYS_ADMIN`, and a root file system that is no overlay)"
    } else {
        ""
    };
    match container {
        Some(Container::Docker) => format!("start the container with `docker run {options}`{root}"),
        Some(Container::Podman) => format!("start the container with `podman run {options}`{root}"),
        _ => format!(
            "if this is a container, start it with what Docker calls `{options}`{root}; else start loopbox as an \
             ordinary user, from a place that is not restricted"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A machine that consists of these files.
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

    const DOCKER_MOUNTS: &str = "\
        93 69 0:39 / / rw,relatime master:2 - overlay overlay rw\n\
        94 93 0:42 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
        70 94 0:42 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw\n";
    const PLAIN_MOUNTS: &str = "\
        22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw\n\
        35 22 0:33 / /proc/sys/fs/binfmt_misc rw,relatime shared:15 - autofs systemd-1 rw\n";
    const NESTING_MOUNTS: &str = "\
        94 93 0:42 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
        99 94 0:50 /proc/cpuinfo /proc/cpuinfo rw,nosuid,nodev,relatime - fuse.lxcfs lxcfs rw\n\
        98 95 0:52 / /dev/.lxc/proc rw,relatime - proc proc rw\n";
    const FILTERED: &str = "CapEff:\t00000000a80425fb\nSeccomp:\t2\n";

    #[test]
    fn each_restriction_is_known_by_its_traces() {
        type Case = (&'static [(&'static str, &'static str)], Restriction);
        let cases: [Case; 14] = [
            (&[("proc/self/ns/user", ""), ("proc/self/status", "NoNewPrivs:\t0\n")], Restriction::NoFilters),
            (&[("proc/gvisor/kernel_is_gvisor", "1")], Restriction::Gvisor),
            (&[("proc/version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n")], Restriction::Gvisor),
            (&[("proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n")], Restriction::Wsl1),
            (&[("proc/sys/kernel/osrelease", "5.4.0-216-generic\n")], Restriction::OldKernel),
            (&[("proc/self/status", "")], Restriction::NoUserNamespaces),
            (&[("proc/sys/user/max_user_namespaces", "0\n")], Restriction::UserNamespaceLimit),
            (&[("proc/sys/kernel/unprivileged_userns_clone", "0\n")], Restriction::UnprivilegedClone),
            (&[("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")], Restriction::AppArmor),
            (&[("proc/self/ns/user", ""), ("proc/self/mountinfo", DOCKER_MOUNTS)], Restriction::MaskedProc),
            (&[("proc/self/ns/user", ""), ("proc/self/status", FILTERED)], Restriction::Seccomp),
            (
                &[("proc/self/ns/user", ""), ("proc/self/attr/current", "docker-default (enforce)\n")],
                Restriction::ContainerProfile,
            ),
            (&[("proc/filesystems", "nodev\tproc\n\text4\n")], Restriction::NoOverlay),
            (&[("proc/version", "Linux version 4.19.0-gvisor #1 SMP")], Restriction::Gvisor),
        ];
        for (files, expected) in cases {
            let (_root, machine) = machine(files);
            assert_eq!(Restriction::found(&machine), [expected], "{files:?}");
            assert!(!expected.what(&machine).is_empty() && !expected.remedy(&machine).is_empty());
        }
    }

    #[test]
    fn an_ordinary_machine_has_none() {
        let (_root, machine) = machine(&[
            ("proc/version", "Linux version 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC Debian"),
            ("proc/sys/kernel/osrelease", "6.1.0-18-amd64"),
            ("proc/sys/user/max_user_namespaces", "96365"),
            ("proc/sys/kernel/unprivileged_userns_clone", "1"),
            ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0"),
            ("proc/self/ns/user", ""),
            ("proc/self/mountinfo", PLAIN_MOUNTS),
            ("proc/self/status", "CapEff:\t0000000000000000\nSeccomp:\t0\n"),
            ("proc/self/attr/current", "unconfined\n"),
            ("proc/filesystems", "nodev\toverlay\n"),
        ]);
        assert_eq!(Restriction::found(&machine), []);
        let nesting = self::machine(&[("proc/self/ns/user", ""), ("proc/self/mountinfo", NESTING_MOUNTS)]);
        assert_eq!(Restriction::found(&nesting.1), [], "LXC shows a whole /proc elsewhere");
        let wsl_2 = self::machine(&[("proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n")]);
        assert_eq!(Restriction::found(&wsl_2.1), []);
    }

    #[test]
    fn the_root_of_a_container_is_told_what_it_lacks() {
        let files =
            [("proc/self/ns/user", ""), ("proc/self/status", FILTERED), ("proc/self/uid_map", "0 100000 65536\n")];
        let (_root, mut machine) = machine(&files);
        machine.privileged = true;
        assert_eq!(Restriction::found(&machine), [Restriction::WeakRoot, Restriction::FewIds, Restriction::Seccomp]);
        assert!(Restriction::FewIds.remedy(&machine).contains("--user 1000"));
        let overlay = [("proc/self/ns/user", ""), ("proc/self/mountinfo", "93 69 0:39 / / rw - overlay overlay rw\n")];
        let (_root, mut machine) = self::machine(&overlay);
        assert_eq!(Restriction::found(&machine), []);
        machine.privileged = true;
        assert_eq!(Restriction::found(&machine), [Restriction::RootOnOverlay]);
        let whole = [("proc/self/ns/user", ""), ("proc/self/uid_map", "         0          0 4294967295\n")];
        let (_root, mut machine) = self::machine(&whole);
        machine.privileged = true;
        assert_eq!(Restriction::found(&machine), []);
    }

    #[test]
    fn a_container_is_told_the_options_it_lacks_in_its_own_words() {
        let base = [("proc/self/status", FILTERED), ("proc/self/mountinfo", DOCKER_MOUNTS), ("proc/self/ns/user", "")];
        let with = |more: &[(&'static str, &'static str)]| {
            let (_root, machine) = machine(&[&base, more].concat());
            Restriction::Seccomp.remedy(&machine)
        };
        assert_eq!(
            with(&[(".dockerenv", "")]),
            "start the container with `docker run --security-opt seccomp=unconfined --security-opt \
             systempaths=unconfined`"
        );
        assert!(
            with(&[("run/.containerenv", "")])
                .contains("podman run --security-opt seccomp=unconfined --security-opt unmask=ALL")
        );
        assert!(with(&[("run/secrets/kubernetes.io/x", "")]).contains("procMount: Unmasked"));
        let confined = [(".dockerenv", ""), ("proc/self/attr/current", "docker-default (enforce)")];
        assert!(with(&confined).contains("--security-opt apparmor=unconfined"));
        let labelled = [("run/.containerenv", ""), ("sys/fs/selinux/enforce", "1")];
        assert!(with(&labelled).contains("--security-opt label=disable"));
    }

    #[test]
    fn the_apparmor_remedy_is_a_profile_for_the_very_helper() {
        let (_root, mut machine) = machine(&[]);
        machine.helper = Some("/opt/it's {1}/loopbox".into());
        let remedy = Restriction::AppArmor.remedy(&machine);
        assert!(remedy.contains(
            r#"'profile loopbox "/opt/it'\''s \{1\}/loopbox" flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/loopbox && sudo apparmor_parser -r /etc/apparmor.d/loopbox"#
        ), "{remedy}");
        assert!(remedy.contains("kernel.apparmor_restrict_unprivileged_userns=0"));
    }

    #[test]
    fn a_step_that_failed_is_explained_only_by_what_the_machine_has() {
        let docker = [
            ("proc/self/ns/user", ""),
            ("proc/self/status", FILTERED),
            ("proc/self/mountinfo", DOCKER_MOUNTS),
            ("proc/sys/user/max_user_namespaces", "100"),
        ];
        let (_root, docker) = machine(&docker);
        let (_root, ubuntu) = machine(&[("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")]);
        let (_root, limited) = machine(&[("proc/sys/user/max_user_namespaces", "0")]);
        let (_root, plain) = machine(&[("proc/sys/kernel/osrelease", "6.1.0")]);
        let cases = [
            (&docker, "detaching from the caller", Errno::NOSYS, Some(Restriction::Seccomp)),
            (&docker, "making user namespaces", Errno::PERM, Some(Restriction::Seccomp)),
            (&docker, "making /proc", Errno::PERM, Some(Restriction::MaskedProc)),
            (&docker, "changing the root", Errno::PERM, Some(Restriction::Seccomp)),
            (&docker, "making the overlay of /usr", Errno::INVAL, None),
            (&ubuntu, "making mounts private", Errno::ACCESS, Some(Restriction::AppArmor)),
            (&ubuntu, "making user namespaces", Errno::PERM, Some(Restriction::AppArmor)),
            (&limited, "making user namespaces", Errno::NOSPC, Some(Restriction::UserNamespaceLimit)),
            (&plain, "making user namespaces", Errno::PERM, None),
        ];
        for (machine, step, errno, expected) in cases {
            let error = LaunchError::new(step, errno);
            assert_eq!(Restriction::behind(&error, machine), expected, "{error}");
        }
    }
}
