// SPDX-License-Identifier: Apache-2.0
//! Clients of others, who read what is published.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::others::{Client, Running, statements};
use crate::support::skip;
use crate::world::{Edited, REPOSITORY, World, registries};

/// Types of attestations by the name that hardpan has for them, and their URIs.
const TYPES: [(&str, &str); 4] = [
    ("provenance", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom/v1.6"),
    ("sources", "https://hardpan.dev/image-sources/v1"),
];
/// The type of statements about vulnerabilities.
const VEX: &str = "https://openvex.dev/ns/v0.2.0";
/// What every `cosign verify` of a test has.
const COMMON: [&str; 2] = ["--insecure-ignore-tlog=true", "--allow-insecure-registry=true"];
/// A root of trust that trusts nobody: cosign 2 fetches one else.
const EMPTY_ROOT: &str =
    r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Cosign 2 and cosign 3, as far as they are there.
fn cosigns() -> Vec<(&'static str, Client)> {
    let found = ["cosign2", "cosign3"].map(|name| Some((name, Client::find(name)?)));
    found.into_iter().flatten().collect()
}

/// Checks an image as its users do: signatures and attestations of the index and of every platform.
fn check(world: &World, kind: &str, registry: &str, bundles_for_cosign_2: bool) {
    let edited = Edited::open(&world.path("out"));
    let (key, wrong) = (world.public(), world.wrong_public());
    let by_tag = format!("{registry}/{REPOSITORY}:1");
    let platforms = edited.platforms();
    for (version, cosign) in cosigns() {
        let root = cosign.write("root.json", EMPTY_ROOT);
        let new = ["--new-bundle-format", "--trusted-root", &root, "--private-infrastructure"];
        let is_second = version == "cosign2";
        let names = std::iter::once((None, by_tag.clone())).chain(platforms.iter().map(
            |(platform, digest)| {
                (Some(platform.as_str()), format!("{registry}/{REPOSITORY}@{digest}"))
            },
        ));
        for (platform, name) in names {
            let verify = |key: &str| words(&["verify", "--key", key], &COMMON, &[&name]);
            cosign.good(&verify(&key));
            cosign.bad(&verify(&wrong));
            for (short, uri) in TYPES {
                // The index has provenance; what is in an image is of a platform.
                if platform.is_none() && short != "provenance" {
                    continue;
                }
                let forms: &[&[&str]] =
                    if is_second && bundles_for_cosign_2 { &[&[], &new] } else { &[&[]] };
                let mut get =
                    vec!["attest", "get", &name, "--type", short, "--key", &key, "--statement"];
                get.extend(platform.iter().flat_map(|platform| ["--platform", platform]));
                let ours = world.run(&get).expect(0, &[]).json();
                for form in forms {
                    let line = words(&attestation(&key, uri), form, &[&name]);
                    let theirs = statements(&cosign.good(&line));
                    assert!(theirs.contains(&ours), "{kind} {version} {name} {uri}");
                }
            }
            cosign.bad(&words(&attestation(&wrong, TYPES[0].1), &[], &[&name]));
        }
    }
}

fn attestation<'a>(key: &'a str, uri: &'a str) -> Vec<&'a str> {
    let start = ["verify-attestation", "--key", key, "--type", uri];
    start.into_iter().chain(COMMON).collect()
}

fn words(start: &[&str], more: &[&str], end: &[&str]) -> Vec<String> {
    [start, more, end].concat().into_iter().map(str::to_owned).collect()
}

/// What lists say, and that nothing is there that should not be.
fn discover(world: &World, kind: &str, registry: &str, has_api: bool) {
    let edited = Edited::open(&world.path("out"));
    let name = format!("{registry}/{REPOSITORY}:1");
    if let Some(oras) = Client::find("oras") {
        for digest in edited.subjects() {
            let name = format!("{registry}/{REPOSITORY}@{digest}");
            let printed = oras.good(&["discover", "--plain-http", "--format", "json", &name]);
            let printed: Value = serde_json::from_str(&printed).unwrap();
            let found = printed["referrers"].as_array().unwrap();
            let expected = if digest == edited.image() { 2 } else { 5 };
            assert_eq!(found.len(), expected, "{kind}: {printed:#}");
            for one in found {
                assert_eq!(one["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
                let said = &one["annotations"];
                assert_eq!(
                    said["in-toto.io/predicate-type"],
                    said["dev.sigstore.bundle.predicateType"]
                );
                assert!(said["in-toto.io/predicate-type"].is_string(), "{kind}: {printed:#}");
            }
        }
    }
    if let Some(cosign) = Client::find("cosign3") {
        let tree = cosign.good(&["tree", "--allow-insecure-registry", &name]);
        for part in ["sign/v1 artifacts via OCI referrer", TYPES[0].1, ".sig", ".att"] {
            assert!(tree.contains(part), "{kind}: {tree}");
        }
    }
    let Some(crane) = Client::find("crane") else { return };
    crane.good(&["validate", "--insecure", "--remote", &name]);
    let listed = crane.good(&["ls", "--insecure", &format!("{registry}/{REPOSITORY}")]);
    let mut expected = vec!["1".to_owned()];
    for digest in edited.subjects() {
        let tag = digest.replace(':', "-");
        expected.extend([format!("{tag}.att"), format!("{tag}.sig")]);
        expected.extend((!has_api).then_some(tag));
    }
    expected.sort();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, expected, "{kind}");
}

#[test]
fn on_docker_s_registry() {
    let Some(running) = Running::docker() else { return };
    let world = World::signed();
    world.publish(&running.name, &[]);
    world.verify(&format!("{}/{REPOSITORY}:1", running.name), &[]).expect(0, &["verified"]);
    check(&world, "docker-registry", &running.name, true);
    discover(&world, "docker-registry", &running.name, false);
    policy_of_podman(&world, &running.name);
}

#[test]
fn on_crane_s_registry() {
    let Some(running) = Running::crane() else { return };
    let world = World::signed();
    world.publish(&running.name, &[]);
    check(&world, "crane", &running.name, false);
    discover(&world, "crane", &running.name, false);
}

#[test]
fn on_the_own_registry_with_and_without_the_list() {
    let world = World::signed();
    for (kind, registry) in registries() {
        world.publish(&registry.name(), &[]);
        check(&world, kind, &registry.name(), false);
        discover(&world, kind, &registry.name(), kind == "with the API");
        registry.assert_tags_complete();
    }
}

/// What podman and CRI-O do when they pull. Debian's older skopeo is built without it.
fn policy_of_podman(world: &World, registry: &str) {
    let Some(skopeo) = Client::find("skopeo-sid") else { return };
    let lookaside = format!("docker:\n  {registry}:\n    use-sigstore-attachments: true\n");
    skopeo.write("attachments.yaml", lookaside);
    // The same image without a signature, under another name.
    let plain = format!("{registry}/team/plain:1");
    world.build("plain", &[]);
    world.run(&["publish", &world.text("plain"), &plain]).expect(0, &["not signed"]);
    let (signed, home) = (format!("{registry}/{REPOSITORY}:1"), skopeo.path(""));
    for (number, (image, key, is_right)) in [
        (&signed, world.public(), true),
        (&signed, world.wrong_public(), false),
        (&plain, world.public(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let policy = serde_json::json!({"default": [{"type": "reject"}], "transports": {"docker": {registry: [
            {"type": "sigstoreSigned", "keyPath": key, "signedIdentity": {"type": "matchRepository"}}]}}});
        let policy = skopeo.write("policy.json", policy.to_string());
        let target = format!("dir:{}", skopeo.path(&format!("pulled{number}")));
        let source = format!("docker://{image}");
        let start = ["--policy", &policy, "--registries.d", &home, "copy"];
        let end = ["--src-tls-verify=false", "--remove-signatures", &source, &target];
        let done = skopeo.run(&[&start[..], &end].concat());
        assert_eq!(done.ok, is_right, "{image} {key}: {done:?}");
        // It is the signature that it refuses, and nothing else.
        let is_refused = done.errors.contains("ignature");
        assert!(is_right || is_refused, "{image} {key}: {done:?}");
    }
}

#[test]
fn keys_are_everybody_s() {
    let Some(registry) = Running::docker() else { return };
    let world = World::new();
    world.build("out", &[]);
    let name = format!("{}/{REPOSITORY}:1", registry.name);
    let out = world.text("out");
    world.run(&["publish", &out, &name]).expect(0, &["not signed"]);
    world.verify(&name, &[]).expect(1, &["not signed"]);
    let digest = Edited::open(&world.path("out")).image();
    let image = format!("{}/{REPOSITORY}@{digest}", registry.name);
    for (version, cosign) in cosigns() {
        // Ours, used by cosign.
        let key = world.key();
        let common = ["--allow-insecure-registry=true", "--recursive", "-y", &image];
        let start: Vec<String> = if version == "cosign2" {
            vec!["sign".into(), "--key".into(), key.clone(), "--tlog-upload=false".into()]
        } else {
            let settings = cosign.path("signing.json");
            cosign.good(&["signing-config", "create", "--out", &settings]);
            vec!["sign".into(), "--key".into(), key.clone(), "--signing-config".into(), settings]
        };
        let start: Vec<&str> = start.iter().map(String::as_str).collect();
        cosign.good(&words(&start, &common, &[]));
        let found = world.verify(&name, &[]).expect(0, &["verified"]);
        assert!(!found.stdout.contains("proved nothing"), "{found}");
        // Theirs, used by us.
        cosign.good(&["generate-key-pair", "--output-key-prefix", &cosign.path("theirs")]);
        let (private, public) = (cosign.path("theirs.key"), cosign.path("theirs.pub"));
        let other = format!("{}/{REPOSITORY}:{version}", registry.name);
        world.run(&["publish", &out, &other, "--key", &private]).expect(0, &["signed"]);
        world.run(&["verify", &other, "--key", &public]).expect(0, &["verified"]);
        let verify = ["verify", "--key", &public];
        cosign.good(&[&verify[..], &COMMON, &[&other]].concat());
    }
}

/// The schema of OpenVEX, if it is there.
fn schema_of_vex() -> Option<jsonschema::Validator> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("HARDPAN_SHARED").map_or_else(beside, PathBuf::from);
    let Ok(bytes) = fs::read(shared.join("vectors/schemas/openvex-0.2.0.schema.json")) else {
        skip("the schema of OpenVEX", "it is neither in ../shared nor in HARDPAN_SHARED");
        return None;
    };
    let schema = serde_json::from_slice(&bytes).unwrap();
    Some(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
}

#[test]
fn vex_is_everybody_s() {
    let Some(registry) = Running::docker() else { return };
    let world = World::with_vex();
    let by_tag = world.publish(&registry.name, &[]);
    let platforms = Edited::open(&world.path("out")).platforms();
    let schema = schema_of_vex();
    let of_platform = |(platform, digest): (&String, &String)| {
        (Some(platform.clone()), format!("{}/{REPOSITORY}@{digest}", registry.name))
    };
    let names: Vec<_> =
        std::iter::once((None, by_tag)).chain(platforms.iter().map(of_platform)).collect();
    for (version, cosign) in cosigns() {
        for (platform, name) in &names {
            let key = world.public();
            let mut get =
                vec!["attest", "get", name, "--type", "vex", "--key", &key, "--statement"];
            get.extend(platform.iter().flat_map(|platform| ["--platform", platform]));
            let ours = world.run(&get).expect(0, &[]).json();
            let line = |key: &str, uri: &str| words(&attestation(key, uri), &[], &[name]);
            let theirs = statements(&cosign.good(&line(&key, VEX)));
            assert_eq!(theirs, [ours], "{version} {name}");
            cosign.bad(&line(&world.wrong_public(), VEX));
            // Its own word for it is that of documents without a version.
            cosign.bad(&line(&key, "openvex"));
            let Some(schema) = &schema else { continue };
            let document = &theirs[0]["predicate"];
            let errors: Vec<String> = schema.iter_errors(document).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(document["statements"][0]["status"], "not_affected");
            let mut other = document.clone();
            other["statements"][0].as_object_mut().unwrap().remove("justification");
            assert!(!schema.is_valid(&other), "{other:#}");
        }
    }
}

#[test]
fn bundles_are_files_for_cosign_too() {
    let Some(cosign) = Client::find("cosign3") else { return };
    let world = World::signed();
    let edited = Edited::open(&world.path("out"));
    let platform = edited.platforms()["linux/amd64"].clone();
    let subject = cosign.write("manifest.json", edited.blob(&platform));
    let mut seen = 0;
    for entry in edited.index["manifests"].as_array().unwrap() {
        let manifest = edited.json(entry["digest"].as_str().unwrap());
        let uri = &entry["annotations"]["in-toto.io/predicate-type"];
        if manifest["subject"]["digest"] != platform.as_str() || uri != TYPES[1].1 {
            continue;
        }
        let bytes = edited.blob(manifest["layers"][0]["digest"].as_str().unwrap());
        let bundle = cosign.write("bundle.json", &bytes);
        let verify = |key: &str, subject: &str| -> Vec<String> {
            [
                "verify-blob-attestation",
                "--bundle",
                &bundle,
                "--key",
                key,
                "--insecure-ignore-tlog=true",
                "--type",
                TYPES[1].1,
                subject,
            ]
            .map(str::to_owned)
            .to_vec()
        };
        let run = |line: Vec<String>| cosign.run(&line);
        let done = run(verify(&world.public(), &subject));
        assert!(done.ok, "{done:?}");
        assert!(!run(verify(&world.wrong_public(), &subject)).ok);
        let other = cosign.write("other.json", b"{}");
        assert!(!run(verify(&world.public(), &other)).ok);
        let mut altered: Value = serde_json::from_slice(&bytes).unwrap();
        let payload = altered["dsseEnvelope"]["payload"].as_str().unwrap().replace('Z', "Y");
        altered["dsseEnvelope"]["payload"] = payload.into();
        cosign.write("bundle.json", altered.to_string());
        assert!(!run(verify(&world.public(), &subject)).ok);
        seen += 1;
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_layout_needs_no_registry() {
    let world = World::signed();
    let edited = Edited::open(&world.path("out"));
    let out = world.text("out");
    if let Some(cosign) = Client::find("cosign3") {
        let image = ["--local-image", &out];
        let line = |key: &str| words(&attestation(key, TYPES[0].1), &image, &[]);
        let printed = cosign.good(&line(&world.public()));
        let ours = world.run(&[
            "attest",
            "get",
            &out,
            "--type",
            "provenance",
            "--key",
            &world.public(),
            "--statement",
        ]);
        assert!(statements(&printed).contains(&ours.expect(0, &[]).json()));
        cosign.bad(&line(&world.wrong_public()));
    }
    let Some(oras) = Client::find("oras") else { return };
    // In a layout oras finds only what index.json names: the platforms' are seen once they are copied.
    let from = format!("{out}@{}", edited.image());
    let printed = oras.good(&["discover", "--oci-layout", "--format", "json", &from]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["referrers"].as_array().unwrap().len(), 2, "{printed:#}");
    // What others copy is still proven: bundles go with the image, cosign's tags do not.
    let Some(running) = Running::docker() else { return };
    let to = format!("{}/{REPOSITORY}:1", running.name);
    oras.good(&["cp", "-r", "--from-oci-layout", "--to-plain-http", &from, &to]);
    world.verify(&to, &["--require", "provenance", "--require", "spdx"]).expect(0, &["verified"]);
    if let Some(cosign) = Client::find("cosign3") {
        cosign.good(&[&["verify", "--key", &world.public()][..], &COMMON, &[&to]].concat());
        cosign.good(&words(&attestation(&world.public(), TYPES[0].1), &[], &[&to]));
    }
}

#[test]
fn as_docker_s_hardened_images_have_it() {
    let world = World::signed();
    let edited = Edited::open(&world.path("out"));
    let mut all: Vec<(&str, String)> = Vec::new();
    let docker = Running::docker();
    all.extend(docker.iter().map(|running| ("docker-registry", running.name.clone())));
    let own = registries();
    all.extend(own.iter().map(|(kind, registry)| (*kind, registry.name())));
    for (kind, registry) in all {
        let name = world.publish(&registry, &["--attach", "referrers,dhi"]);
        world.verify(&name, &["--require", "spdx"]).expect(0, &["verified"]);
        let Some(oras) = Client::find("oras") else { return };
        for platform in edited.platforms().values() {
            let image = format!("{registry}/{REPOSITORY}@{platform}");
            let printed = oras.good(&[
                "discover",
                "--plain-http",
                "--format",
                "json",
                "--depth",
                "1",
                "--artifact-type",
                "application/vnd.in-toto+json",
                &image,
            ]);
            let printed: Value = serde_json::from_str(&printed).unwrap();
            let found = printed["referrers"].as_array().unwrap();
            assert_eq!(found.len(), TYPES.len(), "{kind} {printed:#}");
            // An attestation of each platform is enough: each takes two programs some time.
            let one = found[0]["digest"].as_str().unwrap();
            let attestation = format!("{registry}/{REPOSITORY}@{one}");
            for (_, cosign) in cosigns() {
                let start = ["verify", "--experimental-oci11", "--key"];
                let end = [COMMON[0], COMMON[1], &attestation];
                let line = |key: &str| words(&start, &[key], &end);
                cosign.good(&line(&world.public()));
                cosign.bad(&line(&world.wrong_public()));
            }
        }
    }
}
