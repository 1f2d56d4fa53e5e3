//! The examples of README.md, which CI runs exactly as they are printed.
//!
//! A comment before a code block says what becomes of it: `<!-- run: loop.ts -->` names the file it is written to and
//! run as, `<!-- file: PATH -->` the file of the tree that it must equal.

pub(crate) mod run;

use std::fs;

use crate::{Result, root};

/// A code block and what is to be done with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    pub(crate) purpose: Purpose,
    pub(crate) text: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Run under this file name.
    Run(String),
    /// Equal to this file of the tree.
    File(String),
}

/// The marked code blocks of README.md, in their order.
pub(crate) fn snippets() -> Result<Vec<Snippet>> {
    parse(&fs::read_to_string(root().join("README.md"))?)
}

fn parse(text: &str) -> Result<Vec<Snippet>> {
    let mut snippets = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(purpose) = parse_marker(line) else { continue };
        let fence = lines.next().unwrap_or_default();
        if !fence.starts_with("```") {
            return Err(format!("README.md: no code block follows {line}").into());
        }
        let code: String = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
        snippets.push(Snippet { purpose, text: code });
    }
    Ok(snippets)
}

fn parse_marker(line: &str) -> Option<Purpose> {
    let (kind, name) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
    match kind {
        "run" => Some(Purpose::Run(name.to_owned())),
        "file" => Some(Purpose::File(name.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_blocks_are_found_and_others_left_alone() {
        let text = "# x\n```sh\nleft alone\n```\n<!-- run: a.ts -->\n```ts\none\n\ntwo\n```\n<!-- file: b.rs -->\n```rust\nfn main() {}\n```\n";
        let expected = [
            Snippet { purpose: Purpose::Run("a.ts".into()), text: "one\n\ntwo\n".into() },
            Snippet { purpose: Purpose::File("b.rs".into()), text: "fn main() {}\n".into() },
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_marker_without_its_block_is_an_error() {
        assert!(parse("<!-- run: a.ts -->\n\n```ts\n```\n").is_err());
    }
}
