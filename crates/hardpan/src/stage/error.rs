// SPDX-License-Identifier: Apache-2.0
//! Why a build stage did not give what it should.

use hardpan_definition::Span;
use hardpan_tree::TreePath;

use crate::error::Trouble;
use crate::sandbox::SandboxError;

/// Why a build stage did not give what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A part of the definition that this version does not know how to run.
    #[error("{what} can't be run yet")]
    Unsupported {
        /// The part.
        what: String,
        /// Where it stands.
        span: Span,
    },
    /// The image that a stage begins with is not in the lock.
    #[error("the lock has no {image}, which stage {stage} begins with")]
    NotLocked {
        /// The stage.
        stage: String,
        /// The image.
        image: String,
        /// Where the stage stands.
        span: Span,
    },
    /// Stages that wait for each other.
    #[error("stages need each other in a circle: {}", stages.join(", "))]
    Cycle {
        /// Their names.
        stages: Vec<String>,
        /// Where the first of them stands.
        span: Span,
    },
    /// A step has the network, and that is refused.
    #[error(
        "stage {stage}, step {step} has the network ({reason}), and `--no-network` refuses that"
    )]
    NetworkRefused {
        /// The stage.
        stage: String,
        /// The step.
        step: String,
        /// Who asks for it.
        reason: String,
        /// Where it stands.
        span: Span,
    },
    /// A step has the network, and hardpan is offline.
    #[error("stage {stage}, step {step} needs the network ({reason}), and the network is off")]
    Offline {
        /// The stage.
        stage: String,
        /// The step.
        step: String,
        /// Who asks for it.
        reason: String,
        /// Where it stands.
        span: Span,
    },
    /// A step needs a secret that nobody gave.
    #[error("stage {stage}, step {step} needs the secret {id}")]
    SecretMissing {
        /// The stage.
        stage: String,
        /// The step.
        step: String,
        /// The secret's name.
        id: String,
        /// Where the step asks for it.
        span: Span,
    },
    /// A step left a secret in a file.
    #[error("stage {stage} left the secret {id} in {path}")]
    SecretLeaked {
        /// The stage.
        stage: String,
        /// The secret's name.
        id: String,
        /// The file.
        path: TreePath,
        /// Where the stage stands.
        span: Span,
    },
    /// A step runs as somebody who is not there.
    #[error("stage {stage}, step {step} runs as {user}, who is not in the stage's /etc/passwd")]
    NoUser {
        /// The stage.
        stage: String,
        /// The step.
        step: String,
        /// The user.
        user: String,
        /// Where the step stands.
        span: Span,
    },
    /// A stage has no shell for its steps.
    #[error(
        "stage {stage} has no shell to run step {step}: neither /bin/bash nor /bin/sh is there"
    )]
    NoShell {
        /// The stage.
        stage: String,
        /// The step.
        step: String,
        /// Where the step stands.
        span: Span,
    },
    /// A step could not be run.
    #[error("stage {stage}, step {step} can't run")]
    Sandbox {
        /// The stage.
        stage: String,
        /// The step.
        step: String,
        /// Where the step stands.
        span: Span,
        /// Why.
        source: SandboxError,
    },
    /// A step ended badly.
    #[error("stage {stage}, step {step} {how}")]
    Failed {
        /// The stage.
        stage: String,
        /// The step, by name or number.
        step: String,
        /// How it ended: `failed with exit code 2`.
        how: String,
        /// The last lines that it printed.
        log: Vec<String>,
        /// Where the root of the stage was left, if it was.
        kept: Option<std::path::PathBuf>,
        /// Why it was not left there, if it should have been.
        not_kept: Option<String>,
        /// Where the step stands in the definition.
        span: Span,
    },
    /// A stage did not make what it should.
    #[error("stage {stage} has no {path} for the image")]
    OutputMissing {
        /// The stage.
        stage: String,
        /// What should be there.
        path: String,
        /// Names that may have been meant.
        near: Vec<String>,
        /// Where the output stands.
        span: Span,
    },
    /// What a stage made does not fit into the image.
    #[error("stage {stage}: {path} does not fit into the image: {why}")]
    Output {
        /// The stage.
        stage: String,
        /// Where it should go.
        path: String,
        /// Why it can't.
        why: String,
        /// Where the output stands.
        span: Span,
    },
    /// Building twice gave two results.
    #[error("stage {stage} is not reproducible: two runs differ at {count} {noun}", noun = if *count == 1 { "path" } else { "paths" })]
    NotReproducible {
        /// The stage.
        stage: String,
        /// At how many paths.
        count: usize,
        /// What differs, a line each; the first of many.
        differences: Vec<String>,
        /// Where the stage stands.
        span: Span,
    },
}

impl StageError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Unsupported { .. }
            | Self::NotLocked { .. }
            | Self::Cycle { .. }
            | Self::SecretMissing { .. }
            | Self::NoUser { .. }
            | Self::NoShell { .. } => Trouble::Usage,
            Self::NetworkRefused { .. } | Self::NotReproducible { .. } => Trouble::No,
            Self::Offline { .. } => Trouble::Network,
            Self::SecretLeaked { .. }
            | Self::Sandbox { .. }
            | Self::Failed { .. }
            | Self::OutputMissing { .. }
            | Self::Output { .. } => Trouble::Step,
        }
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::SecretMissing { id, .. } => vec![format!(
                "give it with `--secret id={id},src=FILE` or `--secret id={id},env=VARIABLE`"
            )],
            Self::SecretLeaked { .. } => {
                vec!["use the secret from the step's environment and write it nowhere".to_owned()]
            }
            Self::NoShell { .. } => vec![
                "add bash or dash to the stage's packages, or name a shell with `shell:`"
                    .to_owned(),
            ],
            Self::NoUser { .. } => {
                vec!["add the user to the stage's `accounts`, or give its number".to_owned()]
            }
            Self::Sandbox { source: SandboxError::Forbidden { help, .. }, .. } => {
                vec![help.clone()]
            }
            Self::Sandbox { source: SandboxError::WrongMachine { .. }, .. } => vec![
                "install qemu-user-static, or build only this machine's platform with `--platform`"
                    .to_owned(),
            ],
            Self::Failed { kept: Some(path), .. } => {
                vec![format!("the stage's root file system is in {}", path.display())]
            }
            Self::Failed { not_kept: Some(why), .. } => {
                vec![format!("the stage's root file system could not be kept: {why}")]
            }
            Self::Failed { .. } => {
                vec!["`--keep-failed DIR` leaves the stage's root file system there".to_owned()]
            }
            Self::OutputMissing { near, .. } if !near.is_empty() => {
                vec![format!("did you mean {}?", near.join(", "))]
            }
            Self::NotReproducible { differences, .. } => differences.clone(),
            _ => Vec::new(),
        }
    }

    /// Returns the last lines that a failed step printed.
    pub fn log(&self) -> &[String] {
        match self {
            Self::Failed { log, .. } => log,
            _ => &[],
        }
    }

    /// Returns where in the definition the reason is.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Unsupported { span, .. }
            | Self::NotLocked { span, .. }
            | Self::Cycle { span, .. }
            | Self::NetworkRefused { span, .. }
            | Self::Offline { span, .. }
            | Self::SecretMissing { span, .. }
            | Self::SecretLeaked { span, .. }
            | Self::NoUser { span, .. }
            | Self::NoShell { span, .. }
            | Self::Sandbox { span, .. }
            | Self::Failed { span, .. }
            | Self::OutputMissing { span, .. }
            | Self::Output { span, .. }
            | Self::NotReproducible { span, .. } => Some(*span),
        }
    }
}
