// SPDX-License-Identifier: Apache-2.0
//! Every image of our catalog is built from the real package archive and does its work in podman: as the
//! image's user, with a read-only root, no network, no capabilities and no new privileges.
//!
//! The network is used for package archives only. Images and the store stay below the target directory.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "runs/postgres.rs"]
mod postgres;
mod runs_support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use runs_support::Suite;
use runs_support::catalog::{Built, Catalog};
use runs_support::podman::Container;
use runs_support::tools::{Outcome, attempt, is_root, lack, skip, words};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What Mozilla's list has at the least.
const ANCHORS_MIN: usize = 100;

/// Warnings that are right and change nothing in the image.
const EXPLAINED: [(&str, &str); 1] = [
    // Only libpq-dev has a file there, and it is not in the image.
    (
        "postgres/debian-13/17-dev",
        "postgresql-common: preinst: line 11: not done: diverts /usr/bin/pg_config to \
         /usr/bin/pg_config.libpq-dev",
    ),
];

fn suite() -> Option<&'static Suite> {
    static SUITE: OnceLock<Option<Suite>> = OnceLock::new();
    SUITE
        .get_or_init(|| {
            Suite::new("runs", |root| Catalog::copy_of(&repository().join("catalog"), root))
        })
        .as_ref()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runs_programs")
}

/// Builds an image and runs the definition's own tests in it; returns it for more.
fn checked(suite: &Suite, definition: &str) -> Built {
    let image = suite.image(definition);
    let warnings: Vec<&String> = (image.warnings.iter())
        .filter(|warning| !EXPLAINED.contains(&(definition, warning.as_str())))
        .collect();
    assert_eq!(warnings, [""; 0], "{definition}");
    let rules = suite.catalog.definition(definition);
    for test in &rules.tests {
        for command in &test.commands {
            let words = words(command);
            let outcome = attempt(
                suite
                    .podman
                    .confined()
                    .arg(format!("--entrypoint={}", words[0]))
                    .arg(&image.name)
                    .args(&words[1..]),
            );
            assert_eq!(outcome.code.map(i64::from), Some(test.exit_code), "{outcome}");
            let expected = test.output.as_deref().unwrap_or_default();
            let is_said = outcome.output.contains(expected) || outcome.errors.contains(expected);
            assert!(is_said, "{expected:?} is missing: {outcome}");
        }
    }
    assert_dpkg_sees_all(suite, definition, &image);
    image
}

/// A dpkg that knows nothing of us reads the image's package database.
fn assert_dpkg_sees_all(suite: &Suite, definition: &str, image: &Built) {
    let folder = suite.folder(&format!("dpkg-{}", definition.replace('/', "_")));
    suite.podman.copy_out(image, "/var/lib/dpkg", &folder);
    let listed = attempt(
        Command::new("dpkg-query")
            .arg(format!("--admindir={}", folder.join("dpkg").display()))
            .args(["--show", "--showformat=${Package} ${Version} ${db:Status-Abbrev}\n"]),
    )
    .ok();
    let expected: Vec<String> =
        image.packages.iter().map(|(name, version)| format!("{name} {version} ii ")).collect();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected, "{definition}");
    assert_sbom_reader_sees_all(&folder, definition, &expected);
}

/// A reader of others makes an SBOM from the package database, and names every package in it.
#[expect(clippy::print_stderr, reason = "a test that can't run says why")]
fn assert_sbom_reader_sees_all(folder: &Path, definition: &str, expected: &[&str]) {
    let Some(reader) = std::env::var_os("HARDPAN_TEST_DEBSBOM") else {
        eprintln!("skipped: no SBOM reader, because HARDPAN_TEST_DEBSBOM does not name debsbom");
        return;
    };
    let root = folder.join("root");
    fs::create_dir_all(root.join("var/lib")).unwrap();
    fs::rename(folder.join("dpkg"), root.join("var/lib/dpkg")).unwrap();
    attempt(
        Command::new(reader)
            .args(["generate", "--distro-arch=amd64", "--sbom-type=cdx", "--root"])
            .arg(&root)
            .arg("--out")
            .arg(folder.join("sbom")),
    )
    .ok();
    let text = fs::read_to_string(folder.join("sbom.cdx.json")).unwrap();
    let sbom: serde_json::Value = serde_json::from_str(&text).unwrap();
    let is_binary = |component: &&serde_json::Value| {
        !component["purl"].as_str().unwrap_or_default().contains("arch=source")
    };
    let component = |component: &serde_json::Value| {
        let text = |key: &str| component[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} ii ", text("name"), text("version"))
    };
    let components = sbom["components"].as_array().unwrap();
    let mut named: Vec<String> = components.iter().filter(is_binary).map(component).collect();
    named.sort_unstable();
    assert_eq!(named, expected, "{definition}");
}

/// Builds a -dev image, runs its tests, and lets go of it: they are large.
fn check_dev(definition: &str) {
    let Some(suite) = suite() else { return };
    let image = checked(suite, definition);
    // With the usual capabilities: else root may not read what servers keep for themselves.
    let script = "test \"$(id -u)\" = 0 && apt-get check -q=2 && dpkg --audit && dpkg --verify";
    let mut command = suite.podman.command();
    command.args([
        "run",
        "--rm",
        "--network=none",
        "--entrypoint=/bin/sh",
        &image.name,
        "-c",
        script,
    ]);
    let said = attempt(&mut command);
    // Configuration files may be the definition's own.
    let is_clean = said.output.lines().all(|line| line.contains(" c /etc/"));
    assert!(said.code == Some(0) && is_clean, "{said}");
    suite.podman.forget(&image);
}

/// A TLS server whose certificate an authority of our own signed, and that authority's certificate.
struct TlsServer {
    container: Container<'static>,
    folder: PathBuf,
}

impl TlsServer {
    fn start(suite: &'static Suite, name: &str) -> Self {
        let folder = suite.folder(&format!("tls-{name}"));
        let image = suite.image("python/debian-13/3.13");
        make_certificates(&folder);
        for file in fs::read_dir(programs()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        // The image's own bundle and our authority.
        suite.podman.copy_out(&image, BUNDLE, &folder.join("bundle.pem"));
        let mut bundle = fs::read_to_string(folder.join("bundle.pem")).unwrap();
        assert!(bundle.matches("-----BEGIN CERTIFICATE-----").count() >= ANCHORS_MIN);
        bundle += &fs::read_to_string(folder.join("ca.pem")).unwrap();
        fs::write(folder.join("bundle.pem"), bundle).unwrap();
        let volume = format!("--volume={}:/t:ro", folder.display());
        let container = suite.podman.start(&[&volume], &image, &["python3", "/t/server.py"]);
        container.wait_for(|| container.exec(&["python3", "-c", CONNECTS]));
        Self { container, folder }
    }

    /// Runs a program of an image beside the server; with `trusted`, the image's bundle has our authority.
    fn run(&self, suite: &Suite, image: &Built, trusted: bool, arguments: &[&str]) -> Outcome {
        let mut command = suite.podman.beside(&self.container);
        command.arg(format!("--volume={}:/t:ro", self.folder.display()));
        if trusted {
            let bundle = self.folder.join("bundle.pem");
            command.arg(format!("--volume={}:{BUNDLE}:ro", bundle.display()));
        }
        command.arg(format!("--entrypoint={}", arguments[0])).arg(&image.name);
        attempt(command.args(&arguments[1..]))
    }

    /// A program fetches with our authority in the bundle, and refuses without.
    fn check(&self, suite: &Suite, image: &Built, arguments: &[&str]) -> String {
        let refused = self.run(suite, image, false, arguments).failed().to_lowercase();
        assert!(refused.contains("verif") || refused.contains("certificate"), "{refused}");
        assert!(!refused.contains("hello over tls"), "{refused}");
        let output = self.run(suite, image, true, arguments).ok();
        assert!(output.contains("hello over TLS\n"), "{output}");
        output
    }
}

const CONNECTS: &str = "import socket; socket.create_connection(('127.0.0.1', 4433))";

fn make_certificates(folder: &Path) {
    let extensions = "subjectAltName=DNS:localhost\n";
    fs::write(folder.join("extensions"), extensions).unwrap();
    let openssl = |arguments: &[&str]| {
        attempt(Command::new("openssl").current_dir(folder).args(arguments)).ok();
    };
    let key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
    openssl(
        &[
            &["req", "-x509"],
            &key[..],
            &["ca.key", "-out", "ca.pem", "-days", "30"],
            &[
                "-subj",
                "/CN=An authority of our own",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            ],
        ]
        .concat(),
    );
    openssl(
        &[&["req"], &key[..], &["server.key", "-out", "request", "-subj", "/CN=localhost"]]
            .concat(),
    );
    let sign = ["x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key"];
    let rest = ["-CAcreateserial", "-out", "server.pem", "-days", "30", "-extfile", "extensions"];
    openssl(&[&sign[..], &rest].concat());
    // The server runs as somebody else.
    for file in ["server.key", "server.pem", "ca.pem"] {
        fs::set_permissions(folder.join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// Compiles the C program and runs it in an image.
fn check_program(definition: &str, flags: &[&str], libraries: &[&str]) {
    if lack(&["gcc"]) {
        return;
    }
    let Some(suite) = suite() else { return };
    let image = checked(suite, definition);
    let folder = suite.folder(&definition.replace('/', "_"));
    let program = folder.join("program");
    let source = programs().join("program.c");
    attempt(Command::new("gcc").args(flags).arg("-o").arg(&program).arg(source)).ok();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = attempt(
        suite
            .podman
            .confined()
            .arg(format!("--volume={}:/program:ro", program.display()))
            .args(["--entrypoint=/program", &image.name])
            .args(libraries),
    )
    .ok();
    assert_eq!(output, "program ok\n");
}

#[test]
fn static_runs_a_static_program() {
    check_program("static/debian-13/13", &["-static", "-w"], &[]);
}

#[test]
fn static_glibc_runs_a_c_program() {
    check_program("static-glibc/debian-13/13", &[], &["libm.so.6", "libgcc_s.so.1"]);
}

#[test]
fn base_runs_a_c_program_with_libraries() {
    check_program("base/debian-13/13", &[], &["libstdc++.so.6", "libssl.so.3", "libz.so.1"]);
}

#[test]
fn python_fetches_and_has_its_modules() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "python/debian-13/3.13");
    let server = TlsServer::start(suite, "python");
    let output = server.check(suite, &image, &["python3", "/t/fetch.py"]);
    let anchors: usize =
        output.lines().next().unwrap().trim_start_matches("anchors ").parse().unwrap();
    assert!(anchors > ANCHORS_MIN, "{output}");
    let output = server.run(suite, &image, false, &["python", "/t/modules.py"]).ok();
    assert!(output.starts_with("modules ok OpenSSL 3"), "{output}");
}

#[test]
fn curl_fetches() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "curl/debian-13/8");
    let server = TlsServer::start(suite, "curl");
    server.check(suite, &image, &["curl", "--silent", "--show-error", "https://localhost:4433/"]);
}

#[test]
fn ruby_fetches_and_has_its_modules() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "ruby/debian-13/3.3");
    let server = TlsServer::start(suite, "ruby");
    let output = server.check(suite, &image, &["ruby", "/t/fetch.rb"]);
    assert!(output.starts_with("modules ok OpenSSL 3"), "{output}");
}

#[test]
fn php_fetches_and_has_its_modules() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "php/debian-13/8.4");
    let server = TlsServer::start(suite, "php");
    let output = server.check(suite, &image, &["php", "/t/fetch.php"]);
    assert!(output.starts_with("modules ok OpenSSL 3"), "{output}");
}

#[test]
fn node_fetches_and_has_its_modules() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "node/debian-13/20");
    let server = TlsServer::start(suite, "node");
    let output = server.check(suite, &image, &["node", "--use-openssl-ca", "/t/fetch.js"]);
    assert!(output.starts_with("modules ok v20"), "{output}");
}

#[test]
fn java_runs_what_its_dev_image_compiles() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "openjdk/debian-13/21");
    let dev = suite.image("openjdk/debian-13/21-dev");
    let server = TlsServer::start(suite, "java");
    let classes = suite.folder("java-classes");
    attempt(
        suite
            .podman
            .confined()
            .arg(format!("--volume={}:/t:ro", server.folder.display()))
            .arg(format!("--volume={}:/classes", classes.display()))
            .args(["--entrypoint=javac", &dev.name, "-d", "/classes", "/t/Fetch.java"]),
    )
    .ok();
    for class in fs::read_dir(&classes).unwrap() {
        fs::copy(class.as_ref().unwrap().path(), server.folder.join(class.unwrap().file_name()))
            .unwrap();
    }
    let arguments = ["java", "-cp", "/t", "Fetch", "/t/bundle.pem"];
    let output = server.run(suite, &image, false, &arguments).ok();
    let anchors: usize =
        output.lines().next().unwrap().trim_start_matches("anchors ").parse().unwrap();
    assert!(anchors > ANCHORS_MIN, "{output}");
    assert!(output.contains("modules ok 21"), "{output}");
    assert!(output.contains("PKIX path building failed"), "{output}");
    assert!(output.ends_with("hello over TLS\n"), "{output}");
}

#[test]
fn valkey_keeps_values() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "valkey/debian-13/8");
    let server = suite.podman.start(&["--volume=/data"], &image, &[]);
    let client = |arguments: &[&str]| server.exec(&[&["valkey-cli"], arguments].concat());
    server.wait_for(|| client(&["ping"]));
    assert_eq!(client(&["set", "key", "value"]).ok(), "OK\n");
    assert_eq!(client(&["get", "key"]).ok(), "value\n");
    assert_eq!(client(&["eval", "return 6 * 7", "0"]).ok(), "42\n");
    assert_eq!(client(&["save"]).ok(), "OK\n");
}

#[test]
fn memcached_keeps_values() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "memcached/debian-13/1.6");
    let python = suite.image("python/debian-13/3.13");
    let server = suite.podman.start(&[], &image, &[]);
    let script = "import socket; s = socket.create_connection(('127.0.0.1', 11211)); \
                  s.sendall(b'set k 0 0 5\\r\\nhello\\r\\nget k\\r\\nquit\\r\\n'); \
                  print(b''.join(iter(lambda: s.recv(4096), b'')))";
    let answer = server.wait_for(|| {
        attempt(suite.podman.beside(&server).args([&python.name, "python3", "-c", script]))
    });
    assert_eq!(answer, "b'STORED\\r\\nVALUE k 0 5\\r\\nhello\\r\\nEND\\r\\n'\n");
}

#[test]
fn haproxy_answers_and_forwards() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "haproxy/debian-13/3.0");
    let curl = suite.image("curl/debian-13/8");
    let server = suite.podman.start(&[], &image, &[]);
    let answer = server.wait_for(|| {
        let mut command = suite.podman.beside(&server);
        attempt(command.args([&curl.name, "--silent", "--fail", "http://127.0.0.1:8080/"]))
    });
    assert_eq!(answer, "ok");
}

#[test]
fn nginx_serves_its_page() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "nginx/debian-13/1.26");
    let curl = suite.image("curl/debian-13/8");
    let server = suite.podman.start(&[], &image, &[]);
    let answer = server.wait_for(|| {
        let mut command = suite.podman.beside(&server);
        attempt(command.args([&curl.name, "--silent", "--fail", "http://127.0.0.1:8080/"]))
    });
    assert!(answer.contains("Welcome to nginx!"), "{answer}");
}

#[test]
fn busybox_is_all_its_applets() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "busybox/debian-13/1.37");
    let mut command = suite.podman.confined();
    let script = "for tool in ls awk wget vi; do command -v $tool; done; id -u";
    let said = attempt(command.args([&image.name, "sh", "-c", script])).ok();
    assert_eq!(said, "/usr/bin/ls\n/usr/bin/awk\n/usr/bin/wget\n/usr/bin/vi\n65532\n");
    check_dev("busybox/debian-13/1.37-dev");
}

#[test]
fn a_go_service_from_a_stage_answers() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "example-go-service/debian-13/1");
    let server = suite.podman.start(&[], &image, &[]);
    let curl = suite.image("curl/debian-13/8");
    let url = "http://127.0.0.1:8080/?name=stage";
    let answer = server.wait_for(|| {
        let mut command = suite.podman.beside(&server);
        attempt(command.args([&curl.name, "--silent", "--fail", url]))
    });
    assert_eq!(answer, "hello, stage\n");
}

#[test]
fn a_python_app_from_a_stage_greets() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "example-python-app/debian-13/1");
    let said = attempt(suite.podman.confined().args([&image.name, "there"])).ok();
    assert_eq!(said, "hello, there\n");
}

#[test]
fn small_dev_images_work() {
    for name in ["static/debian-13/13", "static-glibc/debian-13/13", "curl/debian-13/8"] {
        check_dev(&format!("{name}-dev"));
    }
}

#[test]
fn dev_images_of_servers_work() {
    for name in [
        "haproxy/debian-13/3.0",
        "memcached/debian-13/1.6",
        "nginx/debian-13/1.26",
        "valkey/debian-13/8",
    ] {
        check_dev(&format!("{name}-dev"));
    }
}

#[test]
fn postgres_dev_works() {
    check_dev("postgres/debian-13/17-dev");
}

#[test]
fn python_dev_works() {
    check_dev("python/debian-13/3.13-dev");
}

#[test]
fn node_dev_works() {
    check_dev("node/debian-13/20-dev");
}

#[test]
fn ruby_dev_works() {
    check_dev("ruby/debian-13/3.3-dev");
}

#[test]
fn php_dev_works() {
    check_dev("php/debian-13/8.4-dev");
}

#[test]
fn openjdk_dev_works() {
    let Some(suite) = suite() else { return };
    checked(suite, "openjdk/debian-13/21-dev");
}

#[test]
fn apt_installs_in_base_dev() {
    let Some(suite) = suite() else { return };
    check_dev("base/debian-13/13-dev");
    let Some(sources) = apt_sources_of_this_machine() else {
        return skip(
            "this machine has no apt sources of Debian and HARDPAN_DEBIAN_MIRROR is not set",
        );
    };
    let folder = suite.folder("apt");
    fs::write(folder.join("debian.sources"), sources).unwrap();
    let archive = folder.join("base.tar");
    let image = suite.catalog.build("base/debian-13/13-dev", &archive);
    suite.podman.load(&archive, &image);
    let script = "set -e; apt-get update -q; apt-get install -y -q jq; jq --version; \
                  echo '{\"a\": 42}' | jq .a; apt-get install -y -q adduser procps; apt-get check; \
                  dpkg --audit; apt-get purge -y -q jq; ! command -v jq; echo whole";
    let output = attempt(
        suite
            .podman
            .command()
            .args(["run", "--rm", "--network=host"])
            .arg(format!(
                "--volume={}:/etc/apt/sources.list.d/debian.sources:ro",
                folder.join("debian.sources").display()
            ))
            .args([&image.name, "/bin/sh", "-c", script]),
    );
    let output = output.ok();
    assert!(output.contains("\njq-1.") && output.contains("\n42\n"), "{output}");
    assert!(output.ends_with("whole\n"), "{output}");
    suite.podman.forget(&image);
}

/// Returns apt sources for the image's release from where this machine gets its packages.
fn apt_sources_of_this_machine() -> Option<String> {
    let mut texts = vec![fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        texts.extend(entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let variable = std::env::var("HARDPAN_DEBIAN_MIRROR").ok().filter(|uri| !uri.is_empty());
    let mirror = variable.or_else(|| hardpan::mirror_of("trixie", &texts))?;
    Some(format!(
        "Types: deb\nURIs: {mirror}\nSuites: trixie trixie-updates\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    ))
}
