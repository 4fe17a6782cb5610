// SPDX-License-Identifier: Apache-2.0
//! What is uploaded: read piece by piece, from wherever the registry is, and checked on the way.

use std::io::{self, Read};

use hardpan_image::Descriptor;
use hardpan_tree::{Digest, Hasher};

use super::super::Watch;
use super::super::error::RegistryError;
use crate::event::Event;
use crate::url::Url;

const BUFFER_BYTES: usize = 64 * 1024;

/// Opens a blob from its beginning: once, and again whenever an upload has to go back.
pub type Source<'s> = dyn Fn() -> io::Result<Box<dyn Read + 's>> + 's;

/// A blob that is being read.
pub(super) struct Body<'b, 's> {
    source: &'b Source<'s>,
    digest: Digest,
    size_bytes: u64,
    reader: Option<Box<dyn Read + 's>>,
    /// Of what was read until now.
    hasher: Hasher,
    at_bytes: u64,
    /// Why nothing more can be read.
    problem: Option<RegistryError>,
}

impl<'b, 's> Body<'b, 's> {
    pub(super) fn new(blob: &Descriptor, source: &'b Source<'s>) -> Self {
        let (digest, size_bytes) = (blob.digest, blob.size_bytes);
        let (reader, hasher, problem) = (None, Hasher::new(), None);
        Self { source, digest, size_bytes, reader, hasher, at_bytes: 0, problem }
    }

    /// Goes to a place. All before it is read, if it is not yet: the whole is hashed.
    pub(super) fn seek(&mut self, to_bytes: u64) -> Result<(), RegistryError> {
        if self.reader.is_none() || self.at_bytes > to_bytes {
            let reader = (self.source)().map_err(|error| self.unreadable(error))?;
            self.reader = Some(reader);
            self.hasher = Hasher::new();
            self.at_bytes = 0;
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.at_bytes < to_bytes {
            let most = usize::try_from(to_bytes - self.at_bytes).unwrap_or(usize::MAX);
            let most = most.min(buffer.len());
            self.fill(&mut buffer[..most])?;
        }
        if self.size_bytes == 0 { self.check_end() } else { Ok(()) }
    }

    /// Returns the problem that ended a [`Sending`].
    pub(super) fn take_problem(&mut self) -> Option<RegistryError> {
        self.problem.take()
    }

    /// Reads something, at least a byte. The last ones are given out only if the whole is what it should be: a
    /// registry never gets all of a blob that is wrong.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, RegistryError> {
        let Some(reader) = &mut self.reader else {
            return Err(self.unreadable(io::ErrorKind::NotFound.into()));
        };
        let count = match read(&mut **reader, buffer) {
            Ok(count) => count,
            Err(error) => {
                self.reader = None;
                return Err(self.unreadable(error));
            }
        };
        if count == 0 {
            let problem = format!("it has {} bytes instead of {}", self.at_bytes, self.size_bytes);
            return Err(RegistryError::Changed { digest: self.digest, problem });
        }
        self.hasher.update(&buffer[..count]);
        self.at_bytes += count as u64;
        if self.at_bytes == self.size_bytes {
            self.check_end()?;
        }
        Ok(count)
    }

    /// Checks that there is no more, and that all was right.
    fn check_end(&mut self) -> Result<(), RegistryError> {
        let mut further = [0];
        let count = match &mut self.reader {
            Some(reader) => {
                read(&mut **reader, &mut further).map_err(|error| self.unreadable(error))?
            }
            None => 0,
        };
        let changed = |problem| RegistryError::Changed { digest: self.digest, problem };
        if count > 0 {
            return Err(changed(format!("it has more than {} bytes", self.size_bytes)));
        }
        let actual = self.hasher.clone().finish();
        if actual == self.digest { Ok(()) } else { Err(changed(format!("it is {actual}"))) }
    }

    fn unreadable(&self, source: io::Error) -> RegistryError {
        RegistryError::Source { digest: self.digest, source }
    }
}

fn read(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A piece of a blob on its way.
pub(super) struct Sending<'b, 'u, 's> {
    pub(super) body: &'b mut Body<'u, 's>,
    /// How much of it is still to be read.
    pub(super) left_bytes: u64,
    pub(super) url: &'b Url,
    pub(super) watch: Watch<'b>,
}

impl Read for Sending<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        if self.watch.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        match self.body.fill(&mut buffer[..most]) {
            Ok(count) => {
                self.left_bytes -= count as u64;
                let event = Event::Sent { url: self.url, bytes: count as u64 };
                self.watch.observer.event(&event);
                Ok(count)
            }
            Err(error) => {
                self.body.problem = Some(error);
                Err(io::Error::other("what is to be sent can't be read"))
            }
        }
    }
}
