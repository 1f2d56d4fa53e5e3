//! `npm`: the main package and this platform's package, as tarballs in target/npm that install without a registry.
//!
//! What is built is staged in npm/platforms, where the npm workspace finds it: the tests in npm/ run the very files
//! that are packed.

use xshell::{Result, Shell, cmd};

const PLATFORM: &str = "linux-x64-gnu";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The packed tarballs, and nothing else.
const DESTINATION: &str = "target/npm";

/// The guest agent has a target directory of its own: its flags would invalidate every other build.
const STATIC_TARGET_DIR: &str = "target/static";

/// As they are published.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    make(sh, "release")
}

/// Quickly, and not for measuring.
pub(crate) fn run_debug(sh: &Shell) -> Result<()> {
    make(sh, "dev")
}

fn make(sh: &Shell, profile: &str) -> Result<()> {
    build(sh, profile)?;
    stage(sh, profile)?;
    pack(sh)
}

fn build(sh: &Shell, profile: &str) -> Result<()> {
    cmd!(sh, "cargo build --profile {profile} -p loopbox-bindings -p loopbox -p loopbox-secrets").run()?;
    // Runs in any container or VM, whatever libc it has.
    let _flags = sh.push_env("RUSTFLAGS", "-C target-feature=+crt-static");
    cmd!(sh, "cargo build --profile {profile} -p loopbox-init --target {TARGET} --target-dir {STATIC_TARGET_DIR}").run()
}

/// Puts what was built into the platform's package.
fn stage(sh: &Shell, profile: &str) -> Result<()> {
    let package = format!("npm/platforms/{PLATFORM}");
    // The one profile whose directory is not named after it.
    let built = if profile == "dev" { "debug" } else { profile };
    let files = [
        (format!("target/{built}/libloopbox_bindings.so"), "loopbox.node"),
        (format!("target/{built}/loopbox"), "loopbox"),
        (format!("target/{built}/secrets"), "secrets"),
        (format!("{STATIC_TARGET_DIR}/{TARGET}/{built}/loopbox-init"), "loopbox-init"),
    ];
    let mut digests = Vec::new();
    for (source, name) in &files {
        // Renamed into place: a sandbox may be running on the old one.
        let new = format!("{package}/{name}.new");
        sh.copy_file(source, &new)?;
        cmd!(sh, "mv {new} {package}/{name}").quiet().run()?;
        let line = cmd!(sh, "sha256sum {package}/{name}").quiet().read()?;
        let digest = line.split(' ').next().unwrap_or_default();
        digests.push(format!("    \"{name}\": \"{digest}\""));
    }
    let version = env!("CARGO_PKG_VERSION");
    let digests = digests.join(",\n");
    let manifest = format!(
        "{{\n  \"version\": \"{version}\",\n  \"profile\": \"{profile}\",\n  \"sha256\": {{\n{digests}\n  }}\n}}\n"
    );
    sh.write_file(format!("{package}/native.json"), manifest)?;
    for directory in [package.as_str(), "npm/loopbox"] {
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            sh.copy_file(licence, directory)?;
        }
    }
    Ok(())
}

fn pack(sh: &Shell) -> Result<()> {
    sh.remove_path(DESTINATION)?;
    let destination = sh.create_dir(DESTINATION)?;
    for directory in ["npm/loopbox".to_owned(), format!("npm/platforms/{PLATFORM}")] {
        cmd!(sh, "npm pack ./{directory} --silent --ignore-scripts --pack-destination {destination}").run()?;
    }
    Ok(())
}
