// SPDX-License-Identifier: Apache-2.0
//! Where a private key is, as users write it: the same texts as for cosign's `--key`.

use std::fmt;
use std::str::FromStr;

use super::pkcs11::{Pkcs11Uri, Pkcs11UriError};
use super::plugin::{PluginError, Reference};
use super::transit::{TransitError, TransitKey};

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLocation {
    /// In a file of that path.
    File(String),
    /// In the environment variable of that name: `env://NAME`.
    Environment(String),
    /// With Vault or OpenBao: `hashivault://NAME`, `openbao://NAME`.
    Transit(TransitKey),
    /// With a signer service that listens on the socket of that absolute path: `unix://PATH`.
    Service(String),
    /// In a token: `pkcs11:…`.
    Pkcs11(Box<Pkcs11Uri>),
    /// With a program: any other `NAME://ID`.
    Plugin(Reference),
}

/// Why a text does not say where a key is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLocationError {
    /// Nothing.
    #[error(
        "the key has no name; expected a file, env://NAME, unix:///SOCKET, hashivault://NAME, pkcs11:… or PLUGIN://ID"
    )]
    Empty,
    /// A key of a token that can't be one.
    #[error(transparent)]
    Pkcs11(Pkcs11UriError),
    /// No name of a variable.
    #[error("not the name of an environment variable: {0:?}")]
    Environment(String),
    /// No socket.
    #[error("not the absolute path of a socket (expected unix:///PATH): {0:?}")]
    Service(String),
    /// A key of a server that can't be one.
    #[error(transparent)]
    Transit(TransitError),
    /// A key of a program that can't be one.
    #[error(transparent)]
    Plugin(PluginError),
}

impl FromStr for KeyLocation {
    type Err = KeyLocationError;

    fn from_str(text: &str) -> Result<Self, KeyLocationError> {
        // RFC 7512. It could be the name of a file, but nobody would mean one; and there can be a URL within.
        if Pkcs11Uri::is_meant(text) {
            let uri: Pkcs11Uri = text.parse().map_err(KeyLocationError::Pkcs11)?;
            return Ok(Self::Pkcs11(Box::new(uri)));
        }
        match text.split_once("://") {
            None if text.is_empty() => Err(KeyLocationError::Empty),
            None => Ok(Self::File(text.to_owned())),
            Some(("env", name)) => {
                let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                if name.is_empty() || !name.bytes().all(is_good) {
                    let name = name.chars().take(100).collect();
                    return Err(KeyLocationError::Environment(name));
                }
                Ok(Self::Environment(name.to_owned()))
            }
            Some(("unix", path)) => {
                if path.len() < 2 || !path.starts_with('/') || path.contains('\0') {
                    return Err(KeyLocationError::Service(path.chars().take(100).collect()));
                }
                Ok(Self::Service(path.to_owned()))
            }
            Some(("hashivault" | "openbao", _)) => {
                text.parse().map(Self::Transit).map_err(KeyLocationError::Transit)
            }
            Some(_) => text.parse().map(Self::Plugin).map_err(KeyLocationError::Plugin),
        }
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Environment(name) => write!(f, "env://{name}"),
            Self::Service(path) => write!(f, "unix://{path}"),
            Self::Pkcs11(uri) => write!(f, "{uri}"),
            Self::Transit(key) => write!(f, "{key}"),
            Self::Plugin(reference) => write!(f, "{reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place() {
        for (text, expected) in [
            ("cosign.key", "File(\"cosign.key\")"),
            ("/a b/c:d", "File(\"/a b/c:d\")"),
            ("env://KEY_1", "Environment(\"KEY_1\")"),
            ("unix:///run/a.sock", "Service(\"/run/a.sock\")"),
            ("hashivault://app", "Transit(TransitKey { mount: \"transit\", name: \"app\" })"),
            ("awskms:///arn:1", "Plugin(Reference { plugin: \"awskms\", id: \"/arn:1\" })"),
        ] {
            let location: KeyLocation = text.parse().unwrap();
            assert_eq!(format!("{location:?}"), expected);
            assert_eq!(location.to_string(), text);
        }
        let text = "pkcs11:object=a?module-path=/p.so&pin-source=file:///run/pin";
        let location: KeyLocation = text.parse().unwrap();
        assert!(matches!(location, KeyLocation::Pkcs11(_)), "{location:?}");
        assert_eq!(location.to_string(), text);
        assert_eq!("openbao://app".parse::<KeyLocation>().unwrap().to_string(), "hashivault://app");
    }

    #[test]
    fn no_places() {
        for (text, expected) in [
            ("", "has no name"),
            ("pkcs11:token=a;object=b", "module-path"),
            ("pkcs11:object=b?pin-value=1", "has a PIN in it"),
            ("env://", "environment variable: \"\""),
            ("env://A=B", "environment variable: \"A=B\""),
            ("unix://", "not the absolute path of a socket"),
            ("unix://run/a", "not the absolute path of a socket"),
            ("unix:///", "not the absolute path of a socket"),
            ("hashivault://a/b", "not a transit key"),
            ("../x://k", "not a key of a plugin"),
            ("x://", "not a key of a plugin"),
        ] {
            let error = text.parse::<KeyLocation>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
