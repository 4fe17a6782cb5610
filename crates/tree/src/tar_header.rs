// SPDX-License-Identifier: Apache-2.0
//! The parts of tar headers: fields, numbers, PAX records.

use std::collections::BTreeMap;

use crate::tar_write::BLOCK_BYTES;

/// A header block, with numbers that may yet turn out not to matter.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) type_flag: u8,
    pub(crate) user: Vec<u8>,
    pub(crate) group: Vec<u8>,
    pub(crate) size_bytes: Result<u64, &'static str>,
    mode: Result<i64, &'static str>,
    uid: Result<i64, &'static str>,
    gid: Result<i64, &'static str>,
    mtime: Result<i64, &'static str>,
}

/// Reads a header block and checks its sum.
pub(crate) fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Header, &'static str> {
    let sum = number(&block[148..156]).map_err(|_| "no checksum")?;
    let is_sum = |index: usize| (148..156).contains(&index);
    let bytes = || block.iter().enumerate();
    let unsigned: i64 =
        bytes().map(|(at, &byte)| if is_sum(at) { 32 } else { i64::from(byte) }).sum();
    // Some old writers summed signed bytes.
    let signed: i64 = bytes()
        .map(|(at, &byte)| if is_sum(at) { 32 } else { i64::from(byte.cast_signed()) })
        .sum();
    if sum != unsigned && sum != signed {
        return Err("wrong checksum");
    }
    let mut name = text(&block[..100]).to_vec();
    // Only POSIX has the prefix; GNU's magic ends with spaces, and it keeps other things there.
    if &block[257..263] == b"ustar\0" {
        let prefix = text(&block[345..500]);
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
    }
    // Both POSIX and GNU have names of owners there; older archives have nothing.
    let owner = |field: &[u8]| match &block[257..262] {
        b"ustar" => text(field).to_vec(),
        _ => Vec::new(),
    };
    let size_bytes =
        number(&block[124..136]).and_then(|size| u64::try_from(size).map_err(|_| "negative size"));
    Ok(Header {
        name,
        target: text(&block[157..257]).to_vec(),
        type_flag: block[156],
        user: owner(&block[265..297]),
        group: owner(&block[297..329]),
        size_bytes,
        mode: number(&block[100..108]),
        uid: number(&block[108..116]),
        gid: number(&block[116..124]),
        mtime: number(&block[136..148]),
    })
}

/// The numbers of an entry, extended headers taken into account.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size_bytes: u64,
    pub(crate) mtime: i64,
}

impl Numbers {
    pub(crate) fn of(header: &Header, overrides: &Overrides) -> Result<Self, &'static str> {
        let id = |value: Option<u32>, field: Result<i64, &'static str>| match value {
            Some(value) => Ok(value),
            None => u32::try_from(field?).map_err(|_| "owner out of range"),
        };
        Ok(Self {
            mode: u32::try_from(header.mode? & 0o177_777).map_err(|_| "bad mode")?,
            uid: id(overrides.uid, header.uid)?,
            gid: id(overrides.gid, header.gid)?,
            size_bytes: match overrides.size_bytes {
                Some(size_bytes) => size_bytes,
                None => header.size_bytes?,
            },
            mtime: match overrides.mtime {
                Some(mtime) => mtime,
                None => header.mtime?,
            },
        })
    }
}

/// What extended headers say of the entry that follows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) target: Option<Vec<u8>>,
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    pub(crate) user: Option<Vec<u8>>,
    pub(crate) group: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<i64>,
}

impl Overrides {
    /// Takes a GNU long name; a PAX path has priority.
    pub(crate) fn set_long_name(&mut self, data: Vec<u8>) {
        if self.path.is_none() {
            self.path = Some(text(&data).to_vec());
        }
    }

    /// Takes a GNU long link target; a PAX one has priority.
    pub(crate) fn set_long_target(&mut self, data: Vec<u8>) {
        if self.target.is_none() {
            self.target = Some(text(&data).to_vec());
        }
    }

    /// Takes PAX records.
    pub(crate) fn set_records(&mut self, data: &[u8]) -> Result<(), &'static str> {
        for_each_record(data, |key, value| {
            let number = || {
                let text = std::str::from_utf8(value).map_err(|_| "not a number")?;
                text.parse::<u64>().map_err(|_| "not a number")
            };
            let id = || u32::try_from(number()?).map_err(|_| "owner out of range");
            match key {
                b"path" => self.path = (!value.is_empty()).then(|| value.to_vec()),
                b"linkpath" => self.target = (!value.is_empty()).then(|| value.to_vec()),
                b"size" => self.size_bytes = Some(number()?),
                b"uname" => self.user = Some(value.to_vec()),
                b"gname" => self.group = Some(value.to_vec()),
                b"uid" => self.uid = Some(id()?),
                b"gid" => self.gid = Some(id()?),
                b"mtime" => self.mtime = Some(seconds(value)?),
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err("sparse files are not supported");
                }
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        let name = std::str::from_utf8(name).map_err(|_| "name is not UTF-8")?;
                        if name.is_empty() {
                            return Err("extended attribute without a name");
                        }
                        self.xattrs.insert(name.to_owned(), value.to_vec());
                    }
                }
            }
            Ok(())
        })
    }
}

/// Checks that global PAX records change nothing about the entries after them.
pub(crate) fn check_global(data: &[u8]) -> Result<(), &'static str> {
    for_each_record(data, |key, _| match key {
        b"comment" | b"atime" | b"ctime" | b"charset" | b"hdrcharset" => Ok(()),
        _ => Err("global records are not supported"),
    })
}

fn for_each_record(
    mut data: &[u8],
    mut action: impl FnMut(&[u8], &[u8]) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    while !data.is_empty() {
        let space = data.iter().position(|&byte| byte == b' ').ok_or("no length")?;
        let digits = std::str::from_utf8(&data[..space]).map_err(|_| "bad length")?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("bad length");
        }
        let length: usize = digits.parse().map_err(|_| "bad length")?;
        if length <= space + 1 || length > data.len() {
            return Err("bad length");
        }
        let (record, rest) = data.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").ok_or("no line break at its end")?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or("no \"=\"")?;
        action(&record[..equals], &record[equals + 1..])?;
        data = rest;
    }
    Ok(())
}

/// Reads seconds that may have a sign and a fraction; rounds down.
fn seconds(value: &[u8]) -> Result<i64, &'static str> {
    let bad = "not a time";
    let text = std::str::from_utf8(value).map_err(|_| bad)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad);
    }
    let seconds: i64 = whole.parse().map_err(|_| bad)?;
    let has_fraction = fraction.bytes().any(|byte| byte != b'0');
    Ok(if whole.starts_with('-') && has_fraction { seconds.saturating_sub(1) } else { seconds })
}

/// Returns a field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Reads a number: octal digits, or GNU's base 256 if the first bit is set. Empty is 0.
fn number(field: &[u8]) -> Result<i64, &'static str> {
    if field[0] & 0x80 != 0 {
        let is_negative = field[0] & 0x40 != 0;
        let mut value: i64 = if is_negative { -1 } else { 0 };
        for (at, &byte) in field.iter().enumerate() {
            let byte = if at == 0 && !is_negative { byte & 0x7f } else { byte };
            value = value.checked_mul(256).ok_or("number out of range")? | i64::from(byte);
        }
        return Ok(value);
    }
    let digits = text(field).trim_ascii();
    let mut value: i64 = 0;
    for &digit in digits {
        if !(b'0'..=b'7').contains(&digit) {
            return Err("not a number");
        }
        // Twelve octal digits are the most that a field holds.
        value = value << 3 | i64::from(digit - b'0');
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, expected) in [
            (&b"0000644\0"[..], Ok(0o644)),
            (b"   644 \0", Ok(0o644)),
            (b"00000012", Ok(0o12)),
            (b"\0\0\0\0\0\0\0\0", Ok(0)),
            (b"\x80\0\0\0\0\x20\0\0", Ok(1 << 21)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Ok(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Ok(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Err("number out of range")),
            (b"0000648\0", Err("not a number")),
            (b"-000644\0", Err("not a number")),
            (b"12 34  \0", Err("not a number")),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("1700000000.5", Ok(1_700_000_000)),
            ("-1", Ok(-1)),
            ("-1.5", Ok(-2)),
            ("-0.5", Ok(-1)),
            ("1.x", Err("not a time")),
            ("", Err("not a time")),
            ("99999999999999999999", Err("not a time")),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn bad_records_are_refused() {
        for (data, problem) in [
            (&b"12path=x\n"[..], "no length"),
            (b"x path=x\n", "bad length"),
            (b"+9 path=x\n", "bad length"),
            (b"0 path=x\n", "bad length"),
            (b"2 path=x\n", "bad length"),
            (b"99 path=x\n", "bad length"),
            (b"99999999999999999999999 path=x\n", "bad length"),
            (b"9 path=xy", "no line break at its end"),
            (b"7 path\n", "no \"=\""),
            (b"10 size=x\n", "not a number"),
            (b"11 size=-1\n", "not a number"),
            (b"18 uid=4294967296\n", "owner out of range"),
            (b"22 GNU.sparse.major=1\n", "sparse files are not supported"),
            (b"17 SCHILY.xattr.=\n", "no line break at its end"),
            (b"18 SCHILY.xattr.=\n", "extended attribute without a name"),
        ] {
            let result = Overrides::default().set_records(data);
            assert_eq!(result, Err(problem), "{}", String::from_utf8_lossy(data));
        }
        assert!(check_global(b"10 comment=\n").is_err());
        assert_eq!(check_global(b"11 comment=\n"), Err("no line break at its end"));
        assert_eq!(check_global(b"12 comment=\n"), Ok(()));
        assert_eq!(check_global(b"10 path=x\n"), Err("global records are not supported"));
    }
}
