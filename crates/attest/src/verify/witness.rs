// SPDX-License-Identifier: Apache-2.0
//! What others say of a signature: entries of logs and timestamps.

use super::trust::Trust;
use super::{Refusal, refusal::short};
use crate::key::UtcTime;
use crate::log::{LogEntry, Signed};
use crate::signature::Witness;
use crate::timestamp::Timestamp;

/// What others say of a signature.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Witnessed {
    /// Logs that have it.
    pub entries: Vec<LogPlace>,
    /// When somebody saw it.
    pub timestamps: Vec<SeenAt>,
    /// Whether this was verified with a trusted root. Without one it is what the bundle says, and nothing more.
    pub is_checked: bool,
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// What the log calls itself.
    pub log: String,
    /// Which entry of it.
    pub index: u64,
}

/// A time at which a signature was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAt {
    /// The time.
    pub time: UtcTime,
    /// Who says so; without a trusted root nobody knows.
    pub authority: Option<String>,
}

/// What others say, and the proven times.
pub(super) struct Examined {
    pub(super) witnessed: Witnessed,
    pub(super) times: Vec<i64>,
}

/// Verifies what others say, as far as somebody trusts them. A single thing that is wrong refuses the signature.
pub(super) fn examine(
    witness: &Witness,
    signed: &Signed<'_>,
    trust: Trust<'_>,
) -> Result<Examined, Refusal> {
    let rules = trust.rules;
    let Some(root) = rules.root.filter(|_| !rules.certificates_alone) else {
        let witnessed = said(witness);
        trust.check_witnesses(&Witnessed::default())?;
        return Ok(Examined { witnessed, times: Vec::new() });
    };
    let (mut witnessed, mut times) =
        (Witnessed { is_checked: true, ..Witnessed::default() }, Vec::new());
    for der in witness.timestamps() {
        let stamp = Timestamp::parse(der).map_err(Refusal::Timestamp)?;
        let seen = stamp.verify(signed.signature, root).map_err(Refusal::Timestamp)?;
        times.push(seen.seconds);
        let time = UtcTime::of_seconds(seen.seconds);
        witnessed.timestamps.push(SeenAt { time, authority: Some(seen.authority) });
    }
    for value in witness.entries() {
        let entry = LogEntry::parse(value).map_err(Refusal::Log)?;
        entry.verify(signed, root, &times).map_err(Refusal::Log)?;
        witnessed.entries.push(place(&entry));
    }
    trust.check_witnesses(&witnessed)?;
    Ok(Examined { witnessed, times })
}

/// Returns what a bundle says, as far as it can be read.
fn said(witness: &Witness) -> Witnessed {
    let entries = witness.entries().iter().filter_map(|value| LogEntry::parse(value).ok());
    let stamps = witness.timestamps().iter().filter_map(|der| Timestamp::parse(der).ok());
    let seen =
        |stamp: Timestamp| SeenAt { time: UtcTime::of_seconds(stamp.seconds()), authority: None };
    Witnessed {
        entries: entries.map(|entry| place(&entry)).collect(),
        timestamps: stamps.map(seen).collect(),
        is_checked: false,
    }
}

fn place(entry: &LogEntry) -> LogPlace {
    LogPlace { log: short(entry.origin()), index: entry.index() }
}
