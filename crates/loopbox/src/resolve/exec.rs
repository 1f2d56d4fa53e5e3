//! `exec` → [`ExecRequest`].

use std::str::FromStr;

use loopbox_core::{ExecInput, ExecRequest, Result, User};

use super::env;
use crate::args::ExecArgs;
use crate::failure::unsupported;

/// Who runs a command: `agent`, `root`, `UID` or `UID:GID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserArg(pub(crate) User);

/// The ids of the user `agent` in every sandbox.
const AGENT_ID: u32 = 1000;

impl FromStr for UserArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| "expected agent, root, UID or UID:GID");
        let (uid, gid) = match text {
            "agent" => return Ok(Self(User::Agent)),
            "root" => return Ok(Self(User::Root)),
            _ => match text.split_once(':') {
                Some((uid, gid)) => (number(uid)?, number(gid)?),
                None => (number(text)?, number(text)?),
            },
        };
        Ok(Self(match (uid, gid) {
            (0, 0) => User::Root,
            (AGENT_ID, AGENT_ID) => User::Agent,
            (uid, gid) => User::Ids { uid, gid },
        }))
    }
}

/// The request for a command that was typed. Its terminal, if it wants one, is added by who knows ours.
pub(crate) fn exec_request(args: ExecArgs) -> Result<ExecRequest> {
    if args.privileged {
        return Err(unsupported("a sandbox has no privileged commands", "root of the sandbox is exec -u root"));
    }
    let mut request = ExecRequest::new(args.command);
    request.env = env::variables(args.env, &args.env_file)?;
    request.work_dir = args.workdir;
    request.user = args.user.map_or(User::Agent, |user| user.0);
    request.timeout = args.timeout.unwrap_or_default();
    request.stdin = if args.interactive { ExecInput::Stream } else { ExecInput::Empty };
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        let cases = [
            ("agent", User::Agent),
            ("1000", User::Agent),
            ("1000:1000", User::Agent),
            ("root", User::Root),
            ("0", User::Root),
            ("0:0", User::Root),
            ("65534", User::Ids { uid: 65534, gid: 65534 }),
            ("1000:0", User::Ids { uid: 1000, gid: 0 }),
        ];
        for (text, user) in cases {
            assert_eq!(text.parse(), Ok(UserArg(user)), "{text}");
        }
        for text in ["", "nobody", "-1", "1:", ":1", "1:2:3"] {
            assert!(text.parse::<UserArg>().is_err(), "{text}");
        }
    }
}
