// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeSet;

use hardpan_attest::sbom::read::{Format, read};
use hardpan_attest::sbom::{Component, Sbom, cyclonedx, license, spdx2};

use super::model;

/// What scanners need of a component.
fn essence(component: &Component) -> String {
    let licensing = license::conclude(&component.licenses, &component.license_texts);
    let Component { kind, name, purl, version, source, evidence, .. } = component;
    format!(
        "{kind:?} {name} {purl:?} {version:?} {source:?} {evidence:?} {:?}",
        licensing.map(|l| l.expression)
    )
}

fn check(sbom: &Sbom, bytes: &[u8], format: Format) {
    let listing = read(bytes).unwrap();
    assert_eq!((listing.format, listing.skipped), (format, 0));
    assert_eq!(listing.name.as_deref(), Some(sbom.subject.name.as_str()));
    let mut expected: Vec<_> = sbom.components.values().cloned().collect();
    for component in &mut expected {
        // In documents a version stands in for one that is missing.
        component.version =
            component.version.clone().or(component.sha256.map(|digest| digest.to_string()));
    }
    let expected: BTreeSet<_> = expected.iter().map(essence).collect();
    let found: BTreeSet<_> = listing.components.values().map(|one| essence(one)).collect();
    assert_eq!(found, expected);
    if format == Format::Spdx2 {
        let owned = sbom.files.iter().filter(|(_, file)| file.owner.is_some());
        let owned: Vec<&str> = owned.map(|(path, _)| path.as_str()).collect();
        assert_eq!(listing.files.keys().collect::<Vec<_>>(), owned);
        for (path, owner) in &listing.files {
            let expected = &sbom.components[sbom.files[path].owner.as_ref().unwrap()];
            assert_eq!(listing.components[owner].name, expected.name, "{path}");
        }
    } else {
        assert!(listing.files.is_empty());
    }
    let edges = listing.components.values().map(|one| one.depends.len()).sum::<usize>();
    assert!(edges > 0);
    assert_eq!(
        listing.components.values().filter(|one| one.sha256.is_some()).count(),
        sbom.components.values().filter(|one| one.sha256.is_some()).count()
    );
}

#[test]
fn our_documents_are_read_again() {
    for sbom in [model::small(), model::large(30, 100)] {
        check(&sbom, &spdx2::write(&sbom), Format::Spdx2);
        for version in [cyclonedx::SpecVersion::V1_6, cyclonedx::SpecVersion::V1_7] {
            check(&sbom, &cyclonedx::write(&sbom, version), Format::CycloneDx);
        }
    }
}
