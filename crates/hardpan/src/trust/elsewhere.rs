// SPDX-License-Identifier: Apache-2.0
//! Keys that are kept elsewhere: with a plugin, a server, a signer service.

use std::fmt;
use std::path::Path;

use hardpan_attest::key::Signer;
use hardpan_attest::key::plugin::{PluginError, PluginSigner, Reference};
use hardpan_attest::key::service::ServiceError;
use hardpan_attest::key::transit::{
    REPLY_BYTES_MAX, TransitError, TransitKey, TransitRequest, TransitSigner,
};
use hardpan_remote::{Authorization, Call, Cancel, Client, RemoteError, Silent};

use super::TrustError;
use crate::sandbox::{UserEnvironment, key_plugin};
use crate::signer;

/// A key, wherever it is.
pub type AnySigner = Box<dyn Signer + Send + Sync>;

/// Why a key that is kept elsewhere can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElsewhereError {
    /// A plugin's.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A server's.
    #[error(transparent)]
    Transit(#[from] TransitError),
    /// A service's.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A token's.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Pkcs11(#[from] super::Pkcs11Error),
    /// A key for minutes.
    #[cfg(feature = "keyless")]
    #[error(transparent)]
    Keyless(#[from] hardpan_attest::key::keyless::KeylessError),
    /// No token that a server could be sent.
    #[error("the token is empty, or has what no header can hold")]
    Token,
}

impl ElsewhereError {
    /// Returns what the user can do, where there is something.
    pub(super) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Plugin(PluginError::Run { program, source })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                format!("install {program} in a directory of PATH; keys of that kind are its matter")
            }
            Self::Plugin(PluginError::Reference(_)) => {
                "keys are files, env://NAME, unix:///SOCKET, hashivault://NAME, pkcs11:… or PLUGIN://ID".to_owned()
            }
            Self::Transit(TransitError::Http(source)) => match source.downcast_ref() {
                Some(error @ RemoteError::NotFound { .. }) => format!(
                    "{error}: is it the key's name, and TRANSIT_SECRET_ENGINE_PATH where the engine is?"
                ),
                Some(error) if error.is_denied() => {
                    "is VAULT_TOKEN still good, and its policy allows to read the key and to sign with it?"
                        .to_owned()
                }
                _ => "is VAULT_ADDR where the server is? VAULT_CACERT names a file with its authority".to_owned(),
            },
            Self::Service(ServiceError::Io(_)) => {
                "is `hardpan signer serve` running, and may you write to its socket?".to_owned()
            }
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(error) => return error.hint().into_iter().collect(),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}

/// A Vault or OpenBao server, and who asks it.
pub struct TransitServer<'s> {
    /// Its URL.
    pub address: &'s str,
    /// The token. It goes to that server only, and is never shown.
    pub token: &'s [u8],
}

impl fmt::Debug for TransitServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransitServer")
    }
}

/// Opens the key of a plugin.
pub fn open_plugin(
    reference: Reference,
    environment: UserEnvironment,
) -> Result<AnySigner, TrustError> {
    let name = reference.to_string();
    let run =
        move |call: hardpan_attest::key::plugin::Call<'_>| key_plugin::run(call, &environment);
    let signer = PluginSigner::open(reference, run).map_err(|error| elsewhere(&name, error))?;
    Ok(Box::new(signer))
}

/// Opens a key of a server.
pub fn open_transit(
    key: TransitKey,
    server: &TransitServer<'_>,
    client: Client,
) -> Result<AnySigner, TrustError> {
    let name = key.to_string();
    let authorization = Authorization::bearer(server.token);
    let authorization = authorization.ok_or_else(|| elsewhere(&name, ElsewhereError::Token))?;
    let address = server.address.trim_end_matches('/').to_owned();
    let send = move |request: &TransitRequest| {
        let url = format!("{address}{}", request.path);
        let mut call = Call::new(&url, request.body.clone(), REPLY_BYTES_MAX as u64)?;
        call.authorization = Some(authorization.clone());
        client.call(&call, &Silent, &Cancel::new())
    };
    let signer = TransitSigner::open(key, send).map_err(|error| elsewhere(&name, error))?;
    Ok(Box::new(signer))
}

/// Makes a key for minutes, and gets a certificate for it from the authority at a URL, which is shown an identity token.
#[cfg(feature = "keyless")]
pub fn open_keyless(
    key: hardpan_attest::key::PrivateKey,
    url: &str,
    token: &str,
    client: &Client,
) -> Result<AnySigner, TrustError> {
    use hardpan_attest::key::keyless::{ANSWER_BYTES_MAX, KeylessSigner};
    let authorization = Authorization::bearer(token.trim().as_bytes());
    let authorization = authorization.ok_or_else(|| elsewhere(url, ElsewhereError::Token))?;
    let target = format!("{}{}", url.trim_end_matches('/'), KeylessSigner::PATH);
    let send = |question: &[u8]| {
        let mut call = Call::new(&target, Some(question.to_vec()), ANSWER_BYTES_MAX as u64)?;
        // Whoever reads the token can sign for its subject: so it goes nowhere without TLS.
        call.authorization = Some(authorization);
        client.call(&call, &Silent, &Cancel::new())
    };
    let signer =
        KeylessSigner::open(key, token, url, send).map_err(|error| elsewhere(url, error))?;
    Ok(Box::new(signer))
}

/// Opens the key of a signer service. `layout` is where the images are that will be signed, an absolute path.
pub fn open_service(socket: &Path, layout: Option<&Path>) -> Result<AnySigner, TrustError> {
    let name = format!("unix://{}", socket.display());
    signer::connect(socket, layout).map_err(|error| elsewhere(&name, error))
}

pub(super) fn elsewhere(name: &str, source: impl Into<ElsewhereError>) -> TrustError {
    TrustError::Elsewhere { name: name.to_owned(), source: source.into() }
}
