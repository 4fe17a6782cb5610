// SPDX-License-Identifier: Apache-2.0
//! Why an image can't be audited.

use std::io;
use std::path::PathBuf;

use hardpan_attest::predicate::PredicateError;
use hardpan_scan::audit::crypto::CertificateError;
use hardpan_scan::audit::evidence::EvidenceError;
use hardpan_scan::audit::exceptions::ExceptionError;

use crate::error::Trouble;

/// Why an image can't be audited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Its layers can't be looked at.
    #[error("the image can't be looked at")]
    Evidence(#[source] EvidenceError),
    /// The controls are about Linux, and would find nothing in it.
    #[error("{name} is for {os}, and only images for Linux can be audited")]
    NotLinux {
        /// The image.
        name: String,
        /// The operating system that it is for.
        os: String,
    },
    /// A layer can't be read where it is.
    #[error("layer {layer} can't be read")]
    Layer {
        /// Which, counted from 0 for the lowest.
        layer: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of a root file system can't be read.
    #[error("{path} can't be read")]
    File {
        /// The file.
        path: hardpan_tree::TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// All that looked at it have ended before its last layer.
    #[error("nobody looks at the image any more")]
    Deserted,
    /// A file is no baseline.
    #[error("{path} is no baseline", path = path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ExceptionError,
    },
    /// What came of it can't be stated.
    #[error("the audit can't be stated")]
    Statement {
        /// Why.
        #[source]
        source: PredicateError,
    },
    /// A certificate of a cryptographic module says nothing.
    #[error("the certificate can't be stated")]
    Certificate {
        /// Why.
        #[source]
        source: CertificateError,
    },
}

impl AuditError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Evidence(EvidenceError::Read { .. }) | Self::Layer { .. } | Self::File { .. } => {
                Trouble::Network
            }
            Self::Evidence(_) => Trouble::Trust,
            Self::Deserted => Trouble::Internal,
            Self::NotLinux { .. }
            | Self::Baseline { .. }
            | Self::Statement { .. }
            | Self::Certificate { .. } => Trouble::Usage,
        }
    }

    /// Returns what the user can do, where there is something.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NotLinux { .. } => {
                vec!["`--platform linux/amd64` takes another image of an index".to_owned()]
            }
            Self::Baseline { .. } => {
                vec!["`hardpan audit --write-baseline FILE` writes one".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
