// SPDX-License-Identifier: Apache-2.0
//! Signing with a certificate for an identity, from a token to what cosign says of it.

use std::collections::BTreeMap;

use hardpan_testkit::authority::Authority;
use hardpan_testkit::keyless::{CertificateServer, token};
use hardpan_testkit::transparency::RootFile;
use serde_json::json;

use crate::others::Client;
use crate::support::Ran;
use crate::witnesses::{DAY, Others, bundles, now};
use crate::world::{Edited, REPOSITORY, World, registries};

const NAME: &str = "https://forge.example/team/app/release";
const ISSUER: &str = "https://issuer.example";

/// A log, a timestamp authority, and one that issues certificates.
struct Stack {
    others: Others,
    authority: Authority,
    fulcio: CertificateServer,
    world: World,
}

impl Stack {
    fn start() -> Self {
        let authority = Authority::new("fulcio", (now() - 100 * DAY, now() + 100 * DAY));
        let fulcio = CertificateServer::start(&authority, || (now() - 60, now() + 600));
        let world = World::new();
        let claims = json!({"iss": ISSUER, "sub": NAME, "aud": "sigstore"});
        world.fixture.write("token", token(&claims));
        let stack = Self { others: Others::start(), authority, fulcio, world };
        stack.world.fixture.write("root.json", stack.root().to_bytes());
        stack
    }

    fn root(&self) -> RootFile {
        self.others.root().certificates(&self.fulcio.url(), &[self.authority.certificate()])
    }

    /// The arguments of whoever signs.
    fn arguments(&self) -> Vec<String> {
        let own = ["--keyless", "--fulcio-url", &self.fulcio.url(), "--identity-token"];
        let own = own.map(str::to_owned).into_iter().chain([self.world.text("token")]);
        own.chain(self.others.arguments()).collect()
    }

    fn build(&self, out: &str) {
        let arguments = self.arguments();
        let all: Vec<&str> =
            ["--sign"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        self.world.build(out, &all);
    }

    fn publish(&self, registry: &str) -> String {
        let name = format!("{registry}/{REPOSITORY}:1");
        let (out, arguments) = (self.world.text("out"), self.arguments());
        let own = ["publish", &out, &name];
        let all: Vec<&str> = own.into_iter().chain(arguments.iter().map(String::as_str)).collect();
        self.world.run(&all).expect(0, &["signed"]);
        name
    }

    fn verify(&self, image: &str, identity: &str, issuer: &str) -> Ran {
        let root = self.world.text("root.json");
        self.world.run(&[
            "verify",
            image,
            "--trusted-root",
            &root,
            "--certificate-identity",
            identity,
            "--certificate-oidc-issuer",
            issuer,
            "--require",
            "spdx",
        ])
    }
}

#[test]
fn an_identity_signs_and_is_verified() {
    let stack = Stack::start();
    stack.build("out");
    let out = stack.world.text("out");
    let said = format!("signed by {NAME} ({ISSUER})");
    stack.verify(&out, NAME, ISSUER).expect(0, &["verified", &said]);
    stack.verify(&out, "https://forge.example/team", ISSUER).expect(1, &["somebody else"]);
    stack.verify(&out, NAME, "https://other.example").expect(1, &["not the issuer"]);
    // A key is nobody's word for an identity.
    stack.world.verify(&out, &[]).expect(1, &["with a certificate"]);
    for bundle in bundles(&stack.world, "out").values() {
        let material = &bundle["verificationMaterial"];
        assert!(material["certificate"]["rawBytes"].is_string(), "{material:#}");
        assert!(material.get("publicKey").is_none(), "{material:#}");
    }
    for (kind, registry) in registries() {
        let name = stack.publish(&registry.name());
        stack.verify(&name, NAME, ISSUER).expect(0, &["verified"]);
        let snapshot = || -> BTreeMap<String, Vec<u8>> {
            let tags = registry.tags(REPOSITORY).into_iter();
            tags.map(|tag| (tag.clone(), registry.manifest(REPOSITORY, &tag).unwrap().1)).collect()
        };
        let (before, size) = (snapshot(), stack.others.log.size());
        // Another key each time, and the same identity.
        stack.publish(&registry.name());
        assert_eq!(snapshot(), before, "{kind}");
        assert_eq!(stack.others.log.size(), size, "{kind}");
        assert!(!registry.tags(REPOSITORY).iter().any(|tag| tag.ends_with(".sig")), "{kind}");
    }
}

#[test]
fn what_ends_before_anything_is_signed() {
    let stack = Stack::start();
    let (fulcio, tsa) = (stack.fulcio.url(), stack.others.arguments()[3].clone());
    let token = stack.world.text("token");
    stack.world.fixture.write("forged", "e30.eyJzdWIiOiJtZSJ9.Zm9yZ2Vk");
    stack.world.fixture.write("nobody", "e30.e30.c2VhbGVk");
    let (forged, nobody) = (stack.world.text("forged"), stack.world.text("nobody"));
    let build = |more: &[&str]| {
        let mut command = stack.world.command(&["build"]);
        command.arg(stack.world.fixture.definition()).arg("--output").arg(stack.world.path("out"));
        command.arg("--sign").args(more);
        crate::support::run(command)
    };
    let good = ["--keyless", "--fulcio-url", &fulcio, "--tsa", &tsa, "--identity-token"];
    let rows: Vec<(Vec<&str>, i32, &str)> = vec![
        ([&good[..], &[&forged]].concat(), 3, "the token or the proof is no good"),
        ([&good[..], &[&nobody]].concat(), 3, "names somebody"),
        ([&good[..], &[&token, "--key", "release.key"]].concat(), 2, "--key"),
        ([&good[..], &[&token, "--attach", "dhi"]].concat(), 2, "no room for a certificate"),
        ([&good[..], &[&token, "--signature-format", "legacy"]].concat(), 2, "need bundles"),
        (vec!["--keyless", "--fulcio-url", &fulcio, "--identity-token", &token], 2, "--tsa"),
        (vec!["--keyless", "--tsa", &tsa, "--identity-token", &token], 2, "--fulcio-url"),
        (vec!["--keyless", "--fulcio-url", &fulcio, "--tsa", &tsa], 2, "HARDPAN_IDENTITY_TOKEN"),
        (
            vec![
                "--keyless",
                "--fulcio-url",
                "http://fulcio.example",
                "--tsa",
                &tsa,
                "--identity-token",
                &token,
            ],
            3,
            "TLS",
        ),
    ];
    for (arguments, code, says) in rows {
        build(&arguments).expect(code, &[says]);
        assert!(!stack.world.path("out").exists(), "{arguments:?}");
    }
}

/// Real clients, who trust the same root and nobody's word.
#[test]
fn others_verify_identities() {
    let stack = Stack::start();
    stack.build("out");
    let edited = Edited::open(&stack.world.path("out"));
    let (_, registry) = registries().into_iter().next().unwrap();
    let name = stack.publish(&registry.name());
    if let Some(cosign) = Client::find("cosign3") {
        let root = cosign.write("root.json", stack.root().to_bytes());
        let without = cosign.write("without.json", stack.others.root().to_bytes());
        let line = |start: &[&str], root: &str, identity: &str, issuer: &str, name: &str| {
            let own = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer];
            let more = ["--trusted-root", root, "--insecure-ignore-sct", "--use-signed-timestamps"];
            let end = ["--allow-insecure-registry=true", name];
            let all = [start, &own, &more, &end].concat();
            all.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let spdx = ["verify-attestation", "--type", "https://spdx.dev/Document"];
        cosign.good(&line(&["verify"], &root, NAME, ISSUER, &name));
        for platform in edited.platforms().values() {
            let name = format!("{}/{REPOSITORY}@{platform}", registry.name());
            cosign.good(&line(&["verify"], &root, NAME, ISSUER, &name));
            cosign.good(&line(&spdx, &root, NAME, ISSUER, &name));
        }
        cosign.bad(&line(&["verify"], &root, "https://forge.example/other", ISSUER, &name));
        cosign.bad(&line(&["verify"], &root, NAME, "https://other.example", &name));
        cosign.bad(&line(&["verify"], &without, NAME, ISSUER, &name));
    }
    let Some(go) = Client::find("sigstore-go-verification") else { return };
    let root = go.write("root.json", stack.root().to_bytes());
    let image = edited.image();
    let mut count = 0;
    for (manifest, bundle) in bundles(&stack.world, "out") {
        if edited.json(&manifest)["subject"]["digest"] != image.as_str() {
            continue;
        }
        count += 1;
        let path = go.write("bundle.json", bundle.to_string());
        let digest = image.trim_start_matches("sha256:");
        let line = |identity: &str, issuer: &str| -> Vec<String> {
            let own = ["-artifact-digest", digest, "-expectedSAN", identity];
            let more = ["-expectedIssuer", issuer, "-requireCTlog=false", "-trustedrootJSONpath"];
            let end = [root.as_str(), &path];
            [&own[..], &more, &end].concat().into_iter().map(str::to_owned).collect()
        };
        go.good(&line(NAME, ISSUER));
        go.bad(&line("https://forge.example/other", ISSUER));
        go.bad(&line(NAME, "https://other.example"));
    }
    assert_eq!(count, 2);
}
