//! The accounts inside: `agent`, and where the sandbox has more ids than one, those that every Debian has.

use std::fmt::Write as _;

use loopbox_init::sandbox::AGENT_ID;

/// System users with fixed ids (Debian's base-passwd), which files of packages belong to and apt runs as: name, user,
/// group, home.
const USERS: [(&str, u32, u32, &str); 17] = [
    ("daemon", 1, 1, "/usr/sbin"),
    ("bin", 2, 2, "/bin"),
    ("sys", 3, 3, "/dev"),
    ("sync", 4, 65534, "/bin"),
    ("games", 5, 60, "/usr/games"),
    ("man", 6, 12, "/var/cache/man"),
    ("lp", 7, 7, "/var/spool/lpd"),
    ("mail", 8, 8, "/var/mail"),
    ("news", 9, 9, "/var/spool/news"),
    ("uucp", 10, 10, "/var/spool/uucp"),
    ("proxy", 13, 13, "/bin"),
    ("www-data", 33, 33, "/var/www"),
    ("backup", 34, 34, "/var/backups"),
    ("list", 38, 38, "/var/list"),
    ("irc", 39, 39, "/run/ircd"),
    ("_apt", 42, 65534, "/nonexistent"),
    ("nobody", 65534, 65534, "/nonexistent"),
];

/// System groups with fixed ids (Debian's base-passwd).
const GROUPS: [(&str, u32); 37] = [
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("man", 12),
    ("proxy", 13),
    ("kmem", 15),
    ("dialout", 20),
    ("fax", 21),
    ("voice", 22),
    ("cdrom", 24),
    ("floppy", 25),
    ("tape", 26),
    ("sudo", 27),
    ("audio", 29),
    ("dip", 30),
    ("www-data", 33),
    ("backup", 34),
    ("operator", 37),
    ("list", 38),
    ("irc", 39),
    ("src", 40),
    ("shadow", 42),
    ("utmp", 43),
    ("video", 44),
    ("sasl", 45),
    ("plugdev", 46),
    ("staff", 50),
    ("games", 60),
    ("users", 100),
    ("nogroup", 65534),
];

/// The content of /etc/passwd: `all` accounts, where there are ids behind them. Nobody has a password.
pub(super) fn passwd(all: bool) -> String {
    let mut text =
        format!("root:*:0:0:root:/root:/bin/bash\nagent:*:{AGENT_ID}:{AGENT_ID}:agent:/home/agent:/bin/bash\n");
    let known = USERS.iter().filter(|&&(name, ..)| all || name == "nobody");
    for (name, uid, gid, home) in known {
        let _infallible = writeln!(text, "{name}:*:{uid}:{gid}:{name}:{home}:/usr/sbin/nologin");
    }
    text
}

/// The content of /etc/group: `all` groups, where there are ids behind them.
pub(super) fn group(all: bool) -> String {
    let mut text = format!("root:*:0:\nagent:*:{AGENT_ID}:\n");
    let known = GROUPS.iter().filter(|&&(name, _)| all || matches!(name, "tty" | "nogroup"));
    for (name, gid) in known {
        let _infallible = writeln!(text, "{name}:*:{gid}:");
    }
    text
}
