//! Runs the examples: in a project that installed our two packages and nothing else, beside a model server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use xshell::{Shell, cmd};

use super::Purpose;
use crate::tally::Tally;
use crate::{Result, root};

/// What the stand-in for a model lets the agent do in the example that starts one.
const STORY: &str = r#"{
  "steps": [{ "write": { "path": "STORY.md", "content": "A directory with an example in it.\n" } }],
  "answer": "STORY.md is written."
}"#;

/// Runs each marked example of README.md as it is printed, TypeScript in Node and in Bun.
pub(crate) fn run(sh: &Shell) -> Result<Tally> {
    let project = tempfile::tempdir()?;
    let state = tempfile::tempdir()?;
    let packages = packages()?;
    let _directory = sh.push_dir(project.path());
    sh.write_file("package.json", r#"{ "name": "example", "private": true, "type": "module" }"#)?;
    cmd!(sh, "npm install --offline --no-audit --no-fund {packages...}").run()?;
    cmd!(sh, "git init --quiet").run()?;
    sh.write_file("story.json", STORY)?;
    let model_server = ModelServer::start(&project.path().join("story.json"))?;

    let commands = project.path().join("node_modules/.bin");
    let _path = sh.push_env("PATH", format!("{}:{}", commands.display(), sh.var("PATH")?));
    let _state = sh.push_env("LOOPBOX_STATE_DIR", state.path());
    let _port = sh.push_env("MODEL_SERVER_PORT", &model_server.port);
    let _key = sh.push_env("ANTHROPIC_API_KEY", "worth-nothing");
    let mut total = Tally::default();
    for snippet in super::snippets()? {
        let Purpose::Run(name) = snippet.purpose else { continue };
        sh.write_file(&name, snippet.text)?;
        let runners: &[(&str, &[&str])] = match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
            Some("ts") => &[("node", &[]), ("bun", &[])],
            Some("sh") => &[("sh", &["-eu"])],
            _ => return Err(format!("README.md: nothing runs {name}").into()),
        };
        for &(runner, flags) in runners {
            let result = cmd!(sh, "{runner} {flags...} {name}").run();
            if let Err(error) = &result {
                println!("README.md: {error}");
            }
            total += Tally::of_one(result.is_ok());
        }
    }
    Ok(total)
}

/// The tarballs that `cargo xtask npm` left.
fn packages() -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(root().join("target/npm"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "tgz")).collect())
}

/// A running stand-in for a model server; ends with this value.
struct ModelServer {
    process: Child,
    port: String,
}

impl ModelServer {
    fn start(story: &Path) -> Result<Self> {
        let mut command = Command::new(root().join("target/debug/model-standin"));
        let mut process = command.arg("--story").arg(story).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no output of the model server")?;
        let mut server = Self { process, port: String::new() };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line)?;
        let address = ready["address"].as_str().ok_or("no address of the model server")?;
        address.rsplit(':').next().unwrap_or_default().clone_into(&mut server.port);
        Ok(server)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        // It may have ended by itself, which its users have noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
