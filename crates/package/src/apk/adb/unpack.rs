// SPDX-License-Identifier: Apache-2.0
//! Unpacking a package into a segment, in one pass. What comes of it is the same as of a package of format 2.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};

use hardpan_tree::{
    Digest, Metadata, PATH_BYTES_MAX, Special, TarEntry, TarEntryKind, TarReadError, TreePath,
};
use ring::digest::{self, SHA256, SHA512};

use super::container::{Container, Schema};
use super::package::{growth, hexadecimal};
use super::schema::{Access, Directory, File, Info, PackageRoot};
use super::value::Adb;
use super::{AdbError, owners};
use crate::apk::index::Checksum;
use crate::apk::info::Control;
use crate::apk::package::checksum_text;
use crate::apk::unpack::place;
use crate::owners::{AccountKind, OwnerNames};
use crate::segment::Unpacked;
use crate::unpack::data::{Data, Files, Sorter};
use crate::unpack::{UnpackError, UnpackOptions};

/// What errors call the part with the files.
const MEMBER: &str = "data";
/// What comes before a file's content: the numbers of its directory and of itself in it.
const DATA_HEADER_BYTES: usize = 8;

/// Unpacks a package: reads `apk` to its end and writes the segment.
///
/// Every file is compared with its hash in the values. Who signed them is not looked at: that the package is the one
/// that a signed index means is the digest's matter, or [`super::identify`]'s.
///
/// # Errors
/// As [`crate::unpack::unpack`].
pub fn unpack(
    apk: &mut dyn Read,
    options: &UnpackOptions,
    segment: &mut dyn Write,
) -> Result<Unpacked, UnpackError> {
    let limits = &options.limits;
    let mut container = Container::open(apk, Schema::PACKAGE, growth(limits))?;
    let values = container.values(limits.control_size_bytes_max)?;
    let adb = Adb::new(&values.bytes)?;
    let root = PackageRoot(adb.root()?);

    // What it is first: a package that is not the one asked for is not read any further.
    let control = control(root)?;
    if let Some(expected) = &options.expected {
        control.expect(expected)?;
    }
    let timestamp = match control.build_time {
        Some(seconds) => seconds,
        None => newest(root)?,
    };

    let policy = &options.strip;
    let files = Files {
        member: MEMBER,
        policy,
        timestamp,
        place,
        with_sha1sums: true,
        // Here are only names.
        with_owner_names: false,
    };
    let sorter = Sorter::new(&files, segment);
    let mut reader = FileReader {
        container,
        sorter,
        options,
        timestamp,
        owner_names: OwnerNames::default(),
        entries: 0,
        size_bytes: 0,
    };
    reader.directories(root)?;
    if reader.container.next_data()?.is_some() {
        return Err(AdbError::TrailingData.into());
    }
    let values_digest = Digest::of(&values.bytes);
    let identity = checksum_text(&Checksum::Sha256(*values_digest.as_bytes()));
    let data = Data { owner_names: reader.owner_names, ..reader.sorter.finish() };
    Ok(control.unpacked(timestamp, data, identity))
}

/// Reads what the package says of itself, as if it were of format 2.
fn control(root: PackageRoot<'_>) -> Result<Control, AdbError> {
    let info = root.info()?;
    info.check_layer()?;
    let mut control = Control {
        name: info.name()?.to_owned(),
        version: info.version()?.to_owned(),
        architecture: info.architecture()?.to_owned(),
        info: info_lines(info, root)?,
        build_time: info.build_time()?,
        triggers: root.triggers()?.join(" "),
        ..Control::default()
    };
    for (name, bytes) in root.scripts()? {
        control.script_digests.insert(name.to_owned(), Digest::of(bytes));
        let text = String::from_utf8_lossy(bytes).into_owned();
        control.scripts.insert(name.to_owned(), text);
    }
    Ok(control)
}

/// Returns the lines that `.PKGINFO` would have.
fn info_lines(info: Info<'_>, root: PackageRoot<'_>) -> Result<String, AdbError> {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    line("pkgname", info.name()?);
    line("pkgver", info.version()?);
    line("pkgdesc", &info.description()?);
    line("url", info.url()?.trim());
    line("builddate", &info.build_time()?.map(|time| time.to_string()).unwrap_or_default());
    line("size", &info.installed_size_bytes()?.to_string());
    line("arch", info.architecture()?);
    line("origin", info.origin()?.unwrap_or_default().trim());
    line("commit", &hexadecimal(info.repository_commit()?.unwrap_or_default()));
    line("maintainer", info.maintainer()?.trim());
    line("license", info.license()?.trim());
    line("replaces_priority", &number(root.replaces_priority()?));
    line("provider_priority", &number(info.provider_priority()?));
    info.depends()?.iter().for_each(|relation| line("depend", relation));
    info.provides()?.iter().for_each(|relation| line("provides", relation));
    info.replaces()?.iter().for_each(|relation| line("replaces", relation));
    line("install_if", &info.install_if()?.join(" "));
    line("triggers", &root.triggers()?.join(" "));
    Ok(text)
}

/// Returns the time of the newest file, for a package that does not say when it was made.
fn newest(root: PackageRoot<'_>) -> Result<i64, AdbError> {
    let mut newest = 0;
    for slots in root.directories()?.into_iter().flat_map(|slots| slots.objects("paths")) {
        let files = Directory::read(slots?)?.files;
        for slots in files.into_iter().flat_map(|slots| slots.objects("files")) {
            newest = newest.max(File::mtime(slots?)?);
        }
    }
    Ok(newest)
}

/// Reads the files in the order of the values, which is the order of the contents, too.
struct FileReader<'a> {
    container: Container<'a>,
    sorter: Sorter<'a>,
    options: &'a UnpackOptions,
    timestamp: i64,
    owner_names: OwnerNames,
    entries: u64,
    size_bytes: u64,
}

impl FileReader<'_> {
    fn directories(&mut self, root: PackageRoot<'_>) -> Result<(), UnpackError> {
        let Some(directories) = root.directories()? else { return Ok(()) };
        for (number, slots) in (1..).zip(directories.objects("paths")) {
            let directory = Directory::read(slots?)?;
            let path = relative_path(directory.name)?;
            // apk does not touch the root either.
            if !path.is_root() {
                self.count(0)?;
                let metadata = self.metadata(&path, directory.access, self.timestamp)?;
                let entry =
                    TarEntry { path: path.clone(), metadata, kind: TarEntryKind::Directory };
                self.sorter.entry(entry, &mut io::empty())?;
            }
            let files = directory.files.into_iter().flat_map(|slots| slots.objects("files"));
            for (file_number, slots) in (1..).zip(files) {
                self.file(&path, File::read(slots?)?, (number, file_number))?;
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        directory: &TreePath,
        file: File<'_>,
        numbers: (u32, u32),
    ) -> Result<(), UnpackError> {
        check_name(file.name)?;
        let path = directory.join(file.name).map_err(AdbError::Path)?;
        let metadata = self.metadata(&path, file.access, file.mtime)?;
        let Some(target) = file.target else {
            self.count(file.size_bytes)?;
            return self.regular(path, metadata, file, numbers);
        };
        self.count(0)?;
        let kind = link_kind(&path, target)?;
        self.sorter.entry(TarEntry { path, metadata, kind }, &mut io::empty())
    }

    fn regular(
        &mut self,
        path: TreePath,
        metadata: Metadata,
        file: File<'_>,
        numbers: (u32, u32),
    ) -> Result<(), UnpackError> {
        let bad = |problem| AdbError::Content { path: path.clone(), problem };
        let hash = file.hash.ok_or(AdbError::Missing("hash"))?;
        let algorithm = match hash.len() {
            32 => &SHA256,
            64 => &SHA512,
            _ => return Err(bad("its hash is neither SHA-256 nor SHA-512").into()),
        };
        // Files without content have no block.
        if file.size_bytes > 0 {
            let size_bytes = self.container.next_data()?.ok_or(bad("missing"))?;
            if size_bytes.checked_sub(DATA_HEADER_BYTES as u64) != Some(file.size_bytes) {
                return Err(bad("not as long as it should be").into());
            }
            let mut header = [0; DATA_HEADER_BYTES];
            self.container.read_exactly(&mut header)?;
            let [d0, d1, d2, d3, f0, f1, f2, f3] = header;
            let directory = u32::from_le_bytes([d0, d1, d2, d3]);
            if (directory, u32::from_le_bytes([f0, f1, f2, f3])) != numbers {
                return Err(bad("that of another file").into());
            }
        }
        let mut content = Content {
            container: &mut self.container,
            left_bytes: file.size_bytes,
            hash: digest::Context::new(algorithm),
            failure: None,
        };
        let kind = TarEntryKind::File(file.size_bytes);
        let entry = TarEntry { path: path.clone(), metadata, kind };
        let taken = self.sorter.entry(entry, &mut content);
        // What reading failed with says more than what was made of it.
        if let Some(failure) = content.failure.take() {
            return Err(failure.into());
        }
        taken?;
        let actual = content.finish()?;
        if actual.as_ref() != hash {
            return Err(bad("does not have its hash").into());
        }
        Ok(())
    }

    fn metadata(
        &mut self,
        path: &TreePath,
        access: Access<'_>,
        mtime: i64,
    ) -> Result<Metadata, AdbError> {
        let uid = self.number(path, AccountKind::User, access.user)?;
        let gid = self.number(path, AccountKind::Group, access.group)?;
        let mut xattrs = BTreeMap::new();
        for xattr in access.xattrs.into_iter().flat_map(|slots| slots.blobs("xattrs")) {
            let (name, value) = split_xattr(xattr?)?;
            if xattrs.insert(name.to_owned(), value.to_vec()).is_some() {
                return Err(AdbError::Value { field: "xattrs", problem: "a name stands twice" });
            }
        }
        Ok(Metadata { mode: access.mode, uid, gid, mtime, xattrs })
    }

    /// Returns the number of an owner. Whoever is not part of every Alpine system gets one that finishers replace.
    fn number(&mut self, path: &TreePath, kind: AccountKind, name: &str) -> Result<u32, AdbError> {
        let number = owners::number(kind, name).or_else(|| self.owner_names.number(kind, name));
        number.ok_or_else(|| {
            let kind = match kind {
                AccountKind::User => "user",
                AccountKind::Group => "group",
            };
            AdbError::Owner { path: path.clone(), kind, name: name.to_owned() }
        })
    }

    fn count(&mut self, size_bytes: u64) -> Result<(), AdbError> {
        let limits = &self.options.limits;
        self.entries += 1;
        if self.entries > limits.entries_max {
            return Err(AdbError::Limit { what: "entries", maximum: limits.entries_max });
        }
        self.size_bytes = self.size_bytes.saturating_add(size_bytes);
        if self.size_bytes > limits.size_bytes_max {
            let maximum = limits.size_bytes_max;
            return Err(AdbError::Limit { what: "bytes of files", maximum });
        }
        Ok(())
    }
}

/// The content of a file, hashed while it is read.
struct Content<'c, 'a> {
    container: &'c mut Container<'a>,
    left_bytes: u64,
    hash: digest::Context,
    failure: Option<AdbError>,
}

impl Content<'_, '_> {
    /// Reads what nobody wanted, so that it is hashed as well.
    fn finish(mut self) -> Result<digest::Digest, AdbError> {
        let mut buffer = [0; 16 * 1024];
        while self.some(&mut buffer)? > 0 {}
        Ok(self.hash.finish())
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, AdbError> {
        let want = buffer.len().min(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let count = self.container.read_content(&mut buffer[..want])?;
        self.hash.update(&buffer[..count]);
        self.left_bytes -= count as u64;
        Ok(count)
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.some(buffer).map_err(|error| {
            self.failure = Some(error);
            io::ErrorKind::InvalidData.into()
        })
    }
}

/// Reads the path of a directory or hard link, which has to be written as it is.
fn relative_path(name: &[u8]) -> Result<TreePath, AdbError> {
    let path = TreePath::parse(name).map_err(AdbError::Path)?;
    if path.as_bytes() != name {
        return Err(bad_name(name, "not a path from the root"));
    }
    Ok(path)
}

fn check_name(name: &[u8]) -> Result<(), AdbError> {
    match name {
        b"" => Err(bad_name(name, "empty")),
        b"." | b".." => Err(bad_name(name, "leads to a directory")),
        _ if name.contains(&b'/') => Err(bad_name(name, "has a slash")),
        _ if name.contains(&0) => Err(bad_name(name, "has a NUL")),
        _ => Ok(()),
    }
}

fn bad_name(name: &[u8], problem: &'static str) -> AdbError {
    let name = String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned();
    AdbError::Name { name, problem }
}

/// Reads what a link or device is.
fn link_kind(path: &TreePath, target: &[u8]) -> Result<TarEntryKind, UnpackError> {
    let bad = |problem| AdbError::Value { field: "target", problem };
    let Some(([low, high], target)) = target.split_first_chunk() else {
        return Err(bad("too short").into());
    };
    Ok(match u16::from_le_bytes([*low, *high]) {
        0o100_000 if target.is_empty() => return Err(bad("leads nowhere").into()),
        0o100_000 => TarEntryKind::HardLink(relative_path(target)?),
        0o120_000 if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) => {
            let source = TarReadError::Target { path: path.clone() };
            return Err(UnpackError::Tar { member: MEMBER.to_owned(), source });
        }
        0o120_000 => TarEntryKind::Symlink(target.to_vec()),
        0o020_000 => TarEntryKind::Special(Special::CharacterDevice),
        0o060_000 => TarEntryKind::Special(Special::BlockDevice),
        0o010_000 => TarEntryKind::Special(Special::Fifo),
        _ => return Err(bad("unknown type").into()),
    })
}

/// Splits an extended attribute into its name and its value.
fn split_xattr(bytes: &[u8]) -> Result<(&str, &[u8]), AdbError> {
    let bad = |problem| AdbError::Value { field: "xattrs", problem };
    let end = bytes.iter().position(|&byte| byte == 0).ok_or(bad("a name without an end"))?;
    let name = &bytes[..end];
    // An archive has them as `name=value`.
    if name.is_empty() || !name.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'=') {
        return Err(bad("not a name"));
    }
    let name = std::str::from_utf8(name).map_err(|_| bad("not a name"))?;
    Ok((name, &bytes[end + 1..]))
}
