// SPDX-License-Identifier: Apache-2.0
//! Many downloads at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::cancel::Cancel;
use crate::client::{Client, Request};
use crate::download::Downloaded;
use crate::error::RemoteError;
use crate::event::Observer;
use crate::sink::Sink;

/// Calls a function for each of a few items at once, and returns the results in the order of the items. After an error
/// no other item is begun.
pub(crate) fn map<T: Sync, R: Send, E: Send>(
    threads: usize,
    items: &[T],
    function: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, 32).min(items.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(position) else { return };
                    let result = function(item);
                    failed.fetch_or(result.is_err(), Ordering::Relaxed);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((position, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A download for [`Client::download_all`].
pub struct Job<'j> {
    /// What to fetch.
    pub request: Request,
    /// Where to put it.
    pub sink: &'j mut dyn Sink,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Client {
    /// Downloads several things, [`crate::Options::parallel`] of them at once, and returns the
    /// results in the order of the jobs.
    ///
    /// The first error stops the other downloads; they keep what they have for another try. If
    /// several fail, the error of the first one in the order of the jobs is returned. Returns only
    /// when all threads have ended, at the latest after [`crate::Options::read_timeout`].
    pub fn download_all(
        &self,
        jobs: Vec<Job<'_>>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Vec<Downloaded>, RemoteError> {
        let threads = self.options.parallel.clamp(1, 32).min(jobs.len());
        let cancel = cancel.child();
        let count = jobs.len();
        let queue = Mutex::new(jobs.into_iter().enumerate());
        let results = Mutex::new(Vec::with_capacity(count));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((position, job)) = job else { return };
                        let result = self.download(&job.request, job.sink, observer, &cancel);
                        if result.is_err() {
                            cancel.cancel();
                        }
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        results.push((position, result));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(position, result)| {
            // A real error comes before those that it caused.
            let rank = match result {
                Err(error) if !error.is_cancelled() => 0,
                _ => 1,
            };
            (rank, *position)
        });
        results.into_iter().map(|(_, result)| result).collect()
    }
}
