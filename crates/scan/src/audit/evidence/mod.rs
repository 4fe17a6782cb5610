// SPDX-License-Identifier: Apache-2.0
//! What the controls look at, made of the layers of any image.
//!
//! [`EvidenceBuilder`] takes layers as streams, the lowest first, reads each once, and remembers of files what controls ask
//! for: metadata, digest, what their headers and texts say, and the bytes of small ones. Whose a file is says a
//! [`Catalog`](crate::catalog::Catalog), what looks like a secret a
//! [`SecretReport`](crate::secrets::SecretReport); both are made of the same layers by their own readers.
//! [`of_layers`] does all of it where layers are at hand.

mod builder;
mod file;
mod owners;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use hardpan_image::ImageConfig;
use hardpan_tree::{InlineContents, TarReadError, Tree, TreePath};

pub use builder::{EvidenceBuilder, EvidenceOptions};

use crate::catalog::{CatalogBuilder, CatalogError, CatalogOptions};
use crate::controls::image::ImageFacts;
use crate::controls::{Inspection, PackageInfo, Profile};
use crate::secrets::{Rules, SecretOptions, SecretScanError, SecretScanner};

/// All that the controls look at, of one image.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What a container sees. A node has the origin [`hardpan_tree::Origin::Package`] if a package of the distribution
    /// has it in its list and its bytes are what that says of them, and else [`hardpan_tree::Origin::Layer`].
    pub tree: Tree,
    /// The packages of the distribution, in the order in which origins count.
    pub packages: Vec<PackageInfo>,
    /// What is known beyond the tree. Statements, vulnerabilities and today's date are for the caller to add.
    pub image: ImageFacts,
    /// What could not be looked at, or is not as it should be.
    pub warnings: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// Why an image can't be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// A layer is no archive that is safe to read.
    #[error("layer {layer} can't be read")]
    Tar {
        /// Which, counted from 0 for the lowest.
        layer: u32,
        /// Why.
        #[source]
        source: TarReadError,
    },
    /// A file can't be read.
    #[error("{path} can't be read")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More than a limit allows.
    #[error("the image has more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// What packages are in it can't be told.
    #[error("what is in the image can't be told")]
    Catalog(#[from] CatalogError),
    /// It can't be looked through for secrets.
    #[error("the image can't be looked through for secrets")]
    Secrets(#[from] SecretScanError),
}

/// Makes the evidence of layers that are at hand as tar archives, the lowest first.
///
/// ```
/// use hardpan_scan::audit::evidence;
/// use hardpan_scan::controls::{self, ControlPolicy, Profile};
/// # fn layers() -> Vec<Vec<u8>> { Vec::new() }
/// let evidence = evidence::of_layers(None, &layers())?;
/// let measured = controls::measure(&evidence.inspection(Profile::Runtime), &ControlPolicy::default());
/// assert!(measured.findings.iter().all(|finding| finding.path.is_none()));
/// # Ok::<(), evidence::EvidenceError>(())
/// ```
pub fn of_layers(
    config: Option<&ImageConfig>,
    layers: &[impl AsRef<[u8]>],
) -> Result<Evidence, EvidenceError> {
    let mut builder = EvidenceBuilder::new(EvidenceOptions::default());
    let mut catalog =
        CatalogBuilder::new(CatalogOptions { lowest_first: true, ..CatalogOptions::default() });
    let rules = Rules::builtin();
    let mut secrets = SecretScanner::new(&rules, SecretOptions::default());
    if let Some(config) = config {
        builder.config(config, &rules);
        secrets.config(config);
    }
    for layer in layers {
        builder.layer(layer.as_ref())?;
        catalog.layer(layer.as_ref())?;
        secrets.layer(layer.as_ref())?;
    }
    builder.finish(&catalog.finish()?, Some(&secrets.finish()))
}

impl Evidence {
    /// Returns what the controls take, for an image with that purpose of which no definition is known.
    pub fn inspection(&self, profile: Profile) -> Inspection<'_> {
        static NO_PACKAGES: BTreeSet<String> = BTreeSet::new();
        static NO_PATHS: BTreeSet<TreePath> = BTreeSet::new();
        let run = self.image.config.as_ref().map(|config| &config.config);
        Inspection {
            tree: &self.tree,
            contents: &InlineContents,
            packages: &self.packages,
            profile,
            image: Some(&self.image),
            requested_packages: &NO_PACKAGES,
            requested_paths: &NO_PATHS,
            root_allowed: false,
            user: run.map_or("", |run| &run.user),
            entrypoint: run.map_or(&[], |run| &run.entrypoint),
            command: run.map_or(&[], |run| &run.cmd),
            environment: &self.environment,
            work_directory: run.map_or("", |run| &run.working_dir),
            why: &unknown,
            cut: &unknown,
        }
    }
}

/// Nobody says who pulled in a package of a finished image.
fn unknown(_package: u32) -> Option<String> {
    None
}
