// SPDX-License-Identifier: Apache-2.0
//! What lies in images and says what is in them: databases of package managers, and descriptions of packages.

use hardpan_attest::sbom::license::{conclude, is_expression, read_copyright, stated};
use hardpan_attest::sbom::read::read as read_sbom;
use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogOptions};
use hardpan_scan::inventory::Inventory;
use hardpan_scan::matching::{MatchOptions, match_all};

use crate::input::{layer, pieces, text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "catalog",
    bytes_max: 4 << 10,
    parts: &[
        Part::new("dpkg-status", |bytes| file("var/lib/dpkg/status", bytes), || texts(&[DPKG])),
        Part::new(
            "dpkg-status-d",
            |bytes| file("var/lib/dpkg/status.d/a", bytes),
            || {
                texts(&[
                    "Package: a\nVersion: 1-1\nArchitecture: amd64\nSource: b (1)\nDescription: x\n y\n",
                ])
            },
        ),
        Part::new("dpkg-lists", dpkg_lists, || {
            texts(&[
                "/.\n/usr\n/usr/bin/a\n/lib\n/lib/x\x1ed41d8cd98f00b204e9800998ecf8427e  usr/bin/a\n",
            ])
        }),
        Part::new("apk-installed", |bytes| file("lib/apk/db/installed", bytes), || texts(&[APK])),
        Part::new("os-release", releases, || {
            texts(&[
                "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\x1e13.2\n\x1e",
                "ID='alpine'\nVERSION_ID=3.22.1\nPRETTY_NAME=\"A \\\"b\\\"\"\x1e\x1e3.22.1\n",
                "\x1etrixie/sid\n\x1e",
            ])
        }),
        Part::new("python", python, || {
            texts(&[
                "Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\nRequires-Dist: c>=1; extra == 'x'\nLicense: MIT\n\nText\x1ea/b.py,sha256=x,1\n\"c,d.py\",,\n../../bin/a,,\n",
                "Name: a\nVersion: 1\nLicense-Expression: MIT OR Apache-2.0\nClassifier: License :: OSI Approved :: MIT License\n\x1e",
            ])
        }),
        Part::new(
            "node",
            |bytes| file("app/node_modules/a/package.json", bytes),
            || {
                texts(&[
                    r#"{"name":"@s/a","version":"1.0.0","license":{"type":"MIT"},"licenses":[{"type":"ISC"}],"dependencies":{"b":"*"},"author":{"name":"x"}}"#,
                ])
            },
        ),
        Part::new(
            "java-release",
            |bytes| file("opt/jdk/release", bytes),
            || texts(&["JAVA_VERSION=\"21.0.4\"\nIMPLEMENTOR=\"Eclipse Adoptium\"\n"]),
        ),
        Part::new("copyright", copyright, || {
            texts(&[
                "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\nFiles: *\nCopyright: 2020 A\nLicense: GPL-2+ and Expat\n\nLicense: Expat\n Permission is hereby granted\n",
                "This is free software; see /usr/share/common-licenses/GPL-2\n",
                "MIT OR (Apache-2.0 WITH LLVM-exception AND BSD-3-Clause)",
            ])
        }),
        Part::new("sbom-in-image", document, || {
            texts(&[
                r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"a","packages":[{"name":"a","SPDXID":"SPDXRef-a","versionInfo":"1","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:generic/a@1"}]}]}"#,
            ])
        }),
    ],
};

const DPKG: &str = "Package: base\nStatus: install ok installed\nVersion: 1-1\nArchitecture: all\n\nPackage: python3-a\nStatus: install ok installed\nSource: a (1-1)\nVersion: 1-1+b1\nArchitecture: amd64\nDepends: base (>= 1) | x:any, y\nProvides: z (= 1)\nMaintainer: A <a@example.com>\nConffiles:\n /etc/a d41d8cd98f00b204e9800998ecf8427e\nDescription: An A\n long\n\nPackage: old\nStatus: deinstall ok config-files\nVersion: 1\n";
const APK: &str = "C:Q1pSfbGT3B0NNsCfXVAyYB6XyvXHs=\nP:musl\nV:1.2.5-r9\nA:x86_64\nS:1\nI:2\nT:x\nU:https://musl\nL:MIT\no:musl\nm:A <a@example.com>\nt:1\nc:abc\np:so:libc.musl-x86_64.so.1=1\nD:so:a !b c>=1\nF:lib\nM:0:0:755\nR:ld-musl.so.1\na:0:0:755\nZ:Q1pSfbGT3B0NNsCfXVAyYB6XyvXHs=\n\nP:busybox\nV:1.37.0-r12\nF:bin\nR:busybox\n\n";

/// Makes a catalog of layers, the uppermost first; what can be made of it can be looked up.
pub(super) fn catalog(layers: &[&[u8]]) -> Option<Catalog> {
    let options = CatalogOptions { hash_files: true, ..CatalogOptions::DEFAULT };
    let mut builder = CatalogBuilder::new(options);
    for layer in layers {
        builder.layer(*layer).ok()?;
    }
    let catalog = builder.finish().ok()?;
    let mut ids: Vec<&str> = catalog.packages.iter().map(|package| package.id.as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two packages have one id");
    for package in &catalog.packages {
        package.purl("debian", "13");
        for need in &package.depends {
            assert!(catalog.package(need).is_some(), "{need} is not there");
        }
    }
    for facts in catalog.files.values() {
        let owner = facts.owner.as_ref();
        assert!(
            owner.is_none_or(|owner| catalog.package(owner).is_some()),
            "{owner:?} is not there"
        );
    }
    let inventory = Inventory::from(&catalog);
    let options = MatchOptions {
        allows_unknown_distribution: true,
        allows_nothing: true,
        ..MatchOptions::default()
    };
    match_all(&inventory, &*super::database::MATCHED, &options).ok();
    Some(catalog)
}

/// Reads a layer of files; understood if there is a package and no problem.
fn files(files: &[(&str, &[u8])]) -> bool {
    let found = catalog(&[&layer(files)]);
    found.is_some_and(|found| !found.packages.is_empty() && found.problems.is_empty())
}

fn file(path: &str, bytes: &[u8]) -> bool {
    files(&[
        ("etc/os-release", b"ID=debian\nVERSION_ID=13\n"),
        (path, bytes),
        ("usr/bin/a", b"#!/bin/sh\n"),
    ])
}

/// Reads an SBOM that lies in an image.
fn document(bytes: &[u8]) -> bool {
    let Some(found) = catalog(&[&layer(&[("opt/docker/sbom/a/.spdx.a.json", bytes)])]) else {
        return false;
    };
    found.documents.values().filter(|document| read_sbom(document).is_ok()).count() > 0
}

fn dpkg_lists(bytes: &[u8]) -> bool {
    let [list, sums] = pieces(bytes);
    files(&[
        (
            "var/lib/dpkg/status",
            b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n",
        ),
        ("var/lib/dpkg/info/a.list", list),
        ("var/lib/dpkg/info/a.md5sums", sums),
        ("usr/bin/a", b""),
        ("usr/lib/x", b""),
    ])
}

fn releases(bytes: &[u8]) -> bool {
    let [os, debian, alpine] = pieces(bytes);
    let layer = layer(&[
        ("etc/os-release", os),
        ("etc/debian_version", debian),
        ("etc/alpine-release", alpine),
    ]);
    catalog(&[&layer]).is_some_and(|found| found.os.is_some() && found.problems.is_empty())
}

fn python(bytes: &[u8]) -> bool {
    let [metadata, record] = pieces(bytes);
    files(&[
        ("usr/lib/python3/dist-packages/a-1.dist-info/METADATA", metadata),
        ("usr/lib/python3/dist-packages/a-1.dist-info/RECORD", record),
        ("usr/lib/python3/dist-packages/a/b.py", b""),
        ("usr/lib/python3/dist-packages/b-1.egg-info", metadata),
    ])
}

/// Reads a copyright file, and the same as the name of a license. What comes of both is an expression.
fn copyright(bytes: &[u8]) -> bool {
    let Ok(found) = read_copyright(bytes) else { return false };
    let (licenses, texts) = found.for_component();
    let concluded = [stated(&text(bytes)), conclude(&licenses, &texts), found.licensing];
    for licensing in concluded.iter().flatten() {
        let expression = &licensing.expression;
        assert!(is_expression(expression), "{expression:?} is no expression");
        // Longer ones are taken for texts.
        if expression.len() <= 2_000 {
            let again = stated(expression).expect("an expression states something");
            assert_eq!(again.expression, *expression, "it is read in another way");
        }
    }
    concluded.iter().any(Option::is_some)
}
