// SPDX-License-Identifier: Apache-2.0
//! Keys in PKCS#11 tokens, of SoftHSM, which is an HSM in software.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::others::{Client, Running, find};
use crate::support::{Ran, files, run, skip};
use crate::world::{Edited, REPOSITORY, World, digest_of_build, registries};

/// A PIN that stands nowhere else.
const PIN: &str = "pin-739164-of-the-token";
const VARIABLE: &str = "HARDPAN_PKCS11_PIN";

/// Two tokens: `app` with keys, and `empty`.
struct Tokens {
    world: World,
    module: PathBuf,
    utility: PathBuf,
}

impl Tokens {
    fn new() -> Option<Self> {
        let utility = find("softhsm2-util")?;
        let Some(module) = module() else {
            skip(
                "SoftHSM",
                "its module is neither HARDPAN_TEST_PKCS11_MODULE nor where Debian has it",
            );
            return None;
        };
        let world = World::new();
        fs::create_dir(world.path("tokens")).unwrap();
        let settings = format!("directories.tokendir = {}\n", world.text("tokens"));
        world.fixture.write("softhsm2.conf", settings);
        let tokens = Self { world, module, utility };
        for label in ["app", "empty"] {
            let line = ["--init-token", "--free", "--label", label, "--so-pin", "officer"];
            tokens.softhsm(&[&line[..], &["--pin", PIN]].concat());
        }
        for (label, id, curve) in
            [("release", "01", "P-256"), ("other", "02", "P-256"), ("large", "03", "P-384")]
        {
            tokens.import(
                label,
                id,
                &["-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")],
            );
        }
        tokens.import("rsa", "04", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
        // Two of one name.
        tokens.import("other", "05", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        Some(tokens)
    }

    fn softhsm(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.utility);
        let output = command.args(arguments).env("SOFTHSM2_CONF", self.world.path("softhsm2.conf"));
        let output = output.output().unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
    }

    /// Makes a key with openssl and imports it.
    fn import(&self, label: &str, id: &str, how: &[&str]) {
        let path = self.world.text(&format!("{label}-{id}.pem"));
        let made = Command::new("openssl").arg("genpkey").args(how).args(["-out", &path]).output();
        assert!(made.as_ref().is_ok_and(|output| output.status.success()), "{made:?}");
        let line = ["--import", &path, "--token", "app", "--label", label, "--id", id];
        self.softhsm(&[&line[..], &["--pin", PIN]].concat());
    }

    /// Returns a URI with this module.
    fn uri(&self, path: &str, query: &str) -> String {
        format!("pkcs11:{path}?module-path={}{query}", self.module.display())
    }

    /// Runs hardpan, with a PIN in the variable or none. Whatever comes of it, the PIN is not said.
    #[track_caller]
    fn run(&self, arguments: &[&str], pin: Option<&str>) -> Ran {
        let mut command = self.world.command(arguments);
        command.env("SOFTHSM2_CONF", self.world.path("softhsm2.conf"));
        command.envs(pin.map(|pin| (VARIABLE, pin)));
        let ran = run(command);
        assert!(!format!("{ran}").contains(PIN), "the PIN was printed");
        ran
    }
}

/// Where Debian has the module.
fn module() -> Option<PathBuf> {
    let named = std::env::var_os("HARDPAN_TEST_PKCS11_MODULE").map(PathBuf::from);
    let usual = Path::new("/usr/lib/softhsm/libsofthsm2.so").to_owned();
    named.into_iter().chain([usual]).find(|path| path.is_file())
}

#[test]
fn a_token_signs() {
    let Some(tokens) = Tokens::new() else { return };
    let world = &tokens.world;
    let key = tokens.uri("token=app;object=release;type=private", "");
    let public = tokens.run(&["keygen", "--public", &key], Some(PIN)).expect(0, &[]).stdout;
    let theirs = Command::new("openssl")
        .args(["pkey", "-pubout", "-in", &world.text("release-01.pem")])
        .output()
        .unwrap();
    assert_eq!(public, String::from_utf8(theirs.stdout).unwrap());
    world.fixture.write("token.pub", &public);
    let public = world.text("token.pub");
    let definition = world.fixture.definition().display().to_string();
    let (out, again) = (world.text("out"), world.text("again"));
    let sign = |out: &str, attach: &str| {
        let line = ["build", &definition, "--output", out, "--sign", "--key", &key];
        digest_of_build(&tokens.run(&[&line[..], &["--attach", attach]].concat(), Some(PIN)))
    };
    for attach in ["referrers", "referrers,dhi", "referrers,buildkit"] {
        let digest = sign(&out, attach);
        let required = ["--require", "spdx", "--require", "provenance"];
        let verify = |image: &str| {
            let line = [&["verify", image, "--key", &public], &required[..]].concat();
            world.run(&line).expect(0, &["verified", &digest]);
        };
        verify(&out);
        world.verify(&out, &[]).expect(1, &["not signed"]);
        // The token gives another signature each time; what is signed already is not signed again.
        let first = files(&world.path("out"));
        assert_eq!(sign(&out, attach), digest);
        assert!(files(&world.path("out")) == first, "{attach}: signing over it");
        assert_eq!(sign(&again, attach), digest);
        assert_ne!(
            Edited::open(&world.path("again")).index,
            Edited::open(&world.path("out")).index
        );
        fs::remove_dir_all(&again).unwrap();
        for (kind, registry) in registries() {
            let name = format!("{}/{REPOSITORY}:1", registry.name());
            let publish = || {
                let line = ["publish", &out, &name, "--key", &key, "--attach", attach];
                tokens.run(&line, Some(PIN)).expect(0, &["signed"]);
                let tags = registry.tags(REPOSITORY).into_iter();
                let manifest = |tag: &String| registry.manifest(REPOSITORY, tag).unwrap();
                let tags: Vec<_> = tags.map(|tag| (manifest(&tag), tag)).collect();
                let listed = world.run(&["attest", "list", &name, "--key", &public, "--json"]);
                (tags, listed.expect(0, &[]).stdout)
            };
            let first = publish();
            verify(&name);
            assert!(publish() == first, "{attach} {kind}: publishing it again");
        }
    }
    with_clients(&tokens, &key, &public);
}

/// Cosign verifies what a token signed.
fn with_clients(tokens: &Tokens, key: &str, public: &str) {
    let Some(registry) = Running::docker() else { return };
    let name = format!("{}/{REPOSITORY}:1", registry.name);
    let line = ["publish", &tokens.world.text("out"), &name, "--key", key];
    tokens.run(&line, Some(PIN)).expect(0, &["signed"]);
    for version in ["cosign2", "cosign3"] {
        let Some(cosign) = Client::find(version) else { continue };
        let common = ["--insecure-ignore-tlog=true", "--allow-insecure-registry=true", &name];
        cosign.good(&[&["verify", "--key", public], &common[..]].concat());
        let wrong = tokens.world.public();
        cosign.bad(&[&["verify", "--key", &wrong], &common[..]].concat());
    }
}

#[test]
fn where_pins_are() {
    let Some(tokens) = Tokens::new() else { return };
    let world = &tokens.world;
    let pin = world.text("pin");
    fs::write(&pin, format!("{PIN}\n")).unwrap();
    let key = |query: &str| tokens.uri("token=app;id=%01", query);
    let wrong = "pin-0-of-another";
    for (query, variable, code, reason) in [
        ("", Some(PIN), 0, "BEGIN PUBLIC KEY"),
        ("&pin-source=env:HARDPAN_PKCS11_PIN", Some(PIN), 0, "BEGIN PUBLIC KEY"),
        // What the URI says goes before the variable.
        (&format!("&pin-source=file:{pin}"), Some(wrong), 0, "BEGIN PUBLIC KEY"),
        (&format!("&pin-source=file://{pin}"), None, 0, "BEGIN PUBLIC KEY"),
        ("", None, 3, "needs a PIN"),
        ("", Some(wrong), 3, "refuses the PIN"),
        ("", Some(""), 3, "PIN"),
        ("&pin-source=env:NOT_SET", Some(PIN), 2, "NOT_SET, which is not set"),
        ("&pin-source=file:/nowhere/pin", Some(PIN), 2, "/nowhere/pin"),
        (&format!("&pin-value={PIN}"), None, 2, "has a PIN in it"),
        (&format!("&pin-source={PIN}"), None, 2, "pin-source must be"),
    ] {
        let ran = tokens.run(&["keygen", "--public", &key(query)], variable);
        assert!(!format!("{ran}").contains(wrong), "{query} {ran}");
        let both = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == code && both.contains(reason), "{query} {ran}");
    }
}

#[test]
fn what_is_no_key() {
    let Some(tokens) = Tokens::new() else { return };
    let other = |module: &str| format!("pkcs11:token=app;object=release?module-path={module}");
    let uri = |path: &str| tokens.uri(path, "");
    for (key, code, reason) in [
        (uri("token=app;object=other;id=%02"), 0, "BEGIN PUBLIC KEY"),
        (uri("token=none;object=release"), 3, "no such token"),
        (uri("token=app;serial=0;object=release"), 3, "no such token"),
        (uri("slot-id=12;object=release"), 3, "no such token"),
        (uri("object=release"), 3, "several tokens"),
        (uri("token=app;object=none"), 3, "\"release\""),
        (uri("token=app;object=release;id=%02"), 3, "no such private key"),
        (uri("token=empty;object=release"), 3, "it has none"),
        (uri("token=app;object=other"), 3, "2 private keys"),
        (uri("token=app;object=large"), 3, "not ECDSA on P-256"),
        (uri("token=app;object=rsa"), 3, "not ECDSA"),
        (other("/nowhere.so"), 3, "can't be loaded"),
        (other("/dev/null"), 3, "can't be loaded"),
        (other("libsofthsm2.so"), 2, "absolute path"),
        ("pkcs11:token=app;object=release".to_owned(), 2, "module-path"),
    ] {
        let ran = tokens.run(&["keygen", "--public", &key], Some(PIN));
        let both = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == code && both.contains(reason), "{key} {ran}");
    }
}
