// SPDX-License-Identifier: Apache-2.0
//! Bundles that lie beside a file.

use std::cell::Cell;

use hardpan_tree::Digest;

use super::trust::{Rules, Trust};
use super::{Accepted, FOUND_BYTES_MAX, Refusal, bundle};
use crate::key::UtcTime;
use crate::signature::BUNDLE_BYTES_MAX;

/// Says who stated what about a file, by its digest. `bytes` are a Sigstore bundle, as `cosign attest-blob --bundle` writes
/// it.
///
/// # Errors
/// Why the bundle proves nothing about the file.
pub fn verify_file<'r>(
    bytes: &[u8],
    digest: &Digest,
    rules: impl Into<Rules<'r>>,
    now: &UtcTime,
) -> Result<Accepted, Refusal> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(Refusal::TooMuch);
    }
    let budget = Cell::new(FOUND_BYTES_MAX);
    let trust = Trust { rules: rules.into(), now, budget: &budget };
    bundle::check_bytes(bytes, digest, trust)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Claim;
    use super::*;
    use crate::fixtures::{key, keyring, now};
    use crate::key::Keyring;
    use crate::signature::SignedStatement;
    use crate::{Statement, Subject};

    #[test]
    fn only_a_trusted_key_s_statement_about_these_bytes_counts() {
        let (own, other) = (key(1), key(2));
        let digest = Digest::of(b"file");
        let subject = vec![Subject::new("advisories.hpdb", digest)];
        let statement = Statement::new(subject, "https://example.org/v1", &json!({})).unwrap();
        let bundle = SignedStatement::new(statement, &own).unwrap().to_bundle();
        let check = |bundle: &[u8], digest: &Digest, keys: &Keyring| {
            verify_file(bundle, digest, keys, &now()).map(|accepted| accepted.claim)
        };
        let good = check(&bundle, &digest, &keyring(&own)).unwrap();
        assert!(matches!(&good, Claim::Attestation(statement) if statement.is_about(&digest)));

        let other_file = Digest::of(b"other");
        let refused = check(&bundle, &other_file, &keyring(&own)).unwrap_err();
        assert!(matches!(refused, Refusal::OtherImage(_)), "{refused}");
        let refused = check(&bundle, &digest, &keyring(&other)).unwrap_err();
        assert!(matches!(refused, Refusal::UntrustedKey { .. }), "{refused}");
        for end in [0, 1, bundle.len() / 2, bundle.len() - 1] {
            assert!(check(&bundle[..end], &digest, &keyring(&own)).is_err(), "{end}");
        }
        for at in 0..bundle.len() {
            let mut flipped = bundle.clone();
            flipped[at] ^= 1;
            // A hint about the key is not signed, and decides nothing.
            if let Ok(claim) = check(&flipped, &digest, &keyring(&own)) {
                assert_eq!(claim, good, "{at}");
            }
        }
    }
}
