// SPDX-License-Identifier: Apache-2.0
//! Pushing to registries of others, and reading with clients of others.
//!
//! They come from `HARDPAN_TEST_CLIENTS`, a directory, or else from `PATH`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::print_stderr, reason = "skipped tests say so")]

#[allow(dead_code, reason = "each test uses a part")]
mod push_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hardpan_image::{Descriptor, ImageName};
use hardpan_remote::MemorySink;
use hardpan_remote::registry::{
    Indexed, Logins, Pushed, Reference, Referrer, Registries, RegistryOptions, UploadOptions,
};
use hardpan_testkit::oci::{MANIFEST, OciImage};
use hardpan_tree::Digest;
use serde_json::Value;
use tempfile::TempDir;

use push_support::{
    EMPTY, blob, client, content, gzip_image, image, note, open, push_bytes, push_image, texts,
    with_watch,
};

const TYPE: &str = "application/vnd.test.note+json";

/// Finds a program, or says that the test can't run.
fn find(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("HARDPAN_TEST_CLIENTS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = named
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        eprintln!(
            "skipped: {name} of others, because it is neither in HARDPAN_TEST_CLIENTS nor in PATH"
        );
    }
    found
}

/// A registry of others that runs for a test.
struct Running {
    process: Child,
    name: String,
    _home: TempDir,
}

impl Running {
    /// Starts a program that says on its errors' stream where it listens, in words after `marker`.
    fn start(command: &mut Command, marker: &str, home: TempDir) -> Self {
        let mut process =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it was found");
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            if let Some((_, rest)) = line.split_once(marker) {
                let digits = rest.chars().take_while(char::is_ascii_digit);
                break digits.collect::<String>();
            }
        };
        // Whoever fills a pipe that nobody reads waits for ever.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process, name: format!("127.0.0.1:{port}"), _home: home }
    }

    fn docker() -> Option<Self> {
        let program = find("docker-registry")?;
        let home = tempfile::tempdir().unwrap();
        let storage = home.path().join("storage");
        let settings = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: \"{}\"}}}}\n\
             http: {{addr: \"127.0.0.1:0\"}}\n",
            storage.display()
        );
        let file = home.path().join("settings.yml");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(file);
        Some(Self::start(&mut command, "listening on 127.0.0.1:", home))
    }

    fn crane() -> Option<Self> {
        let program = find("crane")?;
        let mut command = Command::new(program);
        command.args(["registry", "serve", "--address", "127.0.0.1:0"]);
        Some(Self::start(&mut command, "serving on port ", tempfile::tempdir().unwrap()))
    }

    fn all() -> Vec<(&'static str, Self)> {
        let docker = Self::docker().map(|running| ("docker-registry", running));
        let crane = Self::crane().map(|running| ("crane", running));
        docker.into_iter().chain(crane).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs a client; it must succeed. Returns what it printed.
fn run(program: &PathBuf, arguments: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .env("HOME", home.path())
        .env("DOCKER_CONFIG", home.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {errors}", program.display());
    String::from_utf8(output.stdout).unwrap()
}

fn attach(name: &ImageName, subject: &Descriptor, notes: &[&str]) -> Vec<Indexed> {
    push_bytes(&open(), name, EMPTY).unwrap();
    let bytes: Vec<Vec<u8>> = notes.iter().map(|text| note(subject, TYPE, text)).collect();
    let referrers: Vec<Referrer<'_>> =
        bytes.iter().map(|bytes| Referrer { media_type: MANIFEST, bytes }).collect();
    with_watch(|watch| open().push_referrers(name, &referrers, 1, watch)).unwrap()
}

#[test]
fn others_read_what_was_pushed() {
    let image = OciImage::index(&[("linux/amd64", &gzip_image())]);
    for (kind, running) in Running::all() {
        let name: ImageName = format!("{}/team/app", running.name).parse().unwrap();
        let subject = push_image(&open(), &name, "1", &image).unwrap();
        // Again: all is there.
        for bytes in image.blobs.values() {
            assert_eq!(push_bytes(&open(), &name, bytes).unwrap(), Pushed::AlreadyThere, "{kind}");
        }
        assert_eq!(attach(&name, &subject, &["one", "two"]), [Indexed::UnderTag; 2], "{kind}");
        assert_eq!(attach(&name, &subject, &["three"]), [Indexed::UnderTag], "{kind}");
        let found =
            with_watch(|watch| open().referrers(&name, subject.digest, Some(TYPE), watch)).unwrap();
        assert!(!found.api);
        assert_eq!(texts(&found.manifests), ["one", "three", "two"], "{kind}");
        let tag = format!("sha256-{}", subject.digest.to_hex());
        let tags = with_watch(|watch| open().tags(&name, watch)).unwrap();
        assert_eq!(tags, ["1", &tag], "{kind}");
        let exists =
            |reference| with_watch(|watch| open().exists(&name, reference, watch)).unwrap();
        assert_eq!(exists(Reference::Tag("1")), Some(subject.clone()), "{kind}");
        assert_eq!(exists(Reference::Tag("2")), None, "{kind}");
        assert_eq!(exists(Reference::Digest(Digest::of(b"none"))), None, "{kind}");

        let reference = format!("{}/team/app:1", running.name);
        if let Some(crane) = find("crane") {
            let listed = run(&crane, &["ls", "--insecure", &format!("{}/team/app", running.name)]);
            let mut listed: Vec<&str> = listed.lines().collect();
            listed.sort_unstable();
            assert_eq!(listed, ["1", &tag], "{kind}");
            run(&crane, &["validate", "--insecure", "--remote", &reference]);
            let digest = run(&crane, &["digest", "--insecure", &reference]);
            assert_eq!(digest.trim(), subject.digest.to_string(), "{kind}");
        }
        if let Some(oras) = find("oras") {
            let printed = run(&oras, &["discover", "--plain-http", "--format", "json", &reference]);
            let printed: Value = serde_json::from_str(&printed).unwrap();
            let referrers = printed["referrers"].as_array().unwrap();
            assert_eq!(referrers.len(), 3, "{kind}: {printed}");
            for referrer in referrers {
                assert_eq!(referrer["artifactType"], TYPE, "{kind}");
                assert!(referrer["annotations"]["test.note"].is_string(), "{kind}: {printed}");
            }
        }
    }
}

#[test]
fn others_find_what_is_attached_to_the_own_registry() {
    // The registry that the tests have is one that clients of others can use.
    let Some(oras) = find("oras") else { return };
    let registry =
        hardpan_testkit::registry::Registry::start(hardpan_testkit::registry::Auth::Open);
    let name: ImageName = format!("{}/team/app", registry.name()).parse().unwrap();
    let subject = push_image(&open(), &name, "1", &gzip_image()).unwrap();
    assert_eq!(attach(&name, &subject, &["one", "two"]), [Indexed::ByRegistry; 2]);
    let reference = format!("{}/team/app:1", registry.name());
    let printed = run(&oras, &["discover", "--plain-http", "--format", "json", &reference]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["referrers"].as_array().unwrap().len(), 2, "{printed}");
    let Some(crane) = find("crane") else { return };
    run(&crane, &["validate", "--insecure", "--remote", &reference]);
    // And they can push to it.
    let copy = format!("{}/copy/app:2", registry.name());
    run(&crane, &["copy", "--insecure", &reference, &copy]);
    assert_eq!(registry.tags("copy/app"), ["2"]);
    registry.assert_tags_complete();
}

#[test]
fn blobs_of_real_registries_are_mounted() {
    for (kind, running) in Running::all() {
        let bytes = content(50_000);
        let target: ImageName = format!("{}/team/app", running.name).parse().unwrap();
        let from: ImageName = format!("{}/team/base", running.name).parse().unwrap();
        push_bytes(&open(), &from, &bytes).unwrap();
        let source = || Ok(Box::new(bytes.as_slice()) as Box<dyn Read>);
        let pushed = with_watch(|watch| {
            open().push_blob(&target, &blob(&bytes), &source, Some(&from), watch)
        });
        // One of them keeps blobs of all repositories together.
        let expected = if kind == "crane" { Pushed::AlreadyThere } else { Pushed::Mounted };
        assert_eq!(pushed.unwrap(), expected, "{kind}");
    }
}

/// Passes bytes on to a registry, and cuts the connection when so many bytes went to it, so often.
fn cutting(to: &str, every_bytes: i64, times: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let (to, left) = (to.to_owned(), Arc::new(AtomicI64::new(every_bytes)));
    let times = Arc::new(AtomicI64::new(times));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&to)) else { continue };
            let (mut from_server, mut to_client) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                drop(std::io::copy(&mut from_server, &mut to_client));
                drop(to_client.shutdown(Shutdown::Both));
            });
            let (left, times) = (Arc::clone(&left), Arc::clone(&times));
            std::thread::spawn(move || {
                let (mut client, mut server) = (client, server);
                let mut buffer = [0; 16 << 10];
                while let Ok(count) = client.read(&mut buffer) {
                    if count == 0 || server.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                    let count = i64::try_from(count).unwrap();
                    if left.fetch_sub(count, Ordering::Relaxed) < count
                        && times.fetch_sub(1, Ordering::Relaxed) > 0
                    {
                        left.store(every_bytes, Ordering::Relaxed);
                        break;
                    }
                }
                drop(server.shutdown(Shutdown::Both));
                drop(client.shutdown(Shutdown::Both));
            });
        }
    });
    name
}

#[test]
fn uploads_to_real_registries_survive_cuts() {
    let sizes = [(0, 400_000), (0, 8 << 20), (8 << 20, 8 << 20)];
    for (kind, running) in Running::all() {
        for (number, (whole_bytes_max, piece_bytes)) in (0..).zip(sizes) {
            let through = cutting(&running.name, 1_000_000, 2);
            let repository = format!("team/app{number}");
            let name: ImageName = format!("{through}/{repository}").parse().unwrap();
            let uploads = UploadOptions { whole_bytes_max, piece_bytes };
            let options = RegistryOptions::default();
            let registries =
                Registries::new(client(4), options, Logins::default()).with_uploads(uploads);
            // Each has bytes of its own: a blob that is there is not sent.
            let mut bytes = content(3 << 20);
            bytes[0] = number;
            let pushed = push_bytes(&registries, &name, &bytes);
            assert_eq!(pushed.unwrap(), Pushed::Uploaded, "{kind} {piece_bytes}");
            let direct: ImageName = format!("{}/{repository}", running.name).parse().unwrap();
            let mut sink = MemorySink::default();
            let (digest, size_bytes) = (Digest::of(&bytes), bytes.len() as u64);
            with_watch(|watch| open().blob(&direct, digest, size_bytes, &mut sink, watch)).unwrap();
            assert!(sink.into_bytes() == bytes, "{kind}");
        }
    }
}

#[test]
fn writers_to_a_real_registry_lose_nothing() {
    for (kind, running) in Running::all() {
        let name: ImageName = format!("{}/team/app", running.name).parse().unwrap();
        let subject = push_image(&open(), &name, "1", &image()).unwrap();
        push_bytes(&open(), &name, EMPTY).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (name, subject) = (&name, &subject);
                scope.spawn(move || {
                    let bytes = note(subject, TYPE, &format!("writer {writer}"));
                    let referrer = Referrer { media_type: MANIFEST, bytes: &bytes };
                    with_watch(|watch| open().push_referrer(name, referrer, writer, watch))
                        .unwrap();
                });
            }
        });
        let found = with_watch(|watch| open().referrers(&name, subject.digest, None, watch));
        let found = found.unwrap();
        assert_eq!(found.manifests.len(), 8, "{kind}: {:?}", texts(&found.manifests));
    }
}
