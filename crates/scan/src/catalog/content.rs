// SPDX-License-Identifier: Apache-2.0
//! What is kept of a file's bytes while they stream by.

use std::sync::Arc;

use super::FormatError;
use super::elf::{ElfCollector, ElfFacts};
use super::jar::{self, Artifact};
use super::patterns::{Found, Scanner};
use super::want::Want;

/// What came of a file's bytes.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing that anybody wants.
    Nothing,
    /// All bytes.
    Text(Arc<[u8]>),
    /// What is in a Java archive.
    Jar { artifacts: Vec<Artifact>, problems: Vec<FormatError> },
    /// What a program says of itself, and what it looks like.
    Program { elf: Option<Box<ElfFacts>>, found: Option<Found> },
    /// It is of interest and can't be had.
    Lost(FormatError),
}

impl Content {
    /// Returns how much memory it takes, roughly.
    pub(super) fn kept_bytes(&self) -> u64 {
        match self {
            Self::Nothing | Self::Lost(_) => 0,
            Self::Text(bytes) => bytes.len() as u64,
            Self::Jar { artifacts, .. } => artifacts.iter().map(Artifact::kept_bytes).sum(),
            Self::Program { elf, .. } => elf.as_ref().map_or(0, |elf| elf.kept_bytes()),
        }
    }
}

/// Watches a file's bytes.
#[derive(Debug)]
pub(super) enum Collector {
    /// Kept whole.
    Whole { is_jar: bool, bytes: Vec<u8> },
    /// Not decided before the first bytes are there.
    Start(Option<Scanner>),
    /// An ELF file, or one whose name is in the table of versions.
    Program { elf: Option<Box<ElfCollector>>, scanner: Option<Scanner> },
    /// Decided without looking.
    Lost(FormatError),
    /// Nobody wants the rest.
    Nothing,
}

impl Collector {
    pub(super) fn new(want: Want, size_bytes: u64) -> Self {
        let whole = |is_jar, format, bytes_max: u64| {
            if size_bytes > bytes_max {
                let what = "bytes";
                return Self::Lost(FormatError::Limit { format, what, maximum: bytes_max });
            }
            // Grows with what is really there.
            Self::Whole { is_jar, bytes: Vec::new() }
        };
        match want {
            Want::Text { format, bytes_max } => whole(false, format, bytes_max),
            Want::Jar { bytes_max } => whole(true, jar::FORMAT, bytes_max),
            Want::Probe(scanner) => Self::Start(scanner),
        }
    }

    /// Returns whether further bytes change nothing.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Nothing)
    }

    /// Takes the next bytes. The first are at least four, unless the file is shorter.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Self::Start(scanner) = self {
            let elf = ElfCollector::new(bytes).map(Box::new);
            // What is in the table are programs and libraries; a script of that name is neither.
            let scanner = scanner.take().filter(|_| elf.is_some());
            *self = match (&elf, &scanner) {
                (None, None) => Self::Nothing,
                _ => Self::Program { elf, scanner },
            };
        }
        match self {
            Self::Whole { bytes: kept, .. } => kept.extend_from_slice(bytes),
            Self::Program { elf, scanner } => {
                if let Some(elf) = elf {
                    elf.feed(bytes);
                }
                if let Some(scanner) = scanner {
                    scanner.feed(bytes);
                }
            }
            Self::Start(_) | Self::Lost(_) | Self::Nothing => {}
        }
    }

    pub(super) fn finish(self) -> Content {
        match self {
            Self::Whole { is_jar: false, bytes } => Content::Text(bytes.into()),
            Self::Whole { is_jar: true, bytes } => {
                let (artifacts, problems) = jar::read(&bytes);
                Content::Jar { artifacts, problems }
            }
            Self::Program { elf, scanner } => {
                let elf = elf.and_then(|elf| elf.finish()).map(Box::new);
                let found = scanner.and_then(Scanner::finish);
                match (&elf, &found) {
                    (None, None) => Content::Nothing,
                    _ => Content::Program { elf, found },
                }
            }
            Self::Lost(error) => Content::Lost(error),
            Self::Start(_) | Self::Nothing => Content::Nothing,
        }
    }
}
