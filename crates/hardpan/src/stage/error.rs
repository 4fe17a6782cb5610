// SPDX-License-Identifier: Apache-2.0
//! Why a build stage did not give what it should.

use hardpan_definition::Span;

use crate::error::Trouble;

/// Why a build stage did not give what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A step ended badly.
    #[error("stage {stage}, step {step}: {how}")]
    Failed {
        /// The stage.
        stage: String,
        /// The step, by name or number.
        step: String,
        /// How it ended.
        how: String,
        /// The last lines that it printed.
        log: Vec<String>,
        /// Where the step stands in the definition.
        span: Span,
    },
}

impl StageError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Failed { .. } => Trouble::Step,
        }
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns where in the definition the reason is.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Failed { span, .. } => Some(*span),
        }
    }
}
