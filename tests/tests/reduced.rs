//! The reduced wall: what it keeps, what must work behind it, and that it says what it lacks.
//!
//! It does not run as root. Started by root, these tests use it as `nobody`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use loopbox_tests::{Bed, Service, helper, is_root, within};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const NOBODY: u32 = 65534;

/// A state directory, a home and a workspace of an ordinary user.
struct User {
    dir: TempDir,
}

impl User {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let user = Self { dir };
        for part in ["", "home", "state", "workspace", "tmp"] {
            let path = user.path(part);
            fs::create_dir_all(&path).unwrap();
            User::own(&path);
        }
        // Started by root, the build's own directory may be closed to others.
        fs::copy(helper(), user.path("loopbox")).unwrap();
        fs::set_permissions(user.path("loopbox"), Permissions::from_mode(0o755)).unwrap();
        user
    }

    fn path(&self, part: &str) -> PathBuf {
        self.dir.path().join(part)
    }

    fn own(path: &Path) {
        if is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    fn write(&self, part: &str, text: &str) {
        fs::write(self.path(part), text).unwrap();
        Self::own(&self.path(part));
    }

    /// A program run by that user, on the host.
    fn command(&self, program: &Path) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.path("home"));
        command.env("LOOPBOX_STATE_DIR", self.path("state")).current_dir(self.path("workspace"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn loopbox(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.path("loopbox"));
        command.args(arguments);
        command
    }

    async fn create(&self, options: &[&str]) -> Output {
        let arguments = [&["create", "--backend=reduced", "--name=bed"], options, &["shell", "."]].concat();
        self.loopbox(&arguments).output().await.unwrap()
    }

    /// A user with a reduced sandbox.
    async fn with_sandbox(options: &[&str]) -> Self {
        let user = Self::new();
        let output = user.create(options).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        user
    }

    async fn inside(&self, script: &str) -> Output {
        self.loopbox(&["exec", "bed", "bash", "-c", script]).output().await.unwrap()
    }

    /// What a script that must succeed wrote.
    async fn text(&self, script: &str) -> String {
        let output = self.inside(script).await;
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Checks that a script succeeds on the host and fails behind the wall.
    async fn is_kept_from(&self, script: &str) {
        let control = self.command(Path::new("/bin/bash")).args(["-c", script]).output().await.unwrap();
        assert!(control.status.success(), "the control of {script}: {}", String::from_utf8_lossy(&control.stderr));
        let output = self.inside(script).await;
        assert!(!output.status.success(), "{script} got through: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test]
async fn what_must_work_works() {
    let user = User::with_sandbox(&[]).await;
    user.write("workspace/outside.txt", "outside");
    assert_eq!(user.text("cat outside.txt; pwd").await, format!("outside{}", user.path("workspace").display()));
    user.text("echo inside > inside.txt && mkdir -p deep/er && mv inside.txt deep/er/").await;
    assert_eq!(fs::read_to_string(user.path("workspace/deep/er/inside.txt")).unwrap(), "inside\n");
    let git = "git init -q . && git add . && git -c user.name=A -c user.email=a@b commit -qm one && git status --short";
    assert_eq!(user.text(git).await, "");
    assert_eq!(user.text("cat <(echo substituted); echo out > /dev/stdout").await, "substituted\nout");
    let home = user.path("state/sandboxes/bed");
    assert_eq!(user.text("echo $HOME; dirname $(mktemp)").await, format!("{0}/home\n{0}/tmp", home.display()));
    assert_eq!(
        user.text("/usr/bin/python3 -c 'import subprocess; print(subprocess.check_output([\"echo\", \"py\"]))'").await,
        "b'py\\n'"
    );
    assert_eq!(user.text("echo kept > ~/note; true").await, "");
    assert_eq!(user.text("cat ~/note; grep NoNewPrivs /proc/self/status").await, "kept\nNoNewPrivs:\t1");
    user.text("nice -n 3 ionice -c 3 chrt -b 0 taskset 1 true && ulimit -n 100").await;
    let code = user.inside("exit 7").await.status.code();
    assert_eq!(code, Some(7));
}

#[tokio::test]
async fn files_outside_are_kept() {
    let user = User::with_sandbox(&[]).await;
    user.write("home/secret", "secret");
    user.write("tmp/other", "other");
    fs::create_dir(user.path("home/.ssh")).unwrap();
    User::own(&user.path("home/.ssh"));
    let (home, state, tmp) = (user.path("home"), user.path("state"), user.path("tmp"));
    let (home, state, tmp) = (home.display(), state.display(), tmp.display());
    for script in [
        format!("cat {home}/secret"),
        format!("ls {home}"),
        format!("echo x >> {home}/secret"),
        format!("echo key >> {home}/.ssh/authorized_keys"),
        format!("ln -sf {home}/secret link && cat link"),
        format!("ln -f {home}/secret hard && cat hard"),
        format!("cat /proc/self/root{home}/secret"),
        format!("mv {tmp}/other . && mv other {tmp}/"),
        format!("rm {tmp}/other && touch {tmp}/other"),
        format!("cat {state}/sandboxes/bed/record.json"),
        format!("ls {state}/sandboxes"),
        "ls /var/log".to_owned(),
        "ls /tmp".to_owned(),
        "ls /dev".to_owned(),
        "cat /etc/machine-id || cat /etc/hostname".to_owned(),
    ] {
        user.is_kept_from(&script).await;
    }
}

#[tokio::test]
async fn the_network_is_the_proxys() {
    let user = User::with_sandbox(&[]).await;
    let service = Service::start("the service").await;
    let port = service.port;
    let python = |code: &str| format!("/usr/bin/python3 -c '\nimport socket\n{code}\n'");
    let fast_open =
        "s = socket.socket(); s.sendto(b\"GET / HTTP/1.0\\r\\n\\r\\n\", 0x20000000, (\"127.0.0.1\", PORT)); s.recv(9)";
    let pair = "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)";
    let listener = "s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen()";
    let scripts = [
        "exec 3<>/dev/tcp/127.0.0.1/PORT".to_owned(),
        python("socket.create_connection((\"127.0.0.1\", PORT))"),
        python(fast_open),
        python("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
        python("socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)"),
        python("socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)"),
        python("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"),
        python(pair),
        python(listener),
    ];
    for script in scripts {
        user.is_kept_from(&script.replace("PORT", &port.to_string())).await;
    }
    // Through the proxy an address of the host's own is closed by the policy, and the decision is in the log.
    let answer = user
        .text(&format!(
            "/usr/bin/python3 -c '
import urllib.request, urllib.error
try:
    urllib.request.urlopen(\"http://127.0.0.1:{port}/\")
except urllib.error.HTTPError as error:
    print(error.code)
'"
        ))
        .await;
    assert_eq!(answer, "403");
    let log = fs::read_to_string(user.path("state/sandboxes/bed/logs/egress.log")).unwrap();
    assert!(log.contains(&port.to_string()), "{log}");
}

#[tokio::test]
async fn without_exceptions_deny_is_no_network_at_all() {
    let user = User::with_sandbox(&["--policy=deny"]).await;
    assert_eq!(user.text("echo \"${HTTP_PROXY-none}\"").await, "none");
    let service = Service::start("the service").await;
    user.is_kept_from(&format!("exec 3<>/dev/tcp/127.0.0.1/{}", service.port)).await;
    for rules in [&["--policy=deny", "--allow-host=example.org"][..], &["--policy=deny", "--preset=agents"]] {
        let other = User::new();
        let output = other.create(rules).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("Unsupported"), "{said}");
    }
}

#[tokio::test]
async fn nothing_outside_is_signalled_or_looked_into() {
    let user = User::with_sandbox(&[]).await;
    let mut victim = user.command(Path::new("/bin/sleep"));
    victim.arg("1000").env("SECRET", "secret");
    let mut victim = victim.spawn().unwrap();
    let pid = victim.id().unwrap();
    for script in [
        format!("kill -0 {pid}"),
        format!("cat /proc/{pid}/environ"),
        format!("readlink /proc/{pid}/fd/0"),
        format!("ls /proc/{pid}/cwd/"),
        format!("ls /proc/{pid}/root/"),
        format!("/usr/bin/python3 -c 'open(\"/proc/{pid}/mem\", \"rb\")'"),
        // A limit on processor time would kill it, and the warden that ends everything alike.
        format!("/usr/bin/python3 -c 'import resource; resource.prlimit({pid}, resource.RLIMIT_CORE, (0, 0))'"),
        format!("/usr/bin/python3 -c 'import os; os.setpriority(os.PRIO_PROCESS, {pid}, 5)'"),
        format!("/usr/bin/python3 -c 'import os; os.sched_setaffinity({pid}, {{0}})'"),
        format!("/usr/bin/python3 -c 'import os; os.sched_setscheduler({pid}, os.SCHED_BATCH, os.sched_param(0))'"),
        format!("ionice -c 3 -p {pid}"),
    ] {
        // setpriv becomes sleep in its own time.
        within("the victim", async {
            while !fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().starts_with("sleep") {
                tokio::task::yield_now().await;
            }
        })
        .await;
        user.is_kept_from(&script).await;
    }
    user.inside(&format!("kill -9 {pid}; kill -9 -1")).await;
    assert!(victim.try_wait().unwrap().is_none(), "the victim lives");
    victim.kill().await.unwrap();
}

/// The guest lies inside, where a hostile command can kill it; the warden does not.
#[tokio::test]
async fn whatever_dies_nothing_goes_on_running() {
    let user = User::with_sandbox(&[]).await;
    let daemon = "echo $$; exec > /dev/null 2>&1; trap '' TERM; while :; do read -rt 100 <> <(:); done";
    for (end, kills) in [("exit 0", false), ("kill -9 -1", true)] {
        let mut exec = user.loopbox(&["exec", "-i", "bed", "bash", "-c"]);
        exec.arg(format!("setsid bash -c {} & read -r _; {end}", quoted(daemon)));
        exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut exec = exec.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(exec.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let pid: u32 = line.trim().parse().unwrap();
        drop(exec.stdin.take());
        let status = within("the exec", exec.wait()).await.unwrap();
        assert_eq!(status.success(), !kills, "{end}");
        within("the daemon's end", gone(pid)).await;
    }
    // The caller dies, while the guest is stopped and cannot notice.
    let mut exec = user.loopbox(&["exec", "bed", "bash", "-c"]);
    exec.arg(format!("setsid bash -c {} & kill -STOP $PPID; wait", quoted(daemon))).stdout(Stdio::piped());
    let mut exec = exec.spawn().unwrap();
    let mut lines = BufReader::new(exec.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).await.unwrap();
    exec.kill().await.unwrap();
    within("the daemon's end", gone(line.trim().parse().unwrap())).await;
}

fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', "'\\''"))
}

async fn gone(pid: u32) {
    while Path::new(&format!("/proc/{pid}")).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_says_what_it_lacks() {
    let user = User::new();
    let output = user.create(&[]).await;
    assert!(String::from_utf8(output.stderr).unwrap().contains("without namespaces"));
    let output = user.loopbox(&["inspect", "--json", "bed"]).output().await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(info["backend"], "reduced");
    assert_eq!(info["capabilities"]["isolation"], "reduced");
    assert_eq!(info["capabilities"]["egress"], false);
    let findings = info["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["code"] == "notEnforced"), "{info:#}");
    for missing in ["visible in /proc", "no network namespace", ".git/hooks", "mode, times"] {
        assert!(findings.iter().any(|finding| finding["message"].as_str().unwrap().contains(missing)), "{missing}");
    }
}

#[tokio::test]
async fn what_it_cannot_do_is_unsupported() {
    let user = User::with_sandbox(&[]).await;
    for arguments in [&["exec", "-u", "root", "bed", "true"][..], &["exec", "-d", "bed", "true"], &["stop", "bed"]] {
        let output = user.loopbox(arguments).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("Unsupported"), "{arguments:?}: {said}");
    }
    let other = User::new();
    let output = other.create(&["--memory=1g"]).await;
    assert!(!output.status.success() && String::from_utf8(output.stderr).unwrap().contains("Unsupported"));
}

#[tokio::test]
async fn root_is_refused() {
    let bed = Bed::native();
    let mut create = bed.cli();
    create.args(["create", "--backend=reduced", "shell"]).arg(bed.workspace());
    let output = create.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.success(), said.contains("Unsupported")), (!is_root(), is_root()), "{said}");
}
