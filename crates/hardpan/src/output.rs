// SPDX-License-Identifier: Apache-2.0
//! Files that are written for the user: complete or not at all, and never in the place of what is no file.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

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
    /// The standard output or error, which are written into as they are.
    Own(File),
    /// An open file that another process or the shell handed over (`/dev/fd/3`): what is in it already stays.
    Open,
    /// Anything else that is no file, and is written into.
    Stream,
}

/// Writes a file where the user wants it: complete or not at all. Links are followed, and stay. A device, a pipe or a
/// socket is written into, and so is an open file of `/dev/fd`, at its end. Missing folders are made.
///
/// # Errors
/// If there is a folder, or it can't be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_file_with(path, |output| write_all(path, output, bytes))
}

/// Returns whether [`write_file`] replaces a file, which it has to keep what is worth keeping of.
pub fn replaces_file(path: &Path) -> bool {
    matches!(target(path), Ok(Target::File(file)) if file.exists())
}

/// Writes a file as [`write_file`] does, from what a function writes.
pub(crate) fn write_file_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = match target(path).map_err(error(path))? {
        Target::File(file) => return replace(path, &file, PUBLIC_MODE, write),
        Target::Own(file) => Ok(file),
        Target::Open => File::options().append(true).open(path),
        Target::Stream => File::options().write(true).truncate(true).open(path),
    };
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, file.map_err(error(path))?);
    write(&mut output)?;
    output.flush().map_err(error(path))
}

/// Writes a file that the user did not name, such as one of several in a folder: complete or not at all. No link is
/// followed but those of its folder, so that what somebody else put there leads nowhere: it is replaced.
///
/// # Errors
/// If it can't be written.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, path, PUBLIC_MODE, |output| write_all(path, output, bytes))
}

/// Writes a file as [`replace_file`] does, which only its owner may read. It never goes into a pipe or through a link:
/// somebody else may have made that.
///
/// # Errors
/// As for [`replace_file`].
pub fn replace_private_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, path, PRIVATE_MODE, |output| write_all(path, output, bytes))
}

/// Writes a file where nothing is, not even a link.
///
/// # Errors
/// If something is there, also if it came there meanwhile, or it can't be written.
pub fn create_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    create(path, PUBLIC_MODE, bytes)
}

/// Writes a file as [`create_file`] does, which only its owner may read.
///
/// # Errors
/// As for [`create_file`].
pub fn create_private_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    create(path, PRIVATE_MODE, bytes)
}

fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Error> {
    let file = beside(path, path, mode, |output| write_all(path, output, bytes))?;
    file.persist_noclobber(path).map_err(|failed| error(path)(failed.error))?;
    Ok(())
}

/// Writes a file beside another and puts it in its place; `path` is what the user calls it.
fn replace(
    path: &Path,
    target: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = beside(path, target, mode, write)?;
    file.persist(target).map_err(|failed| error(path)(failed.error))?;
    Ok(())
}

/// Writes a file beside another, whose place it is to take.
fn beside(
    path: &Path,
    target: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<NamedTempFile, Error> {
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
    Ok(file)
}

/// Finds out where bytes for a path go.
fn target(path: &Path) -> io::Result<Target> {
    match look(path)? {
        Some(there) => existing(path, &there),
        None => absent(path),
    }
}

/// Returns what is at the end of a path's links, as the kernel follows them: it refuses those that others made in `/tmp`.
fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds out where bytes for a path go that leads to nothing.
fn absent(path: &Path) -> io::Result<Target> {
    let (end, _) = end_of_links(path)?;
    // What was followed may be a link that somebody made since, so the kernel is asked again.
    match look(path)? {
        Some(there) => existing(path, &there),
        None => Ok(Target::File(end)),
    }
}

fn existing(path: &Path, there: &Metadata) -> io::Result<Target> {
    if there.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if let Some(own) = own_stream(there)? {
        return Ok(Target::Own(own));
    }
    let (end, is_open) = end_of_links(path)?;
    if is_open {
        return Ok(Target::Open);
    }
    if there.is_file() && fs::symlink_metadata(&end).is_ok_and(|found| is_same(&found, there)) {
        return Ok(Target::File(end));
    }
    Ok(Target::Stream)
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

/// Follows symbolic links up to what is none, which need not be there, or up to one of an open file: where that leads is
/// not where the file's name is. Returns whether it is one.
fn end_of_links(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(_) if is_of_open_file(&path) => return Ok((path, true)),
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            // No link, or nothing at all.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
                ) =>
            {
                return Ok((path, false));
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns whether a link is one of those that the kernel has for open files: `/proc/PID/fd/3`, or `/dev/fd/3`.
fn is_of_open_file(link: &Path) -> bool {
    let Some(folder) = link.parent().and_then(|folder| folder.canonicalize().ok()) else {
        return false;
    };
    folder.ends_with("fd")
        && rustix::fs::statfs(&folder)
            .is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC)
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
        create_private_file(&folder.path().join("key"), b"k").unwrap();
        create_file(&folder.path().join("pub"), b"p").unwrap();
        write_file(&folder.path().join("out"), b"o").unwrap();
        assert_eq!(mode("key"), 0);
        replace_private_file(&folder.path().join("pub"), b"k").unwrap();
        assert_eq!(mode("pub"), 0);
        assert_eq!(mode("out") & !0o044, 0);
    }

    #[test]
    fn private_files_go_into_no_pipe_and_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("other"), "other").unwrap();
        mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        for to in ["other", "nowhere", "pipe"] {
            symlink(to, at(&format!("link-{to}"))).unwrap();
        }
        let before = names(folder.path());
        for name in ["pipe", "link-other", "link-nowhere", "link-pipe"] {
            for create in [create_private_file, create_file] {
                let failed = create(&at(name), b"new").unwrap_err();
                assert!(
                    matches!(&failed, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists),
                    "{name}: {failed:?}"
                );
            }
            assert_eq!(names(folder.path()), before, "{name}");
        }
        for name in ["link-other", "link-nowhere", "link-pipe", "pipe"] {
            replace_private_file(&at(name), b"new").unwrap();
            let there = fs::symlink_metadata(at(name)).unwrap();
            assert!(there.is_file(), "{name}");
            assert_eq!(there.permissions().mode() & 0o777, 0o600, "{name}");
        }
        assert_eq!(names(folder.path()), before);
        assert_eq!(fs::read(at("other")).unwrap(), b"other");
    }

    #[test]
    fn what_came_while_links_were_followed_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        for to in ["folder", "file", "pipe", "nowhere"] {
            symlink(to, at(&format!("link-{to}"))).unwrap();
        }
        // As if there had been nothing a moment ago.
        assert!(matches!(absent(&at("link-pipe")), Ok(Target::Stream)));
        assert!(matches!(absent(&at("link-file")), Ok(Target::File(end)) if end == at("file")));
        assert!(
            matches!(absent(&at("link-nowhere")), Ok(Target::File(end)) if end == at("nowhere"))
        );
        assert!(absent(&at("link-folder")).is_err());
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
    fn an_open_file_keeps_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("log"), "before\n").unwrap();
        let log = File::options().append(true).open(at("log")).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&log);
        symlink(format!("/dev/fd/{number}"), at("link")).unwrap();
        for path in [PathBuf::from(format!("/proc/self/fd/{number}")), at("link")] {
            assert!(!replaces_file(&path));
            write_file(&path, b"more\n").unwrap();
        }
        assert_eq!(fs::read_to_string(at("log")).unwrap(), "before\nmore\nmore\n");
        assert_eq!(log.metadata().unwrap().ino(), fs::metadata(at("log")).unwrap().ino());
        assert!(
            replaces_file(&at("log"))
                && !replaces_file(&at("new"))
                && !replaces_file(folder.path())
        );
        // A folder that is called as theirs is not theirs.
        fs::create_dir(at("fd")).unwrap();
        symlink("../log", at("fd/3")).unwrap();
        write_file(&at("fd/3"), b"new").unwrap();
        assert_eq!(fs::read_to_string(at("log")).unwrap(), "new");
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
