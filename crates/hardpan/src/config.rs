// SPDX-License-Identifier: Apache-2.0
//! The workspace file `hardpan.toml`: where archives are and what stands in for what.
//!
//! It is found upwards from the definition. Everything in it is optional, and unknown keys are errors.

use std::collections::BTreeSet;
use std::ops::Range;

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

use hardpan_package::deb::strip::StripRule;

/// The name of the workspace file.
pub const FILE_NAME: &str = "hardpan.toml";

/// A workspace file, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workspace {
    /// Where the store is.
    pub store: StoreSection,
    /// Where archives are, and which stand in for others.
    pub archives: ArchivesSection,
    /// Keyrings in place of the ones built in.
    pub keyrings: KeyringsSection,
    /// Packages that stand in for others.
    pub packages: PackagesSection,
    /// Paths under a second name.
    pub paths: PathsSection,
    /// How images are written.
    pub build: BuildSection,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The store's directory, relative to the workspace file.
    pub path: Option<String>,
}

/// `[archives]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchivesSection {
    /// Where Debian's archives are.
    pub debian: DebianArchives,
    /// Archives that stand in for the ones that definitions name.
    pub substitute: Vec<ArchiveSubstitution>,
}

/// `[archives.debian]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct DebianArchives {
    /// The URI above `dists/` of the main archive.
    pub mirror: Option<String>,
    /// The URI above `dists/` of the security archive.
    pub security_mirror: Option<String>,
}

/// `[[archives.substitute]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSubstitution {
    /// The URI as definitions write it.
    pub from: String,
    /// `debian` for the distribution's own archives, or another URI.
    pub to: String,
    /// What becomes of `name=version` in definitions that use this archive.
    #[serde(default)]
    pub pins: Pins,
}

/// What becomes of exact versions where another archive stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pins {
    /// They hold.
    #[default]
    Keep,
    /// The version holds where the archive has it; otherwise any version will do.
    Relax,
}

/// `[keyrings]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyringsSection {
    /// A file with the keys that sign Debian's archives, relative to the workspace file.
    pub debian: Option<String>,
}

/// `[packages]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackagesSection {
    /// The first rule that matches a name counts.
    pub substitute: Vec<PackageSubstitution>,
}

/// `[[packages.substitute]]`: exactly one of `to` and `drop`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackageSubstitution {
    /// A package name as definitions write it; one `*` stands for any text.
    pub from: String,
    /// The package instead; a `*` is what `from`'s matched.
    pub to: Option<String>,
    /// Leave the package out.
    pub drop: bool,
    /// Packages to exclude together with this rule, as `!name` in the definition would.
    pub exclude: Vec<String>,
}

/// `[paths]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathsSection {
    /// Symbolic links that are made where the target exists and the link does not.
    pub alias: Vec<PathAlias>,
}

/// `[[paths.alias]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathAlias {
    /// The path that the definition expects.
    pub from: String,
    /// The path that the package has.
    pub to: String,
}

/// `[build]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildSection {
    /// The compression of layers where the definition names none.
    pub compression: Option<CompressionName>,
    /// Names of strip rules that are switched off.
    pub keep: BTreeSet<String>,
    /// Whether Python modules are compiled, where the definition does not say; `true` without it.
    pub pyc: Option<bool>,
    /// Whether indexes that packages' triggers make are made, where the definition does not say; `true` without it.
    pub caches: Option<bool>,
}

/// The compressions that a definition or workspace may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionName {
    /// `gzip`
    Gzip,
    /// `zstd`
    Zstd,
}

/// A mistake in a workspace file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WorkspaceError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes.
    pub span: Option<Range<usize>>,
}

impl Workspace {
    /// Parses and checks a workspace file.
    pub fn parse(text: &str) -> Result<Self, WorkspaceError> {
        let workspace: Self = toml::from_str(text).map_err(|error| WorkspaceError {
            message: error.message().trim().to_owned(),
            span: error.span(),
        })?;
        workspace.check().map_err(|(message, needle)| {
            let span = text.find(&needle).map(|start| start..start + needle.len());
            WorkspaceError { message, span }
        })?;
        Ok(workspace)
    }

    fn check(&self) -> Result<(), (String, String)> {
        for rule in &self.packages.substitute {
            let fail = |message: &str| {
                Err((format!("packages.substitute {:?}: {message}", rule.from), rule.from.clone()))
            };
            if rule.from.is_empty() || rule.from.matches('*').count() > 1 {
                return fail("\"from\" needs a name with at most one \"*\"");
            }
            match (&rule.to, rule.drop) {
                (Some(_), true) => return fail("\"to\" and \"drop\" exclude each other"),
                (None, false) => return fail("needs \"to\" or \"drop = true\""),
                (Some(to), false) if to.contains('*') && !rule.from.contains('*') => {
                    return fail("\"to\" has a \"*\" but \"from\" has none");
                }
                _ => {}
            }
        }
        for rule in &self.archives.substitute {
            if rule.to != "debian" && !rule.to.contains("://") {
                return Err((
                    format!(
                        "archives.substitute: \"to\" is \"debian\" or a URI, not {:?}",
                        rule.to
                    ),
                    rule.to.clone(),
                ));
            }
        }
        for name in &self.build.keep {
            if !StripRule::ALL.iter().any(|rule| rule.as_str() == name) {
                let known: Vec<&str> = StripRule::ALL.iter().map(|rule| rule.as_str()).collect();
                return Err((
                    format!("build.keep: no strip rule {name:?} (there are: {})", known.join(", ")),
                    name.clone(),
                ));
            }
        }
        Ok(())
    }

    /// Returns the digest of what can change an image: everything but where things are on this machine.
    pub fn digest(&self) -> Digest {
        let portable = Self {
            store: StoreSection::default(),
            archives: ArchivesSection {
                debian: DebianArchives::default(),
                substitute: self.archives.substitute.clone(),
            },
            keyrings: KeyringsSection::default(),
            ..self.clone()
        };
        Digest::of(&hardpan_image::canonical_json(&portable))
    }

    /// Returns the rule that stands in for an archive, if one does. Trailing slashes do not matter.
    pub fn archive_substitution(&self, uri: &str) -> Option<&ArchiveSubstitution> {
        let uri = uri.trim_end_matches('/');
        self.archives.substitute.iter().find(|rule| rule.from.trim_end_matches('/') == uri)
    }

    /// Returns what stands in for a package; without a rule the package itself.
    pub fn substitute_package(&self, name: &str) -> Substituted<'_> {
        for rule in &self.packages.substitute {
            let Some(wildcard) = match_pattern(&rule.from, name) else { continue };
            let name = rule.to.as_ref().map(|to| to.replacen('*', wildcard, 1));
            return Substituted { name, exclude: &rule.exclude, by_rule: true };
        }
        Substituted { name: Some(name.to_owned()), exclude: &[], by_rule: false }
    }
}

/// What becomes of a package that a definition asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Substituted<'w> {
    /// The package to ask for; `None` where a rule leaves it out.
    pub name: Option<String>,
    /// Packages to exclude.
    pub exclude: &'w [String],
    /// Whether a rule applied.
    pub by_rule: bool,
}

/// Returns what the pattern's `*` stands for (empty without one), if the pattern matches.
fn match_pattern<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    match pattern.split_once('*') {
        None => (pattern == name).then_some(""),
        Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
[archives.debian]
mirror = "http://mirror.example/debian"
[[archives.substitute]]
from = "http://dhi.io/deb/debian/main"
to = "debian"
pins = "relax"
[[packages.substitute]]
from = "ca-certificates-bundle"
to = "ca-certificates"
exclude = ["openssl", "debconf"]
[[packages.substitute]]
from = "*-oci-config"
drop = true
[[packages.substitute]]
from = "python-3.13*"
to = "python3.13*"
[build]
compression = "zstd"
keep = ["man"]
"#;

    #[test]
    fn substitutions_apply_in_order() {
        let workspace = Workspace::parse(EXAMPLE).unwrap();
        let name = |name| workspace.substitute_package(name).name;
        assert_eq!(name("python-3.13-dev").as_deref(), Some("python3.13-dev"));
        assert_eq!(name("python-3.13").as_deref(), Some("python3.13"));
        assert_eq!(name("php-oci-config"), None);
        assert_eq!(name("curl").as_deref(), Some("curl"));
        let bundle = workspace.substitute_package("ca-certificates-bundle");
        assert_eq!(bundle.exclude, ["openssl", "debconf"]);
        let rule = workspace.archive_substitution("http://dhi.io/deb/debian/main/").unwrap();
        assert_eq!((rule.to.as_str(), rule.pins), ("debian", Pins::Relax));
        assert!(workspace.archive_substitution("http://dhi.io/deb/debian").is_none());
    }

    #[test]
    fn the_digest_ignores_where_things_are() {
        let here = Workspace::parse(EXAMPLE).unwrap();
        let there = Workspace::parse(&EXAMPLE.replace("mirror.example", "other.example")).unwrap();
        assert_eq!(here.digest(), there.digest());
        let other = Workspace::parse(&EXAMPLE.replace("\"man\"", "\"docs\"")).unwrap();
        assert_ne!(here.digest(), other.digest());
        let other = Workspace::parse(&format!("{EXAMPLE}pyc = false\n")).unwrap();
        assert_ne!(here.digest(), other.digest());
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, message) in [
            ("[stores]\n", "unknown field `stores`"),
            ("[build]\ncompression = \"lz4\"\n", "unknown variant `lz4`"),
            ("[build]\nkeep = [\"manuals\"]\n", "no strip rule \"manuals\""),
            ("[build]\npyc = \"no\"\n", "expected a boolean"),
            ("[[packages.substitute]]\nfrom = \"a\"\n", "needs \"to\" or \"drop = true\""),
            ("[[packages.substitute]]\nfrom = \"a\"\nto = \"b*\"\n", "but \"from\" has none"),
            ("[[packages.substitute]]\nfrom = \"*a*\"\nto = \"b\"\n", "at most one"),
            (
                "[[packages.substitute]]\nfrom = \"a\"\nto = \"b\"\ndrop = true\n",
                "exclude each other",
            ),
            ("[[archives.substitute]]\nfrom = \"a\"\nto = \"ubuntu\"\n", "is \"debian\" or a URI"),
            ("[archives\n", "unclosed table"),
        ] {
            let error = Workspace::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(error.span.is_some(), "{text}");
        }
    }
}
