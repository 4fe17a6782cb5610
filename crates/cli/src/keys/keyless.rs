// SPDX-License-Identifier: Apache-2.0
//! Keys for minutes, with a certificate for an identity.

use hardpan::Error;
use hardpan::trust::key::keyless::TOKEN_BYTES_MAX;
use hardpan::trust::key::{NoRandomness, PrivateKey};
use hardpan::trust::{AnySigner, TrustError, open_keyless};

use crate::args::Common;
use crate::args::trust::{AttachChoice, Signing};
use crate::failure::Usage;
use crate::machine::{self, caller_variable};

/// The variable that has an identity token.
const TOKEN: &str = "HARDPAN_IDENTITY_TOKEN";

/// Makes a key and gets a certificate for it.
pub(super) fn open(common: &Common, signing: &Signing) -> anyhow::Result<AnySigner> {
    if signing.attach.contains(&AttachChoice::Dhi) {
        let problem = "Docker's form of signatures has no room for a certificate; --keyless can't be with --attach dhi";
        return Err(Usage(problem).into());
    }
    let url = signing.fulcio_url.as_deref().ok_or(Usage("--keyless needs --fulcio-url"))?;
    let token = match &signing.identity_token {
        Some(path) => {
            let bytes = super::read_at_most(path, TOKEN_BYTES_MAX)?;
            String::from_utf8(bytes).map_err(|_| Usage("the identity token is no text"))?
        }
        None => caller_variable(TOKEN).filter(|token| !token.is_empty()).ok_or(Usage(
            "who signs? give a token with --identity-token or HARDPAN_IDENTITY_TOKEN",
        ))?,
    };
    let mut fill = |bytes: &mut [u8]| super::fill_randomly(bytes).map_err(|_| NoRandomness);
    let name = || "for minutes".to_owned();
    let key = PrivateKey::generate(&mut fill)
        .map_err(|source| Error::from(TrustError::PrivateKey { name: name(), source }))?;
    let client = machine::client(common, None)?;
    Ok(open_keyless(key, url, &token, &client).map_err(Error::from)?)
}
