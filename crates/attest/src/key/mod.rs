// SPDX-License-Identifier: Apache-2.0
//! Who says it: private keys, public keys, keyrings, and keys that are kept elsewhere.
//!
//! Signatures are made with ECDSA on P-256 and SHA-256, which every client verifies, and are a function of key and
//! message (RFC 6979). RSA and Ed25519 are verified, too.

pub(crate) mod base64;
mod encrypted;
#[cfg(feature = "keyless")]
pub mod keyless;
mod keyring;
mod location;
mod pem;
pub mod pkcs11;
pub mod plugin;
mod private;
mod public;
pub mod service;
mod signer;
#[cfg(test)]
mod tests;
mod time;
pub mod transit;

pub use encrypted::{PASSWORD_BYTES_MAX, ScryptCost};
pub use keyring::{KEYS_MAX, Keyring, KeyringError, LATEST, NotTrusted, Standing, TrustedKey};
pub use location::{KeyLocation, KeyLocationError};
pub use pem::{PEM_BYTES_MAX, PemError};
pub use private::{NoRandomness, PrivateKey, PrivateKeyError};
pub use public::{
    BadSignature, KeyAlgorithm, KeyId, PublicKey, PublicKeyError, SIGNATURE_BYTES_MAX,
};
pub use signer::{SignError, Signer, sign_and_check, with_causes};
pub use time::{UtcTime, UtcTimeError};
