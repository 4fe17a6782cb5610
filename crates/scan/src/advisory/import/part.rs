// SPDX-License-Identifier: Apache-2.0
//! Files as they come: plain, gzip, xz, or many in a zip archive; with limits.

use std::borrow::Cow;
use std::io::Read;

use hardpan_package::deb::archive::Compression;
use hardpan_tree::{Digest, Hasher, ZipLimits, ZipMember, zip_members};

use super::{ImportError, Input};

/// The most bytes of one file, unpacked: Debian's tracker has 80 MB, NVD's largest year 150.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 30;
/// The most bytes of one record in an archive: the largest OSV records list many thousand versions.
const RECORD_BYTES_MAX: u64 = 32 << 20;
/// The most files in an archive: there are 350,000 CVEs, and 250,000 records about npm.
const RECORDS_MAX: u64 = 2_000_000;
/// The most bytes of all files of an archive.
const ARCHIVE_BYTES_MAX: u64 = 16 << 30;

/// Returns the bytes of a file, unpacked if gzip or xz packed them.
pub(super) fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ImportError> {
    unpacked_up_to(bytes, FILE_BYTES_MAX)
}

fn unpacked_up_to(bytes: &[u8], maximum: u64) -> Result<Cow<'_, [u8]>, ImportError> {
    let compression = Compression::of(bytes);
    if compression == Compression::None {
        let is_too_large = bytes.len() as u64 > maximum;
        return if is_too_large {
            Err(ImportError::TooLarge { maximum })
        } else {
            Ok(bytes.into())
        };
    }
    let mut unpacked = Vec::new();
    let reader = compression.open(bytes).map_err(ImportError::Unpack)?;
    reader.take(maximum + 1).read_to_end(&mut unpacked).map_err(ImportError::Unpack)?;
    if unpacked.len() as u64 > maximum {
        return Err(ImportError::TooLarge { maximum });
    }
    Ok(unpacked.into())
}

/// Returns the text of a file, unpacked.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, ImportError> {
    let wrong = |error: std::str::Utf8Error| ImportError::Encoding(error.valid_up_to());
    match unpacked(bytes)? {
        Cow::Borrowed(bytes) => Ok(std::str::from_utf8(bytes).map_err(wrong)?.into()),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).map(Cow::Owned).map_err(|error| wrong(error.utf8_error()))
        }
    }
}

/// What is called with the name and the bytes of a file.
type Each<'c> = &'c mut dyn FnMut(&str, &[u8]) -> Result<(), ImportError>;

/// Calls with each JSON file: of a zip archive its members that end so, else the file itself.
pub(super) fn each_json(input: &Input<'_>, each: Each<'_>) -> Result<(), ImportError> {
    if !input.bytes.starts_with(b"PK") {
        return each("", &unpacked(input.bytes)?);
    }
    let limits = ZipLimits { members_max: RECORDS_MAX, ..ZipLimits::default() };
    let members = zip_members(input.bytes, limits).map_err(ImportError::Zip)?;
    let mut left_bytes = ARCHIVE_BYTES_MAX;
    for member in members.iter().filter(|member| member.name.ends_with(b".json")) {
        let maximum = ARCHIVE_BYTES_MAX;
        let left = left_bytes.checked_sub(member.size_bytes);
        left_bytes = left.ok_or(ImportError::TooLarge { maximum })?;
        let data = read(input.bytes, member)?;
        each(&String::from_utf8_lossy(&member.name), &data)?;
    }
    Ok(())
}

fn read(archive: &[u8], member: &ZipMember) -> Result<Vec<u8>, ImportError> {
    if member.size_bytes > RECORD_BYTES_MAX {
        return Err(ImportError::TooLarge { maximum: RECORD_BYTES_MAX });
    }
    let mut data = Vec::new();
    member.open(archive).read_to_end(&mut data).map_err(ImportError::Unpack)?;
    Ok(data)
}

/// Returns the digest of several files, whatever their order.
pub(super) fn digest_of_all(mut digests: Vec<Digest>) -> Digest {
    digests.sort_unstable();
    let mut hasher = Hasher::new();
    for digest in digests {
        hasher.update(digest.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn packed_files_have_a_limit_and_nothing_behind_them() {
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&zeros).unwrap();
        for member in [gzip.finish().unwrap(), xz.finish().unwrap()] {
            let two = member.repeat(2);
            assert_eq!(unpacked_up_to(&two, 2 << 20).unwrap().len(), 2 << 20);
            let over = unpacked_up_to(&two, (2 << 20) - 1);
            assert!(matches!(over, Err(ImportError::TooLarge { maximum: 2_097_151 })));
            let more = [member.as_slice(), b"more"].concat();
            assert!(matches!(unpacked_up_to(&more, 2 << 20), Err(ImportError::Unpack(_))));
        }
        assert_eq!(unpacked_up_to(b"{}", 2).unwrap().as_ref(), b"{}");
        assert!(matches!(unpacked_up_to(b"{} ", 2), Err(ImportError::TooLarge { .. })));
    }
}
