// SPDX-License-Identifier: Apache-2.0
//! Keys behind a program: the protocol of Sigstore's KMS plugins, version 1, from both sides.
//!
//! The key `name://id` belongs to the program `sigstore-kms-name`, which is run as `sigstore-kms-name v1 JSON` with the
//! message as its input, and writes JSON. Its exit status means nothing. Who runs it is not here: a [`PluginSigner`] is
//! given a function, and a plugin calls [`answer`].

mod reply;
mod request;

use std::fmt;
use std::io;
use std::str::FromStr;

use hardpan_tree::Digest;

use super::{PublicKey, PublicKeyError, SignError, Signer};
pub use reply::{REPLY_BYTES_MAX, Reply};
pub use request::{Method, REQUEST_BYTES_MAX, Request};

/// The first argument, and the version inside of the second.
const PROTOCOL: &str = "v1";
/// What the program's name begins with.
const PROGRAM_PREFIX: &str = "sigstore-kms-";
/// What the keys of plugins of ours are called.
const ALGORITHM: &str = "ecdsa-p256-sha256";
/// The longest reference to a key.
const REFERENCE_BYTES_MAX: usize = 1024;

/// Why a plugin can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// Not `name://id`.
    #[error("not a key of a plugin (expected name://id with a name of a-z, 0-9, - and _): {0:?}")]
    Reference(String),
    /// The program can't be run.
    #[error("{program} can't be run")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not the arguments of a plugin.
    #[error("expected the arguments {PROTOCOL} and JSON, as Sigstore's tools give them to plugins")]
    Arguments,
    /// A request or reply that is too long.
    #[error("the {0} is too long")]
    TooLarge(&'static str),
    /// A request or reply that can't be read.
    #[error("the {what} can't be read")]
    Malformed {
        /// Which of both.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A request of another kind.
    #[error("the method {0:?} is not known")]
    Method(String),
    /// Only SHA-256 is signed.
    #[error("the hash function {0} is not SHA-256 (5)")]
    HashFunction(u64),
    /// Bytes that are not base64, or no digest.
    #[error("{0} is malformed")]
    Field(&'static str),
    /// The plugin says why it can't.
    #[error("the plugin says: {0}")]
    Refused(String),
    /// A reply to something else.
    #[error("the plugin's reply has no {0}")]
    Missing(&'static str),
    /// The plugin's public key.
    #[error("the plugin's public key can't be used")]
    PublicKey(#[source] PublicKeyError),
}

/// A key of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    plugin: String,
    id: String,
}

impl Reference {
    /// Returns the name of the program.
    pub fn program(&self) -> String {
        format!("{PROGRAM_PREFIX}{}", self.plugin)
    }

    /// Returns what the plugin calls the key.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl FromStr for Reference {
    type Err = PluginError;

    fn from_str(text: &str) -> Result<Self, PluginError> {
        let error = || PluginError::Reference(text.chars().take(100).collect());
        let (plugin, id) = text.split_once("://").ok_or_else(error)?;
        let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        // The name becomes that of a program, so it can't be a path.
        let is_good = text.len() <= REFERENCE_BYTES_MAX
            && plugin.starts_with(|first: char| first.is_ascii_lowercase())
            && plugin.bytes().all(is_name)
            && !id.is_empty()
            && !id.contains('\0');
        if !is_good {
            return Err(error());
        }
        Ok(Self { plugin: plugin.to_owned(), id: id.to_owned() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.plugin, self.id)
    }
}

/// Answers as a plugin with one key.
pub fn answer(request: &Request, message: &[u8], signer: &dyn Signer) -> Reply {
    let key = signer.public_key();
    let check = |digest: &Option<Digest>| match digest {
        // What can't be seen is not signed.
        Some(digest) if *digest != Digest::of(message) => {
            Err(Reply::Error("the digest is not that of the message".to_owned()))
        }
        _ => Ok(()),
    };
    match &request.method {
        Method::DefaultAlgorithm => Reply::DefaultAlgorithm(ALGORITHM.to_owned()),
        Method::SupportedAlgorithms => Reply::SupportedAlgorithms(vec![ALGORITHM.to_owned()]),
        Method::PublicKey => Reply::PublicKey(key.clone()),
        Method::CreateKey { .. } => {
            Reply::Error("keys are not made on the way; make one before".to_owned())
        }
        Method::SignMessage { digest } => check(digest).err().unwrap_or_else(|| {
            let signed = super::sign_and_check(signer, message);
            signed.map_or_else(|error| Reply::Error(super::with_causes(&error)), Reply::Signature)
        }),
        Method::VerifySignature { signature, digest } => {
            check(digest).err().unwrap_or_else(|| match key.verify(message, signature) {
                Ok(()) => Reply::Verified,
                Err(error) => Reply::Error(error.to_string()),
            })
        }
    }
}

/// A program that is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its name, to be looked for where programs are.
    pub program: &'a str,
    /// Its arguments.
    pub arguments: &'a [String; 2],
    /// Its input.
    pub input: &'a [u8],
}

/// A key of a plugin. `run` runs the program and returns what it wrote, at most [`REPLY_BYTES_MAX`] bytes of it and
/// whatever its exit status.
pub struct PluginSigner<R> {
    reference: Reference,
    public: PublicKey,
    run: R,
}

impl<R: Fn(Call<'_>) -> io::Result<Vec<u8>>> PluginSigner<R> {
    /// Asks the plugin for the key.
    pub fn open(reference: Reference, run: R) -> Result<Self, PluginError> {
        match ask(&reference, &run, Method::PublicKey, b"")? {
            Reply::PublicKey(public) => Ok(Self { reference, public, run }),
            _ => Err(PluginError::Missing("publicKey")),
        }
    }
}

fn ask(
    reference: &Reference,
    run: &impl Fn(Call<'_>) -> io::Result<Vec<u8>>,
    method: Method,
    input: &[u8],
) -> Result<Reply, PluginError> {
    let request = Request { key: reference.id.clone(), method };
    let (program, arguments) = (reference.program(), request.arguments());
    let reply = run(Call { program: &program, arguments: &arguments, input });
    let reply = reply.map_err(|source| PluginError::Run { program, source })?;
    Reply::parse(&reply, &request.method)
}

impl<R: Fn(Call<'_>) -> io::Result<Vec<u8>>> Signer for PluginSigner<R> {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let method = Method::SignMessage { digest: None };
        match ask(&self.reference, &self.run, method, message) {
            Ok(Reply::Signature(bytes)) => Ok(bytes),
            Ok(_) => Err(SignError::Key(PluginError::Missing("signMessage").into())),
            Err(error) => Err(SignError::Key(error.into())),
        }
    }
}

impl<R> fmt::Debug for PluginSigner<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginSigner({}, {:?})", self.reference, self.public)
    }
}

#[cfg(test)]
mod tests;
