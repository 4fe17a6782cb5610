// SPDX-License-Identifier: Apache-2.0
//! SBOMs to write.

use std::collections::BTreeSet;
use std::sync::Arc;

use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_attest::sbom::{Component, ComponentKind, Sbom, SbomFile, SbomSubject};
use hardpan_tree::Digest;
use proptest::prelude::*;

/// A component of which nothing is known.
pub(crate) fn component(kind: ComponentKind, name: &str, version: Option<&str>) -> Component {
    Component { version: version.map(str::to_owned), ..Component::new(kind, name.to_owned()) }
}

pub(crate) fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn file(content: &str, owner: Option<&str>) -> SbomFile {
    SbomFile {
        sha256: Digest::of(content.as_bytes()),
        sha1: Digest::of(content.as_bytes()).as_bytes()[..20].try_into().unwrap(),
        size_bytes: content.len() as u64,
        owner: owner.map(str::to_owned),
    }
}

fn stated(purl: &str) -> Arc<PackageUrl> {
    Arc::new(purl.parse().unwrap())
}

/// An image of each kind of thing.
pub(crate) fn small() -> Sbom {
    let libc = Component {
        purl: Some(stated(
            "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64&distro=debian-13&upstream=glibc",
        )),
        originator: Some("GNU Libc Maintainers <debian-glibc@lists.debian.org>".into()),
        licenses: texts(&["LGPL-2.1-or-later AND LicenseRef-Spencer"]),
        license_texts: [(
            "LicenseRef-Spencer".to_owned(),
            "Do as you like,\nbut say so.".to_owned(),
        )]
        .into(),
        copyright: Some("Copyright (C) 1991-2024 Free Software Foundation, Inc.".into()),
        summary: Some("GNU C Library: Shared libraries".into()),
        homepage: Some("https://www.gnu.org/software/libc/libc.html".into()),
        sha256: Some(Digest::of(b"libc6.deb")),
        source: Some(("glibc".into(), "2.41-12+deb13u4".into())),
        evidence: texts(&["var/lib/dpkg/status.d/libc6"]),
        ..component(ComponentKind::Deb, "libc6", Some("2.41-12+deb13u4"))
    };
    let python = Component {
        purl: Some(stated("pkg:deb/debian/python3-django@5.1-1?arch=all&distro=debian-13")),
        licenses: texts(&["BSD-3-Clause"]),
        depends: texts(&["deb/libc6/amd64", "deb/not-there/amd64"]),
        ..component(ComponentKind::Deb, "python3-django", Some("5.1-1"))
    };
    let django = Component {
        purl: Some(stated("pkg:pypi/django@5.1")),
        originator: Some("Person: Django Developer (dev@example.org)".into()),
        licenses: texts(&["License :: OSI Approved :: BSD License"]),
        part_of: Some("deb/python3-django/all".into()),
        evidence: texts(&["usr/lib/python3/dist-packages/Django.dist-info/METADATA"]),
        ..component(ComponentKind::Pypi, "Django", Some("5.1"))
    };
    let download = Component {
        licenses: texts(&["MIT/Apache-2.0", "public-domain"]),
        download_location: Some("https://example.org/tool-1.0.tar.gz".into()),
        sha256: Some(Digest::of(b"tool")),
        evidence: texts(&["opt/tool"]),
        ..component(ComponentKind::Download, "tool", None)
    };
    let distribution = component(ComponentKind::OperatingSystem, "debian", Some("13"));
    Sbom {
        subject: SbomSubject {
            name: "registry.example/team/python".into(),
            version: Some("3.14".into()),
            digest: Some(Digest::of(b"manifest")),
            purl: Some(
                "pkg:oci/python@sha256%3Aaaaa?repository_url=registry.example/team/python".into(),
            ),
            platform: Some("linux/amd64".into()),
        },
        epoch: 1_760_000_000,
        tool: ("hardpan".into(), "0.1.0".into()),
        supplier: Some("Organization: Example".into()),
        components: [
            ("os/debian".to_owned(), distribution),
            ("deb/libc6/amd64".to_owned(), libc),
            ("deb/python3-django/all".to_owned(), python),
            ("pypi/django@5.1".to_owned(), django),
            ("download/tool".to_owned(), download),
        ]
        .into(),
        files: [
            (
                "usr/lib/x86_64-linux-gnu/libc.so.6".to_owned(),
                file("libc", Some("deb/libc6/amd64")),
            ),
            (
                "usr/lib/x86_64-linux-gnu/libm.so.6".to_owned(),
                file("libm", Some("deb/libc6/amd64")),
            ),
            ("opt/tool".to_owned(), file("tool", Some("download/tool"))),
            ("etc/passwd".to_owned(), file("root", None)),
        ]
        .into(),
    }
}

/// An image of many packages and files.
pub(crate) fn large(packages: usize, files: usize) -> Sbom {
    let mut sbom = small();
    let id = |number: usize| format!("deb/package{}/amd64", number % packages);
    for number in 0..packages {
        let name = format!("package{number}");
        let component = Component {
            purl: Some(stated(&format!(
                "pkg:deb/debian/{name}@1.0-{number}?arch=amd64&distro=debian-13"
            ))),
            licenses: texts(&["GPL-2+ or Artistic, and Expat", "BSD-3-clause"]),
            source: Some((format!("source{}", number / 3), "1.0".into())),
            depends: (1..4).map(|step| id(number * 7 + step)).collect(),
            ..component(ComponentKind::Deb, &name, Some("1.0"))
        };
        sbom.components.insert(id(number), component);
    }
    for number in 0..files {
        let path = format!("usr/share/package{}/{number}/some-file.txt", number % packages);
        sbom.files.insert(path.clone(), file(&path, Some(&id(number))));
    }
    sbom
}

/// Texts as people and attackers write them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9.+-]{0,12}",
        "\\PC{0,20}",
        "(?s).{0,12}",
        Just("https://example.org/a b%".to_owned()),
        Just("https://example.org/x?y#z".to_owned()),
        Just("Person: A <a@b.c>".to_owned()),
        Just("urn:cdx:".to_owned()),
        Just(String::new()),
    ]
}

fn license() -> impl Strategy<Value = String> {
    let ids = spdx_ids();
    prop_oneof![
        prop::sample::select(ids),
        text(),
        Just("GPL-2+ with Foo exception".to_owned()),
        Just("LicenseRef-a".to_owned())
    ]
}

/// Every id of SPDX's list that the program writes, also those that CycloneDX does not know.
fn spdx_ids() -> Vec<String> {
    spdx::identifiers::LICENSES.iter().map(|license| license.name.to_owned()).collect()
}

fn purl() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        text().prop_map(Some),
        "pkg:deb/debian/[a-z]{1,5}@[0-9+~]{1,4}".prop_map(Some),
        "pkg:generic/\\PC{1,5}".prop_map(Some),
    ]
}

prop_compose! {
    fn any_component(ids: Vec<String>)(
        kind in prop::sample::select(ComponentKind::ALL.to_vec()),
        name in text(),
        version in prop::option::of(text()),
        purl in purl(),
        supplier in prop::option::of(text()),
        originator in prop::option::of(text()),
        licenses in prop::collection::btree_set(license(), 0..4),
        license_texts in prop::collection::btree_map(license(), text(), 0..3),
        copyright in prop::option::of(text()),
        summary in prop::option::of(text()),
        homepage in prop::option::of(text()),
        (download_location, sha256, source) in (prop::option::of(text()), prop::option::of(text()), prop::option::of((text(), text()))),
        depends in prop::collection::btree_set(prop::sample::select(ids.clone()), 0..3),
        part_of in prop::option::of(prop::sample::select(ids)),
        evidence in prop::collection::btree_set(text(), 0..3),
    ) -> Component {
        let purl = purl.and_then(|purl| purl.parse().ok()).map(Arc::new);
        let sha256 = sha256.map(|text| Digest::of(text.as_bytes()));
        Component { kind, name, version, purl, supplier, originator, licenses, license_texts, copyright, summary,
            homepage, download_location, sha256, source, depends, part_of, evidence }
    }
}

/// Any SBOM at all.
pub(crate) fn any_sbom() -> impl Strategy<Value = Sbom> {
    let ids = prop::collection::btree_set(prop_oneof![text(), Just("image".to_owned())], 1..6);
    ids.prop_flat_map(|ids| {
        let ids: Vec<String> = ids.into_iter().collect();
        let components = prop::collection::vec(any_component(ids.clone()), ids.len());
        let files = prop::collection::btree_map(
            text(),
            prop::option::of(prop::sample::select(ids.clone())),
            0..6,
        );
        let subject =
            (text(), prop::option::of(text()), any::<bool>(), purl(), prop::option::of(text()));
        (Just(ids), components, files, subject, prop::option::of(text()), 0_i64..4_000_000_000)
    })
    .prop_map(|(ids, components, files, subject, supplier, epoch)| {
        let (name, version, has_digest, purl, platform) = subject;
        Sbom {
            subject: SbomSubject {
                name,
                version,
                digest: has_digest.then(|| Digest::of(b"m")),
                purl,
                platform,
            },
            epoch,
            tool: ("hardpan".into(), "0.1.0".into()),
            supplier,
            components: ids.into_iter().zip(components).collect(),
            files: files
                .into_iter()
                .map(|(path, owner)| (path.clone(), file(&path, owner.as_deref())))
                .collect(),
        }
    })
}
