// SPDX-License-Identifier: Apache-2.0
//! What parts make of the bytes that a fuzzer gives them, and of seeds.

use hardpan_testkit::oci::Tar;

/// What stands between the pieces of an input that has several: no text has it.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// Bytes as a text, with what is none replaced: for parsers of texts.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Cuts an input into pieces. Those that are missing are empty, and the last has all the rest.
pub(crate) fn pieces<const N: usize>(bytes: &[u8]) -> [&[u8]; N] {
    let mut rest = bytes.splitn(N, |&byte| byte == SEPARATOR);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// Puts pieces together.
pub(crate) fn join(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.join(&SEPARATOR)
}

/// Cuts an input with any bytes in it in two: its first two bytes say where.
pub(crate) fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let [low, high, rest @ ..] = bytes else { return (bytes, &[]) };
    rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()))
}

/// Puts two halves together.
pub(crate) fn from_halves(first: &[u8], second: &[u8]) -> Vec<u8> {
    let length = u16::try_from(first.len()).expect("seeds are short");
    [&length.to_le_bytes(), first, second].concat()
}

/// Seeds that are texts.
pub(crate) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A layer of files.
pub(crate) fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    files.iter().fold(Tar::default(), |tar, (path, data)| tar.file(path, data)).end()
}

const BLOCK_BYTES: usize = 512;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Makes the checksums of headers true, as otherwise nothing would come behind the first of them that was changed.
pub(crate) fn with_checksums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK_BYTES) {
        at += BLOCK_BYTES;
        if block.iter().all(|&byte| byte == 0) {
            continue;
        }
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = std::str::from_utf8(&block[SIZE]).unwrap_or_default();
        let size = usize::from_str_radix(size.trim_matches([' ', '\0']), 8).unwrap_or_default();
        at = at.saturating_add(size.next_multiple_of(BLOCK_BYTES));
    }
    tar
}
