// SPDX-License-Identifier: Apache-2.0
//! What cosign 2 and 3 wrote into a registry is accepted.

use hardpan_image::{Index, Raw, media_type};
use hardpan_tree::Digest;

use super::*;
use crate::key::PublicKey;
use crate::verify::{Source, is_signed};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../testdata/cosign/", $name)).as_slice()
    };
}

const LIST: &[u8] = file!("fallback.json");

fn image() -> Descriptor {
    let bytes = file!("image.json");
    Descriptor::new(media_type::MANIFEST, Digest::of(bytes), bytes.len() as u64)
}

fn found(source: Source, manifest: &[u8], contents: &[&[u8]]) -> Found {
    let list: Raw<Index> = Raw::parse(LIST.to_vec()).unwrap();
    let digest = Digest::of(manifest);
    let listed = list.value().manifests.iter().find(|entry| entry.digest == digest).cloned();
    assert_eq!(listed.is_some(), source == Source::FallbackTag);
    let blobs = contents.iter().map(|bytes| (Digest::of(bytes), bytes.to_vec())).collect();
    Found { source, listed, manifest: manifest.to_vec(), blobs }
}

fn all() -> Vec<Found> {
    let (tag, list) = (Source::LegacyTag, Source::FallbackTag);
    vec![
        found(tag, file!("sig.manifest.json"), &[file!("sig.0.json")]),
        found(tag, file!("att.manifest.json"), &[file!("att.0.json"), file!("att.1.json")]),
        found(list, file!("oci11.manifest.json"), &[file!("oci11.0.json")]),
        found(list, file!("bundle-sign.manifest.json"), &[file!("bundle-sign.0.json")]),
        found(list, file!("bundle-attest.manifest.json"), &[file!("bundle-attest.0.json")]),
    ]
}

#[test]
fn everything_that_cosign_wrote() {
    let pem = include_bytes!("../../../testdata/keys/cosign.pub");
    let keys = Keyring::of("cosign.pub", PublicKey::parse_pem(pem).unwrap());
    let evidence = verify(&image(), &all(), &keys, &now());
    insta::assert_snapshot!(lines(&evidence), @r#"
    cosign's tag, signature of cosign 2: signature Some("127.0.0.1:5077/fixtures/app") by cosign.pub
    cosign's tag, attestation of cosign 2: https://a.example/v1 by cosign.pub
    cosign's tag, attestation of cosign 2: https://b.example/v1 by cosign.pub
    fallback tag, signature as a referrer: signature Some("127.0.0.1:5077/fixtures/app") by cosign.pub
    fallback tag, Sigstore bundle: signature None by cosign.pub
    fallback tag, Sigstore bundle: https://a.example/v1 by cosign.pub
    "#);
    for (found, is_signature) in all().into_iter().zip([true, false, true, true, false]) {
        assert_eq!(is_signed(&verify(&image(), &[found], &keys, &now())), is_signature);
    }
}

#[test]
fn for_no_other_image_and_by_no_other_key() {
    let pem = include_bytes!("../../../testdata/keys/cosign.pub");
    let keys = Keyring::of("cosign.pub", PublicKey::parse_pem(pem).unwrap());
    for (image, keys) in [(super::image(), &keys), (image(), &keyring(&key(1)))] {
        let evidence = verify(&image, &all(), keys, &now());
        assert!(evidence.iter().all(|one| one.outcome.is_err()), "{}", lines(&evidence));
    }
}

/// What cosign wrote into its tags stays when we add to them.
#[test]
fn its_tags_are_merged() {
    let image = image();
    let manifests = [file!("sig.manifest.json"), file!("att.manifest.json")];
    let [signatures, attestations] =
        manifests.map(|bytes| Raw::<hardpan_image::Manifest>::parse(bytes.to_vec()).unwrap());
    let target = Target {
        signatures: Some(signatures.value()),
        attestations: Some(attestations.value()),
        ..target(&image)
    };
    let key = key(1);
    let subjects = vec![crate::Subject::new(IDENTITY, image.digest)];
    let signed = |predicate_type| {
        let mut statement = statement(predicate_type);
        statement.subject.clone_from(&subjects);
        SignedStatement::new(statement, &key).unwrap()
    };
    let signature = crate::signature::signature_statement(subjects.clone());
    let signature = SignedStatement::new(signature, &key).unwrap();
    let statements = [signed("https://b.example/v1")];
    let options = options(Format::Legacy, false);
    let merged = attach(&target, &key, Some(&signature), &statements, options).unwrap();
    let mut found: Vec<Found> = merged.iter().map(Found::of).collect();
    for (found, old) in found.iter_mut().zip(all()) {
        found.blobs.extend(old.blobs);
    }
    let pem = include_bytes!("../../../testdata/keys/cosign.pub");
    let mut keys = Keyring::of("cosign.pub", PublicKey::parse_pem(pem).unwrap());
    keys.rotate(crate::key::Signer::public_key(&key).clone()).unwrap();
    insta::assert_snapshot!(lines(&verify(&image, &found, &keys, &now())), @r#"
    cosign's tag, signature of cosign 2: signature Some("127.0.0.1:5077/fixtures/app") by cosign.pub
    cosign's tag, signature of cosign 2: signature Some("registry.example/app") by 1.pub
    cosign's tag, attestation of cosign 2: https://a.example/v1 by cosign.pub
    cosign's tag, attestation of cosign 2: https://b.example/v1 by 1.pub
    "#);
}
