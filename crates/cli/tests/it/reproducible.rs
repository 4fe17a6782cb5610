// SPDX-License-Identifier: Apache-2.0
//! The same lock gives the same image, whatever is different around it.

use std::fs;
use std::process::Command;

use hardpan_testkit::fixture::{DEFINITION, DEFINITION_TEXT, Fixture};

use crate::rootless::as_ordinary_user;
use crate::support::{Ran, build, build_command, files, gunzip, hardpan, run, skip};

/// Other circumstances for a build.
type Change = Box<dyn FnOnce(&mut Command) -> &mut Command>;

/// Builds with other circumstances into another output; the store is `store`.
fn build_as(
    fixture: &Fixture,
    name: &str,
    store: &str,
    change: impl FnOnce(&mut Command) -> &mut Command,
) -> Ran {
    let mut command = hardpan(fixture, &["build", "--locked"]);
    command.arg(fixture.definition()).arg("--output").arg(fixture.path(format!("out-{name}")));
    command.env("HARDPAN_STORE", fixture.path(store));
    change(&mut command);
    run(command)
}

#[test]
fn nothing_around_a_lock_matters() {
    for (form, text) in [
        ("layered gzip", DEFINITION_TEXT.to_owned()),
        ("squashed", format!("{DEFINITION_TEXT}output: squashed\n")),
        ("zstd", format!("{DEFINITION_TEXT}compression: zstd\n")),
    ] {
        eprintln!("{form}");
        let fixture = Fixture::new();
        fixture.write(&format!("catalog/{DEFINITION}"), text);
        let digest = build(&fixture, &[]).digest();
        let whole = relative_files(&fixture, "out");
        let changes: Vec<(&str, &str, Change)> = vec![
            ("one thread, cold", "cold-1", Box::new(|c| c.args(["--threads", "1"]))),
            ("two threads, cold", "cold-2", Box::new(|c| c.args(["--threads", "2"]))),
            ("nine threads, warm", "store", Box::new(|c| c.args(["--threads", "9"]))),
            ("warm", "store", Box::new(|c| c)),
            ("time zone", "cold-3", Box::new(|c| c.env("TZ", "Pacific/Kiritimati"))),
            (
                "locale",
                "cold-4",
                Box::new(|c| c.envs([("LC_ALL", "tr_TR.UTF-8"), ("LANG", "de_DE.UTF-8")])),
            ),
            ("directory", "cold-5", Box::new(|c| c.current_dir("/"))),
            ("clock", "cold-6", Box::new(|c| c.env("SOURCE_DATE_EPOCH", "1"))),
        ];
        for (number, (what, store, change)) in changes.into_iter().enumerate() {
            let name = number.to_string();
            assert_eq!(build_as(&fixture, &name, store, change).digest(), digest, "{what}");
            assert_eq!(relative_files(&fixture, &format!("out-{name}")), whole, "{what}");
        }
    }
}

#[test]
fn nor_does_the_umask() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    for umask in ["077", "000", "027"] {
        let program = env!("CARGO_BIN_EXE_hardpan");
        let mut command = crate::support::clean("sh", &fixture);
        let definition = fixture.definition();
        let output = fixture.path(format!("out-{umask}"));
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask, program, "build"]);
        command.args(["--locked", "--output"]).arg(output).arg(definition);
        command.env("HARDPAN_STORE", fixture.path(format!("store-{umask}")));
        assert_eq!(run(command).digest(), digest, "{umask}");
    }
}

#[test]
fn nor_does_the_user() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    let Some(mut command) = as_ordinary_user(&fixture, "nobody") else {
        return skip("nor_does_the_user", "it takes root and setpriv(1) to become somebody else");
    };
    command.args(["build", "--locked"]).arg(fixture.definition());
    assert_eq!(run(command).digest(), digest);
}

#[test]
fn nor_do_modes_and_times_in_the_catalog_or_where_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    for path in [fixture.definition(), fixture.lock()] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    fs::rename(fixture.path("catalog"), fixture.path("elsewhere")).unwrap();
    let mut command = hardpan(&fixture, &["build", "--locked"]);
    command.arg(fixture.path("elsewhere").join(DEFINITION));
    command.env("HARDPAN_STORE", fixture.path("cold"));
    assert_eq!(run(command).digest(), digest);
}

#[test]
fn nor_does_the_mirror_which_is_named_nowhere() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    let lock = fs::read(fixture.lock()).unwrap();
    // Another name for the same machine, a trailing slash, and another way to say it.
    let (_, port) = fixture
        .server
        .address()
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let other = format!("http://localhost:{port}");
    fixture.write("catalog/hardpan.toml", fixture.workspace_text(&other));
    fs::remove_file(fixture.lock()).unwrap();
    let mut command = build_command(&fixture, &[]);
    command.env("HARDPAN_STORE", fixture.path("cold"));
    assert_eq!(run(command).digest(), digest);
    assert_eq!(fs::read(fixture.lock()).unwrap(), lock);
    fixture.write("catalog/hardpan.toml", "[keyrings]\ndebian = \"keys/debian.asc\"\n");
    fs::remove_file(fixture.lock()).unwrap();
    let mut command = build_command(&fixture, &[]);
    command.env("HARDPAN_STORE", fixture.path("colder"));
    command.env("HARDPAN_DEBIAN_MIRROR", format!("{other}/debian/"));
    assert_eq!(run(command).digest(), digest);
    assert_eq!(fs::read(fixture.lock()).unwrap(), lock);

    let mut all = files(&fixture.path("out"));
    all.insert(fixture.lock(), lock);
    for (path, bytes) in all {
        for bytes in [gunzip(&bytes), Some(bytes)].into_iter().flatten() {
            for needle in ["127.0.0.1", "localhost", &port, "hardpan-test-"] {
                let is_there = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
                assert!(!is_there, "{needle} is in {}", path.display());
            }
        }
    }
}

/// The digests of the layer with the tiny base package, in both compressions.
///
/// They guard all that decides a layer's bytes: the normal form of tar records, directories, the
/// order of files, gzip and zstd. Who changes any of these on purpose changes these digests, too, and
/// says so in the changelog: every image gets another digest then.
const GOLDEN: [(&str, &str); 2] = [
    ("gzip", "sha256:aaa169ceb8c5d297cd40c515e49dd4b70dd2274fe6cdc3b27adfee710a5c4710"),
    ("zstd", "sha256:685c86e78ed74daddd2a9e03c0e093b55fd76af6625ff0231547ace57d1f1d39"),
];

#[test]
fn the_bytes_are_those_of_last_year() {
    for (compression, golden) in GOLDEN {
        let fixture = Fixture::new();
        let more = format!("compression: {compression}\nplatforms:\n  - linux/amd64\n");
        let text = DEFINITION_TEXT.replace("platforms:\n  - linux/amd64\n  - linux/arm64\n", &more);
        fixture.write(&format!("catalog/{DEFINITION}"), text);
        build(&fixture, &[]).expect(0, &[]);
        let found = first_layer(&fixture);
        assert_eq!(found, golden, "{compression}: see the comment at GOLDEN");
    }
}

/// Returns the digest of the only image's first layer, by way of index and manifest.
fn first_layer(fixture: &Fixture) -> String {
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(fixture.path("out").join(path)).unwrap()).unwrap()
    };
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        read(&format!("blobs/{}", digest.replace(':', "/")))
    };
    let index = blob(&read("index.json")["manifests"][0]);
    let manifest = blob(&index["manifests"][0]);
    manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
}

/// Returns an output's files by their paths in it.
fn relative_files(fixture: &Fixture, output: &str) -> Vec<(String, Vec<u8>)> {
    let root = fixture.path(output);
    files(&root)
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(&root).unwrap().display().to_string(), bytes))
        .collect()
}
