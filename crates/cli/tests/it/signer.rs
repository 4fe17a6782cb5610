// SPDX-License-Identifier: Apache-2.0
//! The signer service: `hardpan signer serve`, and who asks it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::registry::{Auth, Registry};
use serde_json::Value;

use crate::keygen::{PKCS8, PUBLIC};
use crate::rootless::as_ordinary_user;
use crate::stages::{define, fixture as with_stages, stage};
use crate::support::{Ran, build, build_command, hardpan, image, run, skip};

/// A service that runs until this is dropped.
struct Running {
    child: Child,
    socket: PathBuf,
}

impl Running {
    /// Starts it and waits until it listens.
    fn start(mut command: Command, socket: PathBuf) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut running = Self { child, socket };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !running.socket.exists() {
            assert!(running.child.try_wait().unwrap().is_none(), "it ended at once");
            assert!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }

    fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Asks it to stop, and returns its exit code.
    fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        assert!(!self.socket.exists(), "the socket is gone");
        code
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever stopped it has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the service of a fixture, whose key is in `secret/team.key`.
fn serve(fixture: &Fixture, arguments: &[&str]) -> Running {
    fixture.write("secret/team.key", PKCS8);
    fixture.write("team.pub", PUBLIC);
    let socket = fixture.path("secret/signer.sock");
    let mut command = hardpan(fixture, &["signer", "serve", "--key"]);
    command.arg(fixture.path("secret/team.key")).arg("--socket").arg(&socket);
    command.arg("--log").arg(fixture.path("secret/log")).args(arguments);
    Running::start(command, socket)
}

fn log(fixture: &Fixture) -> Vec<Value> {
    let text = fs::read_to_string(fixture.path("secret/log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn verify(fixture: &Fixture) -> Ran {
    let mut command = hardpan(fixture, &["verify"]);
    command.arg(fixture.path("out")).arg("--key").arg(fixture.path("team.pub"));
    run(command)
}

#[test]
fn builds_and_publishing_are_signed_by_a_service() {
    let fixture = Fixture::new();
    let root = fixture.path("").display().to_string();
    let service = serve(&fixture, &["--layout-root", &root]);
    let url = service.url();
    let shown = run(hardpan(&fixture, &["keygen", "--public", &url])).expect(0, &[]);
    assert_eq!(shown.stdout, PUBLIC);
    let digest = build(&fixture, &["--sign", "--key", &url]).expect(0, &["signed and attested"]);
    let digest = digest.stdout.lines().find(|line| line.starts_with("sha256:")).unwrap().to_owned();
    verify(&fixture).expect(0, &[]);
    let lines = log(&fixture);
    assert!(lines.len() > 5, "{lines:?}");
    for line in &lines {
        assert_eq!(line["result"], "signed", "{line}");
        assert_eq!(line["layout"], fixture.path("out").to_str().unwrap());
        assert!(line["pid"].as_i64().unwrap() > 0 && line["uid"].is_u64(), "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    let about = |kind: &str| lines.iter().filter(|line| line["predicate-type"] == kind).count();
    assert_eq!(about("https://slsa.dev/provenance/v1"), 1);
    assert!(
        lines
            .iter()
            .any(|line| line["subjects"].as_array().unwrap().contains(&digest.clone().into()))
    );
    // The same key, the same bytes: whoever holds it.
    let registry = Registry::start(Auth::Open);
    let name = format!("{}/example/app:1", registry.name());
    let out = fixture.path("out");
    let publish = |arguments: &[&str]| {
        let mut command = hardpan(&fixture, &["publish"]);
        command.arg(&out).arg(&name).args(arguments);
        run(command)
    };
    publish(&["--key", &url]).expect(0, &["read back and verified"]);
    // Nor is an index that is only made on the way there in a layout; one that a build made is.
    let in_index = ["--key", &url, "--attach", "buildkit"];
    publish(&in_index).expect(4, &["the signer service says", "is no image of the layout"]);
    build(&fixture, &[&["--sign"], &in_index[..]].concat()).expect(0, &["signed and attested"]);
    verify(&fixture).expect(0, &[]);
    publish(&in_index).expect(0, &["read back and verified"]);
    // An image of a registry is in no layout that the service could look into.
    fixture.write("work/p.json", "{}");
    let arguments =
        ["attest", "add", &name, "--type", "https://a.example/v1", "--predicate", "p.json"];
    run(hardpan(&fixture, &[&arguments[..], &["--key", &url]].concat()))
        .expect(4, &["the signer service says", "none is named"]);
    assert_eq!(log(&fixture).last().unwrap()["result"], "refused");
    assert_eq!(service.stop(), 0);
    run(hardpan(&fixture, &["keygen", "--public", &url]))
        .expect(3, &["signer service does not answer", "is `hardpan signer serve` running"]);
    publish(&["--key", &url]).expect(3, &["does not answer"]);
}

#[test]
fn what_the_workspace_says_is_the_default() {
    let fixture = Fixture::new();
    let service = serve(&fixture, &[]);
    let signing =
        format!("\n[signing]\nkey = \"{}\"\npublic-keys = [\"../team.pub\"]\n", service.url());
    let workspace = fs::read_to_string(fixture.path("catalog/hardpan.toml")).unwrap();
    let before = build(&fixture, &[]).digest();
    fixture.write("catalog/hardpan.toml", format!("{workspace}{signing}"));
    fixture.write("work/hardpan.toml", &signing);
    assert_eq!(build(&fixture, &[]).digest(), before, "it is a fact of a machine");
    build(&fixture, &["--sign"]).expect(0, &["signed"]);
    let out = fixture.path("out").display().to_string();
    run(hardpan(&fixture, &["verify", &out])).expect(0, &[]);
    // Another key than the ones that are trusted is a mistake somewhere.
    let mut command = hardpan(&fixture, &["keygen", "../other"]);
    command.env("HARDPAN_PASSWORD", "");
    run(command).expect(0, &[]);
    fixture
        .write("catalog/hardpan.toml", format!("{workspace}{}", signing.replace("team", "other")));
    build(&fixture, &["--sign"])
        .expect(2, &["none of [signing] public-keys", "hardpan keygen --public"]);
    fixture.write("catalog/hardpan.toml", format!("{workspace}\n[signing]\nkeys = \"x\"\n"));
    build(&fixture, &[]).expect(2, &["unknown field `keys`"]);
    fixture.write("catalog/hardpan.toml", workspace);
    build(&fixture, &["--sign"]).expect(2, &["who signs it?", "[signing]"]);
    fixture.write("work/hardpan.toml", "");
    run(hardpan(&fixture, &["verify", &out])).expect(2, &["no key is trusted", "[signing]"]);
}

#[test]
fn provenance_of_another_builder_is_not_signed() {
    let fixture = Fixture::new();
    let service = serve(&fixture, &["--builder-id", "https://ci.example/1"]);
    let sign = |builder: &str| {
        build(&fixture, &["--sign", "--key", &service.url(), "--builder-id", builder])
    };
    sign("https://ci.example/2").expect(4, &["is not ours to sign"]);
    verify(&fixture).expect(1, &[]);
    sign("https://ci.example/1").expect(0, &["signed"]);
    verify(&fixture).expect(0, &[]);
}

#[test]
fn hostile_questions_end_nothing() {
    let fixture = Fixture::new();
    let service = serve(&fixture, &[]);
    let ask = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&service.socket).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    };
    let sign = br#"{"version":1,"ask":"signature","kind":"statement"}"#;
    let asked = |payload: &[u8]| {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length(sign)[..], sign, &length(payload), payload].concat()
    };
    let no_subject =
        br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"p","subject":[]}"#;
    let bad_digest = br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"p","subject":[{"digest":{"sha256":"00"}}]}"#;
    for (bytes, expected) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "more than 32768"),
        (vec![0; 3], "can't be read"),
        (vec![0xff; 64], "more than 32768"),
        (asked(b"not JSON"), "not an in-toto statement"),
        (asked(no_subject), "no subject"),
        (asked(bad_digest), "64 hexadecimal digits"),
        (asked(b"x")[..sign.len()].to_vec(), "can't be read"),
    ] {
        let reply = ask(&bytes);
        assert!(reply.contains(expected) && !reply.contains("signature\":"), "{expected}: {reply}");
        run(hardpan(&fixture, &["keygen", "--public", &service.url()])).expect(0, &[PUBLIC]);
    }
    assert_eq!(log(&fixture).iter().filter(|line| line["result"] == "refused").count(), 7);
    // There can't be two, and nothing else's place is taken.
    let mut second = hardpan(&fixture, &["signer", "serve", "--key"]);
    second.arg(fixture.path("secret/team.key")).arg("--socket").arg(&service.socket);
    run(second).expect(2, &["there is no signer service", "listens on", "already"]);
    let mut second = hardpan(&fixture, &["signer", "serve", "--key"]);
    second.arg(fixture.path("secret/team.key")).arg("--socket").arg(fixture.path("team.pub"));
    run(second).expect(2, &["no socket"]);
    assert_eq!(fs::read_to_string(fixture.path("team.pub")).unwrap(), PUBLIC);
    assert_eq!(service.stop(), 0);
}

#[test]
fn as_a_user_of_its_own_it_answers_those_that_it_knows() {
    let fixture = Fixture::new();
    let test = "as_a_user_of_its_own_it_answers_those_that_it_knows";
    let Some(mut command) = as_ordinary_user(&fixture, "vault") else {
        return skip(test, "it takes root and setpriv(1) to become somebody else");
    };
    let home = fixture.path("vault");
    fs::set_permissions(fixture.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(home.join("team.key"), PKCS8).unwrap();
    fs::write(fixture.path("team.pub"), PUBLIC).unwrap();
    let nobody = Some(65_534);
    std::os::unix::fs::chown(home.join("team.key"), nobody, nobody).unwrap();
    fs::set_permissions(home.join("team.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let arguments =
        ["signer", "serve", "--key", "team.key", "--socket", "signer.sock", "--log", "log"];
    command.args(arguments);
    let service = Running::start(command, home.join("signer.sock"));
    // Root may open the socket, and is still nobody that the service knows.
    let url = service.url();
    run(hardpan(&fixture, &["keygen", "--public", &url])).expect(3, &["the user 0 is not let in"]);
    build(&fixture, &["--sign", "--key", &url]).expect(3, &["the user 0 is not let in"]);
    assert!(!fixture.path("out").exists(), "nothing is built for nothing");
    assert_eq!(service.stop(), 0);
    let root = fixture.path("").display().to_string();
    let mut command = as_ordinary_user(&fixture, "vault").unwrap();
    command.args(arguments).args(["--allow-uid", "0", "--layout-root", &root]);
    let service = Running::start(command, home.join("signer.sock"));
    let mode = fs::metadata(&service.socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    build(&fixture, &["--sign", "--key", &url]).expect(0, &["signed"]);
    verify(&fixture).expect(0, &[]);
    let lines = fs::read_to_string(home.join("log")).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["uid"], &last["result"]), (&0.into(), &"signed".into()));
    assert!(lines.lines().next().unwrap().contains("the user 0 is not let in"), "{lines}");
    assert_eq!(service.stop(), 0);
}

#[test]
fn steps_reach_neither_key_nor_socket() {
    let test = "steps_reach_neither_key_nor_socket";
    let output = ["{source: /var/cache/app/found, target: /found}"];
    let Some(fixture) = with_stages(test, &stage("b touch /var/cache/app/found", &output)) else {
        return;
    };
    let service = serve(&fixture, &[]);
    let (key, socket) = (fixture.path("secret/team.key"), service.socket.clone());
    let (key, socket) = (key.display(), socket.display());
    let up = "../".repeat(40);
    // What is found is written down, and would end in the image.
    let script = format!(
        "b touch /var/cache/app/found
         for path in {key} {up}{key} /proc/1/root{key} /proc/1/cwd/{up}{key} /proc/self/fd/0/{up}{key}; do
           if b cat $path >/dev/null 2>&1; then echo \"key $path\" >>/var/cache/app/found; fi
         done
         for path in {socket} {up}{socket} /proc/1/root{socket}; do
           if b test -e $path; then echo \"socket $path\" >>/var/cache/app/found; fi
         done
         for path in /proc/net/unix /proc/1/net/unix; do
           if b grep -q signer.sock $path 2>/dev/null; then echo \"seen $path\" >>/var/cache/app/found; fi
         done
         for path in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do
           if b grep -q -e 'PRIVAT[E]' -e 'hunter[2]' $path 2>/dev/null; then echo \"told $path\" >>/var/cache/app/found; fi
         done
         for path in / /run /tmp /var /etc; do
           if b find $path -xdev -name 'signer.sock' -o -xdev -name 'team.key' 2>/dev/null | b grep -q .; then echo \"found in $path\" >>/var/cache/app/found; fi
         done
         b sed 's/^/REACHED /' /var/cache/app/found
         if b cat /etc/shared.conf >/dev/null 2>&1; then echo looked; fi"
    );
    define(&fixture, &stage(&script, &output));
    for key in [
        service.url(),
        fixture.path("secret/team.key").display().to_string(),
        "env://THE_KEY".to_owned(),
    ] {
        let _ = fs::remove_dir_all(fixture.path("store"));
        let mut command = build_command(&fixture, &["--sign", "--verbose", "--key", &key]);
        command.env("THE_KEY", PKCS8).env("HARDPAN_PASSWORD", "hunter2");
        let ran = run(command).expect(0, &["signed", "│ looked"]);
        assert!(!ran.stderr.contains("REACHED"), "{ran}");
        let image = image(&fixture);
        let found = image.lines().find(|line| line.starts_with("/found")).unwrap();
        assert!(found.contains(" 0:0 0 "), "{found}");
        verify(&fixture).expect(0, &[]);
    }
}

#[test]
fn cosign_signs_through_the_service() {
    let Some(clients) = std::env::var_os("HARDPAN_TEST_CLIENTS").map(PathBuf::from) else {
        return skip("cosign_signs_through_the_service", "HARDPAN_TEST_CLIENTS names no folder");
    };
    let fixture = Fixture::new();
    let service = serve(&fixture, &[]);
    let key = format!("hardpan://{}", service.socket.display());
    fs::create_dir(fixture.path("bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_hardpan"), fixture.path("bin/sigstore-kms-hardpan")).unwrap();
    let cosign = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(clients.join(name));
        command.args(arguments).env_clear().current_dir(fixture.path("work")).stdin(Stdio::null());
        command.env("HOME", fixture.path("work")).env("PATH", fixture.path("bin"));
        run(command)
    };
    let registry = Registry::start(Auth::Open);
    let name = format!("{}/example/app:1", registry.name());
    build(&fixture, &["--quiet"]).expect(0, &[]);
    let out = fixture.path("out").display().to_string();
    run(hardpan(&fixture, &["publish", &out, &name])).expect(0, &[]);
    fixture.write("work/p.json", "{\"a\":1}");
    fixture.write("work/blob", "bytes");
    cosign("cosign3", &["signing-config", "create", "--out", "c.json"]).expect(0, &[]);
    let image = format!(
        "{}/example/app@{}",
        registry.name(),
        run(hardpan(&fixture, &["publish", &out, &name])).digest()
    );
    for (program, options) in [
        ("cosign2", &["--tlog-upload=false"][..]),
        ("cosign3", &["--signing-config", "c.json"][..]),
    ] {
        let public = cosign(program, &["public-key", "--key", &key]).expect(0, &[]);
        assert_eq!(public.stdout.trim(), PUBLIC.trim(), "{program}");
        let with = |arguments: &[&str]| {
            let common = [
                "--yes",
                "--key",
                key.as_str(),
                "--allow-insecure-registry",
                "--allow-http-registry",
            ];
            cosign(program, &[&arguments[..1], &common, options, &arguments[1..]].concat())
        };
        with(&["sign", "--recursive", &image]).expect(0, &[]);
        with(&["attest", "--predicate", "p.json", "--type", "https://a.example/v1", &image])
            .expect(0, &[]);
        for key in [key.as_str(), "../team.pub"] {
            let verify =
                ["verify", "--key", key, "--insecure-ignore-tlog", "--allow-http-registry", &image];
            cosign(program, &verify).expect(0, &["claims were validated"]);
        }
        // Bytes that are no statement are not signed.
        let blob = ["sign-blob", "--yes", "--key", &key, "--bundle", "b.json"];
        let refused = cosign(program, &[&blob[..], options, &["blob"]].concat());
        assert_ne!(refused.code, 0, "{refused}");
        assert!(refused.stderr.contains("statements and images' signatures only"), "{refused}");
    }
    let public = fixture.path("team.pub").display().to_string();
    run(hardpan(&fixture, &["verify", &image, "--key", &public])).expect(0, &[]);
    let kinds: Vec<Value> = log(&fixture).iter().map(|line| line["kind"].clone()).collect();
    assert!(
        kinds.contains(&"statement".into()) && kinds.contains(&"simple-signing".into()),
        "{kinds:?}"
    );
}
