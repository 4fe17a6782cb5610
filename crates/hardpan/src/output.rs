// SPDX-License-Identifier: Apache-2.0
//! Files that are written for the user: complete or not at all, and never in the place of what is no file.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// How many symbolic links in a row are followed: as many as Linux follows.
const LINKS_MAX: usize = 40;
/// How much is written at a time, in bytes.
const BUFFER_BYTES: usize = 1 << 18;
/// What everybody may read, and its owner write.
const PUBLIC_MODE: u32 = 0o644;
/// What is its owner's alone.
const PRIVATE_MODE: u32 = 0o600;

/// Where bytes for a path go.
enum Target {
    /// A file that is replaced, or is not there yet: the end of all links.
    File(PathBuf),
    /// What is written into as it is.
    Stream(File),
}

/// Writes a file where the user wants it: complete or not at all. Links are followed, and stay. A device, a pipe or a
/// socket is written into. Missing folders are made.
///
/// # Errors
/// If there is a folder, or it can't be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_file_with(path, |output| write_all(path, output, bytes))
}

/// Writes a file as [`write_file`] does, which only its owner may read.
///
/// # Errors
/// As for [`write_file`].
pub fn write_private_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_to(path, PRIVATE_MODE, |output| write_all(path, output, bytes))
}

/// Writes a file as [`write_file`] does, from what a function writes.
pub(crate) fn write_file_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    write_to(path, PUBLIC_MODE, write)
}

/// Writes a file that the user did not name, such as one of several in a folder: complete or not at all. No link is
/// followed but those of its folder, so that what somebody else put there leads nowhere: it is replaced.
///
/// # Errors
/// If it can't be written.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, path, PUBLIC_MODE, |output| write_all(path, output, bytes))
}

fn write_to(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    match target(path).map_err(error(path))? {
        Target::File(file) => replace(path, &file, mode, write),
        Target::Stream(file) => {
            let mut output = BufWriter::with_capacity(BUFFER_BYTES, file);
            write(&mut output)?;
            output.flush().map_err(error(path))
        }
    }
}

/// Writes a file beside another and puts it in its place; `path` is what the user calls it.
fn replace(
    path: &Path,
    target: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(error(path))?;
    let file = tempfile::Builder::new()
        .prefix(".hardpan-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(error(path))?;
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, file);
    write(&mut output)?;
    let file = output.into_inner().map_err(|failed| error(path)(failed.into_error()))?;
    file.as_file().sync_all().map_err(error(path))?;
    file.persist(target).map_err(|failed| error(path)(failed.error))?;
    Ok(())
}

/// Finds out where bytes for a path go.
fn target(path: &Path) -> io::Result<Target> {
    let there = match fs::metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Target::File(end_of_links(path)?));
        }
        Err(error) => return Err(error),
    };
    if there.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if let Some(own) = own_stream(&there)? {
        return Ok(Target::Stream(own));
    }
    if there.is_file() {
        let end = end_of_links(path)?;
        if fs::symlink_metadata(&end).is_ok_and(|found| is_same(&found, &there)) {
            return Ok(Target::File(end));
        }
    }
    // A device, a pipe, or an open file without a name, to which only a link of /proc leads.
    Ok(Target::Stream(File::options().write(true).truncate(true).open(path)?))
}

/// Returns the standard output or error if a path leads there (`/dev/stdout`). It may be a socket, which can't be
/// opened, or a file behind `>>`, of which nothing may be lost: only what is open already writes to them as it should.
fn own_stream(there: &Metadata) -> io::Result<Option<File>> {
    for own in [io::stdout().as_fd(), io::stderr().as_fd()] {
        let own = File::from(own.try_clone_to_owned()?);
        if own.metadata().is_ok_and(|own| is_same(&own, there)) {
            return Ok(Some(own));
        }
    }
    Ok(None)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Follows symbolic links up to what is none, which need not be there.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            // No link, or nothing at all.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
                ) =>
            {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn write_all(path: &Path, output: &mut dyn Write, bytes: &[u8]) -> Result<(), Error> {
    output.write_all(bytes).map_err(error(path))
}

fn error(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { action: "write", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    use std::thread;

    use rustix::fs::{FileType, Mode, mkfifoat};

    use super::*;

    /// Returns the names in a folder, and what each is.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn links_are_followed_and_stay() {
        // The links, the file that they end at, and what is written.
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[], "out"),
            (&[("out", "sub/real")], "sub/real"),
            (&[("out", "sub/one"), ("sub/one", "two"), ("sub/two", "../real")], "real"),
            (&[("out", "new/deep/real")], "new/deep/real"),
            (&[("linked", "sub"), ("out", "linked/real")], "sub/real"),
        ];
        for (links, end) in cases {
            for was_there in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let at = |name: &str| folder.path().join(name);
                fs::create_dir(at("sub")).unwrap();
                for (name, to) in links {
                    symlink(to, at(name)).unwrap();
                }
                if was_there {
                    fs::create_dir_all(at(end).parent().unwrap()).unwrap();
                    fs::write(at(end), "old, and longer").unwrap();
                }
                write_file(&at("out"), b"new").unwrap();
                assert_eq!(fs::read(at(end)).unwrap(), b"new", "{end}");
                assert!(fs::symlink_metadata(at(end)).unwrap().is_file(), "{end}");
                for (name, to) in links {
                    assert_eq!(fs::read_link(at(name)).unwrap(), Path::new(to), "{end}");
                }
                assert_eq!(
                    names(at(end).parent().unwrap()).iter().filter(|n| n.starts_with('.')).count(),
                    0
                );
            }
        }
    }

    #[test]
    fn what_the_user_did_not_name_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("other"), "other").unwrap();
        symlink("other", at("out")).unwrap();
        replace_file(&at("out"), b"new").unwrap();
        assert!(fs::symlink_metadata(at("out")).unwrap().is_file());
        assert_eq!(fs::read(at("out")).unwrap(), b"new");
        assert_eq!(fs::read(at("other")).unwrap(), b"other");
    }

    #[test]
    fn only_private_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o077
        };
        write_private_file(&folder.path().join("key"), b"k").unwrap();
        write_file(&folder.path().join("out"), b"o").unwrap();
        assert_eq!(mode("key"), 0);
        assert_eq!(mode("out") & !0o044, 0);
    }

    #[test]
    fn pipes_and_devices_are_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        symlink("pipe", at("link")).unwrap();
        for name in ["pipe", "link"] {
            let pipe = at("pipe");
            let reader = thread::spawn(move || fs::read(pipe).unwrap());
            write_file(&at(name), b"through").unwrap();
            assert_eq!(reader.join().unwrap(), b"through", "{name}");
            assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
        }
        // A device of our own: whoever tests this as root must not lose the machine's.
        let null = rustix::fs::mknodat(
            rustix::fs::CWD,
            at("null"),
            FileType::CharacterDevice,
            Mode::RUSR | Mode::WUSR,
            rustix::fs::makedev(1, 3),
        );
        if null.is_ok() && File::options().write(true).open(at("null")).is_ok() {
            write_file(&at("null"), b"nowhere").unwrap();
            assert!(fs::symlink_metadata(at("null")).unwrap().file_type().is_char_device());
        }
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    }

    #[test]
    fn an_open_file_without_a_name_is_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        fs::remove_file(&path).unwrap();
        write_file(Path::new(&link), b"kept").unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "kept");
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        symlink("folder", at("to-folder")).unwrap();
        symlink("loop", at("loop")).unwrap();
        fs::write(at("file"), "old").unwrap();
        let before = names(folder.path());
        for (name, expected) in [
            ("folder", "is a directory"),
            ("to-folder", "is a directory"),
            ("loop", "symbolic link"),
            ("file/below", "ot a directory"),
        ] {
            let Err(Error::Io { action: "write", path, source }) = write_file(&at(name), b"new")
            else {
                panic!("{name}")
            };
            assert_eq!(path, at(name));
            assert!(source.to_string().contains(expected), "{name}: {source}");
        }
        let failed = write_file_with(&at("file"), |output| {
            write_all(Path::new("x"), output, b"half")?;
            Err(error(Path::new("x"))(io::ErrorKind::Other.into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(at("file")).unwrap(), b"old");
        assert_eq!(names(folder.path()), before);
        assert_eq!(names(&at("folder")), Vec::<String>::new());
    }
}
