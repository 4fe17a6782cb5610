// SPDX-License-Identifier: Apache-2.0
//! What images are for: the same file is a defect in one and the purpose of another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an image is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Runs one program in production: the whole set of controls.
    #[default]
    Runtime,
    /// The same, and the program needs no library of the image.
    RuntimeStatic,
    /// Runs a program in production whose scripts need a shell.
    Compat,
    /// Builds and debugs: shells, compilers and package managers are its purpose.
    Dev,
    /// Builds with one language's whole set of tools.
    Sdk,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Runtime, Self::RuntimeStatic, Self::Compat, Self::Dev, Self::Sdk];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::RuntimeStatic => "runtime-static",
            Self::Compat => "compat",
            Self::Dev => "dev",
            Self::Sdk => "sdk",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no profile is named {0:?}; there are runtime, runtime-static, compat, dev and sdk")]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == text);
        known.ok_or_else(|| UnknownProfile(text.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        for text in ["", "Runtime", "production", "runtime "] {
            assert_eq!(text.parse::<Profile>(), Err(UnknownProfile(text.to_owned())));
        }
    }
}
