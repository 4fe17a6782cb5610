// SPDX-License-Identifier: Apache-2.0
//! What every format needs to know of a component, and what stands in for what nobody stated.

use std::collections::{BTreeMap, BTreeSet};

use super::license::{Licensing, Reference, conclude};
use super::purl::PackageUrl;
use super::{Component, ComponentKind, Sbom, SbomSubject};

/// The longest text of one line that is written, in characters: names, versions, suppliers.
const LINE_CHARS_MAX: usize = 1_000;

/// Words in the names of groups.
const GROUPS: [&str; 8] =
    ["team", "maintainers", "group", "project", "developers", "foundation", "inc", "packagers"];

/// A person or an organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Party {
    pub is_person: bool,
    pub name: String,
    pub email: Option<String>,
}

impl Party {
    /// Reads `Organization: Debian`, `Person: Jane (jane@example.org)`, `Jane <jane@example.org>` and plain names.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = line(text);
        let (is_person, rest) = match text.split_once(':') {
            Some(("Organization", rest)) => (Some(false), rest.trim()),
            Some(("Person", rest)) => (Some(true), rest.trim()),
            _ => (None, text.trim()),
        };
        let (name, email) = match rest.rsplit_once(['<', '(']) {
            Some((name, email)) if email.contains('@') => {
                (name.trim(), Some(email.trim_end_matches(['>', ')']).trim()))
            }
            _ => (rest, None),
        };
        // SPDX has e-mail addresses in brackets: others must not look like one.
        let name: String =
            name.chars().map(|c| if matches!(c, '(' | ')') { ' ' } else { c }).collect();
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_plain = |email: &&str| {
            let is_part = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b))
            };
            email.split_once('@').is_some_and(|(local, host)| {
                is_part(local)
                    && is_part(host)
                    && !host.starts_with(['.', '-'])
                    && !host.ends_with(['.', '-'])
            })
        };
        let email = email.filter(is_plain).map(str::to_owned);
        let name = if name.is_empty() { email.clone()? } else { name };
        if matches!(name.as_str(), "NOASSERTION" | "NONE") {
            return None;
        }
        let is_group = name
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| GROUPS.contains(&word.to_lowercase().as_str()));
        let is_person = is_person.unwrap_or(email.is_some() && !is_group);
        Some(Self { is_person, name, email })
    }

    /// What names it among others.
    pub(super) fn key(&self) -> String {
        let kind = if self.is_person { "Person" } else { "Organization" };
        match &self.email {
            Some(email) => format!("{kind}: {} ({email})", self.name),
            None => format!("{kind}: {}", self.name),
        }
    }

    fn organization(name: &str) -> Option<Self> {
        Self::parse(&format!("Organization: {name}"))
    }
}

/// A component, and what is said of it.
#[derive(Debug)]
pub(super) struct Facts<'s> {
    pub id: &'s str,
    pub component: &'s Component,
    pub name: String,
    pub version: Option<String>,
    pub purl: Option<&'s PackageUrl>,
    pub supplier: Option<Party>,
    pub originator: Option<Party>,
    pub licensing: Option<Licensing>,
    /// The components that it needs and that are there.
    pub depends: BTreeSet<&'s str>,
}

impl Facts<'_> {
    /// Returns what SPDX has no field for: the kind, and where it was found.
    pub(super) fn comment(&self) -> String {
        let mut lines = vec![format!("kind: {}", self.component.kind.as_str())];
        let places = self.component.evidence.iter();
        lines.extend(places.map(|path| format!("found in: {}", line(path))));
        lines.join("\n")
    }

    /// Returns a sentence about the source, which scanners read: data on vulnerabilities has the names of sources.
    pub(super) fn source_info(&self) -> Option<String> {
        let (name, version) = self.component.source.as_ref()?;
        Some(line(&format!("built package from: {name} {version}")))
    }
}

/// A package that packages were built from.
#[derive(Debug)]
pub(super) struct Source<'s> {
    kind: ComponentKind,
    stated: &'s (String, String),
    pub name: String,
    /// Its version; without one that of what was built from it first.
    pub version: Option<String>,
    pub supplier: Option<&'s Party>,
}

impl Source<'_> {
    /// What names it among others.
    pub(super) fn key(&self) -> String {
        let (name, version) = self.stated;
        format!("{}/{name}/{version}", self.kind.as_str())
    }
}

/// The packages that packages were built from, each once.
#[derive(Debug)]
pub(super) struct Sources<'s> {
    pub all: Vec<Source<'s>>,
    /// Ids of what was built, each with the place of its source.
    pub built: Vec<(&'s str, usize)>,
}

/// Everything that is said, in the order in which it is written.
#[derive(Debug)]
pub(super) struct AllFacts<'s> {
    pub supplier: Option<Party>,
    pub components: Vec<Facts<'s>>,
}

impl<'s> AllFacts<'s> {
    pub(super) fn of(sbom: &'s Sbom) -> Self {
        let supplier = image_supplier(sbom);
        let facts = |(id, component): (&'s String, &'s Component)| {
            let purl = component.purl.as_deref();
            let is_there = |id: &&'s str| sbom.components.contains_key(*id);
            let originator = component.originator.as_deref().and_then(Party::parse);
            Facts {
                id,
                component,
                name: name(&component.name),
                version: version(sbom, component),
                supplier: supplier_of(component, purl, originator.as_ref(), supplier.as_ref()),
                originator,
                licensing: conclude(&component.licenses, &component.license_texts),
                depends: component.depends.iter().map(String::as_str).filter(is_there).collect(),
                purl,
            }
        };
        Self { components: sbom.components.iter().map(facts).collect(), supplier }
    }

    /// The sources of packages.
    pub(super) fn sources(&self) -> Sources<'_> {
        let mut known: BTreeMap<(ComponentKind, &(String, String)), usize> = BTreeMap::new();
        let mut sources = Sources { all: Vec::new(), built: Vec::new() };
        for facts in &self.components {
            let Some(stated) = facts.component.source.as_ref() else { continue };
            let kind = facts.component.kind;
            let number = *known.entry((kind, stated)).or_insert_with(|| {
                let version = Some(line(&stated.1)).filter(|version| !version.is_empty());
                sources.all.push(Source {
                    kind,
                    stated,
                    name: name(&stated.0),
                    version: version.or_else(|| facts.version.clone()),
                    supplier: facts.supplier.as_ref(),
                });
                sources.all.len() - 1
            });
            sources.built.push((facts.id, number));
        }
        sources
    }

    /// Licences without an SPDX id, each once, and with its text where some component has it.
    pub(super) fn references(&self) -> BTreeMap<&str, &Reference> {
        let mut references: BTreeMap<&str, &Reference> = BTreeMap::new();
        let licensings = self.components.iter().filter_map(|facts| facts.licensing.as_ref());
        for (id, reference) in licensings.flat_map(|licensing| &licensing.references) {
            let known = references.entry(id).or_insert(reference);
            if known.text.is_none() && reference.text.is_some() {
                *known = reference;
            }
        }
        references
    }

    /// The parts of a component that is there, or of the image.
    pub(super) fn parts(&self) -> BTreeMap<Option<&'s str>, BTreeSet<&'s str>> {
        let ids: BTreeSet<&str> = self.components.iter().map(|facts| facts.id).collect();
        let mut parts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for facts in &self.components {
            let owner = facts.component.part_of.as_deref();
            let owner = owner.filter(|owner| ids.contains(owner) && *owner != facts.id);
            parts.entry(owner).or_default().insert(facts.id);
        }
        parts
    }
}

/// Who answers for the image: who was named, or else who owns the place where it is published.
fn image_supplier(sbom: &Sbom) -> Option<Party> {
    let stated = sbom.supplier.as_deref().and_then(|supplier| {
        if supplier.contains(':') { Party::parse(supplier) } else { Party::organization(supplier) }
    });
    let (place, _) = sbom.subject.name.rsplit_once('/').unwrap_or_default();
    stated.or_else(|| Party::organization(place))
}

/// Who distributes a component: who was named; the distribution or registry that its package URL is about; who made
/// it; and last who put it into the image.
fn supplier_of(
    component: &Component,
    purl: Option<&PackageUrl>,
    originator: Option<&Party>,
    image: Option<&Party>,
) -> Option<Party> {
    if let Some(stated) = component.supplier.as_deref().and_then(Party::parse) {
        return Some(stated);
    }
    let known = match (component.kind, purl.and_then(PackageUrl::namespace)) {
        (ComponentKind::Deb | ComponentKind::Apk, Some(namespace)) => {
            Party::organization(match namespace {
                "debian" => "Debian",
                "alpine" => "Alpine Linux",
                "ubuntu" => "Ubuntu",
                "wolfi" => "Wolfi",
                other => other,
            })
        }
        (ComponentKind::OperatingSystem, _) => Party::organization(match component.name.as_str() {
            "debian" => "Debian",
            "alpine" => "Alpine Linux",
            other => other,
        }),
        // The owner of a module's path is who publishes it.
        (ComponentKind::Golang, Some(namespace)) => Party::organization(namespace),
        (ComponentKind::Golang, None) if component.name == "stdlib" => {
            Party::organization("The Go Authors")
        }
        (ComponentKind::Maven, Some(group)) => Party::organization(group),
        _ => None,
    };
    known.or_else(|| originator.cloned()).or_else(|| image.cloned())
}

/// The version that is stated; or what distinguishes its bytes: its digest, or that of the file that it is.
fn version(sbom: &Sbom, component: &Component) -> Option<String> {
    let stated = component.version.as_deref().map(line).filter(|version| !version.is_empty());
    stated.or_else(|| {
        let file = || match component.evidence.iter().collect::<Vec<_>>().as_slice() {
            [path] => sbom.files.get(path.as_str()).map(|file| file.sha256),
            _ => None,
        };
        component.sha256.or_else(file).map(|digest| digest.to_string())
    })
}

/// The version of the image: its tag, or else its digest.
pub(super) fn image_version(subject: &SbomSubject) -> Option<String> {
    let stated = subject.version.as_deref().map(line).filter(|version| !version.is_empty());
    stated.or_else(|| subject.digest.map(|digest| digest.to_string()))
}

/// The package URL of the image, if it is one.
pub(super) fn image_purl(subject: &SbomSubject) -> Option<PackageUrl> {
    subject.purl.as_deref().and_then(|purl| purl.parse().ok())
}

/// What a component is for, in the words of SPDX.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    pub spdx2: &'static str,
    pub spdx3: &'static str,
}

pub(super) fn purpose(kind: ComponentKind) -> Option<Purpose> {
    let (spdx2, spdx3) = match kind {
        ComponentKind::OperatingSystem => ("OPERATING_SYSTEM", "operatingSystem"),
        ComponentKind::Elf => ("APPLICATION", "application"),
        ComponentKind::Golang
        | ComponentKind::Cargo
        | ComponentKind::Pypi
        | ComponentKind::Npm
        | ComponentKind::Maven => ("LIBRARY", "library"),
        ComponentKind::Oci => ("CONTAINER", "container"),
        ComponentKind::Download => ("ARCHIVE", "archive"),
        ComponentKind::Build => ("FILE", "file"),
        ComponentKind::Deb | ComponentKind::Apk | ComponentKind::Stated => return None,
    };
    Some(Purpose { spdx2, spdx3 })
}

pub(super) fn name(text: &str) -> String {
    let name = line(text);
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// A text on one line, without control characters.
pub(super) fn line(text: &str) -> String {
    let plain: String =
        text.chars().take(LINE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a text if it is an absolute URL as documents may have it: nothing in it needs encoding.
pub(super) fn url(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = matches!(
        scheme,
        "http"
            | "https"
            | "ftp"
            | "git"
            | "ssh"
            | "git+https"
            | "git+http"
            | "git+ssh"
            | "svn"
            | "hg+https"
    );
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        && host.starts_with(|c: char| c.is_ascii_alphanumeric());
    // A percent sign must begin an encoded byte, and there is one fragment.
    let is_encoded = rest.match_indices('%').all(|(at, _)| {
        rest.as_bytes().get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    });
    let is_good = rest.bytes().all(is_plain) && is_encoded && rest.matches('#').count() <= 1;
    (is_scheme && is_host && is_good && text.len() < 4_000).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_are_read() {
        let cases = [
            ("Organization: Debian", Some((false, "Debian", None))),
            (
                "Person: Jane Doe (jane@example.org)",
                Some((true, "Jane Doe", Some("jane@example.org"))),
            ),
            ("Jane Doe <jane@example.org>", Some((true, "Jane Doe", Some("jane@example.org")))),
            (
                "Debian GCC Maintainers <gcc@lists.example.org>",
                Some((false, "Debian GCC Maintainers", Some("gcc@lists.example.org"))),
            ),
            ("Example (Europe) Ltd", Some((false, "Example Europe Ltd", None))),
            ("a\nb", Some((false, "a b", None))),
            ("<jane@example.org>", Some((true, "jane@example.org", Some("jane@example.org")))),
            ("Jane <jane at example>", Some((false, "Jane <jane at example>", None))),
            ("Organization: NOASSERTION", None),
            ("Person: ", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let party = Party::parse(text);
            let parts = party.as_ref().map(|p| (p.is_person, p.name.as_str(), p.email.as_deref()));
            assert_eq!(parts, expected, "{text:?}");
        }
    }

    #[test]
    fn only_whole_urls_are_urls() {
        for good in [
            "https://example.org",
            "https://example.org/a%20b?c#d",
            "git+https://example.org/x.git@abc",
        ] {
            assert_eq!(url(good), Some(good));
        }
        for bad in [
            "",
            "example.org",
            "https://",
            "https:///x",
            "https://exa mple.org",
            "https://example.org/a b",
            "https://example.org/%zz",
            "https://example.org/a#b#c",
            "javascript://example.org",
            "https://example.org/ü",
            "https://[",
            "file:///etc/passwd",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }
}
