//! Named sets of rules, each entry with its reason.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::pattern::PatternError;
use crate::policy::DefaultVerdict;

/// A named set of allow rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// No rules: every public address, under policy `allow`.
    Open,
    /// What claude and codex need to work.
    Agents,
    /// [`Agents`](Self::Agents), package registries and git hosts.
    Dev,
    /// No rules, and deny whatever the policy says: only what the lists allow.
    Locked,
}

/// One host of a preset. It is allowed at ports 80 and 443 unless the pattern names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresetHost {
    /// The pattern, as [`HostPattern`](crate::HostPattern) reads it.
    pub pattern: &'static str,
    /// Why it is in the preset.
    pub reason: &'static str,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] = [Self::Open, Self::Agents, Self::Dev, Self::Locked];

    /// The preset's name, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Agents => "agents",
            Self::Dev => "dev",
            Self::Locked => "locked",
        }
    }

    /// The default verdict that belongs to the preset, for callers to use where the user gave none.
    pub fn implied_verdict(self) -> DefaultVerdict {
        match self {
            Self::Open => DefaultVerdict::Allow,
            Self::Agents | Self::Dev | Self::Locked => DefaultVerdict::Deny,
        }
    }

    /// The hosts that the preset allows.
    pub fn hosts(self) -> impl Iterator<Item = PresetHost> {
        let lists: &[&[PresetHost]] = match self {
            Self::Open | Self::Locked => &[],
            Self::Agents => &[AGENTS],
            Self::Dev => &[AGENTS, REGISTRIES, GIT],
        };
        lists.iter().flat_map(|list| list.iter().copied())
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| PatternError::preset(text))
    }
}

const fn host(pattern: &'static str, reason: &'static str) -> PresetHost {
    PresetHost { pattern, reason }
}

const AGENTS: &[PresetHost] = &[
    host("api.anthropic.com", "claude: model requests"),
    host("platform.claude.com", "claude: sign-in and token refresh"),
    host("console.anthropic.com", "claude: sign-in and token refresh of earlier releases"),
    host("claude.ai", "claude: sign-in of subscriptions"),
    host("claude.com", "claude: sign-in of subscriptions"),
    host("api.openai.com", "codex: model requests with an API key"),
    host("auth.openai.com", "codex: sign-in and token refresh"),
    host("chatgpt.com", "codex: model requests with a subscription"),
];

const REGISTRIES: &[PresetHost] = &[
    host("registry.npmjs.org", "npm: packages"),
    host("registry.yarnpkg.com", "yarn: packages"),
    host("npm.jsr.io", "jsr: packages for npm"),
    host("jsr.io", "jsr: packages"),
    host("nodejs.org", "node: headers and releases for native modules"),
    host("index.crates.io", "cargo: the index"),
    host("static.crates.io", "cargo: crates"),
    host("crates.io", "cargo: the API"),
    host("static.rust-lang.org", "rustup: toolchains"),
    host("sh.rustup.rs", "rustup: installer"),
    host("pypi.org", "pip: the index"),
    host("files.pythonhosted.org", "pip: packages"),
    host("proxy.golang.org", "go: modules"),
    host("sum.golang.org", "go: checksums of modules"),
    host("storage.googleapis.com", "go: where the module proxy sends for large modules and toolchains"),
    host("go.dev", "go: toolchains and import paths"),
    host("dl.google.com", "go: toolchains"),
    host("deb.debian.org", "apt: Debian packages"),
    host("security.debian.org", "apt: Debian security updates"),
    host("archive.ubuntu.com", "apt: Ubuntu packages"),
    host("security.ubuntu.com", "apt: Ubuntu security updates"),
    host("ports.ubuntu.com", "apt: Ubuntu packages of other architectures"),
    host("rubygems.org", "gem: the index and packages"),
    host("index.rubygems.org", "gem: the compact index"),
    host("repo.maven.apache.org", "maven: packages"),
    host("repo1.maven.org", "maven: packages"),
    host("plugins.gradle.org", "gradle: plugins"),
    host("services.gradle.org", "gradle: the wrapper's distributions"),
];

const GIT: &[PresetHost] = &[
    host("github.com", "git over https, releases"),
    host("github.com:22", "git over ssh"),
    host("ssh.github.com:443", "git over ssh at the https port"),
    host("api.github.com", "the API that gh and release installers use"),
    host("codeload.github.com", "archives of repositories"),
    host("raw.githubusercontent.com", "single files of repositories"),
    host("objects.githubusercontent.com", "release files and large files"),
    host("release-assets.githubusercontent.com", "release files"),
    host("media.githubusercontent.com", "large files"),
    host("github-cloud.githubusercontent.com", "large files"),
    host("gitlab.com", "git over https, the API"),
    host("gitlab.com:22", "git over ssh"),
    host("altssh.gitlab.com:443", "git over ssh at the https port"),
    host("bitbucket.org", "git over https"),
    host("bitbucket.org:22", "git over ssh"),
];
