// SPDX-License-Identifier: Apache-2.0
//! Why an action can't be used.

use std::path::PathBuf;

use hardpan_definition::{Diagnostic, Distribution, Source, Span};

use crate::error::Trouble;
use crate::project::ProjectError;

/// Why an action can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// A folder of actions can't be read.
    #[error("can't read the actions of {path}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A folder has more actions than anybody would write.
    #[error("{path} has more than {limit} actions", path = path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// An action file can't be read.
    #[error(transparent)]
    Read(#[from] ProjectError),
    /// An action file has errors.
    #[error("{path} is not an action", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        diagnostics: Vec<Diagnostic>,
        /// Its text, which they point into.
        source_text: Box<Source>,
    },
    /// Two files have the same action.
    #[error("{second} has {action} again", second = second.display())]
    Duplicate {
        /// The action with its version.
        action: String,
        /// The file that was read first.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A step uses an action that is not there, or with inputs that it does not take.
    #[error("{}", messages(diagnostics))]
    Use {
        /// All that is wrong with it. They point into the definition.
        diagnostics: Vec<Diagnostic>,
    },
    /// The action needs programs that it knows no packages of.
    #[error("{action} has no package with {command} for {distribution}")]
    NoPackage {
        /// The action with its version.
        action: String,
        /// The program.
        command: String,
        /// The distribution.
        distribution: Distribution,
        /// Where the definition uses the action.
        span: Span,
    },
}

/// All messages in one line.
fn messages(diagnostics: &[Diagnostic]) -> String {
    let messages: Vec<&str> = diagnostics.iter().map(|found| found.message.as_str()).collect();
    messages.join("; ")
}

impl ActionError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        Trouble::Usage
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Use { diagnostics } => {
                diagnostics.iter().filter_map(|found| found.help.clone()).collect()
            }
            Self::Duplicate { first, .. } => {
                vec![format!("the other is {}; give one another version", first.display())]
            }
            Self::NoPackage { command, .. } => {
                vec![format!("list a package with {command} among the packages of the stage")]
            }
            _ => Vec::new(),
        }
    }

    /// Returns the places in the definition that are to blame.
    pub fn spans(&self) -> Vec<Span> {
        match self {
            Self::Use { diagnostics } => diagnostics.iter().filter_map(Diagnostic::span).collect(),
            Self::NoPackage { span, .. } => vec![*span],
            _ => Vec::new(),
        }
    }
}
