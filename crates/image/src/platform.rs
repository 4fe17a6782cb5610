// SPDX-License-Identifier: Apache-2.0
//! Platforms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and processor (OCI image specification, "Image Index", `platform`).
///
/// Written `linux/amd64`. 64-bit ARM always has the variant `v8`, as in the images of others, and is
/// written without it, so that one platform has one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, by Go's name: `amd64`, `arm64`.
    pub architecture: String,
    /// The operating system: `linux`.
    pub os: String,
    /// The processor's variant: `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a text is not a [`Platform`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a platform (expected os/architecture or os/architecture/variant): {0:?}")]
pub struct PlatformError(pub String);

impl Platform {
    /// Returns the Linux platform of a processor.
    pub fn linux(architecture: &str) -> Self {
        let variant = (architecture == "arm64").then(|| "v8".to_owned());
        Self { architecture: architecture.to_owned(), os: "linux".to_owned(), variant }
    }

    /// Returns whether an image for `self` is one for `wanted`: 64-bit ARM with and without `v8` is
    /// the same.
    pub fn matches(&self, wanted: &Self) -> bool {
        self.to_string() == wanted.to_string()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if self.architecture != "arm64" || variant != "v8" => {
                write!(f, "/{variant}")
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let error = || PlatformError(text.chars().take(100).collect());
        let is_name = |name: &&str| {
            name.len() <= 32
                && name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(is_name) {
            return Err(error());
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(error()),
        };
        let variant = match (os, architecture, variant) {
            ("linux", "arm64", None) => Some("v8".to_owned()),
            (_, _, variant) => variant,
        };
        Ok(Self { architecture: architecture.to_owned(), os: os.to_owned(), variant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip_to_one_form() {
        for (text, variant, form) in [
            ("linux/amd64", None, "linux/amd64"),
            ("linux/arm64", Some("v8"), "linux/arm64"),
            ("linux/arm64/v8", Some("v8"), "linux/arm64"),
            ("linux/arm64/v9", Some("v9"), "linux/arm64/v9"),
            ("linux/arm/v7", Some("v7"), "linux/arm/v7"),
            ("linux/amd64/v3", Some("v3"), "linux/amd64/v3"),
        ] {
            let platform: Platform = text.parse().unwrap();
            assert_eq!(platform.variant.as_deref(), variant, "{text}");
            assert_eq!(platform.to_string(), form);
            assert_eq!(form.parse(), Ok(platform));
        }
        assert_eq!("linux/arm64".parse(), Ok(Platform::linux("arm64")));
        let bare = Platform { variant: None, ..Platform::linux("arm64") };
        assert!(bare.matches(&Platform::linux("arm64")));
        assert!(!bare.matches(&Platform::linux("amd64")));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux//v8",
            "linux/amd64/v3/x",
            "Linux/amd64",
            "linux/amd 64",
            "linux/../etc",
            "linux/amd64\n",
            &format!("linux/{}", "a".repeat(33)),
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }
}
