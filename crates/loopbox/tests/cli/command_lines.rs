//! Command lines in use today with `docker sandbox` and `sbx`, with `loopbox` in their place. Each works, or is
//! answered with the exact form to type. Those that run an agent are in `agents`.

use crate::support::Machine;

/// What becomes of a line.
enum Expect {
    /// It prints this.
    Prints(&'static str),
    /// It ends with this exit code.
    Exits(i32),
    /// It fails with this hint.
    Hints(&'static str),
}

use Expect::{Exits, Hints, Prints};

/// In this order, in one shell each; `$P` is a workspace.
const LINES: &[(&str, Expect)] = &[
    ("loopbox create --name my-sandbox shell $P", Prints("my-sandbox\n")),
    ("loopbox create -q --name my-sandbox shell $P", Prints("my-sandbox\n")),
    ("loopbox create my-feature $P", Hints("loopbox create --name my-feature claude $P")),
    ("loopbox create my-feature codex $P", Hints("loopbox create --name my-feature codex $P")),
    (r#"loopbox exec -e "NODE_ENV=development" -w $P my-sandbox sh -c 'echo $NODE_ENV'"#, Prints("development\n")),
    ("loopbox exec my-sandbox bash -c 'exit 3'", Exits(3)),
    (
        "loopbox exec my-sandbox bash -c \"mkdir -p ~/.codex && cat > ~/.codex/auth.json << 'EOF'\n{\n  \\\"a\\\": 1\n}\nEOF\"",
        Exits(0),
    ),
    ("loopbox exec my-sandbox bash -c 'cat ~/.codex/auth.json | head -3'", Prints("{\n  \"a\": 1\n}\n")),
    ("echo typed | loopbox exec -i my-sandbox cat", Prints("typed\n")),
    ("loopbox exec -it my-sandbox bash", Hints("leave out -t")),
    ("loopbox exec -d my-sandbox sleep 1015 | grep -c .", Prints("1\n")),
    ("loopbox ls | grep -c '^my-sandbox  *shell  *running'", Prints("1\n")),
    ("loopbox ls -q", Prints("my-sandbox\n")),
    ("loopbox run my-sandbox -- -c 'echo run; exit 4'", Exits(4)),
    ("loopbox run my-sandbox -- -c 'echo run'", Prints("run\n")),
    ("loopbox run shell $P -- -c 'echo made'", Prints("made\n")),
    ("loopbox run nothing -- --continue", Hints("loopbox run --name nothing claude")),
    ("loopbox stop my-sandbox", Prints("my-sandbox\n")),
    ("loopbox run my-sandbox -- -c 'echo again'", Prints("again\n")),
    ("loopbox rm my-sandbox shell-p", Prints("my-sandbox\nshell-p\n")),
    ("loopbox ls -q", Prints("")),
    ("loopbox save my-sandbox tag", Hints("loopbox create")),
];

#[test]
fn lines_in_use_today() {
    let machine = Machine::new();
    let path = machine.workspace("p").display().to_string();
    for (line, expect) in LINES {
        let answer = machine.shell(line);
        let told = format!("{line}\nstdout: {}\nstderr: {}", answer.stdout, answer.stderr);
        match expect {
            Prints(text) => assert_eq!((answer.code, answer.stdout.as_str()), (0, *text), "{told}"),
            Exits(code) => assert_eq!(answer.code, *code, "{told}"),
            Hints(hint) => {
                assert_eq!(answer.code, 125, "{told}");
                assert!(answer.stderr.contains(&hint.replace("$P", &path)), "{told}");
            }
        }
    }
}
