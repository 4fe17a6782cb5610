// SPDX-License-Identifier: Apache-2.0
//! The beginning of a file: what it is, and where its sections are.

use std::ops::Range;

use hardpan_tree::Digest;

use super::DatabaseError;
use super::wire::Reader;

/// A byte that is no text, the name, and line ends that a transfer as text would change.
const MAGIC: [u8; 8] = *b"\x89HPDB\r\n\x1a";
/// The version of the format.
pub(super) const VERSION: u32 = 1;
/// The longest database, in bytes. One of all releases and ecosystems has some ten million.
pub(super) const BYTES_MAX: u64 = 512 << 20;
/// How many bytes of the header's own digest are in it: against damage, not against an attacker.
const CHECK_BYTES: usize = 8;
const HEADER_BYTES: usize = MAGIC.len() + 4 + 4 + 32 + 8 * Section::ALL.len() + CHECK_BYTES;

/// The sections, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Sources,
    Spaces,
    Packages,
    Vulnerabilities,
    Aliases,
    Epss,
    Summaries,
}

impl Section {
    pub(super) const ALL: [Self; 7] = [
        Self::Sources,
        Self::Spaces,
        Self::Packages,
        Self::Vulnerabilities,
        Self::Aliases,
        Self::Epss,
        Self::Summaries,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Spaces => "spaces",
            Self::Packages => "packages",
            Self::Vulnerabilities => "vulnerabilities",
            Self::Aliases => "aliases",
            Self::Epss => "scores",
            Self::Summaries => "summaries",
        }
    }

    /// Returns what a section is damaged by, as an error.
    pub(super) fn wrong(self, reason: &'static str) -> DatabaseError {
        DatabaseError::Malformed { section: self.name(), reason }
    }
}

/// Puts sections together.
pub(super) fn join(sections: &[Vec<u8>; Section::ALL.len()]) -> Result<Vec<u8>, DatabaseError> {
    let body: usize = sections.iter().map(Vec::len).sum();
    if (HEADER_BYTES + body) as u64 > BYTES_MAX {
        return Err(DatabaseError::TooLarge { maximum: BYTES_MAX });
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&7_u32.to_le_bytes());
    let digest_place = bytes.len();
    bytes.extend_from_slice(&[0; 32]);
    for section in sections {
        bytes.extend_from_slice(&(section.len() as u64).to_le_bytes());
    }
    let check_place = bytes.len();
    bytes.extend_from_slice(&[0; CHECK_BYTES]);
    for section in sections {
        bytes.extend_from_slice(section);
    }
    let digest = Digest::of(&bytes[HEADER_BYTES..]);
    bytes[digest_place..digest_place + 32].copy_from_slice(digest.as_bytes());
    let check = check(&bytes[..check_place]);
    bytes[check_place..HEADER_BYTES].copy_from_slice(&check);
    Ok(bytes)
}

fn check(header: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&Digest::of(header).as_bytes()[..CHECK_BYTES]);
    check
}

/// Where everything is.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    digest: [u8; 32],
    sections: [Range<usize>; Section::ALL.len()],
}

impl Layout {
    /// Reads the header.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DatabaseError> {
        let wrong = |reason| DatabaseError::Malformed { section: "header", reason };
        if !bytes.starts_with(&MAGIC) {
            return Err(DatabaseError::NotADatabase);
        }
        if bytes.len() as u64 > BYTES_MAX {
            return Err(DatabaseError::TooLarge { maximum: BYTES_MAX });
        }
        let mut reader = Reader::new(&bytes[MAGIC.len()..]);
        let found = u32::from_le_bytes(reader.array().map_err(wrong)?);
        if found != VERSION {
            return Err(DatabaseError::Version { found, supported: VERSION });
        }
        let count = u32::from_le_bytes(reader.array().map_err(wrong)?);
        if count as usize != Section::ALL.len() {
            return Err(wrong("it has another number of sections"));
        }
        let digest = reader.array().map_err(wrong)?;
        let mut sections: [Range<usize>; Section::ALL.len()] = Default::default();
        let mut start = HEADER_BYTES;
        for section in &mut sections {
            let length = u64::from_le_bytes(reader.array().map_err(wrong)?);
            let length = usize::try_from(length).ok();
            let end = length.and_then(|length| start.checked_add(length));
            let end =
                end.filter(|end| *end <= bytes.len()).ok_or(wrong("a section ends after it"))?;
            *section = start..end;
            start = end;
        }
        let stated: [u8; CHECK_BYTES] = reader.array().map_err(wrong)?;
        if stated != check(&bytes[..HEADER_BYTES - CHECK_BYTES]) {
            return Err(wrong("it was changed"));
        }
        if start != bytes.len() {
            return Err(wrong("it has more or fewer bytes than its sections"));
        }
        Ok(Self { digest, sections })
    }

    /// Returns where a section is. It is inside of the bytes that the layout was read from.
    pub(super) fn range(&self, section: Section) -> Range<usize> {
        let place = Section::ALL.iter().position(|known| *known == section);
        place.and_then(|place| self.sections.get(place)).cloned().unwrap_or_default()
    }

    /// Makes sure that no byte was changed.
    pub(super) fn verify(&self, bytes: &[u8]) -> Result<(), DatabaseError> {
        let expected = Digest::from_bytes(self.digest);
        let actual = Digest::of(bytes.get(HEADER_BYTES..).unwrap_or_default());
        if expected == actual { Ok(()) } else { Err(DatabaseError::Changed { expected, actual }) }
    }
}
