// SPDX-License-Identifier: Apache-2.0

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// What is stated, and the expression that it is.
const STATED: [(&str, &str); 62] = [
    // SPDX as it is, in another case, or withdrawn.
    ("MIT", "MIT"),
    ("mit", "MIT"),
    ("(MIT OR Apache-2.0)", "Apache-2.0 OR MIT"),
    ("MIT AND (GPL-2.0-or-later OR ISC)", "MIT AND (GPL-2.0-or-later OR ISC)"),
    ("GPL-2.0", "GPL-2.0-only"),
    ("GPL-2.0+", "GPL-2.0-or-later"),
    ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
    ("AFL-2.1+", "AFL-2.1+"),
    ("LicenseRef-Mine", "LicenseRef-Mine"),
    ("BSD-2-Clause-FreeBSD", "BSD-2-Clause"),
    // Debian.
    ("GPL-2+", "GPL-2.0-or-later"),
    ("GPL-1+ or Artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("GPL-1+ or Artistic, and Expat", "MIT AND (Artistic-1.0-Perl OR GPL-1.0-or-later)"),
    ("GPL-2+ or AFL-2.1, and Expat and ISC", "ISC AND MIT AND (AFL-2.1 OR GPL-2.0-or-later)"),
    ("LGPL-2.1", "LGPL-2.1-only"),
    ("LGPLv3+_or_GPLv2+", "GPL-2.0-or-later OR LGPL-3.0-or-later"),
    ("GPLv3+", "GPL-3.0-or-later"),
    ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("Expat", "MIT"),
    ("MIT/X11", "MIT"),
    ("public-domain", "LicenseRef-public-domain"),
    ("PD", "LicenseRef-public-domain"),
    ("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-2.0"),
    ("GPL-3+ with Autoconf exception", "GPL-3.0-or-later WITH Autoconf-exception-3.0"),
    ("GPL-3+-WITH-BISON-EXCEPTION", "GPL-3.0-or-later WITH Bison-exception-2.2"),
    ("GPL-2+-libtool-exception", "GPL-2.0-or-later WITH Libtool-exception"),
    ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
    ("GPL-2+ with OpenSSL exception", "LicenseRef-GPL-2-with-OpenSSL-exception"),
    ("LPGL-2.1+", "LGPL-2.1-or-later"),
    ("BSD", "LicenseRef-BSD"),
    ("CC0", "CC0-1.0"),
    ("OpenLDAP-2.8", "OLDAP-2.8"),
    ("Vim-Regexp", "LicenseRef-Vim-Regexp"),
    // Alpine.
    ("GPL-2.0-or-later BSD-3-Clause", "BSD-3-Clause AND GPL-2.0-or-later"),
    ("GPL+ or Artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("PerlArtistic GPL", "Artistic-1.0-Perl AND GPL-1.0-or-later"),
    ("GPL-2.0-or-later AND Public-Domain", "GPL-2.0-or-later AND LicenseRef-public-domain"),
    ("custom:GPL-like", "LicenseRef-custom-GPL-like"),
    (
        "AGPL-3.0-or-later WITH OpenSSL-Exception",
        "LicenseRef-AGPL-3.0-or-later-WITH-OpenSSL-Exception",
    ),
    ("GPL-2.1-only", "LicenseRef-GPL-2.1-only"),
    ("BSD-4-Clause-Shortened", "BSD-4-Clause-Shortened"),
    // Python.
    ("License :: OSI Approved :: MIT License", "MIT"),
    (
        "License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)",
        "GPL-3.0-or-later",
    ),
    ("License :: OSI Approved :: GNU Lesser General Public License v2 (LGPLv2)", "LGPL-2.0-only"),
    ("License :: OSI Approved :: Apache Software License", "LicenseRef-Apache-Software-License"),
    ("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("BSD (3-clause)", "BSD-3-Clause"),
    ("GNU GPL version 2 or later", "GPL-2.0-or-later"),
    ("GPL (>= 2)", "GPL-2.0-or-later"),
    ("Apache License, Version 2.0", "Apache-2.0"),
    // npm, Cargo, Maven.
    ("SEE LICENSE IN LICENSE.txt", "LicenseRef-SEE-LICENSE-IN-LICENSE.txt"),
    ("UNLICENSED", "LicenseRef-UNLICENSED"),
    ("MIT/Apache-2.0", "Apache-2.0 OR MIT"),
    ("The Apache Software License, Version 2.0", "Apache-2.0"),
    ("GPL2 w/ CPE", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("Eclipse Public License v. 2.0", "EPL-2.0"),
    // Broken.
    ("MIT AND", "LicenseRef-MIT-AND"),
    ("(MIT", "LicenseRef-MIT"),
    ("MIT OR (", "LicenseRef-MIT-OR"),
    ("»§$%&", "LicenseRef-unnamed"),
];

#[test]
fn statements_become_expressions() {
    for (text, expected) in STATED {
        let licensing = stated(text).unwrap_or_else(|| panic!("{text}: nothing"));
        assert_eq!(licensing.expression, expected, "{text}");
        assert!(is_expression(expected), "{expected}");
        let words = expected.split([' ', '(', ')']).filter(|word| word.starts_with("LicenseRef-"));
        assert!(words.eq(licensing.references.keys()), "{expected}: {:?}", licensing.references);
        assert_eq!(
            stated(expected).unwrap().expression,
            expected,
            "an expression stays what it is"
        );
    }
    for text in ["", " ", "NOASSERTION", "NONE", "UNKNOWN", "License :: OSI Approved"] {
        assert_eq!(stated(text), None, "{text:?}");
    }
}

#[test]
fn what_is_hostile_stays_one_valid_reference() {
    let deep = format!("{}MIT{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = "MIT AND ".repeat(100_000);
    let many = vec!["a"; 2_000].join(" or ");
    for text in [
        deep.as_str(),
        long.as_str(),
        many.as_str(),
        "a\0b",
        "MIT\nGPL-2.0-only \u{202e}",
        "WITH",
        "and or with",
    ] {
        let licensing = stated(text).unwrap();
        assert!(is_expression(&licensing.expression), "{}", licensing.expression);
    }
    assert!(read_copyright(&vec![b' '; COPYRIGHT_BYTES_MAX + 1]).is_err());
    for text in [
        "",
        "\0\0",
        "Files: *\nLicense:\n",
        "License: \n .\n",
        "Format: x\n\n\n\n",
        "\u{feff}Files: *\nLicense: MIT\n .\n",
    ] {
        let copyright = read_copyright(text.as_bytes()).unwrap();
        assert!(
            copyright.licensing.is_none_or(|licensing| is_expression(&licensing.expression)),
            "{text:?}"
        );
    }
    let bomb = format!("Format: x\n\n{}", "Files: *\nLicense: a\n b\n\n".repeat(200_000));
    assert!(read_copyright(bomb.as_bytes()).unwrap().licensing.is_some());
}

const MIT: &str = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and\n associated documentation files (the \"Software\"), to deal in the Software without restriction, including\n without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n copies of the Software, subject to the following conditions:\n .\n The above copyright notice and this permission notice shall be included in all copies or substantial\n portions of the Software.\n .\n THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND.";

#[test]
fn machine_readable_files_are_read() {
    let text = format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: x\n\n\
         Files: *\nCopyright: 2020 Somebody\n 2021-2022 Somebody Else\nLicense: GPL-2+ or Own\n\n\
         Files: a\nCopyright: 2020 Somebody\nLicense: MIT-style\n\n\
         Files: b\nCopyright: none\nLicense: BSD\n Do as you like.\n .\n Really.\n\n\
         License: Own\n All is allowed.\n\n\
         License: MIT-style\n {MIT}\n\n\
         License: GPL-2+\n On Debian systems, see /usr/share/common-licenses/GPL-2.\n\n\
         License: unused\n Nobody has this.\n"
    );
    let copyright = read_copyright(text.as_bytes()).unwrap();
    assert_eq!(copyright.notices.as_deref(), Some("2020 Somebody\n2021-2022 Somebody Else\nnone"));
    let licensing = copyright.licensing.clone().unwrap();
    assert_eq!(
        licensing.expression,
        "LicenseRef-BSD-0fc6e3d3 AND MIT AND (GPL-2.0-or-later OR LicenseRef-Own-71e33cd6)"
    );
    let texts: Vec<_> =
        licensing.references.values().map(|r| (r.name.as_str(), r.text.as_deref())).collect();
    assert_eq!(
        texts,
        [("BSD", Some("Do as you like.\n\nReally.")), ("Own", Some("All is allowed."))]
    );
    // What a component keeps of it comes out of its documents again.
    let (licenses, texts) = copyright.for_component();
    let again = conclude(&licenses, &texts).unwrap();
    assert_eq!(again.expression, licensing.expression);
    assert_eq!(
        again.references.keys().collect::<Vec<_>>(),
        licensing.references.keys().collect::<Vec<_>>()
    );
}

#[test]
fn references_stay_when_they_are_read_again() {
    let long = "x".repeat(100);
    for start in ["", "LicenseRef-", "-LicenseRef-co: ", "LicenseRef-LicenseRef-"] {
        for length in (0..=12).chain(50..=90) {
            for end in ["", "-", "-1", "-e1b2a438", "-e1b2a438-0f0f0f0f", "-E1B2A438"] {
                let name = format!("{start}{}{end}", &long[..length]);
                for text in [None, Some("All is allowed.")] {
                    let id = reference_id(&name, text);
                    assert!(is_expression(&id), "{name}: {id}");
                    assert!(id.len() <= 11 + REFERENCE_CHARS_MAX + 1 + REFERENCE_DIGEST_CHARS);
                    assert_eq!(reference_id(&id, None), id, "{name}");
                    if text.is_some() {
                        assert_eq!(reference_id(&id, text), id, "{name}");
                    }
                }
            }
        }
    }
    // Texts differ where names do not.
    let [one, other] = ["One.", "Other."].map(|text| reference_id("LicenseRef-BSD", Some(text)));
    assert_ne!(one, other);
    assert_ne!(reference_id(&one, Some("Other.")), one);
}

/// What well-known packages have, in any of the last releases of Debian.
const WELL_KNOWN: [(&str, &str); 12] = [
    ("adduser", "GPL-2.0-or-later"),
    ("base-passwd", "GPL-2.0-only"),
    ("bash", "GPL-3.0-or-later"),
    ("coreutils", "GPL-3.0-or-later"),
    ("grep", "GPL-3.0-or-later"),
    ("gzip", "GPL-3.0-or-later"),
    ("libc6", "LGPL-2.1-or-later"),
    ("libssl3", "Apache-2.0"),
    ("libssl3t64", "Apache-2.0"),
    ("sed", "GPL-3.0-or-later"),
    ("tar", "GPL-3.0-or-later"),
    ("zlib1g", "Zlib"),
];

#[test]
fn the_files_of_this_machine_are_read() {
    let Ok(folder) = std::fs::read_dir("/usr/share/doc") else {
        println!("skipped: /usr/share/doc is not there");
        return;
    };
    let (mut files, mut known, mut partly, mut nothing) = (0, 0, 0, Vec::new());
    let mut names: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    for path in names {
        let Ok(bytes) = std::fs::read(path.join("copyright")) else { continue };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files += 1;
        let Some(licensing) = read_copyright(&bytes).unwrap().licensing else {
            nothing.push(name);
            continue;
        };
        assert!(is_expression(&licensing.expression), "{name}: {}", licensing.expression);
        let is_whole = licensing.expression.starts_with("LicenseRef-copyright-file");
        if is_whole {
            nothing.push(name);
        } else if licensing.references.is_empty() {
            known += 1;
        } else {
            partly += 1;
        }
    }
    println!("{files} files: {known} with SPDX ids only, {partly} partly, without: {nothing:?}");
    if files < 50 {
        println!("skipped: /usr/share/doc has too few copyright files to say something of all");
        return;
    }
    assert!(nothing.len() * 10 < files, "{} of {files} say nothing", nothing.len());
    for (name, expected) in WELL_KNOWN {
        let Ok(bytes) = std::fs::read(Path::new("/usr/share/doc").join(name).join("copyright"))
        else {
            continue;
        };
        let expression = read_copyright(&bytes).unwrap().licensing.unwrap().expression;
        assert!(expression.split([' ', '(', ')']).any(|id| id == expected), "{name}: {expression}");
    }
}

proptest! {
    #[test]
    fn every_result_is_an_expression(text in "(?s)([ -~]|\\PC){0,60}") {
        if let Some(licensing) = stated(&text) {
            prop_assert!(is_expression(&licensing.expression), "{}", licensing.expression);
            prop_assert_eq!(stated(&licensing.expression).unwrap().expression, licensing.expression);
        }
    }

    #[test]
    fn names_and_operators_in_any_order(words in prop::collection::vec(
        prop::sample::select(vec!["MIT", "GPL-2+", "and", "or", "with", "(", ")", ",", "/", "Foo", "exception", "Artistic", "later", "+", "::"]), 0..12)) {
        let text = words.join(" ");
        if let Some(licensing) = stated(&text) {
            prop_assert!(is_expression(&licensing.expression), "{text}: {}", licensing.expression);
        }
        let file = format!("Files: *\nLicense: {text}\n {text}\n\nLicense: {text}\n text\n");
        if let Some(licensing) = read_copyright(file.as_bytes()).unwrap().licensing {
            prop_assert!(is_expression(&licensing.expression), "{text}: {}", licensing.expression);
        }
    }
}

/// What was read once is read again as itself, also where its name had to be cut.
#[test]
fn references_keep_their_ids() {
    let long = "a".repeat(100);
    for name in [
        "Mine",
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        &long[..60],
        &long,
        "\u{1}LicenseRef-MIT-OR--x",
        "LicenseRef-LicenseRef--b",
        "LicenseRef-",
        "-LicenseRef-a-",
    ] {
        let licenses = BTreeSet::from([name.to_owned()]);
        for texts in
            [BTreeMap::new(), BTreeMap::from([(name.to_owned(), "Do as you like".to_owned())])]
        {
            let first = conclude(&licenses, &texts).unwrap();
            let [(id, reference)] = Vec::from_iter(&first.references).try_into().unwrap();
            assert_eq!(&first.expression, id, "{name}");
            let texts = reference.text.iter().map(|text| (id.clone(), text.clone())).collect();
            let again = conclude(&BTreeSet::from([id.clone()]), &texts).unwrap();
            assert_eq!(again.expression, first.expression, "{name}");
        }
    }
}
