// SPDX-License-Identifier: Apache-2.0
//! Downloads and files of other images, in images and in build stages.

use std::fs;

use hardpan_testkit::fixture::{DEFINITION, DEFINITION_TEXT, Fixture};
use hardpan_tree::Digest;

use crate::support::{build, image, run};

const DATA: &[u8] = b"some data\n";

fn define(fixture: &Fixture, contents: &str) {
    let text = DEFINITION_TEXT.replace(
        "contents:\n",
        &format!("contents:\n{}", contents.replace("URL/", &fixture.server.url(""))),
    );
    fixture.write(&format!("catalog/{DEFINITION}"), text);
}

fn archive() -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, data) in [("pkg/bin/tool", &b"tool"[..]), ("pkg/doc/readme", b"read me")] {
        let entry = hardpan_testkit::deb::RawEntry::new(name, b'0').data(data);
        entry.write(&mut tar);
    }
    tar.extend([0; 1024]);
    tar
}

#[test]
fn downloads_are_pinned_checked_and_placed() {
    let fixture = Fixture::new();
    fixture.server.set_file("files/data", DATA.to_vec());
    fixture.server.set_file("files/pkg.tar", archive());
    let contents = format!(
        "  files:
    - url: URL/files/data
      checksum: sha256:{}
      path: /opt/data
      mode: '0600'
      uid: 5
      gid: 6
    - url: URL/files/pkg.tar
      path: /opt/pkg
      excludes: ['pkg/doc']
",
        Digest::of(DATA).to_hex()
    );
    define(&fixture, &contents);
    let first = build(&fixture, &[]);
    let first = first.expect(0, &["built"]);
    let dump = image(&fixture);
    for line in ["/opt/data file 0600 5:6 10", "/opt/pkg/pkg/bin/tool file"] {
        assert!(dump.lines().any(|found| found.starts_with(line)), "no {line:?} in\n{dump}");
    }
    assert!(!dump.contains("readme"), "{dump}");
    let lock = fs::read_to_string(fixture.lock()).unwrap();
    assert!(lock.contains(&Digest::of(&archive()).to_string()), "{lock}");
    // The lock and the store are enough.
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--locked", "--offline"]).digest(), first.digest());
    // What has no checksum in the definition is what the lock says: another file is refused.
    fixture.server.set_file("files/pkg.tar", [archive(), vec![0; 512]].concat());
    fs::remove_dir_all(fixture.path("store")).unwrap();
    fs::remove_dir_all(fixture.path("out")).unwrap();
    build(&fixture, &["--locked"]).expect(4, &["pkg.tar"]);
    assert!(!fixture.path("out").exists());
}

#[test]
fn downloads_that_are_wrong_are_refused() {
    let fixture = Fixture::new();
    fixture.server.set_file("files/data", DATA.to_vec());
    let wrong = Digest::of(b"other").to_hex();
    for (summary, file, code, expected) in [
        (
            "checksum",
            format!("{{url: URL/files/data, checksum: 'sha256:{wrong}', path: /x}}"),
            4,
            "files/data",
        ),
        ("dead link", "{url: URL/files/none, path: /x}".to_owned(), 3, "files/none"),
        ("secret", "{url: URL/files/data, path: /x, secret-id: token}".to_owned(), 2, "token"),
    ] {
        define(&fixture, &format!("  files:\n    - {file}\n"));
        let ran = build(&fixture, &[]);
        assert!(ran.code == code, "{summary}: {ran}");
        ran.expect(code, &[expected]);
        assert!(!fixture.path("out").exists() && !fixture.lock().exists(), "{summary}");
    }
}

#[test]
fn files_of_other_images_come_from_a_layout() {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &["built"]);
    fs::rename(fixture.path("out"), fixture.path("images")).unwrap();
    let layout = fixture.path("images");
    let layout = layout.to_str().unwrap();
    define(
        &fixture,
        "  artifacts:
    - name: example/app:1
      includes: ['usr/share/app/**', usr/bin]
      excludes: [usr/bin/app-link]
      uid: 7
      gid: 8
",
    );
    let first = build(&fixture, &["--artifact-layout", layout]).expect(0, &["built"]);
    let text = image(&fixture);
    for line in ["/usr/share/app/text.txt file 0644 7:8", "/usr/bin/app file 0755 7:8"] {
        assert!(text.lines().any(|found| found.starts_with(line)), "no {line:?} in\n{text}");
    }
    let lock = fs::read_to_string(fixture.lock()).unwrap();
    assert!(lock.contains("\"name\":\"example/app:1\""), "{lock}");
    // Once in the store the layout is not needed.
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--locked", "--offline"]).digest(), first.digest());
    // An image that is not there, and one that is for another platform only.
    define(&fixture, "  artifacts:\n    - name: example/none:1\n");
    let ran = build(&fixture, &["--artifact-layout", layout, "--offline"]);
    ran.expect(3, &["example/none:1"]);
    let mut only_arm = crate::support::hardpan(&fixture, &["build"]);
    define(&fixture, "");
    only_arm.arg(fixture.definition()).args(["--platform", "linux/arm64", "--output"]);
    run({
        only_arm.arg(fixture.path("arm"));
        only_arm
    })
    .expect(0, &["built"]);
    define(&fixture, "  artifacts:\n    - name: example/app:1\n");
    let arm = fixture.path("arm");
    build(&fixture, &["--artifact-layout", arm.to_str().unwrap()])
        .expect(2, &["linux/amd64", "linux/arm64"]);
}

#[test]
fn an_image_that_stands_in_is_never_silent() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    fs::rename(fixture.path("out"), fixture.path("images")).unwrap();
    let layout = fixture.path("images");
    let options = ["--artifact-layout", layout.to_str().unwrap()];
    let wanted = format!("private.example/app:1@sha256:{}", "0".repeat(64));
    define(
        &fixture,
        &format!("  artifacts:\n    - name: {wanted}\n      includes: [usr/share/app]\n"),
    );
    build(&fixture, &[&options[..], &["--offline"]].concat()).expect(3, &[&wanted]);
    let workspace = fs::read_to_string(fixture.path("catalog/hardpan.toml")).unwrap();
    let used = format!("example/app@{digest}");
    let rule = format!("[[images.substitute]]\nfrom = \"private.example/*\"\nto = \"{used}\"\n");
    fixture.write("catalog/hardpan.toml", format!("{workspace}\n{rule}"));
    let warning =
        format!("warning: {wanted} is not the definition's: hardpan.toml puts {used} in its place");
    build(&fixture, &options).expect(0, &[&warning]);
    let lock = fs::read_to_string(fixture.lock()).unwrap();
    for line in [format!("\"image {wanted} as {used}\""), format!("\"substitute\":\"{used}\"")] {
        assert!(lock.contains(&line), "no {line} in {lock}");
    }
    let layout = hardpan_image::Layout::open(&fixture.path("out")).unwrap();
    let images = layout.images().unwrap();
    let config = String::from_utf8_lossy(images[0].config.as_ref().unwrap().bytes()).into_owned();
    assert!(config.contains(&format!("\"dev.hardpan.substitutes\":\"{wanted}\"")), "{config}");
    // Also where nothing is to be done, and to machines.
    build(&fixture, &options).expect(0, &["unchanged", &warning]);
    let json = build(&fixture, &[&options[..], &["--json"]].concat()).json();
    let substitutes = &json["built"]["platforms"][0]["substitutes"];
    let expected = serde_json::json!([{"stage": null, "wanted": wanted, "used": used}]);
    assert_eq!(*substitutes, expected);
    // Without the rule the lock fits no longer.
    fixture.write("catalog/hardpan.toml", workspace);
    build(&fixture, &[&options[..], &["--locked"]].concat()).expect(2, &[&wanted]);
}
