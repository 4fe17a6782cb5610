// SPDX-License-Identifier: Apache-2.0
//! The workspace file `hardpan.toml`: where archives are and what stands in for what.
//!
//! It is found upwards from the definition. Everything in it is optional, and unknown keys are errors.

use std::collections::BTreeSet;
use std::ops::Range;

use hardpan_image::ImageName;
use serde::{Deserialize, Serialize};

use hardpan_package::strip::StripRule;

use crate::distribution::NAMES;

mod audit;
mod checksum;
mod images;
mod packages;
mod portable;
mod scan;
mod signing;

pub use audit::{AuditSection, WorkspaceException};
pub use checksum::OverrideChecksum;
pub use images::{ImageSubstitution, ImagesSection};
pub use packages::{PackageSubstitution, PackagesSection, Substituted};
pub use scan::ScanSection;
pub use signing::SigningSection;

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
    /// Downloads from elsewhere.
    pub downloads: DownloadsSection,
    /// Images of others that stand in for the ones that definitions name.
    #[serde(skip_serializing_if = "ImagesSection::is_empty")]
    pub images: ImagesSection,
    /// Where images of others are.
    pub registries: RegistriesSection,
    /// How images are written.
    pub build: BuildSection,
    /// Actions besides the ones built in.
    #[serde(skip_serializing_if = "ActionsSection::is_empty")]
    pub actions: ActionsSection,
    /// Who signs, and who is trusted.
    #[serde(skip_serializing_if = "SigningSection::is_empty")]
    pub signing: SigningSection,
    /// What is known of vulnerabilities, and what is excused.
    #[serde(skip_serializing_if = "ScanSection::is_empty")]
    pub scan: ScanSection,
    /// What audits accept.
    #[serde(skip_serializing_if = "AuditSection::is_empty")]
    pub audit: AuditSection,
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
    /// Where Alpine's archive is.
    #[serde(skip_serializing_if = "AlpineArchive::is_empty")]
    pub alpine: AlpineArchive,
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

/// `[archives.alpine]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AlpineArchive {
    /// The URI above `v3.24/`, `edge/` and so on.
    pub mirror: Option<String>,
}

impl AlpineArchive {
    fn is_empty(&self) -> bool {
        self.mirror.is_none()
    }
}

/// `[[archives.substitute]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSubstitution {
    /// The URI as definitions write it; one `*` stands for any text.
    pub from: String,
    /// `debian` or `alpine` for the distribution's own archives, or another URI; a `*` is what `from`'s matched.
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
    /// A folder with the keys (`NAME.rsa.pub`) that sign Alpine's archives, relative to the workspace file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpine: Option<String>,
}

/// `[downloads]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DownloadsSection {
    /// The first rule that matches a URL counts.
    #[serde(rename = "override")]
    pub overrides: Vec<DownloadOverride>,
}

/// `[[downloads.override]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownloadOverride {
    /// A URL as definitions write it, variables filled in; one `*` stands for any text.
    pub from: String,
    /// Where it is fetched from instead: a URL, or `file:` and a path below the workspace file's
    /// folder. A `*` is what `from`'s matched.
    pub to: String,
    /// What the file must be, in place of what the definition says of it: `sha256:…`, or the commit of a git
    /// repository. Without it the definition's checksum holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<OverrideChecksum>,
}

/// `[paths]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathsSection {
    /// Symbolic links that are made where the target exists and the link does not.
    pub alias: Vec<PathAlias>,
    /// Paths that are made where a package is installed, as if it had them.
    pub add: Vec<PathAddition>,
}

/// `[[paths.add]]`: `package`, `type` and `path`. It is made before build stages and the definition's own
/// `paths` see the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathAddition {
    /// The package, by its name in the archive.
    pub package: String,
    /// `directory`, `file` or `symlink`.
    #[serde(rename = "type")]
    pub kind: AddedKind,
    /// Where, absolute.
    pub path: String,
    /// The target of a `symlink`.
    #[serde(default)]
    pub source: Option<String>,
    /// The text of a `file`; without it the file is empty.
    #[serde(default)]
    pub content: Option<String>,
    /// Permissions as octal digits, such as `"0755"`.
    #[serde(default)]
    pub mode: Option<String>,
    /// Owner, root unless it is given.
    #[serde(default)]
    pub uid: u32,
    /// Group, root's unless it is given.
    #[serde(default)]
    pub gid: u32,
    /// `debian` or `alpine`: it is made for definitions of that distribution alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
}

/// What a `[[paths.add]]` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddedKind {
    /// A directory, or its owner and mode.
    Directory,
    /// A file, in place of the package's.
    File,
    /// A symbolic link.
    Symlink,
}

impl PathAddition {
    /// Returns the permissions.
    pub(crate) fn mode(&self) -> Option<u32> {
        // `check` refused what are no octal digits.
        self.mode.as_ref().and_then(|mode| u32::from_str_radix(mode, 8).ok())
    }

    fn check(&self) -> Result<(), &'static str> {
        if !self.path.starts_with('/') || hardpan_tree::TreePath::parse(&self.path).is_err() {
            return Err("\"path\" needs an absolute path without \"..\"");
        }
        if !is_distribution(self.distribution.as_ref()) {
            return Err("\"distribution\" is \"debian\" or \"alpine\"");
        }
        if self.mode.is_some() && self.mode().is_none_or(|mode| mode > 0o7777) {
            return Err("\"mode\" needs up to four octal digits");
        }
        match (self.kind, &self.source, &self.content) {
            (AddedKind::Symlink, Some(source), None) if !source.is_empty() => Ok(()),
            (AddedKind::Symlink, ..) => Err("a symlink needs \"source\", and nothing else"),
            (AddedKind::File, None, _) | (AddedKind::Directory, None, None) => Ok(()),
            (AddedKind::File, ..) => Err("a file takes \"content\", not \"source\""),
            (AddedKind::Directory, ..) => {
                Err("a directory takes neither \"source\" nor \"content\"")
            }
        }
    }
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

/// `[registries]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RegistriesSection {
    /// Registries (`host` or `host:port`) that are spoken to without TLS. `localhost`, `127.0.0.1` and `[::1]` always are.
    pub plain_http: Vec<String>,
    /// OCI layouts that images are looked up in before any registry, relative to the workspace file.
    pub layouts: Vec<String>,
    /// Registries that stand in for others.
    pub mirror: Vec<RegistryMirror>,
}

/// `[[registries.mirror]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryMirror {
    /// A registry, or a registry and the first parts of a repository, as definitions write it; `docker.io` is that of names without one.
    pub from: String,
    /// What is asked instead, in the same form. The first rule that fits counts.
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

/// `[actions]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionsSection {
    /// Folders with action files, relative to the workspace file.
    pub paths: Vec<String>,
}

impl ActionsSection {
    /// Whether there are only the actions built in.
    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
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
        self.packages.check()?;
        for rule in &self.archives.substitute {
            let stars = |text: &str| text.matches('*').count();
            let problem = if !NAMES.contains(&&*rule.to) && !rule.to.contains("://") {
                format!("\"to\" is \"debian\", \"alpine\" or a URI, not {:?}", rule.to)
            } else if stars(&rule.from) > 1 || stars(&rule.to) > stars(&rule.from) {
                "at most one \"*\" may stand in \"from\", and in \"to\" only with it".to_owned()
            } else {
                continue;
            };
            return Err((format!("archives.substitute: {problem}"), rule.to.clone()));
        }
        for rule in &self.paths.add {
            rule.check().map_err(|message| {
                (format!("paths.add {:?}: {message}", rule.path), rule.path.clone())
            })?;
        }
        for rule in &self.downloads.overrides {
            rule.check().map_err(|message| {
                (format!("downloads.override {:?}: {message}", rule.from), rule.from.clone())
            })?;
        }
        self.images.check()?;
        self.registries.check()?;
        self.signing.check()?;
        self.scan.check()?;
        self.audit.check()?;
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

    /// Returns the rule that stands in for an archive, if one does, and what does. Trailing slashes do not matter.
    pub fn archive_substitution(&self, uri: &str) -> Option<(&ArchiveSubstitution, String)> {
        let uri = uri.trim_end_matches('/');
        self.archives.substitute.iter().find_map(|rule| {
            let wildcard = match_pattern(rule.from.trim_end_matches('/'), uri)?;
            Some((rule, rule.to.replacen('*', wildcard, 1).trim_end_matches('/').to_owned()))
        })
    }

    /// Returns where a download is fetched from instead, and the rule that says so.
    pub(crate) fn download_override(&self, url: &str) -> Option<(String, &DownloadOverride)> {
        self.downloads.overrides.iter().find_map(|rule| {
            let wildcard = match_pattern(&rule.from, url)?;
            Some((rule.to.replacen('*', wildcard, 1), rule))
        })
    }
}

/// Returns whether a rule is for no distribution in particular, or for one that is known.
fn is_distribution(name: Option<&String>) -> bool {
    name.is_none_or(|name| NAMES.contains(&name.as_str()))
}

impl DownloadOverride {
    fn check(&self) -> Result<(), &'static str> {
        const SCHEMES: [&str; 5] = ["https://", "http://", "git+https://", "git+http://", "file:"];
        let stars = |text: &str| text.matches('*').count();
        if self.from.is_empty() || stars(&self.from) > 1 {
            return Err("\"from\" needs a URL with at most one \"*\"");
        }
        if !SCHEMES.iter().any(|scheme| self.to.starts_with(scheme)) {
            return Err("\"to\" is a URL, or \"file:\" and a path");
        }
        if stars(&self.to) > stars(&self.from) {
            return Err("\"to\" has a \"*\" but \"from\" has none");
        }
        let is_git = self.from.starts_with("git+");
        if is_git != self.to.starts_with("git+") && !(self.from.starts_with('*')) {
            return Err("a git repository and a file can't stand in for each other");
        }
        if self.checksum.is_some() && stars(&self.from) > 0 {
            return Err("a checksum is that of one file");
        }
        match self.checksum {
            Some(OverrideChecksum::Sha256(_)) if is_git => Err("a git repository has a commit"),
            Some(OverrideChecksum::Commit(_)) if !is_git => Err("a file has no commit"),
            _ => Ok(()),
        }
    }
}

impl RegistriesSection {
    fn check(&self) -> Result<(), (String, String)> {
        // A registry alone has the form of a repository's first part.
        let is_registry = |text: &str| {
            let name: Option<ImageName> = format!("{text}/x").parse().ok();
            name.is_some_and(|name| name.registry() == Some(text))
        };
        for registry in &self.plain_http {
            if !is_registry(registry) {
                let message = format!("registries.plain-http: {registry:?} is not a registry");
                return Err((message, registry.clone()));
            }
        }
        for rule in &self.mirror {
            for (key, text) in [("from", &rule.from), ("to", &rule.to)] {
                let name: Option<ImageName> = text.parse().ok();
                let is_repository = name.is_some_and(|name| {
                    name.registry().is_some() && name.tag().is_none() && name.digest().is_none()
                });
                if !is_registry(text) && !is_repository {
                    let message = format!(
                        "registries.mirror: \"{key}\" is a registry or a repository with its registry, not {text:?}"
                    );
                    return Err((message, text.clone()));
                }
            }
        }
        Ok(())
    }
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
[registries]
plain-http = ["registry.example:5000"]
layouts = ["images"]
[[registries.mirror]]
from = "registry.example/team"
to = "mirror.example:5000"
[[registries.mirror]]
from = "docker.io"
to = "mirror.example/hub"
[build]
compression = "zstd"
keep = ["man"]
[[downloads.override]]
from = "https://one.example/a.tar.gz"
to = "file:vendor/a.tar.gz"
checksum = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
[[downloads.override]]
from = "https://one.example/*"
to = "https://mirror.example/one/*"
"#;

    #[test]
    fn rules_of_one_distribution_leave_others_alone() {
        let text = "[[packages.substitute]]\ndistribution = \"alpine\"\nfrom = \"a\"\nto = \"b\"\n\
            [[packages.substitute]]\nfrom = \"*\"\nto = \"any-*\"\n";
        let workspace = Workspace::parse(text).unwrap();
        for (distribution, expected) in [("alpine", "b"), ("debian", "any-a")] {
            let found = workspace.substitute_package("a", distribution).name;
            assert_eq!(found.as_deref(), Some(expected), "{distribution}");
        }
    }

    #[test]
    fn substitutions_apply_in_order() {
        let workspace = Workspace::parse(EXAMPLE).unwrap();
        let name = |name| workspace.substitute_package(name, "debian").name;
        assert_eq!(name("python-3.13-dev").as_deref(), Some("python3.13-dev"));
        assert_eq!(name("python-3.13").as_deref(), Some("python3.13"));
        assert_eq!(name("php-oci-config"), None);
        assert_eq!(name("curl").as_deref(), Some("curl"));
        let bundle = workspace.substitute_package("ca-certificates-bundle", "debian");
        assert_eq!(bundle.exclude, ["openssl", "debconf"]);
        let (rule, to) = workspace.archive_substitution("http://dhi.io/deb/debian/main/").unwrap();
        assert_eq!((to.as_str(), rule.pins), ("debian", Pins::Relax));
        assert!(workspace.archive_substitution("http://dhi.io/deb/debian").is_none());
        let download = |url| workspace.download_override(url).map(|(to, _)| to);
        assert_eq!(
            download("https://one.example/a.tar.gz").as_deref(),
            Some("file:vendor/a.tar.gz")
        );
        let elsewhere = Some("https://mirror.example/one/b/c");
        assert_eq!(download("https://one.example/b/c").as_deref(), elsewhere);
        assert_eq!(download("https://two.example/b"), None);
        assert_eq!(workspace.registries.plain_http, ["registry.example:5000"]);
        assert_eq!(workspace.registries.mirror[1].to, "mirror.example/hub");
    }

    #[test]
    fn the_digest_ignores_where_things_are() {
        let here = Workspace::parse(EXAMPLE).unwrap();
        let there = Workspace::parse(&EXAMPLE.replace("mirror.example", "other.example")).unwrap();
        assert_eq!(here.digest(), there.digest());
        let other = Workspace::parse(&EXAMPLE.replace("\"man\"", "\"docs\"")).unwrap();
        assert_ne!(here.digest(), other.digest());
        let other =
            Workspace::parse(&EXAMPLE.replace("[build]\n", "[build]\npyc = false\n")).unwrap();
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
            (
                "[[archives.substitute]]\nfrom = \"a\"\nto = \"ubuntu\"\n",
                "is \"debian\", \"alpine\" or a URI",
            ),
            ("[[archives.substitute]]\nfrom = \"a*b*\"\nto = \"debian\"\n", "at most one"),
            ("[[archives.substitute]]\nfrom = \"a\"\nto = \"http://b/*\"\n", "only with it"),
            (
                "[[packages.substitute]]\ndistribution = \"arch\"\nfrom = \"a\"\nto = \"b\"\n",
                "\"distribution\" is",
            ),
            (
                "[[paths.add]]\ndistribution = \"\"\npackage = \"a\"\ntype = \"file\"\npath = \"/x\"\n",
                "\"distribution\" is",
            ),
            (
                "[[paths.add]]\npackage = \"a\"\ntype = \"file\"\npath = \"etc\"\n",
                "an absolute path",
            ),
            (
                "[[paths.add]]\npackage = \"a\"\ntype = \"symlink\"\npath = \"/x\"\n",
                "needs \"source\"",
            ),
            (
                "[[paths.add]]\npackage = \"a\"\ntype = \"file\"\npath = \"/x\"\nmode = \"0888\"\n",
                "octal digits",
            ),
            ("[registries]\nplain-http = [\"http://a.example\"]\n", "is not a registry"),
            ("[registries]\nplain-http = [\"a.example/team\"]\n", "is not a registry"),
            (
                "[[registries.mirror]]\nfrom = \"a.example\"\nto = \"mirror\"\n",
                "\"to\" is a registry",
            ),
            (
                "[[registries.mirror]]\nfrom = \"a.example/b:1\"\nto = \"b.example\"\n",
                "\"from\" is",
            ),
            ("[[registries.mirror]]\nfrom = \"a.example\"\n", "missing field `to`"),
            ("[archives\n", "unclosed table"),
            ("[[downloads.override]]\nfrom = \"\"\nto = \"file:a\"\n", "needs a URL"),
            ("[[downloads.override]]\nfrom = \"a\"\nto = \"ftp://a\"\n", "\"to\" is a URL"),
            ("[[downloads.override]]\nfrom = \"a\"\nto = \"file:*\"\n", "but \"from\" has none"),
            (
                "[[downloads.override]]\nfrom = \"git+https://a#b\"\nto = \"file:a\"\n",
                "can't stand in for each other",
            ),
            (
                "[[downloads.override]]\nfrom = \"a\"\nto = \"file:a\"\nchecksum = \"md5:00\"\n",
                "not a sha256 digest",
            ),
            (
                "[[downloads.override]]\nfrom = \"a*\"\nto = \"file:a*\"\nchecksum = \"95b239d8713b498f4e3b4eb364549a73e38b4d49\"\n",
                "that of one file",
            ),
            (
                "[[downloads.override]]\nfrom = \"a\"\nto = \"file:a\"\nchecksum = \"95b239d8713b498f4e3b4eb364549a73e38b4d49\"\n",
                "a file has no commit",
            ),
            (
                "[[downloads.override]]\nfrom = \"git+https://a#b\"\nto = \"git+https://c#b\"\nchecksum = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n",
                "a git repository has a commit",
            ),
        ] {
            let error = Workspace::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(error.span.is_some(), "{text}");
        }
    }
}
