// SPDX-License-Identifier: Apache-2.0
//! `hardpan secrets`: what is found, what is known, and that no secret is printed.

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use serde_json::{Value, json};

use crate::support::{Ran, clean, hardpan, run, skip, works};

/// A token in the form of GitHub's, which is nobody's. In two parts, so that nobody finds it here.
fn token() -> String {
    format!("ghp_{}", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8")
}

fn world() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("work/root/app/config", format!("token = \"{}\"\n", token()));
    fixture.write("work/root/app/README", "nothing to see\n");
    fixture
}

fn secrets(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(hardpan(fixture, &[&["secrets", "root", "--offline"], arguments].concat()))
}

#[test]
fn what_is_found_is_told_without_the_secret() {
    let fixture = world();
    for arguments in [&[][..], &["--json"]] {
        let ran = secrets(&fixture, arguments);
        assert_eq!(ran.code, 1, "{ran}");
        assert!(ran.stdout.contains("app/config"), "{ran}");
        assert!(!ran.stdout.contains(&token()) && !ran.stderr.contains(&token()), "{ran}");
    }
}

#[test]
fn known_findings_do_not_count() {
    let fixture = world();
    let report = secrets(&fixture, &["--json"]).json();
    let fingerprint = report["findings"][0]["fingerprint"].as_str().unwrap().to_owned();
    fixture.write("work/known.txt", format!("# looked at\n{fingerprint}\n"));
    secrets(&fixture, &["--baseline", "known.txt"]).expect(0, &["no secret found", "1 known"]);
    fixture.write("work/known.txt", "what is this\n");
    secrets(&fixture, &["--baseline", "known.txt"]).expect(2, &["known.txt, line 1"]);
}

#[test]
fn rules_of_the_user_stand_in_for_ours() {
    let fixture = world();
    let rule = "[[rules]]\nid = \"nothing\"\ndescription = \"a word\"\nregex = '''nothing'''\nkeywords = [\"nothing\"]\n";
    fixture.write("work/rules.toml", rule);
    let ran = secrets(&fixture, &["--rules", "rules.toml"]).expect(1, &["app/README"]);
    assert!(!ran.stdout.contains("app/config"), "{ran}");
    fixture.write("work/rules.toml", "[[rules]]\nid = \"broken\"\nregex = '''('''\n");
    secrets(&fixture, &["--rules", "rules.toml"]).expect(2, &["rules.toml"]);
    fixture.write("work/rules.toml", "[[rulez]]\nid = \"a\"\n");
    secrets(&fixture, &["--rules", "rules.toml"]).expect(2, &["rules.toml has no rule"]);
    secrets(&fixture, &["--rules", "none.toml"]).expect(2, &["none.toml"]);
    // What never ends is no file.
    secrets(&fixture, &["--rules", "/dev/zero"]).expect(3, &["not a file"]);
    secrets(&fixture, &["--baseline", "/dev/zero"]).expect(3, &["not a file"]);
}

#[test]
fn an_image_without_secrets_is_said_to_have_none() {
    let fixture = Fixture::new();
    fixture.write("work/root/app/README", "nothing to see\n");
    secrets(&fixture, &[]).expect(0, &["no secret found", "1 file"]);
    fixture.write("work/app.json", "{}");
    run(hardpan(&fixture, &["secrets", "app.json"])).expect(2, &["an SBOM has no files"]);
}

/// The root of a container has a `/dev` of its own, where programs put files, too.
#[test]
fn files_in_a_mounted_dev_are_looked_at() {
    const MOUNTED: [&str; 3] = ["-m", "sh", "-ec"];
    if !works("unshare", &["-m", "mount", "-t", "tmpfs", "none", "/mnt"]) {
        return skip("files_in_a_mounted_dev_are_looked_at", "it takes root to mount something");
    }
    let fixture = Fixture::new();
    for folder in ["dev", "proc", "host/proc"] {
        fixture.write(&format!("work/root/{folder}/.keep"), "");
    }
    let script = "mount -t tmpfs none root/dev; mount -t proc none root/proc; mount -t proc none root/host/proc; \
         mkdir root/dev/shm; printf 'token = \"%s\"\\n' \"$1\" > root/dev/shm/left; mkfifo root/dev/log; \
         for verb in 'secrets root --json' 'audit root --fail-on never --all'; do \"$2\" $verb --offline || true; done";
    let mut command = clean("unshare", &fixture);
    command.args(MOUNTED).args([script, "sh", &token(), env!("CARGO_BIN_EXE_hardpan")]);
    let ran = run(command);
    assert!(ran.stdout.contains("dev/shm/left"), "{ran}");
    // What runtimes put there, and what the kernel makes up, is nobody's file.
    assert!(!ran.stdout.contains("dev/log") && !ran.stdout.contains("kcore"), "{ran}");
    assert!(ran.stdout.contains("\"leftOut\":[") && ran.stdout.contains("host/proc"), "{ran}");
    assert!(ran.stdout.contains("grade "), "{ran}");
}

#[test]
fn annotations_of_an_index_are_not_hidden_by_those_of_the_manifest() {
    let annotated = |image: &mut OciImage, value: &str| {
        let mut root: Value = serde_json::from_slice(&image.root).unwrap();
        root["annotations"] = json!({"com.example.note": value});
        image.root = root.to_string().into_bytes();
    };
    let tar = Tar::default().file("app/README", b"nothing to see\n").end();
    for (of_index, of_manifest, count) in [
        (token(), "none".to_owned(), 1),
        ("none".to_owned(), token(), 1),
        (token(), token(), 1),
        ("none".to_owned(), "none".to_owned(), 0),
    ] {
        let fixture = Fixture::new();
        let mut image = OciImage::new("amd64", &[Layer::gzip(&tar)], &[]);
        annotated(&mut image, &of_manifest);
        let mut index = OciImage::index(&[("linux/amd64", &image)]);
        annotated(&mut index, &of_index);
        index.write_layout(&fixture.path("work/layout"), "1");
        let arguments = ["secrets", "layout", "--offline", "--platform", "linux/amd64", "--json"];
        let report = run(hardpan(&fixture, &arguments)).json();
        let found = report["findings"].as_array().unwrap().len();
        assert_eq!(found, count, "{report}");
    }
}
