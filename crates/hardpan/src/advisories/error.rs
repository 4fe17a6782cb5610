// SPDX-License-Identifier: Apache-2.0
//! Why there is no advisory database.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hardpan_attest::verify::Refusal;
use hardpan_definition::nearest;
use hardpan_scan::advisory::database::DatabaseError;
use hardpan_scan::advisory::import::ImportError;
use hardpan_tree::Digest;

use crate::error::Trouble;

/// Why there is no advisory database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdvisoriesError {
    /// There is none on this machine.
    #[error("there is no advisory database on this machine")]
    None,
    /// A file that can't be read.
    #[error("can't read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// Bytes that are no database.
    #[error("the advisory database can't be read")]
    Database(#[source] DatabaseError),
    /// A file of a source that is not what it should be.
    #[error("can't take what {name} says")]
    Import {
        /// The file or URL.
        name: String,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// A directory without any file of a source.
    #[error("there is no .json, .csv, .gz, .xz or .zip in {path}", path = path.display())]
    NoFiles {
        /// The directory.
        path: PathBuf,
    },
    /// A file of a source that says nothing.
    #[error("there is nothing of {source_name} in {name}")]
    NoRecords {
        /// The file or URL.
        name: String,
        /// The source.
        source_name: String,
    },
    /// Nothing is kept of what a URL gave.
    #[error("{url} can't be fetched: the network is off")]
    Offline {
        /// The URL.
        url: String,
    },
    /// More than is read.
    #[error("the advisory database has more than {max} bytes")]
    TooLarge {
        /// How many are read.
        max: u64,
    },
    /// Nothing signed beside it.
    #[error("the advisory database of {origin} has no signature beside it")]
    Unsigned {
        /// Where it came from.
        origin: String,
    },
    /// No trusted key signed it.
    #[error("the advisory database of {origin} is not signed by a trusted key")]
    Untrusted {
        /// Where it came from.
        origin: String,
        /// Why what is beside it does not count.
        #[source]
        source: Box<Refusal>,
    },
    /// What was signed is something else.
    #[error(
        "what was signed beside the advisory database of {origin} is a statement of the type {found:?}"
    )]
    OtherStatement {
        /// Where it came from.
        origin: String,
        /// The type.
        found: String,
    },
    /// A source is older than in a database that was there.
    #[error(
        "{name} is of {offered} in the advisory database of {origin}, and of {newest} in one that was here"
    )]
    Older {
        /// Where it came from.
        origin: String,
        /// The source.
        name: String,
        /// What was offered.
        offered: String,
        /// What was there.
        newest: String,
    },
    /// A source of no known time, which may be older than in a database that was there.
    #[error(
        "nobody says of when {name} is in the advisory database of {origin}, and it is of {newest} in one that was here"
    )]
    Untimed {
        /// Where it came from.
        origin: String,
        /// The source.
        name: String,
        /// What was there.
        newest: String,
    },
    /// A source is of the future: every update after it would be older.
    #[error("{name} is of {time} in the advisory database of {origin}, and it is {now} here")]
    Future {
        /// Where it came from.
        origin: String,
        /// The source.
        name: String,
        /// Its time.
        time: String,
        /// The time of this machine.
        now: String,
    },
    /// A feed is of the future: nobody would take the database.
    #[error("{name} would be of {time} in the database, and it is {now} here")]
    FutureFeed {
        /// The source.
        name: String,
        /// Its time.
        time: String,
        /// The time of this machine.
        now: String,
    },
    /// What is remembered of the times of sources can't be read.
    #[error("can't read {path}, where is how new each source ever was", path = path.display())]
    Times {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the one that the record of it says.
    #[error("the advisory database at {path} was changed: it has the digest {actual}, not {expected}", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: Digest,
        /// What it has.
        actual: Digest,
    },
    /// There is no file where the record of it says.
    #[error("the advisory database is gone from {path}", path = path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// An artifact without a database in it.
    #[error("{name} is no advisory database: {reason}")]
    NotAnArtifact {
        /// The image name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl AdvisoriesError {
    /// Returns what kind of trouble it is.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::None
            | Self::Import { .. }
            | Self::NoFiles { .. }
            | Self::NoRecords { .. }
            | Self::FutureFeed { .. } => Trouble::Usage,
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Trouble::Usage
            }
            Self::Read { .. }
            | Self::Offline { .. }
            | Self::NotAnArtifact { .. }
            | Self::TooLarge { .. } => Trouble::Network,
            Self::Database(_)
            | Self::Unsigned { .. }
            | Self::Untrusted { .. }
            | Self::OtherStatement { .. }
            | Self::Older { .. }
            | Self::Untimed { .. }
            | Self::Future { .. }
            | Self::Times { .. }
            | Self::Gone { .. }
            | Self::Changed { .. } => Trouble::Trust,
        }
    }

    /// Returns what to do about it.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Import { source: ImportError::UnknownRelease { release, known }, .. } => {
                return vec![near_release(release, known)];
            }
            Self::None => {
                "`hardpan db update …` or `hardpan db import FILE` bring one, `hardpan db build` makes one; `--db FILE` uses one where it lies"
            }
            Self::Unsigned { .. } => {
                "a signed one has its bundle beside it, under the same name with .sigstore.json; `--allow-unsigned` takes it without, if you made it yourself"
            }
            Self::Untrusted { .. } => "name the key that signs it with --key",
            Self::Older { .. } => {
                "somebody may be replaying an old one; `--allow-older` takes it all the same"
            }
            Self::Untimed { .. } => {
                "somebody may be replaying an old one; who made it can make it of files with the time of their data (`curl -R`), and `--allow-older` takes it all the same"
            }
            Self::Future { .. } => {
                "set the clock of this machine if it is wrong; else who made the database must make it again, of data with the right time"
            }
            Self::FutureFeed { .. } => {
                "set the clock of this machine if it is wrong; else give the file the time of its data (`touch`), which counts where the data itself says none"
            }
            Self::Times { .. } => {
                "`--allow-older` takes the database all the same, and remembers anew from then on"
            }
            Self::Gone { .. } => "bring it again with `hardpan db update` or `hardpan db import`",
            Self::Changed { .. } => {
                "bring it again, which replaces it, or remove it with `hardpan db remove`"
            }
            Self::Database(_) => "bring it again; if it was made by a newer hardpan, use that",
            Self::Import { .. } => {
                "each kind of data has an option of its own; nothing of it was taken"
            }
            Self::NoRecords { .. } => "it may be cut off or something else; fetch it again",
            Self::Offline { .. } => {
                "nothing is kept of what a URL gives: fetch it into a file (`curl -R -O`) and name that, or run it without `--offline`"
            }
            Self::Read { .. }
            | Self::NoFiles { .. }
            | Self::TooLarge { .. }
            | Self::OtherStatement { .. }
            | Self::NotAnArtifact { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// Returns which release may have been meant.
fn near_release(release: &str, known: &BTreeSet<String>) -> String {
    if let Some(near) = nearest(release, known.iter().map(String::as_str)) {
        return format!("did you mean {near}?");
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    format!("known are {}; `--distro-info FILE` tells of newer ones", known.join(", "))
}
