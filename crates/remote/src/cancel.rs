// SPDX-License-Identifier: Apache-2.0
//! Stopping transfers from another thread.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A flag that stops the transfers that look at it. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cancelled: Mutex<bool>,
    changed: Condvar,
    /// A flag that sets this one too.
    parent: Option<Cancel>,
}

impl Cancel {
    /// Makes a flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a flag of its own that also counts as set when this one is.
    pub(crate) fn child(&self) -> Self {
        Self(Arc::new(State { parent: Some(self.clone()), ..State::default() }))
    }

    /// Sets the flag.
    pub fn cancel(&self) {
        *self.0.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        *self.0.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
            || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// Waits, but not longer than until the flag is set.
    pub(crate) fn wait(&self, delay: Duration) {
        // The parent's change wakes nobody here, so it is looked at in steps.
        const STEP: Duration = Duration::from_millis(50);
        let mut left = delay;
        while !left.is_zero() && !self.is_cancelled() {
            let step = left.min(STEP);
            let guard = self.0.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.0.changed.wait_timeout_while(guard, step, |cancelled| !*cancelled);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            left = left.saturating_sub(step);
        }
    }
}
