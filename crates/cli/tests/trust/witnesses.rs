// SPDX-License-Identifier: Apache-2.0
//! Transparency logs and timestamp authorities: asked when something is signed, and verified without them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hardpan_testkit::authority::Period;
use hardpan_testkit::timestamps::{Manner, TimestampAuthority, TimestampServer};
use hardpan_testkit::transparency::{LogServer, RootFile, TransparencyLog};
use serde_json::{Value, json};

use crate::damage::flip;
use crate::forged::of_logs;
use crate::others::Client;
use crate::support::{files, run};
use crate::world::{Edited, REPOSITORY, World, registries};

pub(crate) const DAY: i64 = 86_400;

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Around today.
pub(crate) fn period() -> Period {
    (now() - DAY, now() + DAY)
}

/// A log and a timestamp authority.
pub(crate) struct Others {
    pub(crate) log: LogServer,
    pub(crate) authority: TimestampAuthority,
    stamps: TimestampServer,
}

impl Others {
    pub(crate) fn start() -> Self {
        let authority = TimestampAuthority::new("tsa", period());
        let stamps = TimestampServer::start(&authority, || Manner::at(now()));
        Self { log: LogServer::start(), authority, stamps }
    }

    /// The arguments of whoever signs.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let log = format!("rekor2={}", self.log.url());
        ["--tlog".to_owned(), log, "--tsa".to_owned(), self.stamps.url()]
    }

    pub(crate) fn root(&self) -> RootFile {
        self.log.root(RootFile::default()).timestamps(&self.stamps.url(), &self.authority.chain())
    }

    /// Makes keys and an image that `release` signed, in `out`, and `root.json`.
    pub(crate) fn signed(&self) -> World {
        let world = World::new();
        world.fixture.write("root.json", self.root().to_bytes());
        self.build(&world, "out", &[]);
        world
    }

    pub(crate) fn build(&self, world: &World, out: &str, more: &[&str]) {
        let arguments = self.arguments();
        let own = ["--sign", "--key", "release.key"].into_iter();
        let all: Vec<&str> = own.chain(arguments.iter().map(String::as_str)).collect();
        world.build(out, &[&all[..], more].concat());
    }

    fn publish(&self, world: &World, registry: &str) -> String {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        world.publish(registry, &arguments)
    }
}

/// The arguments of whoever verifies, with the root in `root.json`.
fn strictly(world: &World) -> [String; 4] {
    let root = world.text("root.json");
    [
        "--trusted-root".to_owned(),
        root,
        "--require-tlog".to_owned(),
        "--require-timestamp".to_owned(),
    ]
}

pub(crate) fn verify(world: &World, image: &str, more: &[&str]) -> crate::support::Ran {
    let arguments = strictly(world);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    world.verify(image, &[&arguments[..], more].concat())
}

/// Returns the bundles of a layout by the digests of their manifests.
pub(crate) fn bundles(world: &World, out: &str) -> BTreeMap<String, Value> {
    let edited = Edited::open(&world.path(out));
    let entries = edited.index["manifests"].as_array().unwrap().iter();
    let entries = entries
        .filter(|entry| entry["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json");
    entries
        .map(|entry| {
            let digest = entry["digest"].as_str().unwrap().to_owned();
            let manifest = edited.json(&digest);
            let bundle = edited.json(manifest["layers"][0]["digest"].as_str().unwrap());
            (digest, bundle)
        })
        .collect()
}

#[test]
fn signatures_are_logged_and_stamped_on_request() {
    let others = Others::start();
    let world = others.signed();
    let out = world.text("out");
    let all = bundles(&world, "out");
    let count = all.len();
    assert!(count > 8, "{count}");
    for bundle in all.values() {
        let material = &bundle["verificationMaterial"];
        assert_eq!(material["tlogEntries"].as_array().unwrap().len(), 1, "{material:#}");
        let stamps = &material["timestampVerificationData"]["rfc3161Timestamps"];
        assert_eq!(stamps.as_array().unwrap().len(), 1, "{material:#}");
    }
    verify(&world, &out, &["--require", "provenance", "--require", "spdx"])
        .expect(0, &["verified"]);
    // Who has no root is told what the bundle says, and that this is not proven.
    world.verify(&out, &["--explain"]).expect(
        0,
        &["in the log 127.0.0.1 as entry", "seen at 20", "not verified: no trusted root"],
    );
    verify(&world, &out, &["--explain"]).expect(
        0,
        &[
            "in the log 127.0.0.1 as entry",
            &format!("by {}", others.stamps.url()),
            "it has no entry in a transparency log",
        ],
    );
    let told = verify(&world, &out, &["--json"]).json();
    let evidence = told["subjects"][0]["evidence"].as_array().unwrap();
    let witnessed = evidence.iter().filter(|one| one["witnessed"]["verified"] == true);
    assert_eq!(witnessed.count(), 2, "{told:#}");
    for (kind, registry) in registries() {
        let name = others.publish(&world, &registry.name());
        verify(&world, &name, &["--require", "spdx"]).expect(0, &["verified"]);
        verify(&world, &name, &["--explain"]).expect(0, &["--trusted-root"]);
        registry.assert_tags_complete();
        // What nobody was told of is not enough for those who ask for it.
        let other = World::signed();
        other.fixture.write("root.json", others.root().to_bytes());
        let plain = other.publish(&registry.name(), &[]).replace(":1", ":plain");
        let ran = other.run(&["copy", &other.text("out"), &plain]);
        ran.expect(0, &[]);
        other.verify(&plain, &[]).expect(0, &["verified"]);
        verify(&other, &plain, &[]).expect(1, &["no entry in a transparency log", "not verified"]);
        assert!(!kind.is_empty());
    }
}

#[test]
fn doing_it_again_asks_nobody() {
    let others = Others::start();
    let world = others.signed();
    let size = others.log.size();
    assert!(size > 5, "{size}");
    let first = files(&world.path("out"));
    others.build(&world, "out", &[]);
    assert!(files(&world.path("out")) == first, "signing over it");
    others.build(&world, "out2", &[]);
    assert_eq!(bundles(&world, "out2"), bundles(&world, "out"), "signing beside it");
    assert_eq!(others.log.size(), size);
    for (kind, registry) in registries() {
        let publish = || others.publish(&world, &registry.name());
        publish();
        let snapshot = || -> BTreeMap<String, Vec<u8>> {
            let tags = registry.tags(REPOSITORY).into_iter();
            tags.map(|tag| (tag.clone(), registry.manifest(REPOSITORY, &tag).unwrap().1)).collect()
        };
        let (before, size) = (snapshot(), others.log.size());
        publish();
        assert_eq!(snapshot(), before, "{kind}");
        // A machine that knows nothing finds it beside the image.
        std::fs::remove_dir_all(world.path("store/witnessed")).unwrap();
        registry.take_log();
        publish();
        assert_eq!(snapshot(), before, "{kind}");
        assert_eq!(others.log.size(), size, "{kind}");
        for logged in registry.take_log() {
            let path = &logged.request.path;
            assert!(logged.request.method != "POST", "{kind}: {path}");
        }
    }
}

#[test]
fn a_log_that_has_it_already_gets_another_signature() {
    let others = Others::start();
    let world = others.signed();
    let size = others.log.size();
    // Whoever brought it there lost the proof, and the log gives it to nobody again.
    std::fs::remove_dir_all(world.path("store/witnessed")).unwrap();
    others.build(&world, "out2", &[]);
    assert_eq!(others.log.size(), 2 * size);
    verify(&world, &world.text("out2"), &["--require", "spdx"]).expect(0, &["verified"]);
    assert_ne!(bundles(&world, "out2"), bundles(&world, "out"));
}

#[test]
fn a_root_decides_who_is_trusted_and_when() {
    let others = Others::start();
    let world = others.signed();
    others.build(&world, "out", &["--signature-format", "bundle"]);
    let other = TimestampAuthority::new("other", period());
    let log = TransparencyLog::new("127.0.0.1", "other");
    let elsewhere = "https://log.example";
    let rows: Vec<(&str, RootFile, i32, &str)> = vec![
        ("the right one", others.root(), 0, "verified"),
        ("nobody", RootFile::default(), 1, "has no timestamp authority"),
        ("no log", RootFile::default().timestamps("", &others.authority.chain()), 1, "not name"),
        ("no authority", others.log.root(RootFile::default()), 1, "has no timestamp authority"),
        (
            "another authority",
            others.log.root(RootFile::default()).timestamps("", &other.chain()),
            1,
            "no timestamp authority of the trusted root made it",
        ),
        (
            "another log by that name",
            RootFile::default().timestamps("", &others.authority.chain()).log(elsewhere, &log),
            1,
            "not name",
        ),
        (
            "several",
            RootFile::default().log("https://127.0.0.1", &log).timestamps("", &other.chain()),
            1,
            "no timestamp authority",
        ),
        (
            "an authority that is no longer trusted",
            others.root().change(|root| {
                let all = &mut root["timestampAuthorities"];
                all[0]["validFor"]["end"] = "2021-01-01T00:00:00Z".into();
            }),
            1,
            "was not trusted at the time",
        ),
        (
            "a log that is no longer trusted",
            others.root().change(|root| {
                root["tlogs"][0]["publicKey"]["validFor"]["end"] = "2021-01-01T00:00:00Z".into();
            }),
            1,
            "was not trusted at the time",
        ),
        (
            "a log with a key that is none",
            others.root().change(|root| root["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into()),
            1,
            "can't be used",
        ),
        (
            "no root",
            RootFile::default().change(|root| root["mediaType"] = "text/plain".into()),
            2,
            "is of the type",
        ),
        (
            "a log without a key",
            others.root().change(|root| root["tlogs"][0]["publicKey"] = Value::Null),
            2,
            "is no trusted root",
        ),
    ];
    for (what, root, code, says) in rows {
        world.fixture.write("root.json", root.to_bytes());
        let ran = verify(&world, &world.text("out"), &[]);
        let both = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == code && both.contains(says), "{what}: {code} {says:?}: {ran}");
    }
    // Both of two, whichever stands first.
    let both = others.log.root(RootFile::default().log("https://127.0.0.1", &log));
    let both = both.timestamps("", &other.chain()).timestamps("", &others.authority.chain());
    world.fixture.write("root.json", both.to_bytes());
    verify(&world, &world.text("out"), &[]).expect(0, &["verified"]);
}

#[test]
fn answers_are_checked_before_anything_is_published() {
    let others = Others::start();
    let world = World::signed();
    let (_, registry) = registries().into_iter().next().unwrap();
    let name = format!("{}/{REPOSITORY}:1", registry.name());
    let (out, key) = (world.text("out"), world.key());
    let publish = |more: &[&str]| {
        let arguments = [&["publish", &out, &name, "--key", &key], more].concat();
        world.run(&arguments)
    };
    let log = |change: fn(Value) -> Value| LogServer::with(change);
    let liars = [
        log(|mut entry| {
            flip(&mut entry["inclusionProof"]["rootHash"]);
            entry
        }),
        log(|mut entry| {
            flip(&mut entry["canonicalizedBody"]);
            entry
        }),
        log(|_| json!({"code": 3, "message": "not today"})),
        log(|_| json!([])),
    ];
    for (liar, says) in liars.iter().zip(["does not lead", "entry", "not today", "no entry"]) {
        publish(&["--tlog", &format!("rekor2={}", liar.url())]).expect(4, &[says]);
    }
    let stamp = |manner: Manner| TimestampServer::start(&others.authority, move || manner);
    let without = |manner: Manner, says: &str| {
        publish(&["--tsa", &stamp(manner).url()]).expect(4, &[says]);
    };
    without(Manner { has_nonce: false, ..Manner::at(now()) }, "another nonce");
    without(Manner { has_certificate: false, ..Manner::at(now()) }, "certificate");
    without(Manner { names_certificate: false, ..Manner::at(now()) }, "attributes");
    // Nobody is there, or somebody else.
    publish(&["--tsa", &others.log.url()]).expect(3, &["timestamp"]);
    publish(&["--tlog", &format!("rekor2={}", others.stamps.url())]).expect(3, &["log"]);
    publish(&["--tlog", "rekor2=http://127.0.0.1:9"]).expect(3, &["127.0.0.1:9"]);
    for (arguments, says) in [
        (&["--tlog", "rekor1=http://127.0.0.1:9"][..], "rekor2=URL"),
        (&["--tlog", "rekor2=ftp://127.0.0.1"], "https://"),
        (&["--tsa", "tsa.example"], "https://"),
        (&["--tsa", "http://127.0.0.1:9", "--signature-format", "legacy"], "need bundles"),
        (&["--tsa", "http://127.0.0.1:9", "--offline"], "--offline"),
    ] {
        publish(arguments).expect(2, &[says]);
    }
    assert!(!registry.tags(REPOSITORY).contains(&"1".to_owned()));
    // The environment can name them, and the command line can say no.
    let mut command = world.command(&["publish", &out, &name, "--key", &key, "--tlog", "none"]);
    command
        .env("HARDPAN_TLOG", "rekor2=http://127.0.0.1:9")
        .env("HARDPAN_TSA", others.stamps.url());
    run(command).expect(0, &["signed"]);
}

#[test]
fn statements_that_are_added_are_logged_too() {
    let others = Others::start();
    let world = others.signed();
    world.fixture.write("review.json", r#"{"reviewer": "somebody"}"#);
    let arguments = others.arguments();
    let add = || {
        let (out, review, key) = (world.text("out"), world.text("review.json"), world.key());
        let kind = "https://example.org/review/v1";
        let own = ["attest", "add", &out, "--type", kind, "--predicate", &review, "--key", &key];
        let all: Vec<&str> = own.into_iter().chain(arguments.iter().map(String::as_str)).collect();
        world.run(&all).expect(0, &["added"]);
        files(&world.path("out"))
    };
    let size = others.log.size();
    let once = add();
    assert_eq!(others.log.size(), size + 1);
    assert!(add() == once, "adding again");
    assert_eq!(others.log.size(), size + 1);
    verify(&world, &world.text("out"), &["--require", "https://example.org/review/v1"])
        .expect(0, &["verified"]);
}

#[test]
fn summaries_are_logged_and_stamped_too() {
    let others = Others::start();
    let world = others.signed();
    let key = world.public();
    let policy = format!("keys: [{}]\n", world.public());
    world.fixture.write("policy.yaml", policy);
    let policy = world.text("policy.yaml");
    let (out, file) = (world.text("out"), world.text("vsa.json"));
    let arguments = others.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (size, before) = (others.log.size(), bundles(&world, "out").len());
    let own = ["verify", &out, "--key", &key, "--policy", &policy, "--vsa", &file];
    let attach = ["--sign-key", &world.key(), "--attach-vsa"];
    world.run(&[&own[..], &attach, &arguments].concat()).expect(0, &["verified"]);
    // The file and what is attached are one signature.
    assert_eq!(others.log.size(), size + 1);
    let read = || -> Value { serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap() };
    let written = read();
    let material = &written["verificationMaterial"];
    assert_eq!(material["tlogEntries"].as_array().map(Vec::len), Some(1), "{material:#}");
    let stamps = &material["timestampVerificationData"]["rfc3161Timestamps"];
    assert_eq!(stamps.as_array().map(Vec::len), Some(1), "{material:#}");
    let all = bundles(&world, "out");
    assert_eq!(all.values().filter(|bundle| **bundle == written).count(), all.len() - before);
    assert!(all.len() > before);
    verify(&world, &out, &["--require", "vsa"]).expect(0, &["verified"]);
    // policy eval does the same.
    let eval = ["policy", "eval", &out, "--key", &key, "--policy", &policy, "--vsa", &file];
    let sign = ["--sign-key", &world.key()];
    world.run(&[&eval[..], &sign, &arguments].concat()).expect(0, &["allowed"]);
    let material = &read()["verificationMaterial"];
    assert_eq!(material["tlogEntries"].as_array().map(Vec::len), Some(1), "{material:#}");
    // Who can't be asked is told before anything is verified, and without a signature nobody is told.
    let size = others.log.size();
    world.run(&[&own[..], &sign, &arguments, &["--offline"]].concat()).expect(2, &["--offline"]);
    world.run(&[&own[..], &sign, &["--tsa", &others.log.url()]].concat()).expect(3, &["timestamp"]);
    world.run(&[&own[..], &arguments].concat()).expect(0, &["verified"]);
    assert_eq!(read()["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(others.log.size(), size);
}

/// What sigstore-go does not look at: it takes root and size from the checkpoint, and it writes the body
/// anew before it hashes it.
const UNSEEN_BY_GO: [&str; 3] = ["another root", "another size", "a body with a space more"];

/// Real clients, who trust the same root and nobody's word.
#[test]
fn others_verify_logs_and_timestamps() {
    let others = Others::start();
    let world = others.signed();
    let edited = Edited::open(&world.path("out"));
    let (_, registry) = registries().into_iter().next().unwrap();
    let name = others.publish(&world, &registry.name());
    let image = edited.image();
    let stranger = TransparencyLog::new("127.0.0.1", "other");
    let chain = others.authority.chain();
    let wrong_log =
        RootFile::default().log("http://127.0.0.1", &stranger).timestamps("http://tsa", &chain);
    let other = TimestampAuthority::new("other", period());
    let wrong_time = others.log.root(RootFile::default()).timestamps("", &other.chain());
    if let Some(cosign) = Client::find("cosign3") {
        let good = cosign.write("good.json", others.root().to_bytes());
        let bad_log = cosign.write("log.json", wrong_log.to_bytes());
        let bad_time = cosign.write("time.json", wrong_time.to_bytes());
        let key = world.public();
        let line = |start: &[&str], root: &str, key: &str, name: &str| -> Vec<String> {
            let own = ["--key", key, "--trusted-root", root, "--allow-insecure-registry=true"];
            let more = ["--use-signed-timestamps", name];
            [start, &own, &more].concat().into_iter().map(str::to_owned).collect()
        };
        let spdx = ["verify-attestation", "--type", "https://spdx.dev/Document"];
        let provenance = ["verify-attestation", "--type", "https://slsa.dev/provenance/v1"];
        cosign.good(&line(&["verify"], &good, &key, &name));
        cosign.good(&line(&provenance, &good, &key, &name));
        // As `verify --explain` prints it.
        let printed = ["verify", "--key", &key, "--trusted-root", &good];
        cosign.good(&[&printed[..], &["--allow-insecure-registry=true", &name]].concat());
        for platform in edited.platforms().values() {
            let name = format!("{}/{REPOSITORY}@{platform}", registry.name());
            cosign.good(&line(&["verify"], &good, &key, &name));
            cosign.good(&line(&spdx, &good, &key, &name));
        }
        for (root, key) in [(&bad_log, &key), (&bad_time, &key), (&good, &world.wrong_public())] {
            cosign.bad(&line(&["verify"], root, key, &name));
            cosign.bad(&line(&provenance, root, key, &name));
        }
    }
    let Some(go) = Client::find("sigstore-go-verification") else { return };
    let good = go.write("good.json", others.root().to_bytes());
    let bad_log = go.write("log.json", wrong_log.to_bytes());
    let bad_time = go.write("time.json", wrong_time.to_bytes());
    let digest = image.trim_start_matches("sha256:");
    let line = |root: &str, bundle: &str, digest: &str| -> Vec<String> {
        let own = ["-artifact-digest", digest, "-publicKey", &world.public()].map(str::to_owned);
        let flags = ["-requireTlog=true", "-requireTimestamp=true", "-requireCTlog=false"];
        let root = ["-trustedrootJSONpath", root, bundle];
        own.into_iter().chain(flags.into_iter().chain(root).map(str::to_owned)).collect()
    };
    let mut count = 0;
    for (manifest, bundle) in bundles(&world, "out") {
        let subject = edited.json(&manifest)["subject"]["digest"].as_str().unwrap().to_owned();
        if subject != image {
            continue;
        }
        count += 1;
        let path = go.write("bundle.json", bundle.to_string());
        go.good(&line(&good, &path, digest));
        go.bad(&line(&bad_log, &path, digest));
        go.bad(&line(&bad_time, &path, digest));
        go.bad(&line(&good, &path, &"0".repeat(64)));
        let mut accepted = Vec::new();
        for row in of_logs().iter().filter(|row| row.code == 4) {
            let mut forged = bundle.clone();
            (row.change)(&mut forged);
            let path = go.write("forged.json", forged.to_string());
            if go.run(&line(&good, &path, digest)).ok {
                accepted.push(row.what);
            }
        }
        assert_eq!(accepted, UNSEEN_BY_GO);
    }
    assert_eq!(count, 2);
}
