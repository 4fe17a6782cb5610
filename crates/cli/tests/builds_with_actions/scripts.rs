// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts of real packages, run for an image that has no shell.

use std::collections::BTreeSet;

use crate::support::Catalog;

/// Two packages whose scripts make indexes: one by a shell script of its own, one by a program in perl.
const DEFINITION: &str = "# syntax=dhi.io/build:2-debian13
image: example/app
variant: runtime
tags: ['1']
platforms: [linux/amd64]
accounts: {run-as: '65532'}
contents:
  packages: [cracklib-runtime, xml-core]
";

#[test]
fn indexes_that_only_scripts_make_are_in_an_image_without_a_shell() {
    let test = "indexes_that_only_scripts_make_are_in_an_image_without_a_shell";
    let Some(catalog) = Catalog::new(test) else { return };
    catalog.write("app/image.yaml", DEFINITION);
    let uncovered = [
        "update-cracklib is not known",
        "update-catalog is not known",
        "update-xmlcatalog is not known",
    ];
    catalog.build().expect(0, &uncovered);
    let plain = catalog.image().dump();

    catalog.write("app/image.yaml", format!("{DEFINITION}x-hardpan:\n  scripts: sandbox\n"));
    let said = catalog.build().expect(0, &["refreshed"]);
    assert!(!said.contains("not done"), "{said}");
    let image = catalog.image();

    // The image's own program reads what the script made of the word list.
    let dictionary = "/var/cache/cracklib/cracklib_dict";
    let words = catalog.run(&["/usr/sbin/cracklib-unpacker", dictionary]);
    assert!(words.lines().count() > 40_000, "{} words", words.lines().count());
    assert!(words.lines().any(|word| word == "password"));
    let xml = image.text("/etc/xml/catalog");
    assert!(xml.contains("catalog=\"file:///etc/xml/xml-core.xml\""), "{xml}");
    let sgml = image.text("/etc/sgml/catalog");
    assert!(sgml.contains("CATALOG"), "{sgml}");

    // Of what they ran with there is nothing.
    let dump = image.dump();
    let paths = |dump: &str| -> BTreeSet<String> {
        dump.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let (old, new) = (paths(&plain), paths(&dump));
    assert_eq!(old.difference(&new).next(), None);
    let made: Vec<&str> = new.difference(&old).map(String::as_str).collect();
    assert_eq!(
        made,
        [
            "/etc/xml/catalog",
            "/etc/xml/catalog.old",
            "/etc/xml/xml-core.xml",
            "/etc/xml/xml-core.xml.old",
            "/var/cache/cracklib/cracklib_dict.hwm",
            "/var/cache/cracklib/cracklib_dict.pwd",
            "/var/cache/cracklib/cracklib_dict.pwi",
            "/var/cache/cracklib/src-dicts",
            "/var/lib/sgml-base/supercatalog",
            "/var/lib/xml-core/catalog",
            "/var/lib/xml-core/xml-core",
        ]
    );
    let status = image.text("/var/lib/dpkg/status");
    assert!(status.contains("Package: cracklib-runtime\n"));
    assert!(!status.contains("Package: dash\n") && !status.contains("Package: perl-base\n"));
}
