// SPDX-License-Identifier: Apache-2.0
//! Unpacking an `.apk` into a segment.

use std::io::{self, Read, Write};

use crate::segment::Unpacked;
use crate::unpack::{UnpackError, UnpackOptions};

/// Unpacks a package: reads `apk` to its end and writes the segment.
///
/// # Errors
/// As [`crate::unpack::unpack`].
pub fn unpack(
    _apk: &mut dyn Read,
    _options: &UnpackOptions,
    _segment: &mut dyn Write,
) -> Result<Unpacked, UnpackError> {
    let source = io::ErrorKind::Unsupported.into();
    Err(UnpackError::Decompress { member: "apk".to_owned(), source })
}
