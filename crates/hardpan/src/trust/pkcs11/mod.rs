// SPDX-License-Identifier: Apache-2.0
//! Keys in PKCS#11 tokens: smart cards, HSMs, and software that behaves like one.

mod token;

use std::error::Error as StdError;
use std::path::PathBuf;

use hardpan_attest::key::PublicKeyError;
use hardpan_attest::key::pkcs11::{Pkcs11Signer, Pkcs11Uri};
use hardpan_tree::Digest;

use super::elsewhere::elsewhere;
use super::{AnySigner, TrustError};

/// Why a key of a token can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// No module, or a file that is none.
    #[error("the module {path} can't be loaded", path = path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The module does not do what is asked.
    #[error("the token can't {action}")]
    Failed {
        /// What was asked.
        action: &'static str,
        /// What it says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No such token.
    #[error("the module has no such token; it has {}", list(found))]
    NoToken {
        /// The labels of those that there are.
        found: Vec<String>,
    },
    /// Not one token.
    #[error("the URI means several tokens: {}", list(found))]
    SeveralTokens {
        /// Their labels, with serial numbers.
        found: Vec<String>,
    },
    /// Nobody said the PIN.
    #[error("the token needs a PIN, and there is none")]
    NoPin,
    /// Another PIN.
    #[error("the token refuses the PIN; it was tried once and is not tried again")]
    WrongPin,
    /// Refused too often.
    #[error("the token's PIN is locked")]
    Locked,
    /// No such key.
    #[error("the token has no such private key; it has {}", list(found))]
    NoKey {
        /// The labels of those that there are.
        found: Vec<String>,
    },
    /// Not one key.
    #[error("the URI means {count} private keys of the token")]
    SeveralKeys {
        /// How many.
        count: usize,
    },
    /// A key of another kind.
    #[error("the key is not ECDSA, which alone every client verifies")]
    NotEcdsa,
    /// Nothing to verify with.
    #[error("the token has no public key beside the private one, with the same id or label")]
    NoPublicKey,
    /// A public key that can't be used.
    #[error("the token's public key can't be used")]
    PublicKey(#[source] PublicKeyError),
    /// A curve that nobody else verifies.
    #[error("the key is not ECDSA on P-256, which alone every client verifies")]
    Curve(#[source] PublicKeyError),
}

impl Pkcs11Error {
    /// Returns what the user can do, where there is something.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Module { .. } => {
                "module-path is the shared library that came with the token, for this machine's processor"
            }
            Self::NoToken { .. } => "token=LABEL, serial=NUMBER or slot-id=NUMBER chooses one",
            Self::SeveralTokens { .. } => "add serial=NUMBER or slot-id=NUMBER",
            Self::NoPin => {
                "say where it is with pin-source=file:PATH or pin-source=env:VARIABLE, or set HARDPAN_PKCS11_PIN"
            }
            Self::WrongPin => "after a few wrong ones a token locks itself",
            Self::Locked => "its security officer can set another one",
            Self::NoKey { .. } => "object=LABEL or id=%01 chooses one",
            Self::SeveralKeys { .. } => "add id=%01 to object=LABEL",
            Self::NotEcdsa | Self::Curve(_) => {
                "make one: pkcs11-tool --keypairgen --key-type EC:prime256v1"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The most names that an error has.
const NAMES_SHOWN_MAX: usize = 10;

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let more = names.len().saturating_sub(NAMES_SHOWN_MAX);
    let shown: Vec<String> =
        names.iter().take(NAMES_SHOWN_MAX).map(|name| format!("{name:?}")).collect();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Opens a key of a token. The PIN is given to the token once, and to nobody else.
pub fn open_pkcs11(uri: &Pkcs11Uri, pin: Option<String>) -> Result<AnySigner, TrustError> {
    let key =
        token::TokenKey::open(uri, pin).map_err(|error| elsewhere(&uri.to_string(), error))?;
    let public = key.public_key().clone();
    Ok(Box::new(Pkcs11Signer::new(public, move |digest: &Digest| key.sign(digest))))
}
