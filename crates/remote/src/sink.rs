// SPDX-License-Identifier: Apache-2.0
//! Where downloads go.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Takes the bytes of a download, keeps them when it breaks off, and hands them back when it goes
/// on.
pub trait Sink: Send {
    /// Reads the bytes that are there, from the beginning.
    fn present(&mut self) -> io::Result<Box<dyn Read + '_>>;

    /// Adds bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Removes all bytes. Called before a download begins again, and when what came is wrong.
    fn discard(&mut self) -> io::Result<()>;

    /// Makes the bytes safe: the download is complete and checked.
    fn finish(&mut self) -> io::Result<()>;
}

/// A file. It holds what has arrived until now; wrong bytes are removed together with it.
///
/// The file stands under its final name only when the caller moves it there after the download.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    file: Option<File>,
}

impl FileSink {
    /// Writes to a path; a file that is there is continued.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            self.file = Some(file);
        }
        Ok(self.file.as_mut().expect("the file was opened just above"))
    }
}

impl Sink for FileSink {
    fn present(&mut self) -> io::Result<Box<dyn Read + '_>> {
        if self.file.is_none() && !self.path.try_exists()? {
            return Ok(Box::new(io::empty()));
        }
        let file = self.open()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Box::new(file))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?.write_all(bytes)
    }

    fn discard(&mut self) -> io::Result<()> {
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        // Opened if it is not yet: an empty body makes an empty file.
        self.open()?.sync_all()
    }
}

/// Memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemorySink(Vec<u8>);

impl MemorySink {
    /// Starts with some bytes, as if an earlier download had broken off.
    pub fn new(present: Vec<u8>) -> Self {
        Self(present)
    }

    /// Returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Sink for MemorySink {
    fn present(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.0.as_slice()))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn discard(&mut self) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
