// SPDX-License-Identifier: Apache-2.0
//! What others say of a signature: that a log has it, and when it was there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::base64;
use crate::log::LogEntry;
use crate::timestamp::Timestamp;

/// The most log entries, and the most timestamps, of one signature: each costs a signature to verify, or several.
pub const WITNESSES_MAX: usize = 8;

/// Entries of logs and timestamps of one signature, as they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Witness {
    entries: Vec<Value>,
    timestamps: Vec<Vec<u8>>,
}

impl Witness {
    pub(super) fn new(entries: Vec<Value>, timestamps: Vec<Vec<u8>>) -> Self {
        Self { entries, timestamps }
    }

    /// Adds an entry of a log.
    pub fn add_entry(&mut self, entry: &LogEntry) {
        self.entries.push(entry.json().clone());
    }

    /// Adds a timestamp.
    pub fn add_timestamp(&mut self, timestamp: &Timestamp) {
        self.timestamps.push(timestamp.der().to_vec());
    }

    /// Returns entries of logs, in the JSON form of `TransparencyLogEntry`.
    pub fn entries(&self) -> &[Value] {
        &self.entries
    }

    /// Returns answers of timestamp authorities, in DER.
    pub fn timestamps(&self) -> &[Vec<u8>] {
        &self.timestamps
    }

    /// Returns whether nobody said anything.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.timestamps.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimestampsJson {
    #[serde(default, alias = "rfc3161_timestamps")]
    rfc3161_timestamps: Vec<TimestampJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimestampJson {
    #[serde(alias = "signed_timestamp")]
    signed_timestamp: String,
}

impl TimestampsJson {
    pub(super) fn of(timestamps: &[Vec<u8>]) -> Option<Self> {
        let all =
            timestamps.iter().map(|der| TimestampJson { signed_timestamp: base64::encode(der) });
        (!timestamps.is_empty()).then(|| Self { rfc3161_timestamps: all.collect() })
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.rfc3161_timestamps.into_iter().map(|one| one.signed_timestamp).collect()
    }
}
