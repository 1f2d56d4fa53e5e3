//! Completion scripts.

use crate::support::Machine;

#[test]
fn the_bash_script_is_sound_and_knows_our_verbs() {
    let machine = Machine::new();
    let line = "eval \"$(loopbox completions bash)\" && COMP_WORDS=(loopbox ex) COMP_CWORD=1 && \
                _loopbox loopbox ex loopbox && echo ${COMPREPLY[@]}";
    assert_eq!(machine.shell(line).succeeded().stdout, "exec\n");
}

#[test]
fn every_shell_is_told_of_every_verb() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = machine.run(&["completions", shell]).succeeded().stdout;
        for verb in ["create", "prune", "rollback"] {
            assert!(script.contains(verb), "{shell} knows nothing of {verb}");
        }
        assert!(!script.contains("internal"), "{shell} offers what is not for users");
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let machine = Machine::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = machine.loopbox(&["completions", "zsh"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
