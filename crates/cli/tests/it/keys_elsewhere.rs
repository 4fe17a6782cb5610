// SPDX-License-Identifier: Apache-2.0
//! Keys that a plugin or a server holds.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::http::{HttpServer, Reply, Request};
use serde_json::{Value, json};

use crate::keygen::{PKCS8, PUBLIC};
use crate::support::{Ran, build_command, hardpan, run, skip, works};

/// A plugin of few words. `$work` has its key.
const PLUGIN: &str = r#"#!/bin/sh
work='WORK'
/usr/bin/env >"$work/environment"
case $2 in
*'"methodName":"publicKey"'*)
    printf '{"publicKey":{"publicKeyPEM":"%s"}}' "$(base64 -w0 "$work/public.pem")" ;;
*'"methodName":"signMessage"'*)
    printf '{"signMessage":{"signature":"%s"}}' "$(openssl dgst -sha256 -sign "$work/private.pem" | base64 -w0)" ;;
*) printf '{"errorMessage":"what?"}' ;;
esac
"#;

fn write_plugin(fixture: &Fixture, text: &str) {
    let path = fixture.path("bin/sigstore-kms-test");
    fixture.write(
        "bin/sigstore-kms-test",
        text.replace("WORK", fixture.path("kms").to_str().unwrap()),
    );
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_path(fixture: &Fixture, mut command: Command) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", fixture.path("bin").display()));
    command.env("HARDPAN_PASSWORD", "hunter2");
    command
}

fn sign(fixture: &Fixture, key: &str) -> Ran {
    run(with_path(fixture, build_command(fixture, &["--sign", "--key", key])))
}

fn verify(fixture: &Fixture) -> Ran {
    let mut command = hardpan(fixture, &["verify"]);
    command.arg(fixture.path("out")).arg("--key").arg(fixture.path("kms/public.pem"));
    run(command)
}

fn prepare(fixture: &Fixture) {
    fixture.write("kms/private.pem", PKCS8);
    fixture.write("kms/public.pem", PUBLIC);
}

#[test]
fn plugins_sign() {
    if !works("openssl", &["version"]) {
        return skip("plugins_sign", "there is no openssl");
    }
    let fixture = Fixture::new();
    prepare(&fixture);
    sign(&fixture, "test://team")
        .expect(3, &["sigstore-kms-test can't be run", "in a directory of PATH"]);
    write_plugin(&fixture, PLUGIN);
    let public = with_path(&fixture, hardpan(&fixture, &["keygen", "--public", "test://team"]));
    assert_eq!(run(public).expect(0, &[]).stdout, PUBLIC);
    sign(&fixture, "test://team").expect(0, &["signed"]);
    verify(&fixture).expect(0, &[]);
    let environment = fs::read_to_string(fixture.path("kms/environment")).unwrap();
    assert!(!environment.contains("hunter2") && !environment.contains("HARDPAN"), "{environment}");
    // A plugin that holds another key than it says, one that says nothing, and one that says no.
    let openssl = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"];
    let other = fixture.path("kms/other.pem");
    assert!(works("openssl", &[&openssl[..], &[other.to_str().unwrap()]].concat()));
    for (text, code, expected) in [
        (PLUGIN.replace("private.pem", "other.pem"), 4, "does not verify with the public key"),
        ("#!/bin/sh\n".to_owned(), 3, "the reply can't be read"),
        (
            "#!/bin/sh\nprintf '{\"errorMessage\":\"no token\"}'\n".to_owned(),
            3,
            "the plugin says: no token",
        ),
    ] {
        let _ = fs::remove_dir_all(fixture.path("out"));
        write_plugin(&fixture, &text);
        sign(&fixture, "test://team").expect(code, &[expected]);
        if fixture.path("out").exists() {
            verify(&fixture).expect(1, &[]);
        }
    }
    for (key, expected) in [
        ("../test://team", "does not say where a key is"),
        ("test://", "does not say where a key is"),
        ("unix://run/x", "absolute path of a socket"),
        ("env://A-B", "environment variable"),
        ("env://NOT_SET", "is not set"),
    ] {
        sign(&fixture, key).expect(2, &[expected]);
    }
}

/// What a transit engine does, with openssl for the signature.
fn vault(fixture: &Fixture, log: Arc<Mutex<Vec<Request>>>) -> HttpServer {
    let key = fixture.path("kms/private.pem");
    HttpServer::start(move |request| {
        log.lock().unwrap().push(request.clone());
        let reply = |status, value: Value| Reply {
            status,
            ..Reply::body("application/json", value.to_string().into_bytes())
        };
        if request.header("authorization") != "Bearer s.hunter2" {
            return reply(403, json!({"errors": ["permission denied"]}));
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/kms/team/keys/app") => reply(
                200,
                json!({"data": {
                    "type": "ecdsa-p256", "latest_version": 1, "keys": {"1": {"public_key": PUBLIC}},
                }}),
            ),
            ("POST", "/v1/kms/team/sign/app/sha2-256") => {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!((&body["prehashed"], &body["key_version"]), (&true.into(), &1.into()));
                let script =
                    "base64 -d | openssl pkeyutl -sign -inkey \"$0\" -in /dev/stdin | base64 -w0";
                let mut child = Command::new("sh");
                child.args(["-c", script]).arg(&key).stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = child.spawn().unwrap();
                let input = body["input"].as_str().unwrap().as_bytes();
                child.stdin.take().unwrap().write_all(input).unwrap();
                let output = child.wait_with_output().unwrap().stdout;
                let signature = format!("vault:v1:{}", String::from_utf8(output).unwrap());
                reply(200, json!({"data": {"signature": signature, "key_version": 1}}))
            }
            _ => reply(404, json!({"errors": []})),
        }
    })
}

#[test]
fn servers_sign() {
    if !works("openssl", &["version"]) {
        return skip("servers_sign", "there is no openssl");
    }
    let fixture = Fixture::new();
    prepare(&fixture);
    let log: Arc<Mutex<Vec<Request>>> = Arc::default();
    let server = vault(&fixture, Arc::clone(&log));
    let address = format!("http://{}", server.address());
    let sign = |key: &str, variables: &[(&str, &str)]| {
        let mut command = build_command(&fixture, &["--sign", "--key", key]);
        command.envs(variables.iter().copied());
        let ran = run(command);
        assert!(!format!("{ran}").contains("hunter2"), "{ran}");
        ran
    };
    let at = ("VAULT_ADDR", address.as_str());
    let token = ("VAULT_TOKEN", "s.hunter2");
    let mount = ("TRANSIT_SECRET_ENGINE_PATH", "kms/team");
    for (key, variables, code, expected) in [
        ("hashivault://app", &[token, mount][..], 2, "VAULT_ADDR"),
        ("hashivault://app", &[at, mount], 2, "VAULT_TOKEN"),
        (
            "hashivault://app",
            &[at, ("VAULT_TOKEN", "s.hunter2\nHost: x"), mount],
            3,
            "what no header can hold",
        ),
        (
            "hashivault://app",
            &[at, ("VAULT_TOKEN", "wrong"), mount],
            3,
            "is VAULT_TOKEN still good",
        ),
        ("hashivault://app", &[at, token], 3, "TRANSIT_SECRET_ENGINE_PATH"),
        ("hashivault://other", &[at, token, mount], 3, "is it the key's name"),
        (
            "hashivault://app",
            &[at, token, ("TRANSIT_SECRET_ENGINE_PATH", "../sys")],
            3,
            "not the path of a transit engine",
        ),
        ("hashivault://a/b", &[at, token, mount], 2, "not a transit key"),
        (
            "hashivault://app",
            &[("VAULT_ADDR", "http://127.0.0.1:1"), token, mount, ("HARDPAN_RETRIES", "0")],
            3,
            "is VAULT_ADDR where the server is",
        ),
        (
            "hashivault://app",
            &[("VAULT_ADDR", "http://vault.example"), token, mount],
            3,
            "without TLS",
        ),
        ("hashivault://app", &[("VAULT_ADDR", "vault"), token, mount], 3, "not a usable URL"),
    ] {
        sign(key, variables).expect(code, &[expected]);
        assert!(!fixture.path("out").exists(), "nothing is built for nothing");
    }
    log.lock().unwrap().clear();
    sign("hashivault://app", &[at, token, mount]).expect(0, &["signed"]);
    verify(&fixture).expect(0, &[]);
    let bytes: usize = log.lock().unwrap().iter().map(|request| request.body.len()).sum();
    assert!(bytes < 20_000, "only digests are sent: {bytes}");
    sign("openbao://app", &[("BAO_ADDR", &address), ("BAO_TOKEN", "s.hunter2"), mount])
        .expect(0, &["signed"]);
    let mut offline =
        build_command(&fixture, &["--sign", "--offline", "--key", "hashivault://app"]);
    offline.envs([at, token, mount]);
    run(offline).expect(2, &["--offline forbids"]);
}
