// SPDX-License-Identifier: Apache-2.0
//! Base64, as the documents of this crate have it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// Padding or none: readers of the JSON form of protocol buffers must take both.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Writes the standard alphabet with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads the standard alphabet with padding; nothing else, so that one value has one text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads what the JSON form of protocol buffers allows: both alphabets, with and without padding.
pub(crate) fn decode_tolerant(text: &str) -> Option<Vec<u8>> {
    if text.contains(['-', '_']) {
        return TOLERANT.decode(text.replace('-', "+").replace('_', "/")).ok();
    }
    TOLERANT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for (text, strict, tolerant) in [
            ("", Some(&b""[..]), Some(&b""[..])),
            ("+/8=", Some(b"\xfb\xff"), Some(b"\xfb\xff")),
            ("+/8", None, Some(b"\xfb\xff")),
            ("-_8", None, Some(b"\xfb\xff")),
            // The last digit has bits that belong to no byte.
            ("+/9=", None, None),
            ("+/8=\n", None, None),
            ("+ 8=", None, None),
            ("a", None, None),
            ("+/8==", None, None),
        ] {
            assert_eq!(decode(text).as_deref(), strict, "{text:?}");
            assert_eq!(decode_tolerant(text).as_deref(), tolerant, "{text:?}");
        }
        assert_eq!(encode(b"\xfb\xff"), "+/8=");
    }
}
