// SPDX-License-Identifier: Apache-2.0
//! SBOMs that lie in an image: of build stages, of wheels, of whoever built a layer below.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_attest::sbom::read::{ReadError, read};
use hardpan_attest::sbom::{Component, ComponentKind};
use hardpan_tree::TreePath;

use super::component::text;
use super::is_distribution;

/// The most components that all documents of one image may add. Those of an image with a thousand wheels have 5,000.
const COMPONENTS_MAX: usize = 100_000;

/// Adds what documents state and nothing else in the image tells. Returns which can't be read, and why.
pub(super) fn add_to(
    components: &mut BTreeMap<String, Component>,
    documents: &BTreeMap<TreePath, Arc<[u8]>>,
) -> Vec<String> {
    let mut known: BTreeSet<Identity> = components.values().map(identity).collect();
    let mut problems = Vec::new();
    let mut added = 0;
    for (path, bytes) in documents {
        let listing = match read(bytes) {
            Ok(listing) => listing,
            Err(error) => {
                problems.push(format!("{path}: {}", chain(&error)));
                continue;
            }
        };
        let place = text(path);
        for stated in listing.components.into_values() {
            // The distribution's own are those of its database.
            if is_distribution(stated.kind)
                || stated.kind == ComponentKind::OperatingSystem
                || !known.insert(identity(&stated))
            {
                continue;
            }
            added += 1;
            if added > COMPONENTS_MAX {
                problems.push(format!(
                    "{path}: SBOMs in the image state more than {COMPONENTS_MAX} components"
                ));
                return problems;
            }
            let (name, version) = (&stated.name, stated.version.as_deref().unwrap_or_default());
            let id = format!("stated/{name}@{version}:{place}");
            components.insert(id, of_document(*stated, &place));
        }
    }
    problems
}

/// Returns a component as its document states it. Its ids and relations are the document's, and mean nothing here.
fn of_document(stated: Component, place: &str) -> Component {
    Component {
        kind: ComponentKind::Stated,
        depends: BTreeSet::new(),
        part_of: None,
        evidence: BTreeSet::from([place.to_owned()]),
        ..stated
    }
}

/// What makes two statements be about the same thing: the package URL without qualifiers, or else name and version.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Purl(String),
    Name(String, Option<String>),
}

fn identity(component: &Component) -> Identity {
    match &component.purl {
        Some(purl) => {
            let text = purl.to_string();
            Identity::Purl(text.split(['?', '#']).next().unwrap_or_default().to_owned())
        }
        None => Identity::Name(component.name.clone(), component.version.clone()),
    }
}

fn chain(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(packages: &Value) -> Arc<[u8]> {
        let document = json!({
            "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "dataLicense": "CC0-1.0",
            "documentNamespace": "https://x.example/x",
            "creationInfo": {"created": "2025-01-01T00:00:00Z", "creators": ["Tool: x"]},
            "packages": packages,
        });
        serde_json::to_vec(&document).unwrap().into()
    }

    fn package(name: &str, version: &str, purl: &str) -> Value {
        json!({
            "SPDXID": format!("SPDXRef-{name}"), "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION", "licenseDeclared": "MIT",
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
            }],
        })
    }

    #[test]
    fn documents_add_what_nothing_else_tells() {
        let mut left = Component::new(ComponentKind::Npm, "left".to_owned());
        left.purl = Some(Arc::new("pkg:npm/left@1.0".parse().unwrap()));
        let mut components = BTreeMap::from([("npm/left@1.0:app".to_owned(), left)]);
        let packages = json!([
            package("left", "1.0", "pkg:npm/left@1.0?arch=x"),
            package("right", "2.0", "pkg:npm/right@2.0"),
            package("libc6", "2.41", "pkg:deb/debian/libc6@2.41"),
        ]);
        let documents = BTreeMap::from([
            (TreePath::literal("opt/docker/sbom/a/.spdx.a.json"), document(&packages)),
            // The same thing is not stated twice.
            (TreePath::literal("opt/docker/sbom/b/.spdx.b.json"), document(&packages)),
            (TreePath::literal("x/broken.spdx.json"), Arc::from(b"{".as_slice())),
            (TreePath::literal("x/empty.spdx.json"), Arc::from(b"{}".as_slice())),
        ]);
        let problems = add_to(&mut components, &documents);
        let ids: Vec<&String> = components.keys().collect();
        assert_eq!(ids, ["npm/left@1.0:app", "stated/right@2.0:opt/docker/sbom/a/.spdx.a.json"]);
        let right = &components["stated/right@2.0:opt/docker/sbom/a/.spdx.a.json"];
        assert_eq!(right.kind, ComponentKind::Stated);
        assert_eq!(right.purl, Some(Arc::new("pkg:npm/right@2.0".parse().unwrap())));
        assert!(right.licenses.contains("MIT"));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("/x/broken.spdx.json: "), "{problems:?}");
    }
}
