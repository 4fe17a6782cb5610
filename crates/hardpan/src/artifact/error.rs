// SPDX-License-Identifier: Apache-2.0
//! Why an image that a definition names can't be used.

use std::fmt;
use std::path::PathBuf;

use hardpan_definition::{Platform, Span};
use hardpan_image::{DocumentError, ImageNameError, LayoutError};
use hardpan_remote::registry::{Denial, RegistryError};
use hardpan_tree::{Digest, TreePath};

use super::layer::LayerError;
use crate::error::Trouble;
use hardpan_tree::layers::StackError;

/// Why an image that a definition names can't be used, and where that stands.
#[derive(Debug)]
pub struct ArtifactError {
    /// The place in the definition, where it is known.
    pub span: Option<Span>,
    /// Why.
    pub problem: ArtifactProblem,
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for ArtifactError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

impl From<ArtifactProblem> for ArtifactError {
    fn from(problem: ArtifactProblem) -> Self {
        Self { span: None, problem }
    }
}

/// Why an image that a definition names can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactProblem {
    /// Not a name of an image that can be fetched.
    #[error("{name} is not the name of an image")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: ImageNameError,
    },
    /// An include or exclude is no pattern.
    #[error("image {image}: {problem}")]
    Pattern {
        /// The image.
        image: String,
        /// What is wrong with which.
        problem: String,
    },
    /// A registry did not give it.
    #[error("image {image}")]
    Registry {
        /// The image.
        image: String,
        /// Why.
        source: Box<RegistryError>,
    },
    /// A local layout can't be read.
    #[error("the layout {path}", path = path.display())]
    Layout {
        /// The layout.
        path: PathBuf,
        /// Why.
        source: Box<LayoutError>,
    },
    /// It is not for the platform.
    #[error("image {image} is not for {platform}")]
    NoPlatform {
        /// The image.
        image: String,
        /// The platform.
        platform: Platform,
        /// What it is for.
        available: Vec<String>,
    },
    /// It is no image, but something else that registries hold.
    #[error("{image} is not an image: {what}")]
    NotAnImage {
        /// What was named.
        image: String,
        /// What it is.
        what: String,
    },
    /// A document of it is not what it should be.
    #[error("image {image}: {digest} is no good")]
    Document {
        /// The image.
        image: String,
        /// The document.
        digest: Digest,
        /// Why.
        source: DocumentError,
    },
    /// Bytes are not those of their digest.
    #[error("image {image}: {expected} has the digest {actual}")]
    Digest {
        /// The image.
        image: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// A layer is hostile or damaged.
    #[error("image {image}, layer {layer}")]
    Layer {
        /// The image.
        image: String,
        /// The layer.
        layer: Digest,
        /// Why.
        source: Box<LayerError>,
    },
    /// Layers do not fit on one another.
    #[error("image {image}")]
    Stack {
        /// The image.
        image: String,
        /// Why.
        source: StackError,
    },
    /// A file has no place in the tree.
    #[error("{path} of image {image} has no place: {problem}")]
    Place {
        /// The image.
        image: String,
        /// The file.
        path: TreePath,
        /// Why.
        problem: String,
    },
    /// The lock has no such image.
    #[error("the lock does not have image {image}")]
    NotLocked {
        /// The image.
        image: String,
    },
}

impl ArtifactProblem {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Name { .. }
            | Self::Pattern { .. }
            | Self::NoPlatform { .. }
            | Self::NotAnImage { .. }
            | Self::Place { .. }
            | Self::NotLocked { .. } => Trouble::Usage,
            Self::Registry { source, .. } if source.is_trust() => Trouble::Trust,
            Self::Layout { source, .. } => match **source {
                LayoutError::NotALayout { .. } | LayoutError::Version { .. } => Trouble::Usage,
                LayoutError::Io { .. } => Trouble::Network,
                _ => Trouble::Trust,
            },
            Self::Registry { .. } => Trouble::Network,
            Self::Document { .. }
            | Self::Digest { .. }
            | Self::Layer { .. }
            | Self::Stack { .. } => Trouble::Trust,
        }
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoPlatform { available, .. } if !available.is_empty() => {
                vec![format!("it is for {}", available.join(", "))]
            }
            Self::Registry { source, .. } => registry_hints(source),
            Self::NotLocked { .. } => vec!["run `hardpan resolve` to refresh the lock".to_owned()],
            Self::Place { .. } => {
                vec!["leave it out with `excludes`, or take other paths".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// Whether another error is the reason.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Registry { source, .. } => source.is_cancelled(),
            _ => false,
        }
    }
}

fn registry_hints(error: &RegistryError) -> Vec<String> {
    match error {
        RegistryError::Denied(denial) => {
            let Denial { registry, login, looked, problems, .. } = denial.as_ref();
            let mut hints = problems.clone();
            hints.push(match login {
                Some(login) => format!("the login for {registry} from {login} was refused"),
                None if looked.is_empty() => format!("there is no login for {registry}"),
                None => format!("there is no login for {registry} in {}", looked.join(", ")),
            });
            hints.push(format!(
                "log in with `docker login {registry}` or `podman login {registry}`"
            ));
            hints
        }
        error if error.is_not_found() => {
            vec!["registries also say that when a repository is private".to_owned()]
        }
        _ => Vec::new(),
    }
}
