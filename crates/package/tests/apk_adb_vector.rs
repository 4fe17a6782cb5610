// SPDX-License-Identifier: Apache-2.0
//! Format 3 against a package that apk itself made.
//!
//! The vector has everything that the package's values say, and the beginning of their SHA-256 as apk computed it. So
//! if the values that the testkit writes have that hash, they are the same as apk's, byte for byte.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

mod apk_adb_support;
mod apk_support;

use apk_adb_support::{keep_all, run};
use apk_support::shared;
use hardpan_package::apk::adb::AdbError;
use hardpan_package::unpack::UnpackError;
use hardpan_testkit::apk_adb::{Compression, package};
use hardpan_tree::Digest;
use serde_json::Value;

fn vector() -> Option<Value> {
    let Some(folder) = shared() else {
        eprintln!("skipped: no vector, because there is no shared data");
        return None;
    };
    match std::fs::read(folder.join("v3/vim-full-9.2.0-r1.json")) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            eprintln!("skipped: no vector, because it can't be read: {error}");
            None
        }
    }
}

#[test]
fn values_are_those_of_apk() {
    let Some(vector) = vector() else { return };
    let text = |name: &str| vector[name].as_str().unwrap();
    let mut apk = package(text("name"), text("version"))
        .without_build_time()
        .compression(Compression::None)
        .depends(text("depends"))
        .provides(text("provides"));
    for (number, name) in
        [(4, "description"), (5, "arch"), (6, "license"), (7, "origin"), (9, "url")]
    {
        apk = apk.text(number, text(name));
    }
    for name in vector["directories"].as_array().unwrap() {
        apk = apk.directory(name.as_str().unwrap());
    }
    for file in vector["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        apk = match file["symlink"].as_str().unwrap() {
            "" => apk.file(path, b"").last(|last| {
                let hash: Digest =
                    format!("sha256:{}", file["sha256"].as_str().unwrap()).parse().unwrap();
                last.hash = Some(hash.as_bytes().to_vec());
                last.size_bytes = file["size"].as_u64();
            }),
            target => apk.symlink(path, target),
        };
        apk = apk.mode(file["mode"].as_u64().unwrap()).mtime(file["mtime"].as_u64().unwrap());
    }
    for (name, script) in vector["scripts"].as_object().unwrap() {
        apk = apk.script(name, script.as_str().unwrap());
    }
    // apk hashes the values with zeros in the place of the hash, and so does the testkit.
    let values = apk.values();
    let hash: Vec<u8> = text("unique-id")
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();
    assert!(values.windows(20).any(|window| window == hash), "other values than apk's");
    // They are read up to the first file, whose content is not there.
    let error = run(&apk.build(), &keep_all()).unwrap_err();
    assert!(
        matches!(&error, UnpackError::Adb(AdbError::Content { problem: "missing", .. })),
        "{error:?}"
    );
}
