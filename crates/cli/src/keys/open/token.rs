// SPDX-License-Identifier: Apache-2.0
//! Private keys in PKCS#11 tokens.

use hardpan::trust::AnySigner;
use hardpan::trust::key::pkcs11::Pkcs11Uri;

use super::Place;
#[cfg(feature = "pkcs11")]
use crate::failure::Named;
use crate::failure::Usage;

/// The variable with the PIN of a token, where its URI names no other place.
#[cfg(feature = "pkcs11")]
const PIN: &str = "HARDPAN_PKCS11_PIN";

/// Says that there is no such thing in this program.
#[cfg(not(feature = "pkcs11"))]
pub(super) fn open(_: &Place<'_>, _: &Pkcs11Uri) -> anyhow::Result<AnySigner> {
    Err(Usage("this hardpan was built without PKCS#11; build with --features pkcs11").into())
}

/// Opens a key of a token.
#[cfg(feature = "pkcs11")]
pub(super) fn open(place: &Place<'_>, uri: &Pkcs11Uri) -> anyhow::Result<AnySigner> {
    let pin = pin(place, uri)?;
    Ok(hardpan::trust::open_pkcs11(uri, pin).map_err(hardpan::Error::from)?)
}

/// Returns the PIN, if there is one.
#[cfg(feature = "pkcs11")]
fn pin(place: &Place<'_>, uri: &Pkcs11Uri) -> anyhow::Result<Option<String>> {
    use crate::machine::caller_variable;
    use hardpan::trust::key::pkcs11::PinSource;

    match &uri.pin {
        None => Ok(caller_variable(PIN)),
        Some(PinSource::Environment(variable)) => {
            let message = || format!("the PIN should be in {variable}, which is not set");
            let none = || Named { message: message(), help: None };
            Ok(Some(caller_variable(variable).ok_or_else(none)?))
        }
        Some(PinSource::File(path)) => {
            let bytes = crate::keys::read_small(&place.folder.join(path))?;
            let text = String::from_utf8(bytes).map_err(|_| Usage("the PIN's file is no text"))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}
