// SPDX-License-Identifier: Apache-2.0
//! `hardpan keygen`: files, imports, keyrings, public keys.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use hardpan_testkit::fixture::Fixture;

use crate::support::{Ran, build_command, hardpan, run};

/// Keys that protect nothing, as openssl writes them: of `ecparam -genkey`, of `pkcs8 -topk8`, and their public key.
pub(crate) const SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEICmuvAPLCtye02owWPlW10F0QJMamchIbKqcJmE7Rk5LoAoGCCqGSM49
AwEHoUQDQgAEvUTZIlX3/0izSaLxwCUd6WMTfmteVL1sE0ppIrxnZpuC+PMhhU+f
j0tWgBt8NPd3OixTyzOdtYOCPU6Tj593Rg==
-----END EC PRIVATE KEY-----
";
pub(crate) const PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKa68A8sK3J7TajBY
+VbXQXRAkxqZyEhsqpwmYTtGTkuhRANCAAS9RNkiVff/SLNJovHAJR3pYxN+a15U
vWwTSmkivGdmm4L48yGFT5+PS1aAG3w093c6LFPLM521g4I9TpOPn3dG
-----END PRIVATE KEY-----
";
pub(crate) const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvUTZIlX3/0izSaLxwCUd6WMTfmte
VL1sE0ppIrxnZpuC+PMhhU+fj0tWgBt8NPd3OixTyzOdtYOCPU6Tj593Rg==
-----END PUBLIC KEY-----
";

fn keygen_with(fixture: &Fixture, password: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = hardpan(fixture, &["keygen"]);
    command.args(arguments);
    if let Some(password) = password {
        command.env("HARDPAN_PASSWORD", password);
    }
    run(command)
}

fn keygen(fixture: &Fixture, arguments: &[&str]) -> Ran {
    keygen_with(fixture, Some("secret"), arguments)
}

#[test]
fn key_pairs_are_their_owner_s_and_never_overwritten() {
    let fixture = Fixture::new();
    let read = |name: &str| fs::read_to_string(fixture.path("work").join(name)).unwrap();
    keygen_with(&fixture, None, &[]).expect(2, &["needs a password", "HARDPAN_PASSWORD"]);
    assert_eq!(fs::read_dir(fixture.path("work")).unwrap().count(), 0);
    keygen(&fixture, &[]).expect(0, &["wrote hardpan.key and hardpan.pub"]);
    for (name, mode) in [("hardpan.key", 0o600), ("hardpan.pub", 0o644)] {
        let metadata = fs::metadata(fixture.path("work").join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    let (private, public) = (read("hardpan.key"), read("hardpan.pub"));
    assert!(private.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    keygen(&fixture, &[]).expect(2, &["hardpan.key is there already", "--force"]);
    std::os::unix::fs::symlink("elsewhere", fixture.path("work/linked.key")).unwrap();
    keygen(&fixture, &["linked"]).expect(2, &["linked.key is there already", "--force"]);
    assert!(!fixture.path("work/elsewhere").exists());
    keygen(&fixture, &["linked", "--force"]).expect(0, &["wrote linked.key and linked.pub"]);
    let linked = fs::symlink_metadata(fixture.path("work/linked.key")).unwrap();
    assert!(linked.is_file() && linked.permissions().mode() & 0o777 == 0o600);
    assert!(!fixture.path("work/elsewhere").exists());
    for name in ["linked.key", "linked.pub"] {
        fs::remove_file(fixture.path("work").join(name)).unwrap();
    }
    assert_eq!((read("hardpan.key"), read("hardpan.pub")), (private.clone(), public.clone()));
    // Either half is enough.
    fs::remove_file(fixture.path("work/hardpan.key")).unwrap();
    keygen(&fixture, &[]).expect(2, &["hardpan.pub is there already"]);
    assert!(!fixture.path("work/hardpan.key").exists());
    keygen(&fixture, &["--force"]).expect(0, &["wrote"]);
    assert_ne!(read("hardpan.pub"), public, "another key");
    assert_eq!(fs::read_dir(fixture.path("work")).unwrap().count(), 2, "nothing temporary is left");
}

#[test]
fn private_keys_are_told_to_no_pipe() {
    let fixture = Fixture::new();
    let pipe = fixture.path("work/k.key");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Somebody who waits for the key.
    let mut listening = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    keygen(&fixture, &["k"]).expect(2, &["k.key is there already"]);
    keygen(&fixture, &["k", "--force"]).expect(0, &["wrote k.key and k.pub"]);
    let there = fs::symlink_metadata(&pipe).unwrap();
    assert!(there.is_file() && there.permissions().mode() & 0o777 == 0o600);
    listening.write_all(b".").unwrap();
    let mut heard = [0; 8];
    let count = listening.read(&mut heard).unwrap();
    assert_eq!(&heard[..count], b".");
}

#[test]
fn keys_of_openssl_become_ours() {
    let fixture = Fixture::new();
    for (name, text) in [("sec1", SEC1), ("pkcs8", PKCS8)] {
        fixture.write("work/theirs.pem", text);
        keygen(&fixture, &[name, "--import", "theirs.pem"]).expect(0, &["wrote"]);
        let public = fs::read_to_string(fixture.path("work").join(format!("{name}.pub"))).unwrap();
        assert_eq!(public, PUBLIC);
        let shown = keygen(&fixture, &["--public", &format!("{name}.key")]).expect(0, &[]);
        assert_eq!(shown.stdout, PUBLIC);
        // What is already ours can be taken under another password, with the old one only.
        keygen_with(&fixture, Some("other"), &["--public", &format!("{name}.key")])
            .expect(2, &["can't be used", "password does not open"]);
    }
    let mut command = hardpan(&fixture, &["keygen", "--public", "env://THE_KEY"]);
    command.env("THE_KEY", PKCS8);
    assert_eq!(run(command).expect(0, &[]).stdout, PUBLIC);
    let json = keygen(&fixture, &["--json", "--public", "sec1.key"]).expect(0, &[]).json();
    assert_eq!(json["public-key"], PUBLIC);
    let cut = &SEC1[..SEC1.len() / 2];
    let sealed = PKCS8.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for (summary, text, expected) in [
        ("nothing", "", "can't be used"),
        ("cut off", cut, "can't be used"),
        ("public", PUBLIC, "is no private key"),
        ("of openssl, encrypted", &sealed, "is no private key"),
        ("not that form", &SEC1.replace("EC PRIVATE", "PRIVATE"), "malformed"),
    ] {
        fixture.write("work/theirs.pem", text);
        let ran = keygen(&fixture, &["bad", "--import", "theirs.pem"]);
        assert_eq!(ran.code, 2, "{summary}: {ran}");
        ran.expect(2, &[expected]);
        assert!(!fixture.path("work/bad.key").exists() && !fixture.path("work/bad.pub").exists());
    }
    keygen(&fixture, &["bad", "--import", "missing.pem"]).expect(2, &["can't read missing.pem"]);
    keygen(&fixture, &["--public", "sec1.key", "--force"]).expect(2, &["cannot be used with"]);
}

#[test]
fn what_an_older_key_signed_stays_verifiable() {
    let fixture = Fixture::new();
    let keys = fixture.path("keys");
    let keys = keys.to_str().unwrap();
    let listed = || {
        let mut names: Vec<String> = fs::read_dir(keys)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "keyring.json")
            .collect();
        names.sort();
        names
    };
    keygen(&fixture, &["one", "--keyring", keys]).expect(0, &["wrote"]);
    assert_eq!(listed(), ["1.pub", "latest.pub"]);
    let key = fixture.path("work/one.key");
    let mut command = build_command(&fixture, &["--sign", "--key", key.to_str().unwrap()]);
    command.env("HARDPAN_PASSWORD", "secret");
    run(command).expect(0, &["signed"]);
    let out = fixture.path("out");
    let verify =
        |key: &str| run(hardpan(&fixture, &["verify", out.to_str().unwrap(), "--key", key]));
    verify(keys).expect(0, &["1.pub"]);
    keygen(&fixture, &["two", "--keyring", keys]).expect(0, &["wrote"]);
    assert_eq!(listed(), ["1.pub", "2.pub", "latest.pub"]);
    let read = |name: &str| fs::read(fixture.path("keys").join(name)).unwrap();
    assert_eq!(read("latest.pub"), read("2.pub"));
    assert_eq!(read("2.pub"), fs::read(fixture.path("work/two.pub")).unwrap());
    verify(keys).expect(0, &["1.pub"]);
    verify("two.pub").expect(1, &[]);
    // The same key again is no new one.
    keygen(&fixture, &["again", "--import", "two.key", "--keyring", keys]).expect(2, &["same key"]);
    assert!(!fixture.path("work/again.key").exists());
}
