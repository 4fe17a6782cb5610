// SPDX-License-Identifier: Apache-2.0
//! Whoever can sign: a key in memory, a plugin, a server.

use std::error::Error;

use super::PublicKey;
use crate::certificate::Issued;

/// Makes signatures with one key.
pub trait Signer {
    /// Returns the key that the signatures are verified with.
    fn public_key(&self) -> &PublicKey;

    /// Signs a message (not its digest); of an ECDSA key the signature is in ASN.1.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Returns whether it is known to give the same signature for the same message each time. Where it is not, what is signed
    /// already is looked for first ([`crate::verify::Reusing`]).
    fn is_deterministic(&self) -> bool {
        false
    }

    /// Returns the certificate that stands in for the key, where it is one for minutes.
    fn issued(&self) -> Option<&Issued> {
        None
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key could not do it.
    #[error("the key can't sign")]
    Key(#[source] Box<dyn Error + Send + Sync>),
    /// Whoever holds the key gave a signature that its public key does not verify.
    #[error(
        "the signature that was made does not verify with the public key {key}; is it the right one?"
    )]
    DoesNotVerify {
        /// The public key.
        key: super::KeyId,
    },
}

/// Signs and verifies what came of it: a plugin or server may hold another key than it says.
pub fn sign_and_check(signer: &dyn Signer, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let signature = signer.sign(message)?;
    let key = signer.public_key();
    match key.verify(message, &signature) {
        Ok(()) => Ok(signature),
        Err(_) => Err(SignError::DoesNotVerify { key: key.id() }),
    }
}

/// Says an error and all that is behind it in one line, for those to whom it can't be told otherwise.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
