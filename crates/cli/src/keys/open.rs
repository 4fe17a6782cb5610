// SPDX-License-Identifier: Apache-2.0
//! Private keys, wherever they are.

mod token;

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use hardpan::Error;
use hardpan::trust::key::pkcs11::Pkcs11UriError;
use hardpan::trust::key::transit::TransitKey;
use hardpan::trust::key::{KeyLocation, KeyLocationError};
use hardpan::trust::{
    AnySigner, ElsewhereError, TransitServer, TrustError, open_plugin, open_service, open_transit,
};

use crate::args::Common;
use crate::failure::{Named, Usage};
use crate::machine::{self, caller_variable};

/// Variables that say where a Vault or OpenBao server is.
const ADDRESSES: [&str; 2] = ["VAULT_ADDR", "BAO_ADDR"];
/// Variables that have the token for it.
const TOKENS: [&str; 2] = ["VAULT_TOKEN", "BAO_TOKEN"];
/// Variables that name a file with the authority of its certificate.
const AUTHORITIES: [&str; 2] = ["VAULT_CACERT", "BAO_CACERT"];
/// The variable that says where the transit engine is mounted, as for cosign.
const ENGINE: &str = "TRANSIT_SECRET_ENGINE_PATH";

/// Where a key is opened from, and for what.
pub(crate) struct Place<'p> {
    pub(crate) common: &'p Common,
    /// What files are relative to.
    pub(crate) folder: &'p Path,
    /// Where the images are that will be signed, absolute.
    pub(crate) layout: Option<&'p Path>,
}

/// Opens the private key that is named.
pub(crate) fn open_key(place: &Place<'_>, name: &str) -> anyhow::Result<AnySigner> {
    let location: KeyLocation = name.parse().map_err(|error| no_location(name, &error))?;
    let signer = match location {
        KeyLocation::File(path) => {
            let path = place.folder.join(path);
            if fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
                return Ok(open_service(&path, place.layout).map_err(Error::from)?);
            }
            let name = path.display().to_string();
            return Ok(Box::new(super::private_key(&name, &super::read_small(&path)?)?));
        }
        KeyLocation::Environment(variable) => {
            let text = caller_variable(&variable);
            let text = text.ok_or(Usage("the variable that --key names is not set"))?;
            return Ok(Box::new(super::private_key(name, text.as_bytes())?));
        }
        KeyLocation::Service(socket) => open_service(Path::new(&socket), place.layout),
        KeyLocation::Plugin(reference) => open_plugin(reference, machine::user_environment()),
        KeyLocation::Pkcs11(uri) => return token::open(place, &uri),
        KeyLocation::Transit(key) => return transit(place.common, key),
        other => {
            let message = format!("keys such as {other} can't be used yet");
            return Err(Named { message, help: None }.into());
        }
    };
    Ok(signer.map_err(Error::from)?)
}

/// Says that a text is no place of a key.
fn no_location(name: &str, error: &KeyLocationError) -> Named {
    let help = match error {
        KeyLocationError::Pkcs11(Pkcs11UriError::PinValue) => {
            "say where it is with pin-source=file:PATH or pin-source=env:VARIABLE, or set HARDPAN_PKCS11_PIN; and take \
             another PIN, as this one was seen"
        }
        KeyLocationError::Pkcs11(_) => {
            "pkcs11:token=NAME;object=LABEL?module-path=/PATH&pin-source=env:VARIABLE"
        }
        _ => "see `hardpan build --help`, --key",
    };
    // There may be a PIN in it, wherever it stands.
    let message = match error {
        KeyLocationError::Pkcs11(_) => format!("--key does not say where a key is: {error}"),
        _ => format!("{name:?} does not say where a key is: {error}"),
    };
    Named { message, help: Some(help.to_owned()) }
}

/// Opens a key of the server that the environment names.
fn transit(common: &Common, key: TransitKey) -> anyhow::Result<AnySigner> {
    if common.offline {
        return Err(Usage("--offline forbids to ask the server that holds the key").into());
    }
    let first = |names: [&str; 2]| {
        names.iter().find_map(|name| caller_variable(name)).filter(|value| !value.is_empty())
    };
    let address = first(ADDRESSES)
        .ok_or(Usage("the key is with a server; say where that is with VAULT_ADDR"))?;
    let token = first(TOKENS)
        .ok_or(Usage("the key is with a server; give the token for it in VAULT_TOKEN"))?;
    let name = key.to_string();
    let wrap = |source| {
        let source = ElsewhereError::Transit(source);
        Error::from(TrustError::Elsewhere { name: name.clone(), source })
    };
    let key = match caller_variable(ENGINE).filter(|mount| !mount.is_empty()) {
        Some(mount) => key.at(&mount).map_err(wrap)?,
        None => key,
    };
    let authorities =
        first(AUTHORITIES).map(|path| super::read_small(Path::new(&path))).transpose()?;
    let client = machine::client(common, authorities)?;
    let server = TransitServer { address: &address, token: token.as_bytes() };
    Ok(open_transit(key, &server, client).map_err(Error::from)?)
}
