// SPDX-License-Identifier: Apache-2.0
//! Orders, against published vectors, the specifications' own examples and other implementations.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::shared::shared;

fn order_of(operator: &str) -> Ordering {
    match operator {
        "<" => Ordering::Less,
        ">" => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// Checks lines of versions in strictly ascending order.
fn ascending(order: Order, lines: &[&str]) {
    for line in lines {
        let versions: Vec<&str> = line.split_whitespace().collect();
        for (at, left) in versions.iter().enumerate() {
            for (other, right) in versions.iter().enumerate() {
                let found = compare(order, left, right);
                assert_eq!(found, Ok(at.cmp(&other)), "{left} {right}");
            }
        }
    }
}

fn equal(order: Order, lines: &[&str]) {
    for line in lines {
        let versions: Vec<&str> = line.split_whitespace().collect();
        for right in &versions {
            assert_eq!(compare(order, versions[0], right), Ok(Ordering::Equal), "{line}: {right}");
        }
    }
}

fn refused(order: Order, texts: &[&str]) {
    for text in texts {
        assert!(Version::parse(order, text).is_err(), "{text:?}");
    }
    let long = "1".repeat(VERSION_BYTES_MAX + 1);
    assert_eq!(
        Version::parse(order, &long).unwrap_err(),
        VersionError::TooLong(VERSION_BYTES_MAX + 1)
    );
}

#[test]
fn vectors_of_debian_hold() {
    let Some(path) = shared("vectors/debian-versions.txt") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let &[left, operator, right] = parts.as_slice() else { panic!("{line}") };
        let wanted = order_of(operator);
        assert_eq!(compare(Order::Deb, left, right), Ok(wanted), "{line}");
        assert_eq!(compare(Order::Deb, right, left), Ok(wanted.reverse()), "{line}");
        count += 1;
    }
    assert!(count > 7_000, "{count}");
}

#[test]
fn vectors_of_apk_hold() {
    let Some(path) = shared("alpine/version.data") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines().map(|line| line.split('#').next().unwrap_or("")) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let &[left, operator, right] = parts.as_slice() else { continue };
        // `~` is the language of dependencies, which advisories do not have.
        if operator.contains('~') {
            continue;
        }
        let (is_not, operator) =
            operator.strip_prefix('!').map_or((false, operator), |o| (true, o));
        let Ok(order) = compare(Order::Apk, left, right) else { panic!("{line}") };
        let holds = match order {
            Ordering::Less => operator.contains('<'),
            Ordering::Equal => operator.contains('='),
            Ordering::Greater => operator.contains('>'),
        };
        assert_eq!(holds, !is_not, "{line}");
        count += 1;
    }
    assert!(count >= 700, "{count}");
}

#[test]
fn binary_rebuilds_epochs_and_tildes_have_dpkgs_order() {
    ascending(
        Order::Deb,
        &["1.2-3~bpo12+1 1.2-3~deb13u1 1.2-3 1.2-3+b1 1.2-3+deb13u1 1.2-3.1 1:1.0-1"],
    );
    refused(Order::Deb, &["", "a", "1_2", "1.0-", ":1"]);
}

#[test]
fn apk_takes_what_old_releases_have_and_nothing_worse() {
    ascending(Order::Apk, &["6.8.0_rc1 6.8.0 6.8.0-r0 6.8.0p2-r4 6.8.0p 6.8.1"]);
    refused(Order::Apk, &["", "foo", "v1.2", "-r0", " 1"]);
}

#[test]
fn crates() {
    ascending(
        Order::Cargo,
        &[
            "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.2.0 1.10.0 2.0.0",
            "0.0.0-0 0.0.0-1 0.0.0 0.0.1 99999999999999999999.0.0 100000000000000000000.0.0",
        ],
    );
    equal(Order::Cargo, &["1.0.0 1.0.0+a 1.0.0+b.1"]);
    refused(
        Order::Cargo,
        &[
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "01.2.3",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3+",
            "a.b.c",
            "1.2.3-é",
            " 1.2.3",
        ],
    );
}

#[test]
fn packages_of_npm() {
    ascending(
        Order::Npm,
        &["1.2.3-0 1.2.3-beta 1.2.3-beta.2 1.2.3 1.2.4-0", "0 0.0.1 1 1.0.1 1.1"],
    );
    equal(
        Order::Npm,
        &["1.2.3 v1.2.3 =1.2.3 =v1.2.3 1.2.3+build", "1.2.3-beta 1.2.3beta", "2.0.0 2 2.0"],
    );
    refused(Order::Npm, &["", "latest", "1.2.3.4", "1.x", "*", "^1.2.3", "1.2.3-", "git+ssh"]);
}

#[test]
fn modules_of_go_with_pseudo_versions_and_go_itself() {
    ascending(
        Order::Golang,
        &[
            "v0.0.0-20200101000000-aaaaaaaaaaaa v0.0.0-20210101000000-000000000000 v0.0.0 v0.0.1",
            "v1.2.3-pre v1.2.3-pre.0.20210101000000-abcdefabcdef v1.2.3 v1.2.4-0.20210101000000-abcdefabcdef v1.2.4",
            "go1.21.0-0 go1.21beta1 go1.21rc1 go1.21rc2 go1.21rc10 go1.21.0 go1.21.1 go1.22",
            "v2.0.0+incompatible v2.0.1",
        ],
    );
    equal(
        Order::Golang,
        &[
            "v1.2.3 1.2.3 v1.2.3+incompatible",
            "go1.21 1.21.0 v1.21.0 go1.21.0 v1.21",
            "1.21.0-rc.2 go1.21rc2 1.21rc2",
        ],
    );
    refused(
        Order::Golang,
        &["", "(devel)", "v", "go", "devel", "v1.2.3.4", "rc1", "v1.2.3-", "vv1"],
    );
}

#[test]
fn distributions_of_python() {
    ascending(
        Order::Pep440,
        &[
            "1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456 1.1.dev1 1!0.1",
            "2011.10 2012.4 1!1.0",
            "1.2+a 1.2+a.1 1.2+1 1.2+1.a",
        ],
    );
    equal(
        Order::Pep440,
        &[
            "1.0 1 1.0.0 v1.0 1.0.0.0 0!1",
            "1.1a1 1.1.alpha-1 1.1-A.1 1.1_alpha1 1.1alpha1",
            "1.1rc1 1.1c1 1.1-pre1 1.1preview1 1.1RC1",
            "1.0.post4 1.0-4 1.0-r4 1.0.rev4 1.0post4",
            "1.2a 1.2a0 1.2a- 1.2.a_",
            "1.2a.post1 1.2ar1 1.2a-post-1 1.2a--1",
            "1.2.post 1.2.post0 1.2-post",
            "1.2.dev 1.2dev0",
            "1.0+ubuntu-1 1.0+ubuntu.1 1.0+UBUNTU_1",
        ],
    );
    refused(
        Order::Pep440,
        &[
            "",
            "a",
            "1.0+",
            "1.0+a..b",
            "1.0x",
            "1..0",
            "1.0.",
            "french toast",
            "1.0a..",
            "!1",
            "1!",
            "1.0+é",
            "1.0.candidate1",
            "1.0--1",
        ],
    );
}

#[test]
fn archives_of_java() {
    ascending(
        Order::Maven,
        &[
            "1-alpha-1 1-beta 1-milestone 1-rc 1-snapshot 1 1-sp 1-foo2 1-foo10 1-1 1.1",
            "1.0-alpha1 1.0-alpha2 1.0-beta1 1.0-m1 1.0-rc1 1.0-SNAPSHOT 1.0 1.0.1 1.0.10 1.1",
            "2.0.0.alpha1 2.0.0.Final 2.0.1.Final",
            "1-sp-1 1-ga-1",
            "1-ga.1 1-sp.1",
            "9.4.43.v20210629 9.4.44.v20210927 10.0.0",
            "20231013 99999999999999999999",
            "31.1-android 31.1-jre 32.0-android",
            "0.2.redhat.1 0.2-redhat-1 0.2.1",
        ],
    );
    equal(
        Order::Maven,
        &[
            "1 1.0 1.0.0 1.ga 1-ga 1-0 1.final 1.0-Final 1.RELEASE 1. 1-",
            "1-a1 1-alpha-1 1alpha1",
            "1.foo 1-foo 1.0-foo",
            "1-rc1 1-cr1",
            // Zeros before a word say nothing, whatever stands between them.
            "0.31.0-RC2 0.31.0.RC2 0.31-rc2",
            "1.0-jre 1.0.jre 1.jre",
            "1.0.0-foo.0.0 1-foo",
            "1.0.0-0.0.0 1.0.0",
        ],
    );
    refused(Order::Maven, &["", " ", "1 2", "1\0"]);
}

/// As Maven has it: a list is compared with nothing by what is in it, and with a word by being a list.
#[test]
fn circles_of_maven() {
    ascending(Order::Maven, &["1 1-foo", "1-foo 1-0-rc1", "1-0-rc1 1"]);
}

fn versions(order: Order) -> BoxedStrategy<String> {
    match order {
        Order::Deb => "([0-9]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a-c.+~]{1,3})?".boxed(),
        Order::Apk => "(0|1|01|10)(\\.(0|01|1|10)){0,2}[ab]?(_(rc|p)[01]?)?(-r[01])?".boxed(),
        Order::Pep440 => {
            "(1!)?[01](\\.[01]){0,2}((a|b|rc)[01])?(\\.post[01])?(\\.dev[01])?(\\+[a1])?".boxed()
        }
        Order::Maven => "[01](\\.[01]){0,2}(-(alpha|rc|foo|sp|1))?".boxed(),
        Order::Golang | Order::Npm | Order::Cargo => {
            "[01]\\.[01]\\.(0|1|10)(-(a|b|0|1|10|a-b)(\\.(a|0|1))?)?(\\+x)?".boxed()
        }
    }
}

fn any_order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![
        Order::Deb,
        Order::Apk,
        Order::Golang,
        Order::Pep440,
        Order::Npm,
        Order::Cargo,
        Order::Maven,
    ])
}

fn three() -> impl Strategy<Value = (Order, String, String, String)> {
    any_order()
        .prop_flat_map(|order| (Just(order), versions(order), versions(order), versions(order)))
}

proptest! {
    #[test]
    fn order_laws((order, a, b, c) in three()) {
        let compare = |left: &str, right: &str| compare(order, left, right).unwrap();
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        let mut sorted = [&a, &b, &c];
        sorted.sort_by(|x, y| compare(x, y));
        prop_assert_ne!(compare(sorted[0], sorted[2]), Ordering::Greater);
    }

    #[test]
    fn any_text_is_parsed_or_refused(order in any_order(), text in "\\PC{0,16}|[0-9a-z._+~!v-]{0,16}") {
        if let Ok(version) = Version::parse(order, &text) {
            prop_assert_eq!(version.compare(&version), Ordering::Equal);
        }
    }
}
