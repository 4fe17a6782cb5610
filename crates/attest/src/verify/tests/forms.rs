// SPDX-License-Identifier: Apache-2.0
//! What is written is accepted, in every form.

use super::*;
use crate::signature::{Placement, SimpleSigning, attestation_manifest, signature_referrer};
use crate::verify::{attestations, is_signed};

#[test]
fn both_formats() {
    let key = key(1);
    let artifacts = artifacts(&key, &image(), options(Format::Both, false));
    let evidence = check(&found(&artifacts), &keyring(&key));
    insta::assert_snapshot!(lines(&evidence), @r#"
    referrers API, Sigstore bundle: signature None by 1.pub
    referrers API, Sigstore bundle: https://slsa.dev/provenance/v1 by 1.pub
    referrers API, Sigstore bundle: https://spdx.dev/Document by 1.pub
    cosign's tag, signature of cosign 2: signature Some("registry.example/app") by 1.pub
    cosign's tag, attestation of cosign 2: https://slsa.dev/provenance/v1 by 1.pub
    cosign's tag, attestation of cosign 2: https://spdx.dev/Document by 1.pub
    "#);
    assert!(is_signed(&evidence));
    let slsa: Vec<_> = attestations(&evidence, SLSA).collect();
    assert_eq!(slsa, [&statement(SLSA), &statement(SLSA)]);
    assert_eq!(attestations(&evidence, "https://spdx.dev").count(), 0);
}

#[test]
fn each_format_alone_and_on_the_platform() {
    let key = key(1);
    for (format, dhi, count) in [
        (Format::Bundle, false, 3),
        (Format::Legacy, false, 3),
        (Format::Both, false, 6),
        (Format::Bundle, true, 6),
    ] {
        let artifacts = artifacts(&key, &platform(), options(format, dhi));
        let evidence = verify(&platform(), &found(&artifacts), &keyring(&key), &now());
        assert_eq!(evidence.len(), count, "{format:?}");
        assert!(evidence.iter().all(|one| one.outcome.is_ok()), "{}", lines(&evidence));
        assert!(is_signed(&evidence), "{format:?}");
    }
}

#[test]
fn docker_s_layout() {
    let key = key(1);
    let all = artifacts(&key, &image(), options(Format::Bundle, true));
    let evidence = check(&found(&all[3..]), &keyring(&key));
    insta::assert_snapshot!(lines(&evidence), @r#"
    referrers API, signature as a referrer: signature Some("registry.example/app") by 1.pub
    referrers API, signed manifest with statements: https://slsa.dev/provenance/v1 by 1.pub
    referrers API, signed manifest with statements: https://spdx.dev/Document by 1.pub
    "#);
}

#[test]
fn statements_in_the_index() {
    let key = key(1);
    let artifact = attestation_manifest(&[statement(SLSA), statement(SPDX)], &platform()).unwrap();
    let Placement::Index(entry) = &artifact.place else { panic!("{:?}", artifact.place) };
    let payload = SimpleSigning { identity: IDENTITY.to_owned(), digest: entry.digest };
    let signature = signature_referrer(&payload.sign(&key).unwrap(), entry);
    let found = found(&[artifact, signature]);
    let evidence = verify(&platform(), &found, &keyring(&key), &now());
    insta::assert_snapshot!(lines(&evidence), @r#"
    image index, signed manifest with statements: https://slsa.dev/provenance/v1 by 1.pub
    image index, signed manifest with statements: https://spdx.dev/Document by 1.pub
    "#);
    // The manifest is signed, not the image.
    assert!(!is_signed(&evidence));
    let evidence = verify(&platform(), &found[..1], &keyring(&key), &now());
    insta::assert_snapshot!(lines(&evidence), @r#"
    image index, signed manifest with statements: refused: nobody who is trusted signed the manifest with the statement (0 signatures were tried)
    "#);
}

#[test]
fn an_older_key_still_verifies() {
    use crate::key::Signer as _;
    let (old, new) = (key(1), key(2));
    let mut keys = keyring(&old);
    keys.rotate(new.public_key().clone()).unwrap();
    let evidence = check(&[bundle(&image_signature(&old)), bundle(&image_signature(&new))], &keys);
    insta::assert_snapshot!(lines(&evidence), @r#"
    referrers API, Sigstore bundle: signature None by 1.pub
    referrers API, Sigstore bundle: signature None by 2.pub
    "#);
}

/// What registries and cosign get wrong in their lists is not the artifact's fault.
#[test]
fn lists_with_the_type_of_the_configuration() {
    let key = key(1);
    let mut one = bundle(&image_signature(&key));
    let listed = one.listed.as_mut().unwrap();
    listed.artifact_type = Some("application/vnd.oci.empty.v1+json".to_owned());
    listed.annotations.clear();
    let mut without = one.clone();
    without.listed = None;
    let evidence = check(&[one, without], &keyring(&key));
    assert_eq!(evidence.iter().filter(|one| one.is_signature()).count(), 2, "{}", lines(&evidence));
}
