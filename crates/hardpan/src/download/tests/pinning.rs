// SPDX-License-Identifier: Apache-2.0
//! What the lock says, and when it is refused.

use std::fs;

use hardpan_definition::Checksum;
use hardpan_testkit::server::{Fault, Server};
use hardpan_tree::Digest;

use super::super::{LockedFile, demand_line};
use super::support::{Case, chain, checked, exists, file, sha256};
use crate::config::Workspace;
use crate::error::{Error, Trouble};

#[test]
fn bytes_are_pinned_as_they_are_today() {
    let case = Case::new();
    let url = case.serve("tool", b"today");
    let files = [file(&url, "/usr/bin/tool"), file(&url, "/usr/bin/again")];
    let locked = case.pin(&files).unwrap();
    assert_eq!(case.server.take_log().len(), 1, "what is wanted twice is fetched once");
    assert_eq!(locked.len(), 2);
    assert_eq!((locked[0].sha256, locked[0].size_bytes), (Digest::of(b"today"), 5));
    let text = serde_json::to_string(&locked[0]).unwrap();
    assert_eq!(serde_json::from_str::<LockedFile>(&text).unwrap(), locked[0]);
    assert!(!text.contains("commit"), "{text}");

    // The bytes are there now: no network is needed to build.
    let case = Case { is_offline: true, ..case };
    case.fetch(&files, &locked).unwrap();
    case.store.remove_blob(&locked[0].sha256).unwrap();
    let error = case.fetch(&files, &locked).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }), "{error}");
    assert!(matches!(case.pin(&files), Err(Error::Offline { .. })));

    // A build takes what was pinned and nothing newer.
    let case = Case { is_offline: false, ..case };
    case.fetch(&files, &locked).unwrap();
    case.store.remove_blob(&locked[0].sha256).unwrap();
    case.serve("tool", b"later");
    let error = case.fetch(&files, &locked).unwrap_err();
    assert_eq!(error.trouble(), Trouble::Trust, "{error}");
    assert_eq!(error.spans().len(), 1);
}

#[test]
fn a_known_digest_needs_no_network() {
    let mut case = Case::new();
    let url = case.serve("tool", b"bytes");
    let files = [checked(&url, "/tool", sha256(b"bytes"))];
    let locked = case.pin(&files).unwrap();
    case.is_offline = true;
    assert_eq!(case.pin(&files).unwrap(), locked);
}

#[test]
fn checksums_are_compared() {
    let case = Case::new();
    let url = case.serve("x.tar.gz", b"bytes");
    // What `printf bytes | sha512sum` prints.
    let own = "ad87abc1efb42e03207f3a98b8f411dad0953aa23d4d319a424880ce705a12191ee2c7370c224e2d8a681b875cb6afa461bdb99a8693b2ddb74b25df00020d4d";
    let sha512 = "0".repeat(128);
    let hex = Digest::of(b"bytes").to_hex();
    let listed = |name: &str, text: &str| Checksum::Url(case.serve(name, text.as_bytes()));
    let weak = "0123456789abcdef0123456789abcdef  x.tar.gz\n";
    let dead = Checksum::Url(case.server.url("no-such-file"));
    for (summary, checksum, problem) in [
        ("right", sha256(b"bytes"), None),
        ("wrong", sha256(b"other"), Some((Trouble::Trust, "has sha256:"))),
        ("a list", listed("a", &format!("{hex}  x.tar.gz\n")), None),
        ("a list of sha512", listed("b", &format!("{own} *x.tar.gz\n")), None),
        ("a bare digest", listed("c", &hex), None),
        (
            "a wrong list",
            listed("d", &format!("{sha512}  x.tar.gz\n")),
            Some((Trouble::Trust, "has sha512:")),
        ),
        (
            "a list of others",
            listed("e", &format!("{hex}  y\n")),
            Some((Trouble::Trust, "no checksum of \"x.tar.gz\"")),
        ),
        ("a weak list", listed("f", weak), Some((Trouble::Trust, "only md5"))),
        ("a dead list", dead, Some((Trouble::Network, "not found"))),
    ] {
        let result = case.pin(&[checked(&url, "/x.tar.gz", checksum)]);
        match problem {
            None => assert_eq!(result.unwrap()[0].sha256, Digest::of(b"bytes"), "{summary}"),
            Some((trouble, message)) => {
                let error = result.unwrap_err();
                assert_eq!(error.trouble(), trouble, "{summary}");
                assert!(chain(&error).contains(message), "{summary}: {}", chain(&error));
                assert!(!error.hints().is_empty() || trouble == Trouble::Network, "{summary}");
            }
        }
    }
    let left = fs::read_dir(case.store.root().join("tmp")).unwrap();
    let left = left.map(|entry| entry.unwrap().path());
    // Locks are empty, and go with the next `gc`.
    let left: Vec<_> = left.filter(|path| path.extension() != Some("lock".as_ref())).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

#[test]
fn servers_fail() {
    let case = Case::new();
    let url = case.serve("x", b"some bytes");
    for (fault, message) in [
        (Fault::Status(404, 9, None), "not found"),
        (Fault::Status(403, 9, None), "status 403"),
        (Fault::Truncate(1, 9), "broke off"),
        (Fault::Redirect(302, "file:///etc/passwd".to_owned()), "local file refused"),
    ] {
        case.server.fault("x", fault.clone());
        let error = case.pin(&[file(&url, "/x")]).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Network, "{fault:?}");
        let text = chain(&error);
        assert!(text.starts_with(&format!("download {url}")), "{text}");
        assert!(text.contains(message), "{fault:?}: {text}");
        case.server.heal("x");
    }
    // What breaks off once is tried again.
    case.server.fault("x", Fault::Truncate(3, 1));
    assert!(case.pin(&[file(&url, "/x")]).is_ok());
}

#[test]
fn secrets_go_to_their_own_server_only() {
    let mut case = Case::new();
    let other = Server::start(std::collections::BTreeMap::new());
    other.set_file("x", b"bytes".to_vec());
    let url = case.serve("x", b"bytes");
    let mut wanted = file(&url, "/x");
    wanted.value.secret_id = Some("token".to_owned());
    let error = case.pin(std::slice::from_ref(&wanted)).unwrap_err();
    assert_eq!(error.trouble(), Trouble::Usage);
    assert_eq!(error.hints(), ["give it with `--secret id=token,src=FILE`"]);
    case.secret("token", b"  \n");
    let error = chain(&case.pin(std::slice::from_ref(&wanted)).unwrap_err());
    assert!(error.contains("is no token"), "{error}");

    case.secret("token", b"S3cret\n");
    case.server.take_log();
    case.pin(std::slice::from_ref(&wanted)).unwrap();
    let log = case.server.take_log();
    assert_eq!(log[0].header("authorization"), "Bearer S3cret");
    // Another port is another server.
    case.server.fault("x", Fault::Redirect(302, other.url("x")));
    case.pin(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(case.server.take_log()[0].header("authorization"), "Bearer S3cret");
    assert_eq!(other.take_log()[0].header("authorization"), "");
    // So is where the workspace says.
    let rule = format!("[[downloads.override]]\nfrom = {url:?}\nto = {:?}\n", other.url("x"));
    case.workspace = Workspace::parse(&rule).unwrap();
    case.pin(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(other.take_log()[0].header("authorization"), "");

    wanted.value.url.value = "http://files.example.com/x".to_owned();
    let error = chain(&case.pin(&[wanted]).unwrap_err());
    assert!(error.contains("not sent over http:"), "{error}");
    assert!(!error.contains("S3cret") && !format!("{:?}", case.stages).contains("S3cret"));
}

#[test]
fn the_workspace_names_other_places() {
    let mut case = Case::new();
    let url = "https://files.example.com/v1/x.jar";
    let mirror = case.serve("mirror/v1/x.jar", b"original");
    let replaced = Digest::of(b"replaced");
    fs::create_dir(case.catalog_path("vendor")).unwrap();
    fs::write(case.catalog_path("vendor/x.jar"), b"replaced").unwrap();
    let prefix = mirror.strip_suffix("v1/x.jar").unwrap();
    let files = [checked(url, "/x.jar", sha256(b"original"))];

    let rule = "[[downloads.override]]\nfrom = \"https://files.example.com/*\"\n";
    case.workspace = Workspace::parse(&format!("{rule}to = \"{prefix}*\"\n")).unwrap();
    let locked = case.pin(&files).unwrap();
    assert_eq!((locked[0].url.as_str(), locked[0].sha256), (url, Digest::of(b"original")));
    let line = demand_line(&files[0], &case.workspace);
    assert_eq!(line, format!("file {url} {}", Digest::of(b"original")));

    // The definition's checksum holds, unless the rule has one of its own.
    let rule = format!("[[downloads.override]]\nfrom = \"{url}\"\nto = \"file:vendor/x.jar\"\n");
    case.workspace = Workspace::parse(&rule).unwrap();
    assert_eq!(case.pin(&files).unwrap_err().trouble(), Trouble::Trust);
    case.workspace = Workspace::parse(&format!("{rule}checksum = \"{replaced}\"\n")).unwrap();
    let locked = case.pin(&files).unwrap();
    assert_eq!((locked[0].url.as_str(), locked[0].sha256), (url, replaced));
    let line = demand_line(&files[0], &case.workspace);
    assert_eq!(line, format!("file {url} as {replaced}"));
    case.is_offline = true;
    case.fetch(&files, &locked).unwrap();
}

#[test]
fn files_of_the_catalog() {
    let case = Case { is_offline: true, ..Case::new() };
    fs::write(case.catalog_path("a"), b"one").unwrap();
    let files = [file("file:a", "/a")];
    let locked = case.pin(&files).unwrap();
    case.fetch(&files, &locked).unwrap();
    fs::write(case.catalog_path("a"), b"two").unwrap();
    let error = case.fetch(&files, &locked).unwrap_err();
    assert_eq!(error.trouble(), Trouble::Trust);

    let outside = case.directory.path().join("outside");
    fs::write(&outside, b"secret").unwrap();
    std::os::unix::fs::symlink(&outside, case.catalog_path("link")).unwrap();
    fs::create_dir(case.catalog_path("directory")).unwrap();
    for (url, message) in [
        ("file:b", "can't read b of the catalog"),
        ("file:link", "leads out of the catalog"),
        ("file:../outside", "\"..\" component"),
        ("file:/etc/passwd", "not relative"),
        ("file:directory", "not a regular file"),
    ] {
        let error = case.pin(&[file(url, "/x")]).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Usage, "{url}");
        assert!(chain(&error).contains(message), "{url}: {}", chain(&error));
    }
    assert!(exists(&outside));
}

#[test]
fn bad_entries_of_a_lock_are_refused() {
    let case = Case::new();
    let url = case.serve("x", b"bytes");
    let good = case.pin(&[file(&url, "/x")]).unwrap().remove(0);
    assert_eq!(good.check(), Ok(()));
    let changes: [fn(&mut LockedFile); 5] = [
        |locked| locked.url.clear(),
        |locked| locked.url.push('\n'),
        |locked| locked.size_bytes = u64::MAX,
        |locked| locked.commit = Some("0".repeat(40)),
        |locked| "git+https://example.com/x#main".clone_into(&mut locked.url),
    ];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(bad.check().is_err(), "{bad:?}");
    }
    let error = case.fetch(&[file(&url, "/x")], &[]).unwrap_err();
    assert!(chain(&error).contains("is not in the lock"), "{error}");
}
