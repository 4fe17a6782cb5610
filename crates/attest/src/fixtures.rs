// SPDX-License-Identifier: Apache-2.0
//! Keys, images and statements that tests share.

use hardpan_image::{Descriptor, media_type};
use hardpan_tree::Digest;
use serde_json::json;

use crate::key::{Keyring, NoRandomness, PrivateKey, UtcTime};
use crate::signature::{SignedStatement, signature_statement};
use crate::{Statement, Subject};

pub(crate) const IDENTITY: &str = "registry.example/app";
pub(crate) const SLSA: &str = "https://slsa.dev/provenance/v1";
pub(crate) const SPDX: &str = "https://spdx.dev/Document";

/// Bytes that are the same each time.
pub(crate) fn filler(seed: u8) -> impl FnMut(&mut [u8]) -> Result<(), NoRandomness> {
    let mut state = u64::from(seed) + 1;
    move |bytes| {
        for byte in bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        Ok(())
    }
}

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::generate(&mut filler(seed)).unwrap()
}

pub(crate) fn keyring(key: &PrivateKey) -> Keyring {
    use crate::key::Signer as _;
    Keyring::of("1.pub", key.public_key().clone())
}

pub(crate) fn now() -> UtcTime {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

/// An index.
pub(crate) fn image() -> Descriptor {
    Descriptor::new(media_type::INDEX, Digest::of(b"index"), 5)
}

/// The manifest of one of its platforms.
pub(crate) fn platform() -> Descriptor {
    Descriptor::new(media_type::MANIFEST, Digest::of(b"platform"), 8)
}

pub(crate) fn subjects() -> Vec<Subject> {
    // The one that is looked for is not the first.
    [b"index".as_slice(), b"platform"].map(|of| Subject::new(IDENTITY, Digest::of(of))).to_vec()
}

pub(crate) fn statement(predicate_type: &str) -> Statement {
    Statement::new(subjects(), predicate_type, &json!({"of": predicate_type})).unwrap()
}

pub(crate) fn signed(predicate_type: &str, key: &PrivateKey) -> SignedStatement {
    SignedStatement::new(statement(predicate_type), key).unwrap()
}

pub(crate) fn image_signature(key: &PrivateKey) -> SignedStatement {
    SignedStatement::new(signature_statement(subjects()), key).unwrap()
}
