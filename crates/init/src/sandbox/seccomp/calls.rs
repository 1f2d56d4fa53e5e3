//! The system calls that commands may not make, and why. All others are allowed: the namespaces, the missing
//! capabilities and the file system judge what they do.

use libc::{EAFNOSUPPORT, ENOSYS, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT};
use syscalls::Sysno;

/// The last system call that was looked at when this list was made (Linux 6.18). What came later does not exist here.
pub(super) const REVIEWED: Sysno = Sysno::file_setattr;

/// Calls that are judged by their number.
pub(super) struct Denied {
    pub(super) calls: &'static [Sysno],
    /// The answer.
    pub(super) errno: i32,
    pub(super) when: When,
    /// Why, for the reader.
    #[cfg_attr(not(test), expect(dead_code, reason = "data for the reader, and checked by a test"))]
    pub(super) reason: &'static str,
}

/// Calls that are judged by their arguments: all checks must pass.
pub(super) struct Inspected {
    pub(super) call: Sysno,
    pub(super) checks: &'static [Check],
    pub(super) when: When,
    /// Why, for the reader.
    #[cfg_attr(not(test), expect(dead_code, reason = "data for the reader, and checked by a test"))]
    pub(super) reason: &'static str,
}

/// In which sandboxes a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// Where commands may not make namespaces.
    NotNesting,
    /// Where commands have some of the CPUs.
    FixedCpus,
    /// Where there are no namespaces, and only streams may leave.
    StreamsOnly,
    /// Where datagrams are sockets like any other.
    Datagrams,
    /// As `StreamsOnly`, where commands may choose among all CPUs.
    SharedCpusWithoutNamespaces,
}

/// The low half of an argument, or some of its bits. The kernel looks at no more of those that are judged here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) argument: u32,
    pub(super) mask: u32,
}

/// What is asked of the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The word is none of these.
    NoneOf { word: Word, values: &'static [u32], errno: i32 },
    /// The word is one of these.
    OneOf { word: Word, values: &'static [u32], errno: i32 },
    /// The word has none of these bits.
    NoBit { word: Word, bits: u32, errno: i32 },
    /// More is asked if the word is this.
    If { word: Word, value: u32, then: &'static [Check] },
}

const fn argument(argument: u32) -> Word {
    Word { argument, mask: u32::MAX }
}

/// `CLONE_NEW*` of clone(2), where the lowest byte is a signal.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();
/// Connects while it sends.
const FAST_OPEN: u32 = libc::MSG_FASTOPEN.cast_unsigned();
/// Only unshare(2) knows it.
const CLONE_NEWTIME: u32 = 0x80;

const UNIX: u32 = libc::AF_UNIX.cast_unsigned();
const INET: u32 = libc::AF_INET.cast_unsigned();
const INET6: u32 = libc::AF_INET6.cast_unsigned();
const NETLINK: u32 = libc::AF_NETLINK.cast_unsigned();
const STREAM: u32 = libc::SOCK_STREAM.cast_unsigned();
const SEQUENTIAL: u32 = libc::SOCK_SEQPACKET.cast_unsigned();
const DATAGRAM: u32 = libc::SOCK_DGRAM.cast_unsigned();

/// The type of a socket shares its argument with flags.
const SOCKET_TYPE: Word = Word { argument: 1, mask: 0xf };

/// TCP and UDP, and the echo datagrams of `ping`. Not SCTP, L2TP, UDP-Lite and the like, nor Multipath TCP, for which
/// runtimes fall back to TCP and which Landlock does not judge.
const INET_PROTOCOLS: &[Check] = &[
    Check::OneOf { word: SOCKET_TYPE, values: &[STREAM, DATAGRAM], errno: ESOCKTNOSUPPORT },
    Check::OneOf { word: argument(2), values: &[0, 1, 6, 17, 58], errno: EPROTONOSUPPORT },
];
const TCP_ONLY: &[Check] = &[
    Check::OneOf { word: SOCKET_TYPE, values: &[STREAM], errno: EAFNOSUPPORT },
    Check::OneOf { word: argument(2), values: &[0, 6], errno: EPROTONOSUPPORT },
];
const FAMILIES: Check = Check::OneOf { word: argument(0), values: &[UNIX, INET, INET6, NETLINK], errno: EAFNOSUPPORT };
/// A Unix socket may be connected to whatever listens on a path that is seen, and Landlock does not judge it.
const FAMILIES_BUT_UNIX: Check =
    Check::OneOf { word: argument(0), values: &[INET, INET6, NETLINK], errno: EAFNOSUPPORT };
const ROUTE_ONLY: Check = Check::If {
    word: argument(0),
    value: NETLINK,
    then: &[Check::OneOf { word: argument(2), values: &[libc::NETLINK_ROUTE.cast_unsigned()], errno: EAFNOSUPPORT }],
};

/// `F_SETLEASE`, and `F_SETDELEG` of Linux 6.19.
const SET_LEASE: u32 = libc::F_SETLEASE.cast_unsigned();
const SET_DELEGATION: u32 = 1040;

const OF_THE_HOST: &str = "without namespaces the user's processes outside are named by number: a limit on processor time \
                           kills them, the warden that ends everything among them, and Landlock judges signals only";
/// 0 is whoever asks.
const OWN_PROCESS: &[Check] = &[Check::OneOf { word: argument(0), values: &[0], errno: EPERM }];
/// `PRIO_PROCESS` is 0.
const OWN_PRIORITY: &[Check] = &[
    Check::OneOf { word: argument(0), values: &[0], errno: EPERM },
    Check::OneOf { word: argument(1), values: &[0], errno: EPERM },
];
/// `IOPRIO_WHO_PROCESS` is 1.
const OWN_IO_PRIORITY: &[Check] = &[
    Check::OneOf { word: argument(0), values: &[1], errno: EPERM },
    Check::OneOf { word: argument(1), values: &[0], errno: EPERM },
];

/// Judged first: the kernel remembers which calls are always allowed, but not these.
pub(super) const INSPECTED: &[Inspected] = &[
    Inspected {
        call: Sysno::clone,
        checks: &[Check::NoBit { word: argument(0), bits: NAMESPACES, errno: EPERM }],
        when: When::NotNesting,
        reason: "processes and threads, but no namespaces: these make inner root, and much of the kernel reachable",
    },
    Inspected {
        call: Sysno::ioctl,
        checks: &[Check::NoneOf {
            word: argument(1),
            // libc's types for these differ between targets.
            values: &[0x5412, 0x541c],
            errno: EPERM,
        }],
        when: When::Always,
        reason: "TIOCSTI and TIOCLINUX type into a terminal on behalf of who reads it",
    },
    Inspected {
        call: Sysno::socket,
        checks: &[
            FAMILIES,
            ROUTE_ONLY,
            Check::If { word: argument(0), value: INET, then: INET_PROTOCOLS },
            Check::If { word: argument(0), value: INET6, then: INET_PROTOCOLS },
        ],
        when: When::Datagrams,
        reason: "AF_VSOCK leaves every network namespace; AF_ALG, AF_PACKET, AF_KEY and the rest only add to the kernel's \
                 surface",
    },
    Inspected {
        call: Sysno::socket,
        checks: &[
            FAMILIES_BUT_UNIX,
            ROUTE_ONLY,
            Check::If { word: argument(0), value: INET, then: TCP_ONLY },
            Check::If { word: argument(0), value: INET6, then: TCP_ONLY },
        ],
        when: When::StreamsOnly,
        reason: "without namespaces, what is not TCP is judged by nothing: datagrams, and the host's Unix sockets (D-Bus \
                 and Docker run programs for who may connect)",
    },
    Inspected {
        call: Sysno::socketpair,
        checks: &[Check::OneOf { word: argument(0), values: &[UNIX], errno: EAFNOSUPPORT }],
        when: When::Datagrams,
        reason: "other families only load modules",
    },
    Inspected {
        call: Sysno::socketpair,
        checks: &[
            Check::OneOf { word: argument(0), values: &[UNIX], errno: EAFNOSUPPORT },
            Check::OneOf { word: SOCKET_TYPE, values: &[STREAM, SEQUENTIAL], errno: ESOCKTNOSUPPORT },
        ],
        when: When::StreamsOnly,
        reason: "a pair of datagrams can be led to other sockets afterwards, one of streams cannot",
    },
    Inspected {
        call: Sysno::sendto,
        checks: &[Check::NoBit { word: argument(3), bits: FAST_OPEN, errno: EPERM }],
        when: When::StreamsOnly,
        reason: "TCP Fast Open connects without connect(2), and so past Landlock",
    },
    Inspected {
        call: Sysno::sendmsg,
        checks: &[Check::NoBit { word: argument(2), bits: FAST_OPEN, errno: EPERM }],
        when: When::StreamsOnly,
        reason: "TCP Fast Open connects without connect(2), and so past Landlock",
    },
    Inspected {
        call: Sysno::sendmmsg,
        checks: &[Check::NoBit { word: argument(3), bits: FAST_OPEN, errno: EPERM }],
        when: When::StreamsOnly,
        reason: "TCP Fast Open connects without connect(2), and so past Landlock",
    },
    Inspected {
        call: Sysno::unshare,
        checks: &[Check::NoBit { word: argument(0), bits: NAMESPACES | CLONE_NEWTIME, errno: EPERM }],
        when: When::NotNesting,
        reason: "as for clone",
    },
    Inspected {
        call: Sysno::fcntl,
        checks: &[Check::NoneOf { word: argument(1), values: &[SET_LEASE, SET_DELEGATION], errno: EPERM }],
        when: When::Always,
        reason: "a lease makes whoever opens the file, on the host too, wait for its holder, for 45 s each time",
    },
    Inspected { call: Sysno::prlimit64, checks: OWN_PROCESS, when: When::StreamsOnly, reason: OF_THE_HOST },
    Inspected { call: Sysno::setpriority, checks: OWN_PRIORITY, when: When::StreamsOnly, reason: OF_THE_HOST },
    Inspected { call: Sysno::ioprio_set, checks: OWN_IO_PRIORITY, when: When::StreamsOnly, reason: OF_THE_HOST },
    Inspected { call: Sysno::sched_setscheduler, checks: OWN_PROCESS, when: When::StreamsOnly, reason: OF_THE_HOST },
    Inspected { call: Sysno::sched_setparam, checks: OWN_PROCESS, when: When::StreamsOnly, reason: OF_THE_HOST },
    Inspected { call: Sysno::sched_setattr, checks: OWN_PROCESS, when: When::StreamsOnly, reason: OF_THE_HOST },
    Inspected {
        call: Sysno::sched_setaffinity,
        checks: OWN_PROCESS,
        when: When::SharedCpusWithoutNamespaces,
        reason: OF_THE_HOST,
    },
    Inspected {
        call: Sysno::personality,
        checks: &[Check::OneOf {
            word: argument(0),
            // Linux, 32-bit names, the version 2.6, no randomization (debuggers), and the question.
            values: &[0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, u32::MAX],
            errno: EPERM,
        }],
        when: When::Always,
        reason: "old personalities switch protections of memory off",
    },
];

/// Judged after the others.
pub(super) const DENIED: &[Denied] = &[
    Denied {
        calls: &[Sysno::io_uring_setup, Sysno::io_uring_enter, Sysno::io_uring_register],
        errno: ENOSYS,
        when: When::Always,
        reason: "does other calls where no filter sees them; runtimes fall back where it does not exist",
    },
    Denied {
        calls: &[Sysno::bpf, Sysno::perf_event_open],
        errno: EPERM,
        when: When::Always,
        reason: "programs in the kernel, and its counters: a long row of escapes",
    },
    Denied {
        calls: &[Sysno::keyctl, Sysno::add_key, Sysno::request_key],
        errno: EPERM,
        when: When::Always,
        reason: "keyrings belong to no namespace, and request_key starts a program of the host",
    },
    Denied {
        calls: &[Sysno::userfaultfd],
        errno: EPERM,
        when: When::Always,
        reason: "stops the kernel at a place of the caller's choice, which makes races certain",
    },
    Denied { calls: &[Sysno::kexec_load, Sysno::reboot], errno: EPERM, when: When::Always, reason: "the machine's" },
    Denied { calls: &[Sysno::kexec_file_load], errno: EPERM, when: When::Always, reason: "the machine's" },
    Denied {
        calls: &[Sysno::init_module, Sysno::finit_module, Sysno::delete_module],
        errno: EPERM,
        when: When::Always,
        reason: "code in the kernel",
    },
    Denied {
        calls: &[Sysno::swapon, Sysno::swapoff, Sysno::acct, Sysno::quotactl, Sysno::quotactl_fd],
        errno: EPERM,
        when: When::Always,
        reason: "the host's disks",
    },
    Denied {
        calls: &[Sysno::settimeofday, Sysno::clock_settime, Sysno::clock_adjtime, Sysno::adjtimex],
        errno: EPERM,
        when: When::Always,
        reason: "the host's clock",
    },
    Denied {
        calls: &[
            Sysno::mount,
            Sysno::umount2,
            Sysno::pivot_root,
            Sysno::chroot,
            Sysno::open_tree,
            Sysno::open_tree_attr,
            Sysno::move_mount,
            Sysno::fsopen,
            Sysno::fsconfig,
            Sysno::fsmount,
            Sysno::fspick,
            Sysno::mount_setattr,
        ],
        errno: EPERM,
        when: When::NotNesting,
        reason: "what is mounted is the wall; file systems trust what they mount",
    },
    Denied {
        calls: &[Sysno::statmount, Sysno::listmount],
        errno: ENOSYS,
        when: When::NotNesting,
        reason: "tell of mounts beyond what /proc shows; callers fall back to that",
    },
    Denied { calls: &[Sysno::setns], errno: EPERM, when: When::NotNesting, reason: "enters namespaces" },
    Denied {
        calls: &[Sysno::sethostname, Sysno::setdomainname],
        errno: EPERM,
        when: When::NotNesting,
        reason: "the sandbox's name is set",
    },
    Denied {
        calls: &[Sysno::open_by_handle_at, Sysno::name_to_handle_at],
        errno: EPERM,
        when: When::Always,
        reason: "opens files by number, past every directory",
    },
    Denied {
        calls: &[Sysno::syslog],
        errno: EPERM,
        when: When::Always,
        reason: "the kernel's log holds addresses and the doings of others",
    },
    Denied {
        calls: &[Sysno::fanotify_init, Sysno::fanotify_mark],
        errno: EPERM,
        when: When::Always,
        reason: "hands out descriptors of files that others open",
    },
    Denied { calls: &[Sysno::kcmp], errno: EPERM, when: When::Always, reason: "compares addresses in the kernel" },
    Denied {
        calls: &[
            Sysno::mbind,
            Sysno::migrate_pages,
            Sysno::move_pages,
            Sysno::get_mempolicy,
            Sysno::set_mempolicy,
            Sysno::set_mempolicy_home_node,
        ],
        errno: EPERM,
        when: When::Always,
        reason: "moves memory between processors: nothing needs it, and it was a source of holes",
    },
    Denied { calls: &[Sysno::vhangup], errno: EPERM, when: When::Always, reason: "takes a terminal from others" },
    Denied {
        calls: &[Sysno::lookup_dcookie, Sysno::nfsservctl],
        errno: ENOSYS,
        when: When::Always,
        reason: "left over from old kernels",
    },
    Denied {
        calls: &[Sysno::sched_setaffinity],
        errno: EPERM,
        when: When::FixedCpus,
        reason: "would widen the CPUs that the sandbox was given",
    },
];

/// What only this architecture has.
#[cfg(target_arch = "x86_64")]
pub(super) const DENIED_HERE: &[Denied] = &[
    Denied { calls: &[Sysno::iopl, Sysno::ioperm], errno: EPERM, when: When::Always, reason: "the host's hardware" },
    Denied {
        calls: &[
            Sysno::uselib,
            Sysno::ustat,
            Sysno::sysfs,
            Sysno::_sysctl,
            Sysno::create_module,
            Sysno::get_kernel_syms,
            Sysno::query_module,
        ],
        errno: ENOSYS,
        when: When::Always,
        reason: "left over from old kernels",
    },
    Denied {
        calls: &[Sysno::modify_ldt],
        errno: ENOSYS,
        when: When::Always,
        reason: "segments of 16-bit and 32-bit programs, which do not run here",
    },
];
/// What only this architecture has.
#[cfg(target_arch = "aarch64")]
pub(super) const DENIED_HERE: &[Denied] = &[];
