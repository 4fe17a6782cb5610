// SPDX-License-Identifier: Apache-2.0
//! Bytes as text in serialised forms, for `#[serde(with = "hardpan_tree::bytes_text")]`.
//!
//! What is UTF-8 is written as it is; bytes outside it as `\xNN`, and `\` as `\\`.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize as _;

/// Appends the text form of some bytes.
pub(crate) fn escape(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// Returns the bytes of a text form, or nothing if it has a bad escape.
pub(crate) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        match rest {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [b'x', high, low, tail @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
                rest = tail;
            }
            _ => return None,
        }
    }
    Some(bytes)
}

/// Serialises bytes as text.
pub fn serialize<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(bytes.len());
    escape(bytes, &mut text);
    serializer.serialize_str(&text)
}

/// Deserialises bytes from text.
pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    unescape(text.as_bytes())
        .ok_or_else(|| serde::de::Error::custom(format!("bad escape in {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        for (bytes, text) in
            [(&b"/etc/x"[..], "/etc/x"), (b"\xff\\", "\\xff\\\\"), ("é".as_bytes(), "é"), (b"", "")]
        {
            let mut escaped = String::new();
            escape(bytes, &mut escaped);
            assert_eq!(escaped, text);
            assert_eq!(unescape(text.as_bytes()).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn bad_escapes_are_refused() {
        for text in ["\\", "\\y", "\\x", "\\x1", "\\x+1", "\\xgg"] {
            assert_eq!(unescape(text.as_bytes()), None, "{text}");
        }
    }
}
