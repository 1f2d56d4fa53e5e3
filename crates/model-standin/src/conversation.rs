//! Where a conversation stands in its story. Both APIs send the whole conversation with every
//! request, so the server keeps no state: the next move follows from the request alone.

use crate::story::{Step, Story, StoryError};

/// What matters of a conversation, oldest first.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The user said something.
    Prompt(String),
    /// The agent ran a tool for us.
    Done(Outcome),
}

/// What the agent reported about a tool call.
#[derive(Debug)]
pub(crate) enum Outcome {
    Succeeded,
    Failed(String),
    /// The command still runs in the agent's session of that number.
    Running(u64),
}

/// What the stand-in does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Do(Step),
    /// Ask for the rest of a command that still runs.
    Await(u64),
    Say(String),
}

/// The next move: the first step that has no outcome yet, counted from the prompt that began the story.
pub(crate) fn next_move(conversation: &[Entry], default: &Story) -> Result<Move, StoryError> {
    let (story, outcomes) = current_story(conversation, default)?;
    let mut done = 0;
    for outcome in outcomes {
        match outcome {
            Outcome::Succeeded => done += 1,
            Outcome::Failed(report) => return Ok(Move::Say(failure(done, report))),
            Outcome::Running(_) => {}
        }
    }
    if let Some(Entry::Done(Outcome::Running(session))) = conversation.last() {
        return Ok(Move::Await(*session));
    }
    Ok(match story.steps.get(done) {
        Some(step) => Move::Do(step.clone()),
        None => Move::Say(story.answer),
    })
}

/// The story of the last prompt that brought one and the outcomes since then; without any, the
/// default story and the outcomes since the last prompt.
fn current_story<'a>(
    conversation: &'a [Entry],
    default: &Story,
) -> Result<(Story, impl Iterator<Item = &'a Outcome>), StoryError> {
    let mut start = None;
    let mut story = None;
    for (index, entry) in conversation.iter().enumerate().rev() {
        let Entry::Prompt(prompt) = entry else {
            continue;
        };
        start = start.or(Some(index));
        if let Some(found) = Story::from_prompt(prompt) {
            story = Some(found?);
            start = Some(index);
            break;
        }
    }
    let outcomes = conversation[start.unwrap_or(0)..].iter().filter_map(|entry| match entry {
        Entry::Done(outcome) => Some(outcome),
        Entry::Prompt(_) => None,
    });
    Ok((story.unwrap_or_else(|| default.clone()), outcomes))
}

fn failure(step: usize, report: &str) -> String {
    format!("story failed at step {}: {report}", step + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str) -> Entry {
        Entry::Prompt(text.to_owned())
    }

    fn story(commands: &[&str], answer: &str) -> Story {
        Story { steps: commands.iter().map(|c| Step::Run((*c).to_owned())).collect(), answer: answer.to_owned() }
    }

    fn run(command: &str) -> Move {
        Move::Do(Step::Run(command.to_owned()))
    }

    fn say(text: &str) -> Move {
        Move::Say(text.to_owned())
    }

    const OK: Entry = Entry::Done(Outcome::Succeeded);

    #[test]
    fn steps_follow_one_another_and_the_answer_ends() {
        let default = story(&["a", "b"], "end");
        let next = |entries: &[Entry]| next_move(entries, &default).unwrap();
        assert_eq!(next(&[prompt("go")]), run("a"));
        assert_eq!(next(&[prompt("go"), OK]), run("b"));
        assert_eq!(next(&[prompt("go"), OK, OK]), say("end"));
    }

    #[test]
    fn a_second_prompt_begins_the_story_again() {
        let default = story(&["a"], "end");
        let entries = [prompt("go"), OK, prompt("again")];
        assert_eq!(next_move(&entries, &default).unwrap(), run("a"));
    }

    #[test]
    fn the_last_directive_wins_and_outlives_reminders_after_it() {
        let default = story(&["a"], "end");
        let first = story(&["x"], "first").to_directive();
        let second = story(&["y", "z"], "second").to_directive();
        let entries = [prompt(&first), OK, prompt(&second), OK, prompt("a reminder that the agent put in")];
        assert_eq!(next_move(&entries, &default).unwrap(), run("z"));
    }

    #[test]
    fn a_failed_step_ends_the_story_with_the_report() {
        let default = story(&["a", "b"], "end");
        let failed = Entry::Done(Outcome::Failed("no such file".to_owned()));
        let entries = [prompt("go"), OK, failed];
        assert_eq!(next_move(&entries, &default).unwrap(), say("story failed at step 2: no such file"));
    }

    #[test]
    fn a_command_that_still_runs_is_awaited_before_the_next_step() {
        let default = story(&["a", "b"], "end");
        let running = || Entry::Done(Outcome::Running(7));
        assert_eq!(next_move(&[prompt("go"), running()], &default).unwrap(), Move::Await(7));
        assert_eq!(next_move(&[prompt("go"), running(), OK], &default).unwrap(), run("b"));
    }
}
