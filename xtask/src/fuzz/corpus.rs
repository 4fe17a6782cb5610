// SPDX-License-Identifier: Apache-2.0
//! What a target starts from: its seeds, files of shared test data, and words that are in them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hardpan_fuzz::Target;
use hardpan_tree::Digest;

use super::Places;

/// The most files of shared test data for a part.
const SHARED_FILES_MAX: usize = 200;
/// The most words that are taken from seeds, and their lengths in bytes.
const WORDS_MAX: usize = 1_500;
const WORD_BYTES: std::ops::RangeInclusive<usize> = 2..=40;

/// Where a target's inputs are.
pub(super) fn folder(target: &Target, places: &Places) -> PathBuf {
    places.folder.join("corpus").join(target.name)
}

/// Where the words of a target are.
pub(super) fn dictionary(target: &Target, places: &Places) -> PathBuf {
    places.folder.join(format!("{}.dict", target.name))
}

/// Writes seeds and words. Without `keep`, nothing else is there.
pub(super) fn prepare(target: &Target, places: &Places, keep: bool) -> Result<()> {
    let folder = folder(target, places);
    if !keep && folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let mut words = BTreeSet::new();
    let mut inputs = target.seeds();
    for seed in &inputs {
        add_words(seed, &mut words);
    }
    inputs.extend(shared(target, places)?);
    for input in inputs.iter().filter(|input| input.len() <= target.bytes_max) {
        let path = folder.join(Digest::of(input).to_hex());
        fs::write(&path, input).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let mut text = String::new();
    for word in words.into_iter().take(WORDS_MAX) {
        let quoted = word.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "\"{quoted}\"")?;
    }
    let path = dictionary(target, places);
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// Takes the words out of a seed. A fuzzer that is guided by comparisons of numbers would not find them.
fn add_words(seed: &[u8], words: &mut BTreeSet<String>) {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+@".contains(byte);
    for word in seed.split(|byte| !is_letter(byte)) {
        let word = std::str::from_utf8(word).unwrap_or_default();
        for word in [word, word.trim_end_matches(':')] {
            if WORD_BYTES.contains(&word.len()) {
                words.insert(word.to_owned());
            }
        }
    }
}

/// Returns the files of shared test data that are for a target.
fn shared(target: &Target, places: &Places) -> Result<Vec<Vec<u8>>> {
    let Some(shared) = &places.shared else { return Ok(Vec::new()) };
    let mut inputs = Vec::new();
    for (number, part) in target.parts.iter().enumerate() {
        let mut files = Vec::new();
        for folder in part.shared {
            collect(&shared.join(folder), &mut files);
        }
        files.sort();
        for path in files.into_iter().take(SHARED_FILES_MAX) {
            let bytes =
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            inputs.push(target.input(number, &bytes));
        }
    }
    Ok(inputs)
}

/// Adds the files of a folder; one that is not there has none.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_seeds() {
        for (seed, expected) in [
            (&b"{\"specVersion\":\"1.6\"}"[..], vec!["1.6", "specVersion"]),
            (
                b"Package: a\nMulti-Arch: same\n",
                vec!["Multi-Arch", "Multi-Arch:", "Package", "Package:", "same"],
            ),
            (b"\x00\x01PK\x03\x04", vec!["PK"]),
            (b"a b c", vec![]),
        ] {
            let mut words = BTreeSet::new();
            add_words(seed, &mut words);
            assert_eq!(words.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        }
    }
}
