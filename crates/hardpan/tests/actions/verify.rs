// SPDX-License-Identifier: Apache-2.0
//! gpg/verify, cosign/verify-blob.

use crate::support::Stage;

/// A private Sigstore, which also signs; the script says what it writes.
const SIGSTORE: &str = include_str!("sigstore.py");

#[test]
fn signatures_of_gpg() {
    let Some(stage) = Stage::new() else { return };
    let log = stage
        .sh("export GNUPGHOME=/tmp/signer && mkdir -m 700 $GNUPGHOME && mkdir keys
             for name in one two; do
               gpg --batch --quiet --passphrase '' --quick-gen-key $name@example.org ed25519 sign never
               gpg --armor --export $name@example.org >keys/$name.asc
             done
             echo text >file
             gpg --batch --armor --local-user one@example.org --output file.asc --detach-sign file
             { echo 'KEYS of a project'; cat keys/one.asc; echo 'and another'; cat keys/two.asc; } >KEYS
             gpg --batch --with-colons --list-keys | grep ^fpr | cut -d: -f10
             gpgconf --kill all")
        .ok();
    let prints: Vec<&str> = log.lines().filter(|line| line.len() == 40).collect();
    let step = |keys: &str, more: &str| {
        format!(
            "uses: gpg/verify@v1\nwith:\n  file: ${{source.dir}}/file\n  signature: file.asc\n  keys: {keys}\n{more}"
        )
    };
    for keys in ["keys", "keys/one.asc", "KEYS"] {
        stage.run(&step(keys, "")).ok();
    }
    stage.run(&step("keys/two.asc", "")).fails("No public key");
    let filter = |print: &str| format!("  key-filter: [\"{print}\"]\n");
    stage.run(&step("keys", &filter(prints[0]))).ok();
    stage.run(&step("keys", &filter(&prints[0].to_ascii_lowercase()))).ok();
    stage.run(&step("keys", &filter(prints[1]))).fails("which key-filter does not have");
    stage.run(&step("keys", &filter(&prints[0][24..]))).fails("which key-filter does not have");
    stage.run(&step("absent", "")).fails("absent");
    stage.write("file", "other text\n");
    stage.run(&step("keys", "")).fails("BAD signature");
    assert!(!stage.path("/root/.gnupg").exists(), "the stage's own keyring is not touched");
}

#[test]
fn signatures_of_cosign() {
    let Some(stage) = Stage::new() else { return };
    stage
        .sh("openssl ecparam -name prime256v1 -genkey -noout -out key.pem
             openssl ec -in key.pem -pubout -out key.pub 2>/dev/null
             openssl ecparam -name prime256v1 -genkey -noout -out other.pem
             openssl ec -in other.pem -pubout -out other.pub 2>/dev/null
             echo text >blob
             openssl dgst -sha256 -sign key.pem blob | base64 -w0 >blob.sig")
        .ok();
    let step = |key: &str, more: &str| {
        format!(
            "uses: cosign/verify-blob@v1\nwith:\n  blob: blob\n  signature: blob.sig\n  key: {key}\n{more}"
        )
    };
    stage.run(&step("key.pub", "  tlog: false\n")).ok();
    stage.run(&step("other.pub", "  tlog: false\n")).fails("invalid signature");
    // With a proof of the log asked for, which this signature has not.
    assert!(!stage.run(&step("key.pub", "")).is_ok);
    stage.write("blob", "other text\n");
    stage.run(&step("key.pub", "  tlog: false\n")).fails("invalid signature");
    let identity = "uses: cosign/verify-blob@v1\nwith:\n  blob: blob\n  signature: blob.sig\n";
    stage.run(identity).fails("a key or a certificate-identity is needed");
    let identity = format!("{identity}  tlog: false\n  certificate-identity: a@example.org\n");
    stage.run(&identity).fails("tlog: false needs a key");
}

#[test]
fn identities_of_sigstore_without_network() {
    let Some(stage) = Stage::new() else { return };
    stage.write("sigstore.py", SIGSTORE);
    stage.sh("python3 sigstore.py").ok();
    let step = |bundle: &str, root: &str, more: &str| {
        format!(
            "uses: cosign/verify-blob@v1\nwith:\n  blob: blob\n  signature: {bundle}.json\n  trusted-root: {root}.json\n{more}"
        )
    };
    let whose = |identity: &str, issuer: &str| {
        format!("  certificate-identity: {identity}\n  certificate-oidc-issuer: {issuer}\n")
    };
    let (identity, issuer) = ("release@example.org", "https://accounts.example.org");
    let right = whose(identity, issuer);
    let pattern = |identity: &str| {
        format!(
            "  certificate-identity-regexp: '{identity}'\n  certificate-oidc-issuer-regexp: '^https://accounts[.]'\n"
        )
    };
    stage.run(&step("bundle", "trusted-root", &right)).ok();
    stage.run(&step("bundle", "trusted-root", &pattern("^release@"))).ok();
    for (other, says) in [
        (whose("other@example.org", issuer), "expected SAN value \"other@example.org\""),
        (whose(identity, "https://example.org"), "expected issuer value \"https://example.org\""),
        (pattern("^other@"), "expected SAN value to match regex \"^other@\""),
        (
            format!("  certificate-identity: {identity}\n"),
            "--certificate-oidc-issuer-regexp is required",
        ),
        (String::new(), "a key or a certificate-identity is needed"),
    ] {
        stage.run(&step("bundle", "trusted-root", &other)).fails(says);
    }
    for (bundle, root, says) in [
        ("bundle", "other-root", "leaf certificate verification failed"),
        ("without-sct", "trusted-root", "only able to verify 0 SCT entries"),
        ("wrong-sct", "trusted-root", "only able to verify 0 SCT entries"),
        ("wrong-promise", "trusted-root", "not enough verified log entries"),
        ("wrong-proof", "trusted-root", "signature on checkpoint did not verify"),
        ("of-another-blob", "trusted-root", "validation error: verifying signature"),
        ("too-late", "trusted-root", "integrated time outside certificate validity"),
    ] {
        stage.run(&step(bundle, root, &right)).fails(says);
    }
    stage.write("blob", "other text\n");
    stage.run(&step("bundle", "trusted-root", &right)).fails("could not verify message");
}

#[test]
fn only_the_trusted_root_is_fetched() {
    let Some(stage) = Stage::new() else { return };
    let with = "uses: cosign/verify-blob@v1\nwith:\n  blob: blob\n  signature: sig\n";
    for (more, is_privileged) in [
        ("  key: key.pub\n", false),
        ("  certificate-identity: a@example.org\n  trusted-root: root.json\n", false),
        (
            "  certificate-identity: a@example.org\n  certificate-oidc-issuer: https://example.org\n",
            true,
        ),
    ] {
        let expanded = stage.expand(&format!("{with}{more}"));
        assert_eq!(expanded.steps[0].privileged, is_privileged, "{more}");
        assert_eq!(expanded.steps[0].privileged_by_action, is_privileged, "{more}");
    }
}
