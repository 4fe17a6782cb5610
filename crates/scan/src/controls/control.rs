// SPDX-License-Identifier: Apache-2.0
//! What a control is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ControlId, Profile, Severity};

/// What stands in a fix between what to change in a definition and in a Dockerfile.
const IN_A_DOCKERFILE: &str = "; in a Dockerfile: ";

/// One hardening check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Its stable name.
    pub id: ControlId,
    /// What it is about.
    pub group: Group,
    /// What holds where it passes, in a few words.
    pub title: &'static str,
    /// What an attacker or an operator has to do with it.
    pub why: &'static str,
    /// What to change in a definition that breaks it, and, where that is certain, in a Dockerfile.
    pub fix: &'static str,
    /// Its severity in runtime images.
    pub runtime: Severity,
    /// Its severity in images for building and debugging; `None` where it does not apply.
    pub dev: Option<Severity>,
}

impl Control {
    /// Says how it is measured.
    pub fn measured(&self) -> &'static str {
        super::measured(self.id)
    }

    /// Says what to change in a definition that breaks it.
    pub fn fix_in_definition(&self) -> &'static str {
        self.fix.split_once(IN_A_DOCKERFILE).map_or(self.fix, |(fix, _)| fix)
    }

    /// Returns its severity for a profile; `None` where it does not apply.
    pub fn severity(&self, profile: Profile) -> Option<Severity> {
        match (self.id, profile) {
            (ControlId::DynamicLoader, profile) if profile != Profile::RuntimeStatic => None,
            // Images that others are moved to step by step have a shell because their scripts need it.
            (ControlId::Shell | ControlId::EntrypointShell, Profile::Compat) => {
                Some(Severity::Info)
            }
            (_, Profile::Runtime | Profile::RuntimeStatic | Profile::Compat) => Some(self.runtime),
            (_, Profile::Dev | Profile::Sdk) => self.dev,
        }
    }

    /// Whether it counts for the grade: what only informs does not.
    pub fn counts(&self, profile: Profile) -> bool {
        self.severity(profile).is_some_and(|severity| severity > Severity::Info)
    }
}

/// What controls are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Programs that an intruder would use.
    AttackSurface,
    /// Who the image runs as, and which accounts it has.
    Identity,
    /// Modes, owners and kinds of files.
    Files,
    /// What should be known to few.
    Secrets,
    /// How programs were built, and whether they can run.
    Binaries,
    /// What the image's configuration says.
    Configuration,
    /// Who states what about the image.
    SupplyChain,
    /// Known vulnerabilities.
    Vulnerabilities,
    /// What is there for nothing.
    Efficiency,
}

impl Group {
    /// All groups, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::AttackSurface,
        Self::Identity,
        Self::Files,
        Self::Secrets,
        Self::Binaries,
        Self::Configuration,
        Self::SupplyChain,
        Self::Vulnerabilities,
        Self::Efficiency,
    ];

    /// Returns its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::AttackSurface => "attack surface",
            Self::Identity => "identity",
            Self::Files => "files",
            Self::Secrets => "secrets",
            Self::Binaries => "binaries",
            Self::Configuration => "configuration",
            Self::SupplyChain => "supply chain",
            Self::Vulnerabilities => "vulnerabilities",
            Self::Efficiency => "efficiency",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// A text that names no control.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no control is named {0:?}")]
pub struct UnknownControl(pub String);
