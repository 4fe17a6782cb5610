// SPDX-License-Identifier: Apache-2.0
//! What is known of a vulnerability, without its scores and its summary, which have sections of their own.

use std::collections::BTreeSet;

use super::vector::{put_vector, vector};
use super::wire::{Reader, Reason, put_bytes, put_count, put_number};
use crate::advisory::{Epss, Severity, Vulnerability};

const HAS_CVSS: u64 = 1;
const HAS_PUBLISHED: u64 = 1 << 1;
const HAS_ALIASES: u64 = 1 << 2;
const HAS_EXPLOITED: u64 = 1 << 3;
const IN_RANSOMWARE: u64 = 1 << 4;
const IS_WITHDRAWN: u64 = 1 << 5;
/// The place in [`Severity::ALL`], from this bit on.
const SEVERITY_SHIFT: u32 = 6;
const SEVERITY_MASK: u64 = 7;
const ALL: u64 = (1 << 9) - 1;

/// How many bytes scores have.
pub(super) const EPSS_BYTES: usize = 6;
/// What stands in the place of scores that nobody gave.
const NO_EPSS: [u8; EPSS_BYTES] = [0xff; EPSS_BYTES];
const EPSS_MAX: u32 = 1_000_000;

/// Returns the bytes of a vulnerability.
pub(super) fn encode(known: &Vulnerability<'_>) -> Vec<u8> {
    let severity = Severity::ALL.iter().position(|severity| *severity == known.severity);
    let mut flags = (severity.unwrap_or_default() as u64) << SEVERITY_SHIFT;
    for (is_there, flag) in [
        (!known.cvss.is_empty(), HAS_CVSS),
        (known.published.is_some(), HAS_PUBLISHED),
        (!known.aliases.is_empty(), HAS_ALIASES),
        (known.exploited_since.is_some(), HAS_EXPLOITED),
        (known.in_ransomware, IN_RANSOMWARE),
        (known.is_withdrawn, IS_WITHDRAWN),
    ] {
        flags |= if is_there { flag } else { 0 };
    }
    let mut bytes = Vec::new();
    put_number(&mut bytes, flags);
    if !known.cvss.is_empty() {
        put_count(&mut bytes, known.cvss.len());
        known.cvss.iter().for_each(|vector| put_vector(&mut bytes, vector));
    }
    for day in known.published.iter().chain(&known.exploited_since) {
        put_number(&mut bytes, (*day).into());
    }
    if !known.aliases.is_empty() {
        put_count(&mut bytes, known.aliases.len());
        known.aliases.iter().for_each(|alias| put_bytes(&mut bytes, alias.as_bytes()));
    }
    bytes
}

/// Reads a vulnerability.
pub(super) fn decode(bytes: &[u8]) -> Result<Vulnerability<'_>, Reason> {
    let mut reader = Reader::new(bytes);
    let flags = reader.number()?;
    let severity = Severity::ALL.get((flags >> SEVERITY_SHIFT & SEVERITY_MASK) as usize);
    let (Some(severity), true) = (severity, flags <= ALL) else {
        return Err("a vulnerability has unknown flags");
    };
    let has = |flag: u64| flags & flag != 0;
    let mut known = Vulnerability { severity: *severity, ..Vulnerability::default() };
    known.in_ransomware = has(IN_RANSOMWARE);
    known.is_withdrawn = has(IS_WITHDRAWN);
    if has(HAS_CVSS) {
        for _ in 0..reader.count()? {
            known.cvss.push(vector(&mut reader)?);
        }
    }
    if has(HAS_PUBLISHED) {
        known.published = Some(reader.number_u32()?);
    }
    if has(HAS_EXPLOITED) {
        known.exploited_since = Some(reader.number_u32()?);
    }
    if has(HAS_ALIASES) {
        let count = reader.count()?;
        known.aliases = (0..count).map(|_| reader.cow()).collect::<Result<BTreeSet<_>, _>>()?;
    }
    reader.end()?;
    Ok(known)
}

/// Adds scores: two numbers of three bytes.
pub(super) fn put_epss(bytes: &mut Vec<u8>, epss: Option<Epss>) {
    match epss {
        Some(Epss { probability, percentile }) => {
            for number in [probability, percentile] {
                bytes.extend_from_slice(&number.min(EPSS_MAX).to_le_bytes()[..3]);
            }
        }
        None => bytes.extend_from_slice(&NO_EPSS),
    }
}

/// Reads the scores at a place.
pub(super) fn epss(section: &[u8], place: usize) -> Result<Option<Epss>, Reason> {
    let start = place.saturating_mul(EPSS_BYTES);
    let bytes = section.get(start..).and_then(|rest| rest.first_chunk::<EPSS_BYTES>());
    let bytes = bytes.ok_or("it has too few scores")?;
    if *bytes == NO_EPSS {
        return Ok(None);
    }
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]);
    let scores = Epss { probability: number(0), percentile: number(3) };
    if scores.probability > EPSS_MAX || scores.percentile > EPSS_MAX {
        return Err("a score is more than 1");
    }
    Ok(Some(scores))
}
