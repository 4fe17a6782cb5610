// SPDX-License-Identifier: Apache-2.0
//! Progress as data.

use std::time::Duration;

use crate::error::RemoteError;
use crate::url::Url;

/// Something that happened to a transfer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// A body begins to arrive.
    Started {
        /// What was asked for.
        url: &'e Url,
        /// The size of the whole, if the server says so, in bytes.
        total_bytes: Option<u64>,
        /// How much of it is already there from an earlier attempt, in bytes.
        present_bytes: u64,
    },
    /// A piece of a body arrived.
    Received {
        /// What was asked for.
        url: &'e Url,
        /// The size of the piece, in bytes.
        bytes: u64,
    },
    /// A piece of what is uploaded was sent.
    Sent {
        /// Where to.
        url: &'e Url,
        /// The size of the piece, in bytes.
        bytes: u64,
    },
    /// What arrived until now was thrown away: the transfer begins again.
    Restarted {
        /// What was asked for.
        url: &'e Url,
        /// How much was thrown away, in bytes.
        dropped_bytes: u64,
    },
    /// An attempt failed, and another one follows.
    Retrying {
        /// What was asked for.
        url: &'e Url,
        /// The number of the attempt that follows, from 2.
        attempt: u32,
        /// How long is waited before it.
        delay: Duration,
        /// Why the last attempt failed.
        error: &'e RemoteError,
    },
    /// A transfer is complete.
    Finished {
        /// What was asked for.
        url: &'e Url,
    },
}

/// Takes events, from several threads at once.
pub trait Observer: Sync {
    /// Takes an event. Must not block for long.
    fn event(&self, event: &Event<'_>);
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event<'_>) {}
}

impl<F: Fn(&Event<'_>) + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
