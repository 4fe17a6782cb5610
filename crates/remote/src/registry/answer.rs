// SPDX-License-Identifier: Apache-2.0
//! What is read of registries' answers and of files with logins, as functions of their bytes: for those who try what
//! hostile ones do.

use hardpan_image::Descriptor;
use serde_json::Value;

use super::login::LoginFile;
use super::push::descriptors;
use super::token::read_token;
use super::{Authorization, LoginFileError};

pub use super::challenge::{Challenge, parse as challenges};
pub use super::push::next_link;

/// Reads a token.
pub fn token(bytes: &[u8]) -> Option<Authorization> {
    read_token(bytes)
}

/// Reads a list of what is attached to an image.
///
/// # Errors
/// What is wrong with it, in words.
pub fn referrers(index: &Value) -> Result<Vec<Descriptor>, String> {
    descriptors(index)
}

/// Reads a file with logins, as docker and podman write it.
pub fn check_login_file(bytes: &[u8]) -> Result<(), LoginFileError> {
    LoginFile::parse("logins", bytes).map(drop)
}
