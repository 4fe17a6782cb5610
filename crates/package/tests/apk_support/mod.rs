// SPDX-License-Identifier: Apache-2.0
//! What tests of Alpine's format 2 have in common.

#![allow(dead_code, reason = "each test takes a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::PathBuf;

use hardpan_package::apk::key::Keys;
use hardpan_package::apk::package::{Identity, identify};
use hardpan_package::apk::unpack::unpack;
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::{Limits, UnpackError, UnpackOptions};
use hardpan_testkit::apk::Key;

/// Returns a set of these keys.
pub(crate) fn keys(keys: &[&Key]) -> Keys {
    let mut set = Keys::new();
    for key in keys {
        set.add(key.name(), key.public_pem().as_bytes()).unwrap();
    }
    set
}

/// Unpacks with nothing left out.
pub(crate) fn unpacked(apk: &[u8]) -> Result<(Unpacked, Vec<u8>), UnpackError> {
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    let mut segment = Vec::new();
    let unpacked = unpack(&mut &apk[..], &options, &mut segment)?;
    Ok((unpacked, segment))
}

pub(crate) fn identified(apk: &[u8], keys: Option<&Keys>) -> Result<Identity, UnpackError> {
    identify(&mut &apk[..], &Limits::default(), keys)
}

/// Returns an error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}

/// Returns the folder with real indexes and packages, if it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = root.join("alpine");
    folder.is_dir().then_some(folder)
}
