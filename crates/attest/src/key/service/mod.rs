// SPDX-License-Identifier: Apache-2.0
//! Keys that a process of its own holds: the signer service, from both sides, without its socket.
//!
//! The service never signs bytes that it does not understand. It is told [what](Signable) is to be signed, an in-toto
//! statement or the payload of an image's signature, reads that, and composes the message itself. A [`ServiceSigner`] is
//! given messages, as every [`Signer`] is, and finds in them what it has to ask for.
//!
//! A question is a [`Header`] and, if it asks for a signature, a payload. The answer is a [`Reply`].

mod protocol;
mod signable;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

use super::{PublicKey, PublicKeyError, SignError, Signer};
pub use protocol::{HEADER_BYTES_MAX, Header, REPLY_BYTES_MAX, Reply};
pub use signable::{Builder, Kind, SUBJECTS_MAX, Signable, SignableError, TYPE_BYTES_MAX};

/// Why a signer service does not sign, or is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service was not reached, or did not answer.
    #[error("the signer service does not answer")]
    Io(#[source] Box<dyn Error + Send + Sync>),
    /// Nothing that the service would sign.
    #[error("the signer service signs statements and images' signatures only")]
    Signable(#[source] SignableError),
    /// A question or answer that is too long.
    #[error("the {0} is too long")]
    TooLarge(&'static str),
    /// A question or answer that can't be read.
    #[error("the {what} can't be read")]
    Malformed {
        /// Which of both.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Of another version.
    #[error("the {what} is of the version {version}; only 1 is spoken")]
    Version {
        /// Question or answer.
        what: &'static str,
        /// Its version.
        version: u32,
    },
    /// A field that makes no sense.
    #[error("{0} is malformed or missing")]
    Field(&'static str),
    /// The service says no.
    #[error("the signer service says: {0}")]
    Refused(String),
    /// The answer to another question.
    #[error("the signer service's answer has no {0}")]
    Missing(&'static str),
    /// The service's public key.
    #[error("the signer service's public key can't be used")]
    PublicKey(#[source] PublicKeyError),
}

/// What a service holds provenance to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The only builder that provenance may name; any if there is none.
    pub builder: Option<String>,
}

impl Rules {
    /// Checks what is to be signed; says why it is not.
    pub fn check(&self, signable: &Signable) -> Result<(), String> {
        let Some(expected) = &self.builder else { return Ok(()) };
        match signable.builder() {
            Builder::NotAsked => Ok(()),
            Builder::Named(found) if found == expected => Ok(()),
            Builder::Named(found) => {
                let found: String = found.chars().take(TYPE_BYTES_MAX).collect();
                Err(format!("provenance of the builder {found:?} is not ours to sign"))
            }
            Builder::Unclear => {
                Err("provenance that names not one builder is not ours to sign".to_owned())
            }
        }
    }
}

/// A key of a service. `send` sends a header and what may follow it, and returns the answer, at most
/// [`REPLY_BYTES_MAX`] bytes of it.
pub struct ServiceSigner<S> {
    public: PublicKey,
    layout: Option<String>,
    send: S,
}

impl<S, E> ServiceSigner<S>
where
    S: Fn(&[u8], Option<&[u8]>) -> Result<Vec<u8>, E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    /// Asks for the public key. `layout` is where the images are that will be signed, an absolute path.
    pub fn open(layout: Option<String>, send: S) -> Result<Self, ServiceError> {
        let reply = send(&Header::PublicKey.to_bytes(), None);
        match Reply::parse(&reply.map_err(|error| ServiceError::Io(error.into()))?)? {
            Reply::PublicKey(public) => Ok(Self { public, layout, send }),
            _ => Err(ServiceError::Missing("public key")),
        }
    }

    fn ask(&self, message: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let signable = Signable::of_message(message).map_err(ServiceError::Signable)?;
        let header = Header::Sign { kind: signable.kind(), layout: self.layout.clone() };
        let reply = (self.send)(&header.to_bytes(), Some(signable.payload()));
        match Reply::parse(&reply.map_err(|error| ServiceError::Io(error.into()))?)? {
            Reply::Signature(bytes) => Ok(bytes),
            _ => Err(ServiceError::Missing("signature")),
        }
    }
}

impl<S, E> Signer for ServiceSigner<S>
where
    S: Fn(&[u8], Option<&[u8]>) -> Result<Vec<u8>, E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.ask(message).map_err(|error| SignError::Key(error.into()))
    }
}

impl<S> fmt::Debug for ServiceSigner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceSigner({:?}, {:?})", self.public, self.layout)
    }
}
