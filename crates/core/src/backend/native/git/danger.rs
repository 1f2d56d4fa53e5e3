//! What of a git configuration makes git run programs, or read and write elsewhere.
//!
//! Settings that may are far too many to list, and each version of git has more; so this lists those that do not.

/// A setting that is not known to be harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Danger {
    /// The setting as git names it: `core.fsmonitor`, `alias.x`.
    pub(crate) key: String,
    /// Its line, from 1.
    pub(crate) line: usize,
}

/// Settings that only say how git itself behaves: `section.key`, `section.*` for all keys of a section without a name,
/// `section.<>.key` for those of a section with one.
const HARMLESS: &[(&str, &str)] = &[
    ("core.repositoryformatversion", "written by git init"),
    ("core.filemode", "written by git init"),
    ("core.bare", "written by git init; `true` only makes commands fail"),
    ("core.logallrefupdates", "written by git init"),
    ("core.symlinks", "written by git init"),
    ("core.ignorecase", "written by git init"),
    ("core.precomposeunicode", "written by git init"),
    ("core.sharedrepository", "permissions of new files of the repository"),
    ("core.autocrlf", "line ends"),
    ("core.eol", "line ends"),
    ("core.safecrlf", "line ends"),
    ("core.whitespace", "colours in diffs"),
    ("core.quotepath", "how names are shown"),
    ("core.abbrev", "how ids are shown"),
    ("core.compression", "size of objects"),
    ("core.sparsecheckout", "written by git sparse-checkout"),
    ("core.sparsecheckoutcone", "written by git sparse-checkout"),
    ("core.untrackedcache", "speed of git status"),
    ("core.preloadindex", "speed of git status"),
    ("core.splitindex", "form of the index"),
    ("core.commitgraph", "speed of git log"),
    ("core.multipackindex", "speed of reading objects"),
    ("index.*", "form of the index"),
    ("extensions.objectformat", "written by git init"),
    ("extensions.refstorage", "written by git init"),
    ("extensions.worktreeconfig", "written by git sparse-checkout; what it leads to is looked at itself"),
    ("extensions.partialclone", "names a remote"),
    ("user.name", "identity"),
    ("user.email", "identity"),
    ("author.*", "identity"),
    ("committer.*", "identity"),
    ("init.defaultbranch", "a name"),
    ("branch.autosetupmerge", "which branch is followed"),
    ("branch.autosetuprebase", "which branch is followed"),
    ("branch.sort", "order of output"),
    ("branch.<>.remote", "written by git push -u"),
    ("branch.<>.merge", "written by git push -u"),
    ("branch.<>.rebase", "how git pull joins"),
    ("branch.<>.pushremote", "a remote's name"),
    ("branch.<>.description", "text"),
    ("remote.pushdefault", "a remote's name"),
    ("remote.<>.fetch", "written by git remote add"),
    ("remote.<>.push", "which refs are pushed"),
    ("remote.<>.tagopt", "which tags are fetched"),
    ("remote.<>.prune", "what git fetch removes of what it fetched"),
    ("remote.<>.promisor", "written by a partial clone"),
    ("remote.<>.partialclonefilter", "written by a partial clone"),
    ("remote.<>.gh-resolved", "written by the GitHub command line"),
    ("push.default", "which refs are pushed"),
    ("push.followtags", "which refs are pushed"),
    ("push.autosetupremote", "which branch is followed"),
    ("pull.rebase", "how git pull joins"),
    ("pull.ff", "how git pull joins"),
    ("fetch.prune", "what git fetch removes of what it fetched"),
    ("fetch.parallel", "speed"),
    ("merge.ff", "form of merges"),
    ("merge.conflictstyle", "form of conflicts"),
    ("merge.renamelimit", "speed of merges"),
    ("rebase.autosquash", "order of commits"),
    ("rebase.autostash", "what git rebase does first"),
    ("rerere.*", "remembers how conflicts were solved"),
    ("diff.algorithm", "form of diffs"),
    ("diff.renames", "form of diffs"),
    ("diff.renamelimit", "speed of diffs"),
    ("diff.colormoved", "colours"),
    ("color.*", "colours"),
    ("color.<>.*", "colours"),
    ("column.*", "form of output"),
    ("status.*", "form of output"),
    ("log.date", "form of output"),
    ("log.decorate", "form of output"),
    ("advice.*", "hints"),
    ("commit.gpgsign", "whether a commit is signed; by what is another setting"),
    ("commit.verbose", "form of output"),
    ("tag.sort", "order of output"),
    ("gc.*", "when git tidies up"),
    ("maintenance.auto", "when git tidies up"),
    ("maintenance.strategy", "when git tidies up"),
    ("pack.*", "size of packs"),
    ("feature.*", "defaults of other harmless settings"),
    ("submodule.active", "which submodules there are"),
    ("submodule.<>.active", "which submodules there are"),
    ("lfs.repositoryformatversion", "written by git lfs"),
];

/// The settings of a configuration that are not known to be harmless; what git would not parse is one as well.
pub(crate) fn danger(config: &str) -> Vec<Danger> {
    let found = Settings::of(config).filter_map(|setting| match setting {
        Ok(setting) if is_harmless(&setting) => None,
        Ok(setting) => Some(Danger { key: setting.name(), line: setting.line }),
        Err(line) => Some(Danger { key: "unreadable".to_owned(), line }),
    });
    found.collect()
}

/// What a configuration sets, keys in small letters; what cannot be parsed is left out.
pub(super) fn settings(config: &str) -> impl Iterator<Item = (String, String)> {
    Settings::of(config).flatten().map(|setting| (setting.name(), setting.value))
}

fn is_harmless(setting: &Setting) -> bool {
    // A URL can name a program to run: `ext::sh -c …`.
    if setting.section == "remote" && matches!(setting.key.as_str(), "url" | "pushurl") {
        return is_plain_url(&setting.value);
    }
    if setting.section == "submodule" && setting.key == "url" {
        return is_plain_url(&setting.value);
    }
    let middle = if setting.subsection.is_some() { ".<>" } else { "" };
    let names = [format!("{}{middle}.{}", setting.section, setting.key), format!("{}{middle}.*", setting.section)];
    HARMLESS.iter().any(|(name, _reason)| names.iter().any(|own| own == name))
}

/// Whether git reaches it by itself: a well-known scheme, `user@host:path` or a path.
fn is_plain_url(url: &str) -> bool {
    if url.starts_with('-') || url.chars().any(char::is_control) {
        return false;
    }
    match url.split_once("://") {
        Some((scheme, rest)) => matches!(scheme, "https" | "http" | "ssh" | "git" | "file") && !rest.starts_with('-'),
        None => !url.contains("::"),
    }
}

struct Setting {
    section: String,
    subsection: Option<String>,
    key: String,
    value: String,
    line: usize,
}

impl Setting {
    fn name(&self) -> String {
        match &self.subsection {
            Some(subsection) => format!("{}.{subsection}.{}", self.section, self.key),
            None => format!("{}.{}", self.section, self.key),
        }
    }
}

/// Reads a configuration as git does; `Err` with its line for what git would refuse.
struct Settings<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    section: Option<(String, Option<String>)>,
    broken: bool,
}

impl<'a> Settings<'a> {
    fn of(config: &'a str) -> Self {
        let config = config.strip_prefix('\u{feff}').unwrap_or(config);
        Self { rest: config.chars().peekable(), line: 1, section: None, broken: false }
    }

    fn next_char(&mut self) -> Option<char> {
        let mut next = self.rest.next();
        if next == Some('\r') && self.rest.peek() == Some(&'\n') {
            next = self.rest.next();
        }
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn skip_line(&mut self) {
        while self.next_char().is_some_and(|c| c != '\n') {}
    }

    /// What follows a `[`.
    fn header(&mut self) -> Option<()> {
        let mut name = String::new();
        loop {
            match self.next_char()? {
                ']' => {
                    // The old form, `[branch.name]`.
                    let (section, subsection) = match name.split_once('.') {
                        Some((section, subsection)) => (section.to_owned(), Some(subsection.to_owned())),
                        None => (name, None),
                    };
                    self.section = Some((section, subsection));
                    return Some(());
                }
                ' ' | '\t' => break,
                c if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') => name.push(c.to_ascii_lowercase()),
                _ => return None,
            }
        }
        while matches!(self.rest.peek(), Some(' ' | '\t')) {
            self.next_char();
        }
        if self.next_char()? != '"' {
            return None;
        }
        let mut subsection = String::new();
        loop {
            match self.next_char()? {
                '"' => break,
                '\n' => return None,
                '\\' => subsection.push(self.next_char().filter(|c| *c != '\n')?),
                c => subsection.push(c),
            }
        }
        if self.next_char()? != ']' {
            return None;
        }
        self.section = Some((name, Some(subsection)));
        Some(())
    }

    fn setting(&mut self, first: char) -> Option<Setting> {
        let (section, subsection) = self.section.clone()?;
        let line = self.line;
        let mut key = String::from(first.to_ascii_lowercase());
        while let Some(c) = self.rest.peek().copied().filter(|c| c.is_ascii_alphanumeric() || *c == '-') {
            key.push(c.to_ascii_lowercase());
            self.next_char();
        }
        while matches!(self.rest.peek(), Some(' ' | '\t')) {
            self.next_char();
        }
        let value = match self.next_char() {
            None | Some('\n') => "true".to_owned(),
            Some('=') => self.value()?,
            Some(_) => return None,
        };
        Some(Setting { section, subsection, key, value, line })
    }

    fn value(&mut self) -> Option<String> {
        let (mut value, mut quoted, mut comment) = (String::new(), false, false);
        loop {
            match self.next_char() {
                None | Some('\n') => {
                    return (!quoted).then(|| value.trim().to_owned());
                }
                Some(_) if comment => {}
                Some('#' | ';') if !quoted => comment = true,
                Some('"') => quoted = !quoted,
                Some('\\') => match self.next_char()? {
                    '\n' => {}
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    'b' => value.push('\u{8}'),
                    c @ ('"' | '\\') => value.push(c),
                    _ => return None,
                },
                Some(c) => value.push(c),
            }
        }
    }
}

impl Iterator for Settings<'_> {
    type Item = Result<Setting, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.broken {
            let read = match self.next_char()? {
                c if c.is_whitespace() => continue,
                '#' | ';' => {
                    self.skip_line();
                    continue;
                }
                '[' => match self.header() {
                    Some(()) => continue,
                    None => None,
                },
                c if c.is_ascii_alphabetic() => self.setting(c),
                _ => None,
            };
            if let Some(setting) = read {
                return Some(Ok(setting));
            }
            // Git reads none of it then; a later version may read more than this one.
            self.broken = true;
            return Some(Err(self.line));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(config: &str) -> Vec<String> {
        danger(config).into_iter().map(|danger| danger.key).collect()
    }

    #[test]
    fn what_git_itself_writes_is_harmless() {
        let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
            [remote \"origin\"]\n\turl = git@github.com:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
            [branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n[user]\n\tname = A \"B\" C ; comment\n";
        assert_eq!(keys(config), Vec::<String>::new());
    }

    #[test]
    fn whatever_may_run_something_is_named() {
        let cases = [
            ("[core]\n\tfsmonitor = touch x", "core.fsmonitor"),
            ("[CORE] hooksPath=x", "core.hookspath"),
            ("[core]fsmonitor\t=\\\n x", "core.fsmonitor"),
            ("[alias] st = !sh", "alias.st"),
            ("[filter \"a\"] clean = x", "filter.a.clean"),
            ("[filter.a] smudge = x", "filter.a.smudge"),
            ("[diff \"x\"] textconv = y", "diff.x.textconv"),
            ("[merge \"x\"] driver = y", "merge.x.driver"),
            ("[credential] helper = !x", "credential.helper"),
            ("[include] path = /x", "include.path"),
            ("[includeIf \"gitdir:/\"] path = /x", "includeif.gitdir:/.path"),
            ("[gpg] program = x", "gpg.program"),
            ("[gpg \"ssh\"] program = x", "gpg.ssh.program"),
            ("[remote \"o\"] url = ext::sh -c x", "remote.o.url"),
            ("[remote \"o\"] uploadpack = x", "remote.o.uploadpack"),
            ("[remote \"o\"] vcs = x", "remote.o.vcs"),
            ("[protocol \"ext\"] allow = always", "protocol.ext.allow"),
            ("[core] worktree = /", "core.worktree"),
            ("[url \"ext::\"] insteadOf = x", "url.ext::.insteadof"),
            ("\u{feff}[core] sshCommand = x", "core.sshcommand"),
            ("[color]\n ui = true\n[pager] log = x", "pager.log"),
            ("[submodule \"x\"] update = !x", "submodule.x.update"),
            ("[core]\n ~", "unreadable"),
        ];
        for (config, key) in cases {
            assert_eq!(keys(config), [key], "{config}");
        }
        assert_eq!(danger("[user]\n\tname = x\n[alias]\n\ta = b\n")[0].line, 4);
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,300}") {
            drop(danger(&text));
        }

        #[test]
        fn nothing_around_it_hides_a_setting(before in "(#[a-z\\[\\]\"]{0,9}\n|[ \t\r\n]|;x\n){0,5}") {
            prop_assert_eq!(keys(&format!("{before}[core]{before}fsmonitor = x")), ["core.fsmonitor"]);
        }
    }
}
