// SPDX-License-Identifier: Apache-2.0
//! Keys as text (RFC 7468).

use p256::elliptic_curve::zeroize::Zeroizing;
use p256::pkcs8::LineEnding;
use p256::pkcs8::der::pem;

/// The longest file with a key that is read, in bytes: an RSA key of 8,192 bits has under 7 KiB.
pub const PEM_BYTES_MAX: usize = 64 << 10;
/// What `openssl ecparam -genkey` writes before the key.
const PARAMETERS_END: &str = "-----END EC PARAMETERS-----";

/// Why a text has no key in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// More than [`PEM_BYTES_MAX`].
    #[error("the file has {0} bytes, more than {PEM_BYTES_MAX}")]
    TooLarge(usize),
    /// No such block, or a broken one.
    #[error("no PEM text: {0}")]
    Malformed(pem::Error),
}

/// Returns the label of the one block and what is in it.
pub(super) fn decode(text: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), PemError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(PemError::TooLarge(text.len()));
    }
    let mut block = text.trim_ascii();
    let end = PARAMETERS_END.as_bytes();
    if let Some(at) = block.windows(end.len()).position(|window| window == end) {
        block = block[at + end.len()..].trim_ascii();
    }
    let (label, bytes) = pem::decode_vec(block).map_err(PemError::Malformed)?;
    Ok((label.to_owned(), Zeroizing::new(bytes)))
}

/// Writes a block, in lines of 64 characters.
pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    pem::encode_string(label, LineEnding::LF, bytes)
        .expect("labels are constants, and a vector can grow")
}
