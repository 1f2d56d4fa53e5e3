//! A stand-in for the model servers of Anthropic and OpenAI, for loopbox's tests and its demo.
//!
//! It speaks the Messages API and the Responses API as far as the real `claude` and `codex`
//! command line programs use them, and instead of a model it has a [`Story`]: tool calls that
//! write files and run commands, then a closing answer. So the real programs do real work with
//! their own tools, without credentials and without the network.
//!
//! What it is not: a model, a simulation of one, or a complete implementation of either API.
//! It understands no language, counts tokens by guesswork, has no rate limits and no TLS, answers
//! WebSocket upgrades with 426, and listens on 127.0.0.1 only. What works against it proves that an agent can
//! run, not that a provider would have answered so.
//!
//! ```
//! use model_standin::{ModelStandin, Options};
//!
//! let server = ModelStandin::start(Options::default())?;
//! // For claude: ANTHROPIC_BASE_URL = server.base_url()
//! // For codex: base_url = "{server.base_url()}/v1", wire_api = "responses"
//! assert!(server.base_url().starts_with("http://127.0.0.1:"));
//! assert!(server.requests().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A prompt can bring its own story: see [`Story::DIRECTIVE`].

#![forbid(unsafe_code)]

mod anthropic;
mod conversation;
mod openai;
mod reply;
mod request_log;
mod server;
mod service;
mod story;

pub use request_log::LoggedRequest;
pub use server::{Accepted, ModelStandin, Options};
pub use story::{Step, Story, StoryError};
