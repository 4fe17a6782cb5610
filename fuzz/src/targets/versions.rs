// SPDX-License-Identifier: Apache-2.0
//! Versions, which are a total order in every order but Maven's, and what refers to them.

use std::cmp::Ordering;

use hardpan_package::{apk, deb};
use hardpan_scan::advisory::Order;
use hardpan_scan::version::Version;

use crate::input::{pieces, text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "versions",
    bytes_max: 512,
    parts: &[
        Part::new(
            "deb",
            |bytes| laws(Order::Deb, bytes),
            || {
                texts(&[
                    "1:1.0-1\x1e1.0~rc1-1\x1e1.0+b1",
                    "2.41-12+deb13u1\x1e2.41-12\x1e2.41",
                    "0\x1e00\x1e0-0",
                ])
            },
        ),
        Part::new(
            "apk",
            |bytes| laws(Order::Apk, bytes),
            || {
                texts(&[
                    "1.2.3-r1\x1e1.2.3_rc1-r0\x1e1.2_git20200101",
                    "6.8.0p2-r4\x1e6.8.0\x1e06.8",
                    "1a_p1~abc-r2\x1e1.0.0b\x1e1",
                ])
            },
        ),
        Part::new(
            "golang",
            |bytes| laws(Order::Golang, bytes),
            || {
                texts(&[
                    "v1.2.3\x1ev1.2.3-0.20200101000000-abcdef\x1ev2.0.0+incompatible",
                    "1.22.3\x1e1.23rc1\x1e(devel)",
                ])
            },
        ),
        Part::new(
            "pep440",
            |bytes| laws(Order::Pep440, bytes),
            || {
                texts(&[
                    "1.0\x1e1.0.post1.dev2\x1e1!2.0a1",
                    "1.0+local.1\x1ev1.0-1\x1e1.0c1",
                    "1.dev0\x1e1.0rc1\x1e1.0",
                ])
            },
        ),
        Part::new(
            "npm",
            |bytes| laws(Order::Npm, bytes),
            || texts(&["1.2.3\x1e1.2.3-alpha.1\x1e1.2.3+b", "1.2.3-1\x1e1.2.3-a.b\x1ev1.2.3"]),
        ),
        Part::new(
            "cargo",
            |bytes| laws(Order::Cargo, bytes),
            || texts(&["1.2.3\x1e1.2.3-alpha.1\x1e1.2.3+b", "0.0.0\x1e0.0.0-0\x1e10.0.0"]),
        ),
        Part::new(
            "maven",
            |bytes| laws(Order::Maven, bytes),
            || {
                texts(&[
                    "1.0\x1e1-SNAPSHOT\x1e1.0-rc1",
                    "1.0.RELEASE\x1e1_a1\x1e1.ga",
                    "1-1.foo-bar1baz-.1\x1e2.0-sp\x1e1x",
                ])
            },
        ),
        Part::new("relation", relations, || {
            texts(&[
                "libc6 (>= 2.41) | a:any [amd64 !i386] <!nocheck>, b (= 1)",
                "so:libc.so.1 !a b<2 c~3 d>=1-r0 e=1",
            ])
        }),
    ],
};

/// Compares three versions with one another.
fn laws(order: Order, bytes: &[u8]) -> bool {
    let texts: [String; 3] = pieces::<3>(bytes).map(text);
    let read: Vec<Version<'_>> =
        texts.iter().filter_map(|text| Version::parse(order, text).ok()).collect();
    for a in &read {
        assert_eq!(a.compare(a), Ordering::Equal, "{texts:?}");
        for b in &read {
            assert_eq!(a.compare(b), b.compare(a).reverse(), "{texts:?}");
            // Maven's own order has circles.
            for c in read.iter().filter(|_| order != Order::Maven) {
                if a.compare(b) != Ordering::Greater && b.compare(c) != Ordering::Greater {
                    let expected = a.compare(b).then(b.compare(c));
                    assert_eq!(a.compare(c), expected, "{texts:?}");
                }
            }
        }
    }
    read.len() == 3
}

/// Reads what packages say of other packages, of both kinds.
fn relations(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let clauses = deb::relation::parse_clauses(&text);
    for clause in clauses.iter().flatten() {
        assert!(!clause.alternatives.is_empty(), "a clause of nothing in {text:?}");
    }
    let provides = deb::relation::parse_provides(&text);
    let dependencies = apk::dependency::parse_dependencies(&text);
    let provided = apk::dependency::parse_provides(&text);
    apk::dependency::parse_request(&text).ok();
    clauses.is_ok() || provides.is_ok() || dependencies.is_ok() || provided.is_ok()
}
