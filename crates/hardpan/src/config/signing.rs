// SPDX-License-Identifier: Apache-2.0
//! `[signing]`: whose word images are published with.

use serde::{Deserialize, Serialize};

/// `[signing]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SigningSection {
    /// The private key of commands that sign, where none is named with `--key`: `unix:///SOCKET`, a file relative to the workspace file, or [anything else](../guide/keys.md).
    pub key: Option<String>,
    /// Public keys, or folders of them, relative to the workspace file. Where no `--key` is named they are trusted; and the private key of this section must be that of one of them.
    pub public_keys: Vec<String>,
}

impl SigningSection {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.key.as_ref().is_some_and(String::is_empty) {
            let message = "signing.key: the key has no name".to_owned();
            return Err((message, "key".to_owned()));
        }
        match self.public_keys.iter().find(|path| path.is_empty() || path.contains("://")) {
            Some(path) => {
                let message = format!("signing.public-keys: {path:?} is not a path");
                Err((message, path.clone()))
            }
            None => Ok(()),
        }
    }
}
