//! `model-standin`: the stand-in model server by itself, for tests that are not written in Rust.
//!
//! Prints one line of JSON, `{"address":"127.0.0.1:PORT","baseUrl":"http://127.0.0.1:PORT"}`,
//! when it is ready, then serves until it is killed.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;

use clap::Parser;
use model_standin::{Accepted, ModelStandin, Options, Story};

/// A stand-in for the model servers of Anthropic and OpenAI: no model, only a story.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// JSON file with the story to use when a prompt brings none
    #[arg(long, value_name = "FILE")]
    story: Option<PathBuf>,

    /// Placeholder credential to accept; may be given more than once [default: any]
    #[arg(long = "token", value_name = "TOKEN")]
    tokens: Vec<String>,

    /// File to append each request to, as a line of JSON
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let server = ModelStandin::start(arguments.into_options()?)?;
    announce(&server);
    server.wait();
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the line is this program's interface")]
fn announce(server: &ModelStandin) {
    let ready = serde_json::json!({
        "address": server.address(),
        "baseUrl": server.base_url(),
    });
    println!("{ready}");
}

impl Arguments {
    fn into_options(self) -> Result<Options, Box<dyn Error>> {
        let story = match self.story {
            Some(path) => Story::from_json(&fs::read_to_string(path)?)?,
            None => Story::default(),
        };
        let accepted = if self.tokens.is_empty() { Accepted::Any } else { Accepted::Tokens(self.tokens) };
        let log_file = match self.log {
            Some(path) => Some(File::options().create(true).append(true).open(path)?),
            None => None,
        };
        Ok(Options { port: self.port, story, accepted, log_file })
    }
}
