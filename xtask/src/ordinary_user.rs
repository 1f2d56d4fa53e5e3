//! The suite as an ordinary user, started by root: the same tree at the same path, but as that user's own copy.
//!
//! The copy is mounted over the tree in a mount namespace of the run, so that paths compiled into the tests hold and a
//! tree below a directory that others cannot enter does no harm.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

use crate::tally::Tally;
use crate::{Result, root, task_test, tools};

/// Runs in the new mount namespace, as root: FIRST is the topmost directory that others cannot enter, if any.
const ENTER: &str = r#"
set -eu
tree=$1 copy=$2 closed=$3
shift 3
if [ -n "$closed" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "$tree"
fi
mount --bind "$copy" "$tree"
cd "$tree"
exec "$@"
"#;

pub(crate) struct OrdinaryUser {
    name: String,
    home: PathBuf,
}

impl OrdinaryUser {
    /// The user of that name, made now if there is none.
    pub(crate) fn named(sh: &Shell, name: &str) -> Result<Self> {
        if cmd!(sh, "id -u {name}").quiet().ignore_stdout().ignore_stderr().run().is_err() {
            cmd!(sh, "useradd --create-home --shell /bin/bash {name}").run()?;
        }
        let entry = cmd!(sh, "getent passwd {name}").quiet().read()?;
        let home = entry.split(':').nth(5).ok_or("no home directory in the user's entry")?;
        Ok(Self { name: name.to_owned(), home: home.into() })
    }

    /// Runs what is built as this user, and looks for processes left over.
    pub(crate) fn run_suite(&self, sh: &Shell, long: bool) -> Result<Tally> {
        println!("\n== once more, as the ordinary user {}", self.name);
        let directory = tempfile::Builder::new().prefix("loopbox-test-").tempdir_in(&self.home)?;
        let (tree, temporary, count) = (root(), directory.path().join("tmp"), directory.path().join("count"));
        let copy = directory.path().join("tree");
        copy_tree(sh, &copy)?;
        fs::create_dir(&temporary)?;
        self.give(sh, directory.path())?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;

        let before = self.processes(sh);
        let closed = closed_ancestor(tree)?.unwrap_or_default();
        let path = tools::path_with_pinned_tools(&"/usr/local/bin:/usr/bin:/bin".into())?;
        let (name, home) = (&self.name, &self.home);
        let long = long.then_some("--long");
        let finished = cmd!(sh, "unshare --mount --propagation private sh -c {ENTER} enter {tree} {copy} {closed}")
            .args(["setpriv", "--reuid", name, "--regid", name, "--init-groups", "--inh-caps=-all"])
            .args(["env", "-i", "LANG=C.UTF-8"])
            .arg(format!("USER={name}"))
            .arg(format!("LOGNAME={name}"))
            .arg(format!("HOME={}", home.display()))
            .arg(format!("TMPDIR={}", temporary.display()))
            .arg(format!("PATH={}", path.display()))
            .args(["target/debug/xtask", "test"])
            .args(long)
            .arg("--built")
            .arg(&count)
            .quiet()
            .run();
        let mut tally = match finished {
            Ok(()) => fs::read_to_string(&count)?.parse()?,
            Err(_) => Tally::of_one(false),
        };
        let left: Vec<String> = self.processes(sh).into_iter().filter(|line| !before.contains(line)).collect();
        if !left.is_empty() {
            println!("processes of {name} left over by the tests:\n{}", left.join("\n"));
        }
        tally += Tally::of_one(left.is_empty());
        Ok(tally)
    }

    fn give(&self, sh: &Shell, directory: &Path) -> Result<()> {
        let owner = format!("{}:", self.name);
        cmd!(sh, "chown --recursive --no-dereference {owner} {directory}").quiet().run()?;
        Ok(())
    }

    /// This user's processes, as lines for a person to read, without those that are dead and only wait for PID 1.
    fn processes(&self, sh: &Shell) -> Vec<String> {
        let name = &self.name;
        let lines = cmd!(sh, "ps -u {name} -o stat=,pid=,args=").quiet().ignore_status().read().unwrap_or_default();
        let alive = lines.lines().filter(|line| !line.starts_with('Z'));
        alive.filter_map(|line| line.split_once(char::is_whitespace)).map(|(_, process)| process.to_owned()).collect()
    }
}

/// Everything but git's own files and what compiling left; of that, the executables and packages to be tested.
fn copy_tree(sh: &Shell, copy: &Path) -> Result<()> {
    let tree = root();
    let script = r#"tar -C "$1" --exclude=./target --exclude=./.git -cf - . | tar -C "$2" -xf -"#;
    fs::create_dir_all(copy.join("target/debug/deps"))?;
    fs::create_dir_all(copy.join("target/debug/examples"))?;
    cmd!(sh, "sh -c {script} copy {tree} {copy}").quiet().run()?;
    cmd!(sh, "cp -a target/npm target/xtask {copy}/target/").quiet().run()?;
    copy_executables(&tree.join("target/debug"), &copy.join("target/debug"))?;
    copy_executables(&tree.join("target/debug/examples"), &copy.join("target/debug/examples"))?;
    for binary in task_test::test_binaries()? {
        fs::copy(&binary, copy.join(binary.strip_prefix(tree)?))?;
    }
    let nextest = cmd!(sh, "sh -c").arg("command -v cargo-nextest").quiet().read()?;
    fs::copy(nextest, copy.join("target/xtask/bin/cargo-nextest"))?;
    Ok(())
}

fn copy_executables(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The topmost directory above `path` that others cannot enter.
fn closed_ancestor(path: &Path) -> Result<Option<PathBuf>> {
    let mut ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
    ancestors.reverse();
    for ancestor in ancestors {
        if fs::metadata(ancestor)?.permissions().mode() & 0o001 == 0 {
            return Ok(Some(ancestor.to_owned()));
        }
    }
    Ok(None)
}
