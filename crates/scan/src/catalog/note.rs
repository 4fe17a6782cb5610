// SPDX-License-Identifier: Apache-2.0
//! Package notes of ELF files (systemd.io/PACKAGE_METADATA_FOR_EXECUTABLE_FILES): JSON in a note, or, as
//! some build tools leave it, without one around it.

use serde::Deserialize;

use super::FormatError;

/// Who owns such notes.
pub(super) const OWNER: &[u8] = b"FDO\0";
const NOTE_TYPE: u32 = 0xcafe_1a7e;
/// The longest note, in bytes; they have 200.
const NOTE_BYTES_MAX: usize = 64 << 10;
/// The most notes of one file.
const NOTES_MAX: usize = 1024;
const FORMAT: &str = "a package note";

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Note {
    /// `deb`, `rpm`, `apk` and others.
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    pub(super) name: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) architecture: Option<String>,
}

/// Reads the bytes of a section or segment of notes; nothing if there is none of a package.
pub(super) fn read(bytes: &[u8], is_little: bool) -> Result<Option<Note>, FormatError> {
    if bytes.first() == Some(&b'{') {
        return json(bytes).map(Some);
    }
    let bad = |problem| FormatError::malformed(FORMAT, problem);
    let mut rest = bytes;
    for _ in 0..NOTES_MAX {
        let Some((header, after)) = rest.split_first_chunk::<12>() else { return Ok(None) };
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
        };
        let take = |bytes: &'_ [u8], length: u32| {
            let length = usize::try_from(length).ok()?;
            let padded = length.checked_next_multiple_of(4)?;
            (length <= bytes.len()).then_some((length, padded.min(bytes.len())))
        };
        let (name, name_padded) = take(after, number(0)).ok_or(bad("cut short"))?;
        let (owner, after) = (&after[..name], &after[name_padded..]);
        let (text, text_padded) = take(after, number(4)).ok_or(bad("cut short"))?;
        if owner == OWNER && number(8) == NOTE_TYPE {
            return json(&after[..text]).map(Some);
        }
        rest = &after[text_padded..];
    }
    Err(FormatError::limit(FORMAT, "notes", NOTES_MAX))
}

fn json(bytes: &[u8]) -> Result<Note, FormatError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(FormatError::limit(FORMAT, "bytes", NOTE_BYTES_MAX));
    }
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let note: Note =
        serde_json::from_slice(text).map_err(|_| FormatError::malformed(FORMAT, "not its JSON"))?;
    if note.name.is_empty() || note.version.is_empty() {
        return Err(FormatError::malformed(FORMAT, "no name or no version"));
    }
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [owner.len(), text.len()] {
            bytes.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
        bytes.extend(kind.to_le_bytes());
        for part in [owner, text] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn notes_are_read() {
        let json = br#"{"type":"rpm","name":"bash","version":"5.2-1.fc40","architecture":"x86_64","osCpe":"cpe:/o"}"#;
        let expected = "bash 5.2-1.fc40";
        let other = note(b"GNU\0", 3, b"0123456789abcdef0123");
        let cases = [
            note(OWNER, NOTE_TYPE, json),
            json.to_vec(),
            [json.as_slice(), &[0, 0, 0]].concat(),
            [other.clone(), note(OWNER, NOTE_TYPE, json)].concat(),
        ];
        for bytes in cases {
            let found = read(&bytes, true).unwrap().unwrap();
            assert_eq!(format!("{} {}", found.name, found.version), expected);
        }
        assert_eq!(read(&other, true), Ok(None));
        assert_eq!(read(&note(OWNER, 1, json), true), Ok(None));
        assert_eq!(read(b"", true), Ok(None));
    }

    #[test]
    fn broken_notes_are_refused() {
        let json = br#"{"name":"a","version":"1"}"#;
        let good = note(OWNER, NOTE_TYPE, json);
        for length in 12..good.len() - 2 {
            assert!(read(&good[..length], true).is_err(), "{length}");
        }
        for text in ["{", "{}", r#"{"name":"a"}"#, r#"{"name":"","version":"1"}"#, "{\"name\":1}"] {
            assert!(read(&note(OWNER, NOTE_TYPE, text.as_bytes()), true).is_err(), "{text}");
        }
        let big = format!(r#"{{"name":"a","version":"{}"}}"#, "1".repeat(NOTE_BYTES_MAX));
        assert!(matches!(read(big.as_bytes(), true), Err(FormatError::Limit { .. })));
        let empty = note(b"GNU\0", 3, b"").repeat(NOTES_MAX + 1);
        assert!(matches!(read(&empty, true), Err(FormatError::Limit { .. })));
        // The length of the name is what is left of the address space.
        assert!(read(&[0xff; 16], true).is_err());
    }
}
