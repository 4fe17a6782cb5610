// SPDX-License-Identifier: Apache-2.0
//! What lies beside images and says that somebody signed them. Whatever a fuzzer makes of it, nothing is accepted that
//! was not signed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hardpan_attest::Statement;
use hardpan_attest::key::{Keyring, PublicKey, UtcTime};
use hardpan_attest::signature::{Bundle, Envelope, SimpleSigning};
use hardpan_attest::verify::{Accepted, Found, Source, signed_by, verify, verify_file};
use hardpan_image::{Descriptor, Manifest, Raw, canonical_json, media_type};
use hardpan_tree::Digest;

use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "signatures",
    bytes_max: 4 << 10,
    parts: &[
        Part::new("content", content, || {
            FORMS.iter().zip(0..).map(|((_, content), at)| with(at, content)).collect()
        }),
        Part::new("manifest", manifest, || {
            FORMS.iter().zip(0..).map(|((form, _), at)| with(at, form)).collect()
        }),
        Part::new("bundle", bundle, || {
            vec![file!("bundle-sign.0.json").to_vec(), file!("bundle-attest.0.json").to_vec()]
        }),
        Part::new("envelope", envelope, || {
            vec![file!("att.0.json").to_vec(), file!("att.1.json").to_vec()]
        }),
        Part::new("statement", statement, || vec![STATEMENT.to_vec()]),
        Part::new("simple-signing", simple_signing, || {
            vec![file!("sig.0.json").to_vec(), file!("oci11.0.json").to_vec()]
        }),
    ],
};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../crates/attest/testdata/cosign/", $name)).as_slice()
    };
}
use file;

const STATEMENT: &[u8] = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}],"predicateType":"https://a.example/v1","predicate":{"a":[1,"b",null]}}"#;

/// What cosign wrote: manifests, and the content of their first layers.
const FORMS: [(&[u8], &[u8]); 5] = [
    (file!("sig.manifest.json"), file!("sig.0.json")),
    (file!("att.manifest.json"), file!("att.0.json")),
    (file!("oci11.manifest.json"), file!("oci11.0.json")),
    (file!("bundle-sign.manifest.json"), file!("bundle-sign.0.json")),
    (file!("bundle-attest.manifest.json"), file!("bundle-attest.0.json")),
];

static KEYS: LazyLock<Keyring> = LazyLock::new(|| {
    let pem = include_bytes!("../../../crates/attest/testdata/keys/cosign.pub");
    Keyring::of("cosign.pub", PublicKey::parse_pem(pem).expect("it is a key"))
});

static NOW: LazyLock<UtcTime> =
    LazyLock::new(|| "2026-11-26T12:00:00Z".parse().expect("it is a time"));

/// All that the key signed.
static GOOD: LazyLock<Vec<Accepted>> = LazyLock::new(|| {
    let found = FORMS.map(|(manifest, content)| found(manifest.to_vec(), content.to_vec()));
    let good = accepted(&found);
    assert_eq!(good.len(), FORMS.len(), "one of each form");
    good
});

fn with(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number], bytes].concat()
}

fn image() -> Descriptor {
    let bytes = file!("image.json");
    Descriptor::new(media_type::MANIFEST, Digest::of(bytes), bytes.len() as u64)
}

fn found(manifest: Vec<u8>, content: Vec<u8>) -> Found {
    let blobs = BTreeMap::from([(Digest::of(&content), content)]);
    Found { source: Source::LegacyTag, listed: None, manifest, blobs }
}

fn accepted(found: &[Found]) -> Vec<Accepted> {
    verify(&image(), found, &*KEYS, &NOW).into_iter().filter_map(|one| one.outcome.ok()).collect()
}

/// Verifies something, and says whether any of it is accepted.
fn is_accepted(found: Found) -> bool {
    let found = [found];
    let accepted = accepted(&found);
    for one in &accepted {
        assert!(GOOD.contains(one), "nobody signed {one:?}");
    }
    signed_by(&image(), &found, &*KEYS, &NOW);
    !accepted.is_empty()
}

/// Gives a good manifest another content, and makes all digests fit: what somebody can do who writes to the registry.
fn content(bytes: &[u8]) -> bool {
    let Some((first, content)) = bytes.split_first() else { return false };
    let (manifest, _) = FORMS[usize::from(*first) % FORMS.len()];
    let manifest: Raw<Manifest> = Raw::parse(manifest.to_vec()).expect("cosign wrote it");
    let mut manifest = manifest.value().clone();
    let layer = manifest.layers.first_mut().expect("it has a layer");
    (layer.digest, layer.size_bytes) = (Digest::of(content), content.len() as u64);
    is_accepted(found(canonical_json(&manifest), content.to_vec()))
}

/// Gives a good content another manifest.
fn manifest(bytes: &[u8]) -> bool {
    let Some((first, manifest)) = bytes.split_first() else { return false };
    let (_, content) = FORMS[usize::from(*first) % FORMS.len()];
    is_accepted(found(manifest.to_vec(), content.to_vec()))
}

/// Reads a bundle. What it is written as says the same.
fn bundle(bytes: &[u8]) -> bool {
    verify_file(bytes, &image().digest, &*KEYS, &NOW).ok();
    let Ok(bundle) = Bundle::parse(bytes) else { return false };
    let again = Bundle::parse(&bundle.to_bytes()).expect("what was written can be read");
    assert_eq!(again, bundle);
    true
}

fn envelope(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(bytes) else { return false };
    let again = Envelope::parse(&envelope.to_bytes()).expect("what was written can be read");
    assert_eq!(again.message(), envelope.message());
    true
}

fn statement(bytes: &[u8]) -> bool {
    let Ok(statement) = Statement::parse(bytes) else { return false };
    let again = Statement::parse(&statement.to_bytes()).expect("what was written can be read");
    assert_eq!(again, statement);
    true
}

fn simple_signing(bytes: &[u8]) -> bool {
    let Ok(payload) = SimpleSigning::parse(bytes) else { return false };
    let again = SimpleSigning::parse(&payload.to_bytes()).expect("what was written can be read");
    assert_eq!(again, payload);
    true
}
