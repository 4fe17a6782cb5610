// SPDX-License-Identifier: Apache-2.0
//! What changed between two images: as a statement of a build, and for whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::predicate::changelog::{
    BuildId, Changelog, ConfigChange, FileFacts, ImageFacts, PackageFacts, diff,
};
use hardpan_image::{Descriptor, ImageConfig, ImageName, Manifest, Raw};
use hardpan_scan::catalog::{Catalog, Package, PackageKind};
use hardpan_scan::secrets::Rules;
use hardpan_tree::{Digest, Kind, Metadata, Tree};
use serde::Serialize;
use serde_json::{Value, json};

use super::TrustError;
use crate::error::Error;
use crate::sbom::{self, Release};
use crate::session::Session;
use crate::shelf::{ImageSet, Location, Opened, Shelf};

/// What an image is called that has no name.
const UNNAMED: &str = "image";

/// What changed between two images.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ImageDifference {
    /// The changes for each platform that both have.
    pub platforms: Vec<Changelog>,
    /// Platforms that only the older one has.
    pub removed_platforms: Vec<String>,
    /// Platforms that only the newer one has.
    pub added_platforms: Vec<String>,
}

impl ImageDifference {
    /// Returns whether nothing changed that is compared.
    pub fn is_empty(&self) -> bool {
        self.removed_platforms.is_empty()
            && self.added_platforms.is_empty()
            && self.platforms.iter().all(Changelog::is_empty)
    }
}

/// A platform of an image where it lies.
type PlatformOf<'s> = (String, &'s (Descriptor, Raw<Manifest>));

/// An image that a newer one is compared with.
pub(super) struct Previous<'s> {
    opened: Opened<'s>,
    set: ImageSet,
    name: String,
}

impl<'s> Previous<'s> {
    pub(super) fn open(session: &'s Session<'_>, location: &Location) -> Result<Self, Error> {
        let opened = session.open_shelf(location)?;
        let set = ImageSet::read(opened.shelf())?;
        let name = called(opened.image_name().as_ref());
        Ok(Self { opened, set, name })
    }

    /// Says what changed for a platform of a newer image; `None` where this one is not for it.
    pub(super) fn changes(
        &self,
        session: &Session<'_>,
        shelf: &dyn Shelf,
        (descriptor, manifest): (&Descriptor, &Raw<Manifest>),
        name: &str,
    ) -> Result<Option<Changelog>, Error> {
        let wanted = platform_of(shelf, manifest)?;
        for (platform, own) in platforms(self.opened.shelf(), &self.set)? {
            if platform == wanted {
                let old = session.image_facts(self.opened.shelf(), (&own.0, &own.1), &self.name)?;
                let new = session.image_facts(shelf, (descriptor, manifest), name)?;
                return Ok(Some(difference(&old, &new)));
            }
        }
        Ok(None)
    }
}

impl Session<'_> {
    /// Says what changed between two images, for one platform or for all that both have.
    pub fn diff(
        &self,
        old: &Location,
        new: &Location,
        platform: Option<&str>,
    ) -> Result<ImageDifference, Error> {
        let (old, new) = (Previous::open(self, old)?, Previous::open(self, new)?);
        let of_old = platforms(old.opened.shelf(), &old.set)?;
        let of_new = platforms(new.opened.shelf(), &new.set)?;
        let is_wanted = |name: &String| platform.is_none_or(|platform| platform == name);
        let only = |of: &[PlatformOf<'_>], others: &[PlatformOf<'_>]| -> Vec<String> {
            let names = of.iter().map(|(name, _)| name).filter(|name| is_wanted(name));
            names.filter(|name| !others.iter().any(|(other, _)| other == *name)).cloned().collect()
        };
        let mut changes = Vec::new();
        for (name, entry) in of_new.iter().filter(|(name, _)| is_wanted(name)) {
            let Some((_, before)) = of_old.iter().find(|(other, _)| other == name) else {
                continue;
            };
            let before = self.image_facts(old.opened.shelf(), (&before.0, &before.1), &old.name)?;
            let after = self.image_facts(new.opened.shelf(), (&entry.0, &entry.1), &new.name)?;
            changes.push(difference(&before, &after));
        }
        if let Some(platform) = platform.filter(|_| changes.is_empty()) {
            return Err(TrustError::Platform { platform: platform.to_owned() }.into());
        }
        Ok(ImageDifference {
            platforms: changes,
            removed_platforms: only(&of_old, &of_new),
            added_platforms: only(&of_new, &of_old),
        })
    }

    /// Reads all of an image that is compared.
    fn image_facts(
        &self,
        shelf: &dyn Shelf,
        (descriptor, manifest): (&Descriptor, &Raw<Manifest>),
        name: &str,
    ) -> Result<ImageFacts, Error> {
        let (config, tree) = self.tree_of(shelf, manifest)?;
        let (catalog, size_bytes) =
            sbom::catalog_and_size(shelf, manifest, &config, sbom::OPTIONS)?;
        let layers = &manifest.value().layers;
        Ok(ImageFacts {
            build: BuildId {
                name: name.to_owned(),
                digest: Some(descriptor.digest),
                platform: Some(config.value().platform().to_string()),
                created: config.value().created.clone(),
            },
            packages: packages(&catalog),
            files: files(&tree),
            config: configuration(config.value()),
            compressed_size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            size_bytes,
        })
    }
}

/// Says what changed. That a secret changed is said, and not which secret it is.
fn difference(old: &ImageFacts, new: &ImageFacts) -> Changelog {
    let mut changes = diff(old, new);
    if !changes.config.is_empty() {
        let rules = Rules::builtin();
        for ConfigChange { key, from, to } in &mut changes.config {
            [from, to].into_iter().flatten().for_each(|value| mask(&rules, key, value));
        }
    }
    changes
}

/// Masks what looks like a secret in the value of a key: `Env.TOKEN`, `Cmd`.
fn mask(rules: &Rules, key: &str, value: &mut Value) {
    match value {
        Value::String(text) => {
            let name = key.split_once('.').map_or(key, |(_, name)| name);
            let shown = rules.masked(&format!("{name}={text}"));
            let value = shown.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            value.unwrap_or(&shown).clone_into(text);
        }
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            let text = words.join(" ");
            let shown = rules.masked(&text);
            // An option and its value are two words.
            if shown != text {
                *value = Value::String(shown);
            }
        }
        _ => {}
    }
}

fn called(name: Option<&ImageName>) -> String {
    name.map_or_else(|| UNNAMED.to_owned(), ToString::to_string)
}

/// Returns platforms with their names, which their configurations know.
fn platforms<'s>(shelf: &dyn Shelf, set: &'s ImageSet) -> Result<Vec<PlatformOf<'s>>, Error> {
    set.platforms.iter().map(|entry| Ok((platform_of(shelf, &entry.1)?, entry))).collect()
}

fn platform_of(shelf: &dyn Shelf, manifest: &Raw<Manifest>) -> Result<String, Error> {
    Ok(sbom::config_of(shelf, manifest)?.value().platform().to_string())
}

/// Returns packages by name: of the distribution by their own, of others by package URL. Where one is there in
/// several versions, it has all of them.
fn packages(catalog: &Catalog) -> BTreeMap<String, PackageFacts> {
    let release = Release::of(catalog.os.as_ref());
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let is_counted =
        |package: &&Package| package.owned_by.is_none() && !is_of_distribution(package, catalog);
    for package in catalog.packages.iter().filter(is_counted) {
        let purl =
            if package.kind.is_distribution() { None } else { sbom::purl(package, &release) };
        let name = purl.map_or_else(|| package.name.clone(), |purl| purl.package().to_string());
        let version = package.version.clone().unwrap_or_else(|| "unknown".to_owned());
        versions.entry(name).or_default().insert(version);
    }
    let facts = |versions: BTreeSet<String>| PackageFacts {
        version: versions.into_iter().collect::<Vec<_>>().join(", "),
        sha256: None,
    };
    versions.into_iter().map(|(name, versions)| (name, facts(versions))).collect()
}

/// Returns whether a program that only its bytes tell is one of the distribution: of a package or source with its name and
/// version. Images that say of no file whose it is would have it twice.
fn is_of_distribution(package: &Package, catalog: &Catalog) -> bool {
    let Some(version) = package.version.as_ref().filter(|_| package.kind == PackageKind::Generic)
    else {
        return false;
    };
    let is_same = |name: &str, full: &str| {
        let upstream = full.split_once(':').map_or(full, |(_, rest)| rest);
        let rest = upstream.strip_prefix(version.as_str());
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        name == package.name && rest.is_some_and(ends)
    };
    catalog.packages.iter().filter(|other| other.kind.is_distribution()).any(|other| {
        let own = other.version.as_deref().unwrap_or_default();
        let source = other.source.as_ref();
        is_same(&other.name, own) || source.is_some_and(|(name, version)| is_same(name, version))
    })
}

/// Returns files and links. Directories come and go with what is in them.
fn files(tree: &Tree) -> BTreeMap<String, FileFacts> {
    let mut files = BTreeMap::new();
    for (path, node) in tree.walk() {
        let (metadata, content, size_bytes) = match &node.kind {
            Kind::Directory => continue,
            Kind::File(file) => (
                &node.metadata,
                with_attributes(file.digest.to_string(), &node.metadata),
                file.size_bytes,
            ),
            Kind::Symlink(target) => {
                (&node.metadata, format!("link to {}", String::from_utf8_lossy(target)), 0)
            }
            Kind::HardLink(target) => {
                let Some((node, file)) = tree.file(target) else { continue };
                (
                    &node.metadata,
                    with_attributes(file.digest.to_string(), &node.metadata),
                    file.size_bytes,
                )
            }
        };
        let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let (mode, owner) = (metadata.mode, (metadata.uid, metadata.gid));
        files.insert(path, FileFacts { content, mode, owner, size_bytes });
    }
    files
}

/// Adds extended attributes to what a file is: with a capability it is another program.
fn with_attributes(content: String, metadata: &Metadata) -> String {
    if metadata.xattrs.is_empty() {
        return content;
    }
    let attributes = metadata.xattrs.iter();
    let text: Vec<String> =
        attributes.map(|(name, value)| format!("{name}={}", Digest::of(value).to_hex())).collect();
    format!("{content} {}", text.join(" "))
}

/// Returns the keys of a configuration with their values; variables and labels each by their names.
pub(super) fn configuration(config: &ImageConfig) -> BTreeMap<String, Value> {
    let own = &config.config;
    let mut keys: BTreeMap<String, Value> = [
        ("User", json!(own.user)),
        ("WorkingDir", json!(own.working_dir)),
        ("StopSignal", json!(own.stop_signal)),
        ("Entrypoint", json!(own.entrypoint)),
        ("Cmd", json!(own.cmd)),
        ("ExposedPorts", json!(own.exposed_ports)),
        ("Volumes", json!(own.volumes)),
    ]
    .into_iter()
    .filter(|(_, value)| *value != json!("") && *value != json!([]))
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    for variable in &own.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        keys.insert(format!("Env.{name}"), json!(value));
    }
    let labels = own.labels.iter();
    keys.extend(labels.map(|(name, value)| (format!("Labels.{name}"), json!(value))));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_no_secrets() {
        let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
        let rules = Rules::builtin();
        for (key, value, shown) in [
            ("Env.TOKEN", json!(token), json!("ghp_…")),
            ("Env.DB_PASSWORD", json!("kD93jf8sLq0Zx71mPw"), json!("kD93…")),
            ("Env.PATH", json!("/usr/bin:/bin"), json!("/usr/bin:/bin")),
            ("Labels.a.b", json!(format!("see {token}")), json!("see ghp_…")),
            ("User", json!("65532"), json!("65532")),
            ("Cmd", json!(["/app", "--x"]), json!(["/app", "--x"])),
            ("Cmd", json!(["/app", format!("--token={token}")]), json!("/app --token=ghp_…")),
            ("Volumes", json!([]), json!([])),
        ] {
            let mut masked = value;
            mask(&rules, key, &mut masked);
            assert_eq!(masked, shown, "{key}");
        }
    }
}
