// SPDX-License-Identifier: Apache-2.0
//! The exact shapes, and what is refused.

use std::collections::BTreeMap;

use hardpan_image::{Descriptor, LAYERS_MAX, Manifest, canonical_json};
use hardpan_tree::Digest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::*;
use crate::key::{PrivateKey, Signer as _, base64};

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// Every blob is what its name says, and the manifest names it.
fn check_blobs(artifact: &Artifact) {
    let manifest = artifact.manifest.value();
    for (name, bytes) in &artifact.blobs {
        assert_eq!((name.digest, name.size_bytes), (Digest::of(bytes), bytes.len() as u64));
        assert!(*name == manifest.config || manifest.layers.contains(name), "{name:?}");
    }
}

fn target(subject: &Descriptor) -> Target<'_> {
    Target { identity: IDENTITY, subject, signatures: None, attestations: None }
}

const ALL: AttachOptions = AttachOptions { format: Format::Both, dhi: true, buildkit: false };

fn all(key: &PrivateKey) -> Vec<Artifact> {
    let signature = image_signature(key);
    attach(&target(&image()), key, Some(&signature), &[signed(SLSA, key)], ALL).unwrap()
}

/// The example of the DSSE specification.
#[test]
fn pre_authentication() {
    let encoding = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoding, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pre_authentication_encoding("", b""), b"DSSEv1 0  0 ");
}

#[test]
fn a_bundle_and_what_refers_with_it() {
    let key = key(1);
    let signed = signed(SLSA, &key);
    let artifact = bundle_referrer(&signed, &image());
    check_blobs(&artifact);
    let bundle = &artifact.blobs[1].1;
    let sig = base64::encode(&signed.envelope().signatures[0]);
    let expected = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key.public_key().id().to_hint()}},
        "dsseEnvelope": {
            "payload": base64::encode(&statement(SLSA).to_bytes()),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": sig}],
        },
    });
    assert_eq!(value(bundle), expected);
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [descriptor("application/vnd.dev.sigstore.bundle.v0.3+json", bundle)],
        "subject": {"mediaType": image().media_type, "digest": image().digest, "size": 5},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": SLSA,
            "in-toto.io/predicate-type": SLSA,
        },
    });
    assert_eq!(value(artifact.manifest.bytes()), expected);
    let listed = artifact.descriptor();
    assert_eq!(listed.artifact_type.as_deref(), Some(BUNDLE_TYPE));
    assert_eq!(listed.annotations, artifact.manifest.value().annotations);
    let statement = value(&image_signature(&key).envelope().payload);
    assert_eq!(statement["predicateType"], SIGN_TYPE);
    assert_eq!(statement["predicate"], json!({}));
    assert_eq!(Bundle::parse(bundle).unwrap(), Bundle::new(&signed));
}

#[test]
fn cosign_s_tags() {
    let key = key(1);
    let artifacts = all(&key);
    let (signatures, attestations) = (&artifacts[2], &artifacts[3]);
    let hex = image().digest.to_hex();
    assert_eq!(signatures.place, Placement::Tag(format!("sha256-{hex}.sig")));
    assert_eq!(attestations.place, Placement::Tag(format!("sha256-{hex}.att")));
    let payload = &signatures.blobs[1].1;
    let expected = json!({
        "critical": {
            "identity": {"docker-reference": IDENTITY},
            "image": {"docker-manifest-digest": image().digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    assert_eq!(value(payload), expected);
    let mut layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", payload);
    let signature = base64::encode(&key.sign(payload).unwrap());
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
    let config = json!({
        "architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
        "history": [{"created": "0001-01-01T00:00:00Z"}],
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(payload)]},
    });
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &canonical_json(&config)),
        "layers": [layer],
    });
    assert_eq!(value(signatures.manifest.bytes()), expected);
    assert_eq!(value(&signatures.blobs[0].1), config);
    let envelope = value(&attestations.blobs[1].1);
    assert_eq!(envelope["signatures"][0]["keyid"], "");
    let layer = value(attestations.manifest.bytes())["layers"][0].clone();
    assert_eq!(layer["mediaType"], "application/vnd.dsse.envelope.v1+json");
    let expected = json!({"dev.cosignproject.cosign/signature": "", "predicateType": SLSA});
    assert_eq!(layer["annotations"], expected);
    artifacts.iter().for_each(check_blobs);
}

#[test]
fn docker_s_layout() {
    let key = key(1);
    let artifacts = all(&key);
    let [signature, statement, of_statement] = &artifacts[4..] else {
        panic!("{}", artifacts.len())
    };
    let manifest = value(statement.manifest.bytes());
    assert_eq!(manifest["artifactType"], "application/vnd.in-toto+json");
    assert_eq!(manifest["annotations"], json!({"in-toto.io/predicate-type": SLSA}));
    assert_eq!(manifest["layers"][0]["annotations"], manifest["annotations"]);
    assert_eq!(statement.blobs[1].1, crate::fixtures::statement(SLSA).to_bytes());
    for (artifact, subject) in
        [(signature, image().digest), (of_statement, statement.manifest.digest())]
    {
        let manifest = value(artifact.manifest.bytes());
        let wanted = "application/vnd.dev.cosign.artifact.sig.v1+json";
        assert_eq!(
            (&manifest["artifactType"], &manifest["config"]["mediaType"]),
            (&json!(wanted), &json!(wanted))
        );
        assert_eq!(manifest["subject"]["digest"], json!(subject));
        let payload = SimpleSigning::parse(&artifact.blobs[1].1).unwrap();
        assert_eq!(payload, SimpleSigning { identity: IDENTITY.to_owned(), digest: subject });
    }
}

#[test]
fn buildkit_s_index() {
    let artifact = attestation_manifest(&[statement(SLSA), statement(SPDX)], &platform()).unwrap();
    check_blobs(&artifact);
    let manifest = value(artifact.manifest.bytes());
    assert_eq!(manifest["artifactType"], "application/vnd.docker.attestation.manifest.v1+json");
    assert_eq!(manifest["config"]["data"], "e30=");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(manifest["subject"]["digest"], json!(platform().digest));
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.in-toto+json");
    assert_eq!(manifest["layers"][1]["annotations"], json!({"in-toto.io/predicate-type": SPDX}));
    let Placement::Index(entry) = &artifact.place else { panic!("{:?}", artifact.place) };
    assert_eq!(entry.digest, Digest::of(artifact.manifest.bytes()));
    assert_eq!(entry.platform.as_ref().unwrap().to_string(), "unknown/unknown");
    let digest = platform().digest.to_string();
    let expected = [
        ("vnd.docker.reference.digest", digest.as_str()),
        ("vnd.docker.reference.type", "attestation-manifest"),
    ];
    assert_eq!(entry.annotations, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    let error =
        attestation_manifest(&[statement(SLSA)], &Descriptor::new("x", Digest::of(b"x"), 1));
    assert!(matches!(error, Err(AttachError::OtherSubject { .. })));
    let many = vec![statement(SLSA); LAYERS_MAX + 1];
    assert!(matches!(attestation_manifest(&many, &platform()), Err(AttachError::TooMany { .. })));
}

#[test]
fn the_same_bytes_each_time_and_shared_by_all_images() {
    let key = key(1);
    assert_eq!(all(&key), all(&key));
    let digests = all(&key)
        .iter()
        .fold(String::new(), |text, artifact| format!("{text}{}\n", artifact.manifest.digest()));
    // A change of any byte changes what is published for the same image.
    insta::assert_snapshot!(digests, @r#"
    sha256:f6f0c053d31100ce68182236b23b2ff151b65cff6c1bc7d4f8430f798aefad72
    sha256:5541bc743357a9bb6feedfeab0004b2035c0c0826abd4b165e3f048e4409c300
    sha256:cfe07fb815471fbce97dfa2c7afec4d7663a7cfc6f92895f0a0d84399a060006
    sha256:40901c9f4bfbeee878d819a68ae94e81c0390c4d2cb522e6b04a5eb30ea7656a
    sha256:029fa1866346794325d5cfc1d70116ed4dc8910d94a2a81b735bd47e2e059c17
    sha256:fedf73b43809e467172f45cdf669265cb35304af7c21bcdb2af8dcb42cb87e67
    sha256:a88e710b65b38252eacd49d66510de340f7e2f2c985571ac9a8a6eab599616cf
    "#);
    let statement = [signed(SLSA, &key)];
    let of = |subject: &Descriptor| {
        attach(&target(subject), &key, None, &statement, AttachOptions::default()).unwrap()
    };
    let (index, platform) = (of(&image()), of(&platform()));
    for (of_index, of_platform) in index.iter().zip(&platform) {
        // The manifest of a tag does not say what it is about, only what it names does.
        let name = |it: &Artifact| (it.manifest.digest(), it.place.clone());
        assert_ne!(name(of_index), name(of_platform));
        assert_eq!(of_index.blobs[1], of_platform.blobs[1]);
    }
}

#[test]
fn each_format_has_its_artifacts() {
    let key = key(1);
    let (signature, statements) = (image_signature(&key), [signed(SLSA, &key), signed(SPDX, &key)]);
    for (format, dhi, with_signature, without) in [
        (Format::Both, false, 5, 3),
        (Format::Bundle, false, 3, 2),
        (Format::Legacy, false, 2, 1),
        (Format::Legacy, true, 7, 5),
    ] {
        let options = AttachOptions { format, dhi, buildkit: false };
        let of = |signature| {
            attach(&target(&image()), &key, signature, &statements, options).unwrap().len()
        };
        assert_eq!((of(Some(&signature)), of(None)), (with_signature, without), "{format:?} {dhi}");
        assert_eq!(attach(&target(&image()), &key, None, &[], options).unwrap(), []);
    }
}

#[test]
fn what_can_t_be_attached() {
    let (key, other) = (key(1), Descriptor::new("x", Digest::of(b"x"), 1));
    let (signature, slsa) = (image_signature(&key), [signed(SLSA, &key)]);
    let attach = |target: &Target<'_>, signature, statements: &[SignedStatement]| {
        let error = attach(target, &key, signature, statements, ALL).unwrap_err();
        error.to_string()
    };
    let manifests = all(&key);
    let (signatures, attestations) = (manifests[2].manifest.value(), manifests[3].manifest.value());
    let mut full = signatures.clone();
    let mut layer = full.layers[0].clone();
    layer.digest = Digest::of(b"x");
    full.layers = vec![layer; LAYERS_MAX];
    let swapped =
        Target { signatures: Some(attestations), attestations: Some(signatures), ..target(&IMAGE) };
    for (summary, text, expected) in [
        (
            "attestation of another image",
            attach(&target(&other), None, &slsa),
            "is not about sha256:",
        ),
        (
            "signature of another image",
            attach(&target(&other), Some(&signature), &[]),
            "is not about sha256:",
        ),
        (
            "an attestation as signature",
            attach(&target(&IMAGE), Some(&slsa[0]), &[]),
            "not https://slsa.dev",
        ),
        ("signatures' tag", attach(&swapped, Some(&signature), &[]), "not overwritten"),
        ("attestations' tag", attach(&swapped, None, &slsa), "not overwritten"),
        (
            "full",
            attach(&Target { signatures: Some(&full), ..target(&IMAGE) }, Some(&signature), &[]),
            "128 layers",
        ),
    ] {
        assert!(text.contains(expected), "{summary}: {text}");
    }
    let nothing = crate::Statement::new(Vec::new(), SLSA, &json!({})).unwrap();
    assert!(matches!(SignedStatement::new(nothing, &key), Err(SignStatementError::Statement(_))));
}

static IMAGE: std::sync::LazyLock<Descriptor> = std::sync::LazyLock::new(image);

static BUNDLE: std::sync::LazyLock<Vec<u8>> =
    std::sync::LazyLock::new(|| signed(SLSA, &key(1)).to_bundle());

/// Publishes again into what is there already.
#[test]
fn tags_are_merged() {
    let (ours, theirs) = (key(1), key(2));
    let tags = |key: &PrivateKey, types: &[&str], existing: Option<(&Manifest, &Manifest)>| {
        let statements: Vec<_> = types.iter().map(|name| signed(name, key)).collect();
        let target = Target {
            signatures: existing.map(|(signatures, _)| signatures),
            attestations: existing.map(|(_, attestations)| attestations),
            ..target(&IMAGE)
        };
        let options = AttachOptions { format: Format::Legacy, dhi: false, buildkit: false };
        let artifacts = attach(&target, key, Some(&image_signature(key)), &statements, options);
        <[Artifact; 2]>::try_from(artifacts.unwrap()).unwrap()
    };
    let digests = |artifacts: &[Artifact; 2]| artifacts.each_ref().map(|one| one.manifest.digest());
    let types = |artifacts: &[Artifact; 2]| {
        let layers = artifacts[1].manifest.value().layers.iter();
        layers.map(|layer| layer.annotations["predicateType"].clone()).collect::<Vec<_>>()
    };
    let values = |[a, b]: &[Artifact; 2]| (a.manifest.value().clone(), b.manifest.value().clone());
    let first = values(&tags(&ours, &[SLSA, SPDX], None));
    let again = tags(&ours, &[SLSA, SPDX], Some((&first.0, &first.1)));
    assert_eq!(digests(&again), digests(&tags(&ours, &[SLSA, SPDX], None)), "nothing changes");
    let third = tags(&theirs, &[SLSA], Some((&first.0, &first.1)));
    assert_eq!(third[0].manifest.value().layers.len(), 2, "both signatures");
    assert_eq!(types(&third), [SPDX, SLSA], "replaced by its type");
    check_blobs(&third[1]);
    assert_eq!(third[1].blobs.len(), 2, "the configuration and what is new");
    let config = value(&third[1].blobs[0].1);
    assert_eq!(config["history"].as_array().unwrap().len(), 2);
    let mut annotated = first.clone();
    annotated.1.annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let kept = tags(&ours, &[SLSA], Some((&annotated.0, &annotated.1)));
    assert_eq!(kept[1].manifest.value().annotations, annotated.1.annotations);
}

/// The JSON form of protocol buffers may be written in several ways.
#[test]
fn bundles_of_others() {
    let signed = signed(SLSA, &key(1));
    let ours = value(&signed.to_bundle());
    let expected = Bundle::new(&signed);
    let envelope = &ours["dsseEnvelope"];
    let unpadded = |text: &Value| {
        json!(text.as_str().unwrap().trim_end_matches('=').replace('+', "-").replace('/', "_"))
    };
    let mut url_safe = ours.clone();
    url_safe["dsseEnvelope"]["payload"] = unpadded(&envelope["payload"]);
    url_safe["dsseEnvelope"]["signatures"][0]["sig"] = unpadded(&envelope["signatures"][0]["sig"]);
    let snake = json!({
        "media_type": ours["mediaType"],
        "verification_material": {"public_key": ours["verificationMaterial"]["publicKey"], "tlog_entries": []},
        "dsse_envelope": {
            "payload": envelope["payload"], "payload_type": envelope["payloadType"],
            "signatures": [{"sig": envelope["signatures"][0]["sig"], "keyid": ""}],
        },
    });
    let mut more = ours.clone();
    more["new"] = json!({"x": [1]});
    more["verificationMaterial"]["timestampVerificationData"] = json!({});
    more["verificationMaterial"]["certificate"] = Value::Null;
    let mut old = ours.clone();
    old["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.3");
    for bundle in [ours, url_safe, snake, more, old] {
        let parsed = Bundle::parse(bundle.to_string().as_bytes());
        assert_eq!(parsed.unwrap(), expected, "{bundle}");
    }
}

#[test]
fn large_things_are_not_read() {
    assert!(matches!(
        Bundle::parse(&vec![b' '; BUNDLE_BYTES_MAX + 1]),
        Err(BundleError::TooLarge(_))
    ));
    assert!(matches!(
        Envelope::parse(&vec![b' '; ENVELOPE_BYTES_MAX + 1]),
        Err(EnvelopeError::TooLarge(_))
    ));
    let payload = vec![b' '; PAYLOAD_BYTES_MAX + 1];
    assert!(matches!(SimpleSigning::parse(&payload), Err(SimpleSigningError::TooLarge(_))));
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let deep = [br#"{"x":"#.as_slice(), &deep, b"}"].concat();
    assert!(Bundle::parse(&deep).is_err() && SimpleSigning::parse(&deep).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..2000, byte: u8) {
        let mut bundle = BUNDLE.clone();
        let at = at % bundle.len();
        bundle[at] = byte;
        for bytes in [&bytes, &bundle, &bundle[..at].to_vec()] {
            let _ = Bundle::parse(bytes);
            let _ = Envelope::parse(bytes);
            let _ = SimpleSigning::parse(bytes);
        }
    }

    /// Neither the length nor the type can be shifted into the payload.
    #[test]
    fn one_encoding_for_one_pair(a in "[ 0-9a]{0,6}", b in "[ 0-9a]{0,6}", c in "[ 0-9a]{0,6}", d in "[ 0-9a]{0,6}") {
        let same = pre_authentication_encoding(&a, b.as_bytes()) == pre_authentication_encoding(&c, d.as_bytes());
        prop_assert_eq!(same, (a, b) == (c, d));
    }
}
