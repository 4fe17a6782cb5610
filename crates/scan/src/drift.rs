// SPDX-License-Identifier: Apache-2.0
//! What an SBOM says of an image, held against what the image's files say.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::sbom::read::Listing;
use hardpan_attest::sbom::{Component, ComponentKind};

/// How documents begin a version that stands in for one that nobody states: a digest.
const STAND_IN: &str = "sha256:";

/// Where an SBOM and the files of its image differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// What the SBOM has and the files have not.
    pub missing: BTreeSet<Drifted>,
    /// What the files have and the SBOM has not.
    pub unlisted: BTreeSet<Drifted>,
    /// How many components of the SBOM are of a kind that no file tells of: downloads, other images, what a
    /// definition or a build states.
    pub untold: usize,
}

impl Drift {
    /// Returns whether the two agree.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unlisted.is_empty()
    }
}

/// A component that only one of the two has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drifted {
    /// Its name.
    pub name: String,
    /// Its version; `None` where nothing says.
    pub version: Option<String>,
    /// What kind of thing it is.
    pub kind: ComponentKind,
    /// The first of the places that it is said to be in, without a slash in front.
    pub place: Option<String>,
}

/// Compares an SBOM with the components that the files of its image tell of, by kind, name and version: ids, places
/// and package URLs are written differently by every program. A component without a version is any version of it.
///
/// What lies in files of a package of the distribution is counted with that package, where the SBOM says whose files
/// are whose.
pub fn compare(stated: &Listing, found: &BTreeMap<String, Component>) -> Drift {
    let in_sbom = Versions::of(stated.components.values().map(Box::as_ref));
    let in_files = Versions::of(found.values());
    let (told, untold): (Vec<&Component>, Vec<&Component>) = stated
        .components
        .values()
        .map(Box::as_ref)
        .partition(|component| is_told_by_files(component.kind));
    let missing = told.into_iter().filter(|component| !in_files.has(component));
    let unlisted = found
        .values()
        .filter(|component| !in_sbom.has(component) && !is_of_package(component, stated));
    Drift {
        missing: missing.map(drifted).collect(),
        unlisted: unlisted.map(drifted).collect(),
        untold: untold.len(),
    }
}

/// Returns whether files of an image tell of all components of a kind.
fn is_told_by_files(kind: ComponentKind) -> bool {
    !matches!(
        kind,
        ComponentKind::Download | ComponentKind::Oci | ComponentKind::Stated | ComponentKind::Build
    )
}

fn is_distribution(kind: ComponentKind) -> bool {
    matches!(kind, ComponentKind::Deb | ComponentKind::Apk)
}

/// Returns whether all that tells of a component is in files that the SBOM says a package of the distribution has.
fn is_of_package(component: &Component, stated: &Listing) -> bool {
    let has_package = |path: &String| {
        let owner = stated.files.get(path).and_then(|id| stated.components.get(id));
        owner.is_some_and(|owner| is_distribution(owner.kind))
    };
    !is_distribution(component.kind)
        && !component.evidence.is_empty()
        && component.evidence.iter().all(has_package)
}

/// The versions that there are of each package.
struct Versions<'c>(BTreeMap<String, BTreeSet<Option<&'c str>>>);

impl<'c> Versions<'c> {
    fn of(components: impl Iterator<Item = &'c Component>) -> Self {
        let mut versions: BTreeMap<String, BTreeSet<Option<&str>>> = BTreeMap::new();
        for component in components {
            versions.entry(package(component)).or_default().insert(version(component));
        }
        Self(versions)
    }

    fn has(&self, component: &Component) -> bool {
        let Some(versions) = self.0.get(&package(component)) else { return false };
        let version = version(component);
        version.is_none() || versions.contains(&None) || versions.contains(&version)
    }
}

/// Returns what names a component in any version.
fn package(component: &Component) -> String {
    match (component.kind, &component.purl) {
        // Of distributions the name is enough: some write the namespace of a derivative, or none.
        (ComponentKind::Deb | ComponentKind::Apk | ComponentKind::OperatingSystem, _)
        | (_, None) => format!("{}/{}", component.kind.as_str(), component.name),
        (_, Some(purl)) => purl.package().to_string(),
    }
}

fn version(component: &Component) -> Option<&str> {
    let version = component.version.as_deref()?;
    if version.starts_with(STAND_IN) {
        return None;
    }
    // Some programs leave out what versions of Go modules begin with.
    let is_go = component.kind == ComponentKind::Golang;
    Some(if is_go { version.strip_prefix('v').unwrap_or(version) } else { version })
}

fn drifted(component: &Component) -> Drifted {
    Drifted {
        name: component.name.clone(),
        version: component.version.clone().filter(|version| !version.starts_with(STAND_IN)),
        kind: component.kind,
        place: component.evidence.first().cloned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hardpan_attest::sbom::read::Format;

    use super::*;

    /// Reads `kind name version place`, each but the first two `-` or left out.
    fn component(text: &str) -> Component {
        let mut words = text.split(' ').map(|word| Some(word).filter(|word| *word != "-"));
        let mut next = || words.next().flatten();
        let kind = next().unwrap().parse().unwrap();
        let mut component = Component::new(kind, next().unwrap().to_owned());
        component.version = next().map(str::to_owned);
        component.evidence.extend(next().map(str::to_owned));
        component.purl = next().map(|purl| Arc::new(purl.parse().unwrap()));
        component
    }

    fn listing(components: &[&str], files: &[(&str, usize)]) -> Listing {
        let id = |number: usize| format!("SPDXRef-{number}");
        Listing {
            format: Format::Spdx2,
            tools: Vec::new(),
            name: None,
            components: (components.iter().enumerate())
                .map(|(number, text)| (id(number), Box::new(component(text))))
                .collect(),
            files: files.iter().map(|(path, owner)| ((*path).to_owned(), id(*owner))).collect(),
            skipped: 0,
        }
    }

    fn say(drift: &Drift) -> String {
        let line = |sign: char| {
            move |one: &Drifted| {
                let version = one.version.as_deref().unwrap_or("?");
                format!("{sign}{}/{}@{version}", one.kind.as_str(), one.name)
            }
        };
        let missing = drift.missing.iter().map(line('-'));
        missing.chain(drift.unlisted.iter().map(line('+'))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_sides_are_compared() {
        let digest = format!("elf tool sha256:{}", "0".repeat(64));
        let cases: &[(&str, &[&str], &[&str], &str)] = &[
            ("nothing", &[], &[], ""),
            ("the same", &["deb libc6 2.41-12"], &["deb libc6 2.41-12"], ""),
            (
                "only stated",
                &["deb libc6 1", "npm left-pad 1"],
                &["deb libc6 1"],
                "-npm/left-pad@1",
            ),
            ("only found", &["deb libc6 1"], &["deb libc6 1", "npm x 2"], "+npm/x@2"),
            ("another version", &["apk musl 1"], &["apk musl 2"], "-apk/musl@1 +apk/musl@2"),
            ("another kind", &["npm a 1"], &["pypi a 1"], "-npm/a@1 +pypi/a@1"),
            ("one of two versions", &["npm a 1"], &["npm a 1", "npm a 2"], "+npm/a@2"),
            ("two of one version", &["npm a 1 x", "npm a 1 y"], &["npm a 1 z"], ""),
            ("stated without a version", &["golang main"], &["golang main v1"], ""),
            ("found without a version", &["golang main v1"], &["golang main"], ""),
            ("a digest for a version", &[&digest], &["elf tool"], ""),
            ("a digest, and nothing", &[&digest], &[], "-elf/tool@?"),
            ("a v that is left out", &["golang x 1.2.3"], &["golang x v1.2.3"], ""),
            ("no other v is", &["npm x 1.2.3"], &["npm x v1.2.3"], "-npm/x@1.2.3 +npm/x@v1.2.3"),
            (
                "names by package URL",
                &["pypi Flask 3 - pkg:pypi/flask@3"],
                &["pypi flask 3 - pkg:pypi/flask@3?x=y"],
                "",
            ),
            (
                "another package URL",
                &["npm a 1 - pkg:npm/%40b/a@1"],
                &["npm a 1 - pkg:npm/a@1"],
                "-npm/a@1 +npm/a@1",
            ),
            (
                "a distribution's by name",
                &["deb a 1 - pkg:deb/ubuntu/a@1"],
                &["deb a 1 - pkg:deb/debian/a@1"],
                "",
            ),
            ("no file tells of it", &["download x 1", "oci y", "build z", "stated s 1"], &[], ""),
            ("files tell more", &["download x 1"], &["stated redis 7"], "+stated/redis@7"),
            (
                "a program that others call a download",
                &["download redis 7 - pkg:generic/redis@7"],
                &["stated redis 7 - pkg:generic/redis@7"],
                "",
            ),
            (
                "the distribution",
                &["os debian 13"],
                &["os debian 12"],
                "-os/debian@13 +os/debian@12",
            ),
        ];
        for (summary, stated, found, expected) in cases {
            let found = found.iter().map(|text| ((*text).to_owned(), component(text))).collect();
            let drift = compare(&listing(stated, &[]), &found);
            assert_eq!(say(&drift), *expected, "{summary}");
            assert_eq!(drift.is_empty(), expected.is_empty(), "{summary}");
        }
    }

    #[test]
    fn what_no_file_tells_of_is_counted() {
        let stated = ["deb a 1", "download x 1", "oci y", "build z", "stated s 1"];
        assert_eq!(compare(&listing(&stated, &[]), &BTreeMap::new()).untold, 4);
    }

    #[test]
    fn what_lies_in_files_of_packages_is_counted_with_them() {
        let stated = ["deb python3-flask 3", "npm left-pad 1", "build stage"];
        let files = [("usr/flask/METADATA", 0), ("app/package.json", 1), ("opt/x", 2), ("lost", 9)];
        let stated = listing(&stated, &files);
        for (found, expected) in [
            ("pypi flask 3 usr/flask/METADATA", ""),
            // Of a package that is no distribution's, of a stage, of what is not listed, of nobody.
            ("pypi flask 3 app/package.json", "+pypi/flask@3"),
            ("elf x 3 opt/x", "+elf/x@3"),
            ("elf x 3 lost", "+elf/x@3"),
            ("pypi flask 3 usr/other/METADATA", "+pypi/flask@3"),
            ("pypi flask 3", "+pypi/flask@3"),
            // A package of the distribution is no part of another one.
            ("deb other 1 usr/flask/METADATA", "+deb/other@1"),
        ] {
            let found = BTreeMap::from([(String::new(), component(found))]);
            let mut drift = compare(&stated, &found);
            drift.missing.clear();
            assert_eq!(say(&drift), expected, "{found:?}");
        }
        let mut two = component("pypi flask 3 usr/flask/METADATA");
        two.evidence.insert("usr/other/METADATA".to_owned());
        let drift = compare(&stated, &BTreeMap::from([(String::new(), two)]));
        assert_eq!(drift.unlisted.len(), 1, "one of its places is in no package");
    }
}
