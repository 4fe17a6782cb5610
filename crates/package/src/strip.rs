// SPDX-License-Identifier: Apache-2.0
//! What is left out of a package when it is unpacked, rule by rule.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use hardpan_tree::{Digest, TreePath};
use serde::{Deserialize, Serialize};

/// One thing that is removed from packages. Each has a name in the lock and can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StripRule {
    /// What package managers keep only to be faster. Directories stay: apt insists on some.
    Caches,
    /// The extended attribute `security.capability`. The file stays.
    Capabilities,
    /// Documentation. Licence texts stay, and so do the links in `/usr/share/doc` from one package's
    /// directory to another's, through which some licence texts are reached.
    Docs,
    /// GNU info pages.
    Info,
    /// Overrides for package checkers.
    Lintian,
    /// Translations of messages. `C.UTF-8` and `locale.alias` stay, and `/usr/lib/locale` is not
    /// touched: who asks for a package of compiled locales wants them.
    Locales,
    /// Manual pages.
    Man,
    /// Scripts and texts for bug reports.
    ReportBug,
    /// The setuid and setgid bits of files. The file stays. Directories keep setgid, which only
    /// passes their group on.
    Setuid,
}

/// A text that names no [`StripRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown strip rule {0:?}")]
pub struct UnknownStripRule(pub String);

impl StripRule {
    /// All rules, sorted.
    pub const ALL: [Self; 9] = [
        Self::Caches,
        Self::Capabilities,
        Self::Docs,
        Self::Info,
        Self::Lintian,
        Self::Locales,
        Self::Man,
        Self::ReportBug,
        Self::Setuid,
    ];

    /// Returns the rule's name in locks and definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caches => "caches",
            Self::Capabilities => "capabilities",
            Self::Docs => "docs",
            Self::Info => "info",
            Self::Lintian => "lintian",
            Self::Locales => "locales",
            Self::Man => "man",
            Self::ReportBug => "report-bug",
            Self::Setuid => "setuid",
        }
    }

    /// Returns the directories below which the rule removes entries.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Capabilities | Self::Setuid => &[],
            Self::Caches => &[
                "var/cache/apt",
                "var/cache/debconf",
                "var/cache/ldconfig",
                "var/cache/man",
                "var/lib/apt/lists",
            ],
            Self::Docs => &[
                "usr/share/doc",
                "usr/share/doc-base",
                "usr/share/devhelp",
                "usr/share/gtk-doc",
                "usr/share/help",
            ],
            Self::Info => &["usr/share/info"],
            Self::Lintian => &["usr/share/lintian", "usr/share/linda"],
            Self::Locales => &["usr/share/locale"],
            Self::Man => &["usr/share/man", "usr/local/share/man"],
            Self::ReportBug => &["usr/share/bug"],
        }
    }
}

impl fmt::Display for StripRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StripRule {
    type Err = UnknownStripRule;

    fn from_str(text: &str) -> Result<Self, UnknownStripRule> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or_else(|| UnknownStripRule(text.chars().take(100).collect()))
    }
}

/// The rules that are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StripPolicy(BTreeSet<StripRule>);

/// All rules are on.
impl Default for StripPolicy {
    fn default() -> Self {
        Self(StripRule::ALL.into())
    }
}

impl FromIterator<StripRule> for StripPolicy {
    fn from_iter<I: IntoIterator<Item = StripRule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// What an entry is, as far as stripping cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A directory. It goes only if nothing below it stays.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A file or hard link.
    File,
}

impl StripPolicy {
    /// Returns the policy that removes nothing.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Returns this policy with one rule switched off.
    pub fn without(mut self, rule: StripRule) -> Self {
        self.0.remove(&rule);
        self
    }

    /// Returns whether a rule is on.
    pub fn has(&self, rule: StripRule) -> bool {
        self.0.contains(&rule)
    }

    /// Returns the rules that are on, sorted.
    pub fn rules(&self) -> impl Iterator<Item = StripRule> + '_ {
        self.0.iter().copied()
    }

    /// Returns a digest that two policies share only if they remove the same. When the meaning of
    /// a rule changes, [`SEGMENT_FORMAT_VERSION`](super::segment::SEGMENT_FORMAT_VERSION) has to.
    pub fn digest(&self) -> Digest {
        let mut text = String::from("hardpan strip policy\n");
        for rule in &self.0 {
            text.push_str(rule.as_str());
            text.push('\n');
        }
        Digest::of(text.as_bytes())
    }

    /// Returns the rule that removes an entry, if one does.
    pub(super) fn rule_for(&self, path: &TreePath, shape: Shape) -> Option<StripRule> {
        self.rules().find(|rule| removes(*rule, path.as_bytes(), shape))
    }
}

/// Names that licence texts have in a package's directory in `/usr/share/doc`, in lower case.
const LICENCE_NAMES: [&[u8]; 5] = [b"copyright", b"copying", b"licence", b"license", b"notice"];

fn removes(rule: StripRule, path: &[u8], shape: Shape) -> bool {
    let Some((prefix, rest)) = rule
        .prefixes()
        .iter()
        .find_map(|prefix| below(path, prefix.as_bytes()).map(|rest| (*prefix, rest)))
    else {
        return false;
    };
    if shape == Shape::Directory {
        return rule != StripRule::Caches;
    }
    let names: Vec<&[u8]> = rest.split(|&byte| byte == b'/').collect();
    match (rule, names.as_slice()) {
        (StripRule::Docs, [_]) if prefix == "usr/share/doc" => shape != Shape::Symlink,
        (StripRule::Docs, [_, name]) if prefix == "usr/share/doc" => {
            let name = name.to_ascii_lowercase();
            !LICENCE_NAMES.iter().any(|licence| name.starts_with(licence))
        }
        (StripRule::Locales, [b"locale.alias" | b"C" | b"C.UTF-8" | b"C.utf8", ..]) => false,
        _ => true,
    }
}

/// Returns what follows `prefix/` in a path; the prefix itself has nothing after it.
fn below<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    match path.strip_prefix(prefix)? {
        [] => Some(&[]),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_remove_what_they_say() {
        use Shape::{Directory, File, Symlink};
        use StripRule as Rule;
        for (path, shape, expected) in [
            ("usr/share/doc/x/changelog.gz", File, Some(Rule::Docs)),
            ("usr/share/doc/x/examples/copyright", File, Some(Rule::Docs)),
            ("usr/share/doc/x", Directory, Some(Rule::Docs)),
            ("usr/share/doc/x/copyright", File, None),
            ("usr/share/doc/x/copyright", Symlink, None),
            ("usr/share/doc/x/LICENSE.txt", File, None),
            ("usr/share/doc/x", Symlink, None),
            ("usr/share/doc/README", File, Some(Rule::Docs)),
            ("usr/share/doc-base/x", File, Some(Rule::Docs)),
            ("usr/share/doc-base/copyright", File, Some(Rule::Docs)),
            ("usr/share/documents", File, None),
            ("usr/share/common-licenses/GPL-3", File, None),
            ("usr/share/man/man1/x.1.gz", Symlink, Some(Rule::Man)),
            ("usr/share/man", Directory, Some(Rule::Man)),
            ("usr/share/info/dir", File, Some(Rule::Info)),
            ("usr/share/locale/de/LC_MESSAGES/x.mo", File, Some(Rule::Locales)),
            ("usr/share/locale/locale.alias", Symlink, None),
            ("usr/share/locale/C/LC_MESSAGES/x.mo", File, None),
            ("usr/lib/locale/C.utf8/LC_CTYPE", File, None),
            ("usr/lib/locale/locale-archive", File, None),
            ("usr/share/lintian/overrides/x", File, Some(Rule::Lintian)),
            ("usr/share/bug/x/presubj", File, Some(Rule::ReportBug)),
            ("var/cache/apt/pkgcache.bin", File, Some(Rule::Caches)),
            ("var/cache/apt/archives/partial", Directory, None),
            ("var/cache/nginx", Directory, None),
            ("usr/bin/man", File, None),
        ] {
            let path = TreePath::parse(path).unwrap();
            assert_eq!(StripPolicy::default().rule_for(&path, shape), expected, "{path}");
            assert_eq!(StripPolicy::none().rule_for(&path, shape), None, "{path}");
            if let Some(rule) = expected {
                let policy = StripPolicy::default().without(rule);
                assert_eq!(policy.rule_for(&path, shape), None, "{path}");
            }
        }
    }

    #[test]
    fn names_round_trip_and_are_sorted() {
        let mut sorted = StripRule::ALL;
        sorted.sort_by_key(|rule| rule.as_str());
        assert_eq!(sorted, StripRule::ALL);
        for rule in StripRule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(rule));
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{rule}\""));
        }
        assert_eq!("everything".parse::<StripRule>(), Err(UnknownStripRule("everything".into())));
    }

    #[test]
    fn policies_that_differ_have_other_digests() {
        let mut digests: BTreeSet<Digest> = StripRule::ALL
            .into_iter()
            .map(|rule| StripPolicy::default().without(rule).digest())
            .collect();
        digests.insert(StripPolicy::default().digest());
        digests.insert(StripPolicy::none().digest());
        assert_eq!(digests.len(), StripRule::ALL.len() + 2);
        let same: StripPolicy = StripRule::ALL.into_iter().rev().collect();
        assert_eq!(same.digest(), StripPolicy::default().digest());
    }
}
