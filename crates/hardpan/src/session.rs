// SPDX-License-Identifier: Apache-2.0
//! What every verb works with.

use std::num::NonZeroUsize;
use std::time::SystemTime;

use hardpan_remote::Client;

use crate::config::Workspace;
use crate::distribution::{alpine, debian};
use crate::error::Error;
use crate::observer::{Event, Observer};
use crate::stage::StageOptions;
use crate::store::Store;

/// Where distributions' archives are: a fact of this machine, which never gets into a lock or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// The URI above `dists/` of the main archive.
    pub debian: String,
    /// The URI above `dists/` of the security archive.
    pub debian_security: String,
    /// The URI above `v3.24/` of Alpine's archive, if one is known.
    pub alpine: Option<String>,
}

impl Mirrors {
    /// Returns the URI of an archive by the name that locks have for it.
    ///
    /// # Errors
    /// If nobody said where the archive is.
    pub(crate) fn uri<'a>(&'a self, archive: &'a str) -> Result<&'a str, Error> {
        let uri = match archive {
            debian::NAME => &self.debian,
            debian::SECURITY => &self.debian_security,
            alpine::NAME => self.alpine.as_deref().ok_or(Error::NoAlpineMirror)?,
            uri => uri,
        };
        Ok(uri.trim_end_matches('/'))
    }
}

/// What every verb works with. Nothing here is global, so sessions can stand side by side.
#[derive(Clone, Copy)]
pub struct Session<'s> {
    /// What was fetched and derived.
    pub store: &'s Store,
    /// The workspace file.
    pub workspace: &'s Workspace,
    /// Where archives are.
    pub mirrors: &'s Mirrors,
    /// The network; `None` is offline.
    pub remote: Option<&'s Client>,
    /// The present, from the caller's clock: package indexes expire by it. Nothing is written by it.
    pub now: SystemTime,
    /// What build steps, tests and containers are given of this machine.
    pub stages: &'s StageOptions,
    /// How many threads to use. No output depends on it.
    pub threads: NonZeroUsize,
    /// Who is told of progress.
    pub observer: &'s dyn Observer,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("store", &self.store.root())
            .field("is_offline", &self.remote.is_none())
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Session<'_> {
    /// Returns an observer of transfers that passes their bytes on.
    pub(crate) fn progress(&self) -> impl hardpan_remote::Observer {
        let observer = self.observer;
        move |event: &hardpan_remote::Event<'_>| {
            if let hardpan_remote::Event::Received { bytes, .. } = event {
                observer.event(Event::Downloaded { size_bytes: *bytes });
            }
        }
    }

    /// Returns the present in seconds since the epoch.
    pub fn now_seconds(&self) -> i64 {
        let since = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}
