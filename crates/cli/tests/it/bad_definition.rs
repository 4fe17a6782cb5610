// SPDX-License-Identifier: Apache-2.0
//! Bad input: definitions.

use hardpan_testkit::fixture::{DEFINITION, DEFINITION_TEXT, Fixture};

use crate::support::{build, expect_nothing_written};

/// What is wrong, how the definition gets it, and what the message must have.
const CASES: &[(&str, &str, &str, &[&str])] = &[
    (
        "unknown key",
        "variant: runtime\n",
        "varaint: runtime\n",
        &["varaint", "1.yaml:5:1", "`variant`"],
    ),
    ("bad YAML", "tags:\n", "tags: [\n", &["1.yaml:"]),
    ("a tab", "  - '1'\n", "\t- '1'\n", &["1.yaml:"]),
    (
        "missing include",
        "name: App\n",
        "name: App\nincludes:\n  - nowhere.yaml\n",
        &["nowhere.yaml", "1.yaml:"],
    ),
    (
        "include that leads out",
        "name: App\n",
        "name: App\nincludes:\n  - ../../etc/passwd\n",
        &["1.yaml:"],
    ),
    ("wrong type", "image: example/app\n", "image: [a]\n", &["image", "1.yaml:4"]),
    ("duplicate key", "name: App\n", "name: App\nname: Bpp\n", &["name", "1.yaml:4:1"]),
    ("no image", "image: example/app\n", "", &["image"]),
    ("no syntax line", "# syntax=dhi.io/build:2-debian13\n", "", &["syntax"]),
    ("unknown package", "    - app\n", "    - ap\n", &["ap", "app", "1.yaml:15:7"]),
    (
        "unknown package on one platform's line",
        "    - app\n",
        "    - app\n    - libc7\n",
        &["libc7", "libc6", "1.yaml:16:7"],
    ),
    ("impossible pin", "    - app\n", "    - app=9.9\n", &["app", "9.9", "1.0-1", "1.yaml:15:7"]),
    ("unknown distribution", "debian13", "debian99", &["debian"]),
];

#[test]
fn bad_definitions_are_pointed_at_and_nothing_is_written() {
    for (what, from, to, fragments) in CASES {
        eprintln!("{what}");
        let fixture = Fixture::new();
        fixture.edit(from, to);
        build(&fixture, &[]).expect(2, fragments);
        expect_nothing_written(&fixture);
        assert!(!build(&fixture, &["--json"]).expect(2, &[]).json()["error"].is_null());
    }
}

#[test]
fn definitions_that_are_no_text() {
    let fixture = Fixture::new();
    let path = format!("catalog/{DEFINITION}");
    for (what, bytes, fragment) in [
        ("not UTF-8", b"# syntax\xff".to_vec(), "is not UTF-8 text"),
        ("empty", Vec::new(), "1.yaml"),
        ("too large", vec![b'#'; 64 << 20], "has more than"),
    ] {
        eprintln!("{what}");
        fixture.write(&path, bytes);
        build(&fixture, &[]).expect(2, &[fragment]);
        expect_nothing_written(&fixture);
    }
    std::fs::remove_file(fixture.definition()).unwrap();
    build(&fixture, &[]).expect(2, &["can't read", "1.yaml", "No such file"]);
    std::fs::create_dir(fixture.definition()).unwrap();
    build(&fixture, &[]).expect(2, &["can't read", "1.yaml"]);
    expect_nothing_written(&fixture);
}

#[test]
fn packages_that_conflict_are_explained() {
    use hardpan_testkit::deb;
    let mut packages = hardpan_testkit::fixture::packages();
    packages.push(deb("rival", "2").field("Conflicts", "app"));
    packages.push(deb("needy", "3").depends("libmissing (>= 1)"));
    packages.push(deb("copy", "4").file("/usr/share/app/text.txt", "other text\n"));
    let fixture = Fixture::with(&packages);
    for (more, code, fragments) in [
        ("rival", 2, &["no packages for linux/amd64", "rival", "app", "1.yaml:15:7"][..]),
        ("needy", 2, &["no packages for linux/amd64", "needy", "libmissing", "1.yaml:16:7"]),
        // dpkg would refuse it, too.
        (
            "copy",
            2,
            &["packages do not fit together", "usr/share/app/text.txt", "copy", "app-data"],
        ),
    ] {
        let text = DEFINITION_TEXT.replace("    - app\n", &format!("    - app\n    - {more}\n"));
        fixture.write(&format!("catalog/{DEFINITION}"), text);
        build(&fixture, &[]).expect(code, fragments);
        assert!(!fixture.path("out").exists(), "{more}");
        if more != "copy" {
            expect_nothing_written(&fixture);
        }
    }
}
