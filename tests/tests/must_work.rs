//! What a sandbox is for: the tools of a developer do their work inside, and its results belong to the host's user.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use loopbox_core::{ExecOutput, ExecRequest, SandboxName, TtySize, User};
use loopbox_tests::{Bed, is_root, within};

/// Commands that every sandbox must run, and how their answers begin.
const TOOLS: [(&str, &str); 14] = [
    ("git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s", "x"),
    ("echo 'int main(){return 7;}' > m.c && gcc m.c -o m; ./m; echo $?", "7"),
    ("printf 'all:\\n\\t@echo made\\n' > Makefile && make", "made"),
    ("node -e 'console.log(6*7)'", "42"),
    ("python3 -c 'print(6*7)'", "42"),
    (
        "python3 -m venv venv && . venv/bin/activate && python -c 'import sys; print(sys.prefix != sys.base_prefix)'",
        "True",
    ),
    ("file=$(mktemp) && [ -w \"$file\" ] && echo written", "written"),
    ("dir=$(mktemp -d) && touch \"$dir/x\" && echo made", "made"),
    ("sh -c 'echo sh'; bash -lc 'echo login; command -v sudo'", "sh\nlogin\n/opt/loopbox/bin/sudo"),
    ("bash -ic 'echo interactive' 2>/dev/null", "interactive"),
    ("tar cf - m.c | tar tf -; gzip -c m.c | gunzip | head -c 3", "m.c\nint"),
    ("perl -e 'print 42'", "42"),
    ("date +%Z >/dev/null && id -un && whoami && hostname", "agent\nagent\nbed"),
    ("(echo a; echo b) | sort -r | xargs", "b a"),
];

#[tokio::test]
async fn everyday_tools_work() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    for (script, answer) in TOOLS {
        let output = bed.sh(&name, script).await;
        assert!(output.exit_code == 0 && output.text().starts_with(answer), "{script}: {}", output.text());
    }
}

/// The same on a terminal, where programs ask whether they have one.
#[tokio::test]
async fn everyday_tools_work_on_a_terminal() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    for (script, answer) in [
        ("test -t 0 && test -t 1 && tty", "/dev/pts/"),
        ("script -qec 'test -t 1 && echo nested' /dev/null", "nested"),
        ("node -p process.stdout.isTTY", "true"),
        ("python3 -c 'import pty; pty.spawn([\"echo\", \"spawned\"])'", "spawned"),
        ("tput cols", "100"),
        ("vim --version | head -1", "VIM"),
        ("bash -ic 'echo interactive'", "interactive"),
    ] {
        let mut request = ExecRequest::new(["bash", "-c", script]);
        request.tty = Some(TtySize { rows: 30, cols: 100 });
        let output = within(script, bed.exec(&name, request)).await.unwrap();
        assert!(output.exit_code == 0 && output.text().contains(answer), "{script}: {}", output.text());
    }
}

/// Packages of the workspace are installed with their scripts, without a network.
#[tokio::test]
async fn npm_installs_with_scripts_and_the_results_belong_to_the_hosts_user() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let dependency = bed.workspace().join("dependency");
    fs::create_dir(&dependency).unwrap();
    let manifest = r#"{"name": "dependency", "version": "1.0.0", "bin": "tool.js",
        "scripts": {"install": "node -e \"require('fs').writeFileSync('built', '')\""}}"#;
    fs::write(dependency.join("package.json"), manifest).unwrap();
    fs::write(dependency.join("tool.js"), "#!/usr/bin/env node\nconsole.log('tool ran');\n").unwrap();
    fs::write(bed.workspace().join("package.json"), r#"{"name": "project", "version": "1.0.0"}"#).unwrap();
    // Made by this process's user, as the host's files are.
    bed.text(&name, "npm pack --silent ./dependency").await;
    let quiet = "--no-audit --no-fund --offline --silent";
    bed.text(&name, &format!("npm install {quiet} ./dependency-1.0.0.tgz")).await;
    assert_eq!(bed.text(&name, "npx --offline dependency").await, "tool ran");
    bed.text(&name, &format!("npm install -g {quiet} ./dependency-1.0.0.tgz")).await;
    assert_eq!(bed.text(&name, "cd / && dependency").await, "tool ran", "in the prefix of agent, on the PATH");

    bed.text(&name, "printf '#!/bin/sh\\n' > script; chmod 4755 script; ln -s script link; mkdir -p a/b").await;
    let owner = fs::metadata(bed.workspace()).unwrap();
    let made = ["node_modules", "node_modules/dependency/built", "package-lock.json", "script", "link", "a/b"];
    for file in made {
        let metadata = fs::symlink_metadata(bed.workspace().join(file)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (owner.uid(), owner.gid()), "{file}");
    }
    let uid = if is_root() { 0 } else { rustix::process::geteuid().as_raw() };
    assert_eq!(owner.uid(), uid);
}

/// What an ordinary pip install does, with a package that is made here.
#[tokio::test]
async fn pip_installs_for_the_user() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let wheel = r#"
import zipfile
info = "hello-1.0.dist-info/"
with zipfile.ZipFile("hello-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("hello.py", "def main(): print('hello ran')\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "entry_points.txt", "[console_scripts]\nhello = hello:main\n")
    wheel.writestr(info + "RECORD", "")
"#;
    fs::write(bed.workspace().join("make.py"), wheel).unwrap();
    bed.text(&name, "python3 make.py").await;
    for options in ["--user", ""] {
        bed.text(&name, &format!("pip install -q --no-index {options} ./hello-1.0-py3-none-any.whl")).await;
        assert_eq!(bed.text(&name, "cd / && hello").await, "hello ran", "pip install {options}");
        bed.text(&name, "pip uninstall -q -y hello").await;
    }
}

/// A project without dependencies is built and installed by whatever Rust there is inside.
#[tokio::test]
async fn cargo_builds_and_installs() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    if !Path::new("/usr/bin/cargo").exists() && rust_of_the_caller().is_none() {
        // The remedy is then told by the shell: there is no such command.
        assert_eq!(bed.sh(&name, "cargo --version").await.exit_code, 127);
        return;
    }
    bed.text(&name, "cargo --version && rustc --version && cargo init -q --vcs none --name program .").await;
    assert_eq!(bed.text(&name, "cargo run -q --offline").await, "Hello, world!");
    bed.text(&name, "cargo install -q --offline --path .").await;
    assert_eq!(bed.text(&name, "cd / && program").await, "Hello, world!");
    assert_eq!(bed.text(&name, "command -v program").await, "/home/agent/.cargo/bin/program");
}

fn rust_of_the_caller() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("cargo")).find(|cargo| cargo.is_file())
}

/// How many processors and how much memory there is, as runtimes ask for it.
#[tokio::test]
async fn runtimes_see_the_machine() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let processors = std::thread::available_parallelism().unwrap().to_string();
    assert_eq!(bed.text(&name, "nproc").await, processors);
    assert_eq!(bed.text(&name, "node -p 'os.cpus().length'").await, processors);
    assert_eq!(bed.text(&name, "python3 -c 'import os; print(os.cpu_count())'").await, processors);
    assert!(bed.text(&name, "lscpu").await.contains("Architecture"));
    assert!(bed.text(&name, "free -b | awk '/^Mem:/ {print $2}'").await.parse::<u64>().unwrap() > 1 << 20);
    assert!(bed.text(&name, "uptime && ps aux && df /").await.contains("ps aux"));
    assert_ne!(bed.sh(&name, "touch /sys/x; echo 0 > /sys/devices/system/cpu/cpu1/online").await.exit_code, 0);
}

/// Programs of the system that would raise privileges cannot.
#[tokio::test]
async fn programs_with_the_set_user_bit_raise_nobody() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    for attempt in
        ["su -c 'id -u' </dev/null", "mount -t tmpfs none /mnt", "umount /tmp", "newgrp root -c id", "chsh -s /bin/sh"]
    {
        let output = bed.sh(&name, attempt).await;
        assert_ne!(output.exit_code, 0, "{attempt}: {}", output.text());
        assert!(!output.text().starts_with('0'), "{attempt}: {}", output.text());
    }
    let own = "cp /bin/bash own; chmod 4755 own; ./own -p -c 'id -u'";
    assert_eq!(bed.text(&name, own).await, "1000");
}

/// `sudo` tells what to do in this very sandbox, before a sudo of the host's is found.
#[tokio::test]
async fn sudo_says_how_to_get_what_it_is_for() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let has_root = bed.capabilities(&name).await.root_user;
    assert_eq!(bed.text(&name, "command -v sudo").await, "/opt/loopbox/bin/sudo");
    let refused = bed.sh(&name, "sudo -E apt-get install -y jq").await;
    assert_eq!(refused.exit_code, 1);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(text.contains("loopbox exec -u root bed"), has_root, "{text}");
    assert_eq!(text.contains("has no root"), !has_root, "{text}");
    if has_root {
        assert_eq!(as_root(&bed, &name, "sudo -n -- VAR=x bash -c 'echo $VAR; id -u'").await.text(), "x\n0\n");
    }
    if Path::new("/usr/bin/apt-get").exists() {
        let refused = bed.sh(&name, "apt-get -y install jq").await;
        assert!(refused.exit_code == 100 && refused.text().contains("only root of the sandbox"), "{}", refused.text());
        assert!(bed.text(&name, "apt-get --version; apt list jq 2>/dev/null").await.starts_with("apt "));
    }
}

/// Packages are installed by root of the sandbox, stay over a stop, and nobody else can change the system.
#[tokio::test]
async fn root_of_the_sandbox_installs_packages() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    if !bed.capabilities(&name).await.root_user || !Path::new("/var/lib/dpkg/status").exists() {
        let mut request = ExecRequest::new(["apt-get", "install", "jq"]);
        request.user = User::Root;
        let refused = bed.exec(&name, request).await;
        assert!(refused.is_err() || !Path::new("/var/lib/dpkg/status").exists());
        return;
    }
    let script = r"set -e
cd ~
mkdir -p package/DEBIAN package/usr/games package/etc/hello.d package/opt/hello package/var/lib/hello
printf '#!/bin/sh\necho hello ran\n' > package/usr/games/hello-loopbox; chmod 755 package/usr/games/hello-loopbox
echo setting > package/etc/hello.d/hello.conf
printf 'Package: hello-loopbox\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' > package/DEBIAN/control
echo /etc/hello.d/hello.conf > package/DEBIAN/conffiles
cat > package/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
adduser --system --group --no-create-home hello-loopbox
chown hello-loopbox:mail /var/lib/hello
update-alternatives --install /usr/bin/hello-alternative hello-alternative /usr/games/hello-loopbox 10
ldconfig
invoke-rc.d hello-loopbox start || [ $? = 100 ] || [ $? = 101 ]
END
chmod 755 package/DEBIAN package/DEBIAN/postinst
dpkg-deb --root-owner-group -b package hello.deb
dpkg -i hello.deb
apt-get -s install hello-loopbox
";
    let installed = as_root(&bed, &name, script).await;
    assert_eq!(installed.exit_code, 0, "{}", installed.text());
    for _ in ["fresh", "stopped and started"] {
        assert_eq!(bed.text(&name, "hello-alternative; cat /etc/hello.d/hello.conf").await, "hello ran\nsetting");
        assert_eq!(
            bed.text(&name, "stat -c %U:%G /var/lib/hello; getent passwd hello-loopbox | cut -d: -f1").await,
            "hello-loopbox:mail\nhello-loopbox"
        );
        bed.loopbox.stop(&name).await.unwrap();
    }
    for attempt in [
        "touch /etc/x",
        "echo x >> /etc/passwd",
        "echo x > /etc/hosts",
        "rm /usr/games/hello-loopbox",
        "touch /var/lib/dpkg/x",
        "touch /opt/x",
        "touch /opt/loopbox/bin/x",
        "touch /root/x",
        "dpkg -r hello-loopbox",
    ] {
        assert_ne!(bed.sh(&name, attempt).await.exit_code, 0, "{attempt}");
    }
    // The host has nothing of it.
    for path in ["/usr/games/hello-loopbox", "/etc/hello.d", "/usr/bin/hello-alternative", "/var/lib/hello"] {
        assert!(fs::symlink_metadata(path).is_err(), "{path}");
    }
    assert!(!fs::read_to_string("/var/lib/dpkg/status").unwrap().contains("hello-loopbox"));
}

/// Root of the sandbox sees no secret of the host's, and its commands have a home and a PATH of their own.
#[tokio::test]
async fn root_of_the_sandbox_sees_no_secret_of_the_hosts() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    if !bed.capabilities(&name).await.root_user {
        assert_ne!(bed.sh(&name, "cat /etc/shadow").await.exit_code, 0);
        return;
    }
    let script = "ls /etc/shadow /etc/gshadow /etc/ssh /etc/ssl/private /etc/sudoers /etc/apt/auth.conf /etc/apt/auth.conf.d /var/cache/debconf/passwords.dat";
    assert_eq!(String::from_utf8(as_root(&bed, &name, script).await.stdout).unwrap(), "");
    let seen = as_root(&bed, &name, "echo $HOME $USER; touch ~/x; echo $PATH").await.text();
    assert!(seen.starts_with("/root root\n") && !seen.contains("/home/agent"), "{seen}");
}

/// What runs inside may put links wherever it can write; a start follows none of them.
#[tokio::test]
async fn a_start_changes_nothing_through_links_of_the_inside() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let victim = bed.dir().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o700)).unwrap();
    let before = fs::metadata(&victim).unwrap();
    let links = format!(
        "for dir in /var/tmp /var/cache /var/lib /var/log ~/.claude; do mv $dir $dir.old; ln -s '{}' $dir; done; true",
        victim.display()
    );
    if bed.capabilities(&name).await.root_user {
        as_root(&bed, &name, &links).await
    } else {
        bed.sh(&name, &links).await
    };
    bed.loopbox.stop(&name).await.unwrap();
    // Whether it starts is its own affair.
    let _started = bed.loopbox.exec(&name, ExecRequest::new(["true"])).await;
    let after = fs::metadata(&victim).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
}

/// A caller whose own environment names every socket and token there is.
#[tokio::test]
async fn variables_that_name_sockets_and_secrets_never_get_in() {
    const HELD: [&str; 24] = [
        "SSH_AUTH_SOCK",
        "SSH_AGENT_PID",
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "CONTAINER_HOST",
        "DBUS_SESSION_BUS_ADDRESS",
        "DBUS_SYSTEM_BUS_ADDRESS",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "WAYLAND_SOCKET",
        "XAUTHORITY",
        "XDG_RUNTIME_DIR",
        "GPG_AGENT_INFO",
        "GNOME_KEYRING_CONTROL",
        "KUBECONFIG",
        "PULSE_SERVER",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "TMUX",
        "VSCODE_IPC_HOOK_CLI",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "LD_PRELOAD",
        "NODE_OPTIONS",
    ];
    let bed = Bed::native();
    let holding = |command: &mut tokio::process::Command| {
        command.envs(HELD.map(|name| (name, "/held-by-the-caller")));
    };
    let mut create = bed.cli();
    holding(&mut create);
    create.args(["create", "-q", "--policy=deny", "--name=bed", "shell"]).arg(bed.workspace());
    assert!(create.status().await.unwrap().success());
    for tty in [false, true] {
        let mut exec = bed.cli();
        holding(&mut exec);
        exec.arg("exec").args(tty.then_some("-t")).args(["bed", "env"]);
        let output = exec.output().await.unwrap();
        let inside = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(inside.contains("HOME=/home/agent"), "{inside}");
        let names: BTreeMap<_, _> = inside.lines().filter_map(|line| line.trim_end().split_once('=')).collect();
        for held in HELD {
            assert!(!names.contains_key(held), "{held}: {inside}");
        }
        assert!(!inside.contains("held-by-the-caller"));
    }
}

/// Login shells read no variable of the host's, and keep the sandbox's own.
#[tokio::test]
async fn login_shells_keep_the_environment() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let plain = bed.text(&name, "env | grep -v '^\\(_\\|SHLVL\\|PWD\\|OLDPWD\\)=' | sort").await;
    let login = bed.text(&name, "bash -lc env | grep -v '^\\(_\\|SHLVL\\|PWD\\|OLDPWD\\)=' | sort").await;
    assert_eq!(plain, login);
}

async fn as_root(bed: &Bed, name: &SandboxName, script: &str) -> ExecOutput {
    let mut request = ExecRequest::new(["bash", "-c", script]);
    request.user = User::Root;
    bed.exec(name, request).await.unwrap()
}
