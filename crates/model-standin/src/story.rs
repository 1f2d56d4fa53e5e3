//! What the stand-in lets an agent do.

use serde::{Deserialize, Serialize};

/// Tool calls in order, then a closing answer.
///
/// As JSON (in a story file or in a prompt):
///
/// ```json
/// {
///   "steps": [
///     { "write": { "path": "hello.txt", "content": "hello\n" } },
///     { "run": "cat hello.txt" }
///   ],
///   "answer": "hello.txt is written."
/// }
/// ```
///
/// When the agent reports that a step failed, the story ends there, with an answer that begins
/// with `story failed` and holds what the agent reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// The tool calls, one a turn.
    pub steps: Vec<Step>,
    /// The text of the last turn.
    pub answer: String,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Write a file, its parent directories too: with the agent's own file tool where it has one,
    /// else through its shell. claude refuses to overwrite a file that its session has not read.
    Write {
        /// Where, absolute or relative to the agent's working directory.
        path: String,
        /// The file's whole content.
        content: String,
    },
    /// Run a shell command.
    Run(String),
}

/// A story that is not valid JSON of the documented shape.
#[derive(Debug)]
pub struct StoryError(serde_json::Error);

impl Story {
    /// A prompt that contains this word, followed by a story as JSON, replaces the server's story
    /// from that prompt on. Text before and after is ignored.
    pub const DIRECTIVE: &str = "model-standin:";

    /// Reads a story from JSON.
    pub fn from_json(json: &str) -> Result<Self, StoryError> {
        serde_json::from_str(json).map_err(StoryError)
    }

    /// This story as text to put into a prompt.
    pub fn to_directive(&self) -> String {
        let json = serde_json::json!(self);
        format!("{} {json}", Self::DIRECTIVE)
    }

    /// The story in a prompt, if the prompt has one.
    pub(crate) fn from_prompt(prompt: &str) -> Option<Result<Self, StoryError>> {
        let (_, rest) = prompt.split_once(Self::DIRECTIVE)?;
        let mut json = serde_json::Deserializer::from_str(rest);
        Some(Self::deserialize(&mut json).map_err(StoryError))
    }
}

impl Default for Story {
    fn default() -> Self {
        let path = "agent-story.txt";
        Self {
            steps: vec![
                Step::Write { path: path.to_owned(), content: "Written by the agent's own tool.\n".to_owned() },
                Step::Run(format!("cat {path}")),
            ],
            answer: format!("{path} is written and read back."),
        }
    }
}

impl Step {
    /// The shell command that does this step.
    pub(crate) fn as_shell(&self) -> String {
        match self {
            Self::Write { path, content } => {
                let write = format!("printf %s {} > {}", quoted(content), quoted(path));
                match path.rsplit_once('/') {
                    None | Some(("", _)) => write,
                    Some((parent, _)) => format!("mkdir -p -- {} && {write}", quoted(parent)),
                }
            }
            Self::Run(command) => command.clone(),
        }
    }
}

impl std::fmt::Display for StoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid story")
    }
}

impl std::error::Error for StoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_found_within_a_prompt() {
        let story = Story { steps: vec![Step::Run("echo \"{}\"".to_owned())], answer: "done".to_owned() };
        let prompt = format!("Please: {} and be quick {{", story.to_directive());
        assert_eq!(Story::from_prompt(&prompt).unwrap().unwrap(), story);
    }

    #[test]
    fn a_prompt_without_directive_has_no_story() {
        assert!(Story::from_prompt("write {\"steps\":[]}").is_none());
    }

    #[test]
    fn a_broken_directive_is_an_error_and_not_ignored() {
        for broken in ["", " {", " {\"steps\":[]}", " {\"steps\":[],\"answer\":\"\",\"x\":1}"] {
            let prompt = format!("{}{broken}", Story::DIRECTIVE);
            let found = Story::from_prompt(&prompt);
            assert!(matches!(found, Some(Err(_))), "{broken:?}: {found:?}");
        }
    }

    #[test]
    fn the_shell_form_of_a_write_keeps_every_byte() {
        let content = "it's $HOME `x` \"q\" \\n % \n\tä\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new dir/a 'b' c");
        let step = Step::Write { path: path.to_str().unwrap().to_owned(), content: content.to_owned() };
        let status = std::process::Command::new("sh").args(["-c", &step.as_shell()]).status().unwrap();
        assert!(status.success());
        assert_eq!(std::fs::read_to_string(path).unwrap(), content);
    }
}
