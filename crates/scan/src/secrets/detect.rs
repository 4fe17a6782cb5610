// SPDX-License-Identifier: Apache-2.0
//! Looks for secrets in a text: one pass for all keywords, then each rule where its keywords are.

use std::collections::BTreeMap;

use regex::bytes::{CaptureLocations, Regex};

use super::allowlist::Suspect;
use super::finding::{Excerpt, Fingerprint};
use super::rules::{Rule, Rules};
use super::text::{Nature, Piece, Window};

/// How far around a keyword a local rule is tried, in bytes: matches of our own rules begin at most this much before
/// their keyword.
const BEFORE_BYTES: usize = 512;
/// How far after it, in bytes. A match that reaches the end is tried again with more.
const AFTER_BYTES: usize = 2 << 10;
/// The longest match, in bytes.
const MATCH_BYTES_MAX: usize = 16 << 10;
/// How much of a line beside a match is looked at, in bytes.
const LINE_BYTES_MAX: usize = 2 << 10;
/// How many matches of one rule in one file are looked at. An expression that fits everywhere ends here.
const MATCHES_MAX: usize = 10_000;

/// Something found in a file.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    /// A place in [`Rules::all`].
    pub(super) rule: usize,
    pub(super) excerpt: Excerpt,
    pub(super) fingerprint: Fingerprint,
    pub(super) line: Option<u64>,
    pub(super) count: u64,
    /// Where the secret is in the text of the file.
    range: (u64, u64),
}

impl Hit {
    /// Returns the secret, of a file that is all text.
    pub(super) fn bytes_of<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (start, end) = self.range;
        text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

/// Looks through one file after the other.
#[derive(Debug)]
pub(super) struct Detector<'r> {
    rules: &'r Rules,
    hits_max: usize,
    path: Vec<u8>,
    /// What fingerprints are made with.
    stable_place: String,
    window: Window,
    /// By rule: where it is to be tried in this piece.
    regions: Vec<Vec<(usize, usize)>>,
    /// Rules that have a region.
    touched: Vec<usize>,
    /// By rule: whether it is for files of this path, once that was asked.
    is_for_path: BTreeMap<usize, bool>,
    /// By rule: how many matches were looked at.
    matches: BTreeMap<usize, usize>,
    hits: BTreeMap<(usize, Fingerprint), Hit>,
    is_cut: bool,
}

impl<'r> Detector<'r> {
    pub(super) fn new(rules: &'r Rules, hits_max: usize) -> Self {
        Self {
            rules,
            hits_max,
            path: Vec::new(),
            stable_place: String::new(),
            window: Window::default(),
            regions: vec![Vec::new(); rules.all.len()],
            touched: Vec::new(),
            is_for_path: BTreeMap::new(),
            matches: BTreeMap::new(),
            hits: BTreeMap::new(),
            is_cut: false,
        }
    }

    /// Starts with a file.
    pub(super) fn begin(&mut self, path: &[u8], stable_place: String) {
        self.path.clear();
        self.path.extend_from_slice(path);
        self.stable_place = stable_place;
        self.window.clear();
        self.is_for_path.clear();
        self.matches.clear();
        self.hits.clear();
        self.is_cut = false;
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.window.feed(bytes) {
            self.look(false);
            self.window.advance();
        }
    }

    /// Ends a file. Returns what was found, in its order and each once, and whether there may be more.
    pub(super) fn end(&mut self) -> (Vec<Hit>, bool) {
        let (mut hits, is_cut) = self.end_with_all();
        // What a rule for anything found, and another one, too, is the other one's.
        let specific: Vec<(u64, u64)> = (hits.iter())
            .filter(|hit| !self.rules.all[hit.rule].is_generic)
            .map(|hit| hit.range)
            .collect();
        hits.retain(|hit| {
            let overlaps = |range: &(u64, u64)| range.0 < hit.range.1 && hit.range.0 < range.1;
            !self.rules.all[hit.rule].is_generic || !specific.iter().any(overlaps)
        });
        hits.sort_by_key(|hit| (hit.range, hit.rule));
        // Two rules for anything that found the same are one.
        hits.dedup_by(|next, first| {
            let is_generic = |hit: &Hit| self.rules.all[hit.rule].is_generic;
            is_generic(next) && is_generic(first) && next.range.0 < first.range.1
        });
        (hits, is_cut)
    }

    /// Ends a file, and returns all that any rule found.
    pub(super) fn end_with_all(&mut self) -> (Vec<Hit>, bool) {
        self.look(true);
        for &number in &self.rules.by_path {
            let rule = &self.rules.all[number];
            let suspect = Suspect { path: &self.path, secret: b"", whole: b"", line: b"" };
            if (rule.path.as_ref()).is_some_and(|path| path.is_in(&self.path))
                && !self.rules.is_allowed(rule, &suspect)
            {
                let fingerprint = Fingerprint::of(&rule.id, &self.stable_place, b"");
                let excerpt = Excerpt::of(b"");
                let hit =
                    Hit { rule: number, excerpt, fingerprint, line: None, count: 1, range: (0, 0) };
                self.hits.insert((number, fingerprint), hit);
            }
        }
        (std::mem::take(&mut self.hits).into_values().collect(), self.is_cut)
    }

    fn look(&mut self, is_end: bool) {
        let window = std::mem::take(&mut self.window);
        let piece = window.piece(is_end);
        if !piece.text.is_empty() {
            self.find_keywords(piece);
            for &number in &self.rules.always {
                self.regions[number].push((0, piece.text.len()));
                self.touched.push(number);
            }
            self.touched.sort_unstable();
            self.touched.dedup();
            for number in std::mem::take(&mut self.touched) {
                let mut regions = std::mem::take(&mut self.regions[number]);
                self.try_rule(number, &regions, piece);
                regions.clear();
                self.regions[number] = regions;
            }
        }
        self.window = window;
    }

    /// Finds all keywords, and says where which rules are to be tried.
    fn find_keywords(&mut self, piece: Piece<'_>) {
        let rules = self.rules;
        for found in rules.keywords.find_overlapping_iter(piece.text) {
            let start = found.start().saturating_sub(BEFORE_BYTES);
            let end = (found.end() + AFTER_BYTES).min(piece.text.len());
            for &number in &rules.of_keyword[found.pattern().as_usize()] {
                let regions = &mut self.regions[number];
                let (start, end) =
                    if rules.all[number].is_local { (start, end) } else { (0, piece.text.len()) };
                match regions.last_mut() {
                    None => {
                        self.touched.push(number);
                        regions.push((start, end));
                    }
                    // Ends of keywords come in order.
                    Some(last) if start <= last.1 => last.1 = last.1.max(end),
                    Some(_) => regions.push((start, end)),
                }
            }
        }
    }

    fn try_rule(&mut self, number: usize, regions: &[(usize, usize)], piece: Piece<'_>) {
        let rules = self.rules;
        let rule = &rules.all[number];
        if rule.is_for_text && piece.nature == Nature::Binary {
            return;
        }
        if let Some(path) = &rule.path
            && !*self.is_for_path.entry(number).or_insert_with(|| path.is_in(&self.path))
        {
            return;
        }
        let Some(regex) = rule.regex.as_ref().map(crate::re2::Pattern::regex) else { return };
        let mut groups = regex.capture_locations();
        let mut lines = Lines { at: 0, count: piece.before_lines };
        let mut from = 0;
        for &(start, end) in regions {
            from = start.max(from);
            while let Some((whole, secret)) =
                next_match(regex, rule, piece.text, from, end, &mut groups)
            {
                // Never twice, and always further. What ends a secret may be what the next one begins with.
                from = secret.1.max(whole.0 + 1);
                if whole.0 < piece.fresh.0 || whole.0 >= piece.fresh.1 {
                    continue;
                }
                let count = self.matches.entry(number).or_default();
                *count += 1;
                if *count > MATCHES_MAX {
                    self.is_cut = true;
                    return;
                }
                self.judge(number, whole, secret, piece, &mut lines);
            }
        }
    }

    fn judge(
        &mut self,
        number: usize,
        whole: (usize, usize),
        range: (usize, usize),
        piece: Piece<'_>,
        lines: &mut Lines,
    ) {
        let rule = &self.rules.all[number];
        let secret = &piece.text[range.0..range.1];
        if rule.entropy_min > 0.0 && entropy(secret) < rule.entropy_min {
            return;
        }
        let suspect = Suspect {
            path: &self.path,
            secret,
            whole: &piece.text[whole.0..whole.1],
            line: line_around(piece.text, whole),
        };
        if self.rules.is_allowed(rule, &suspect) {
            return;
        }
        let fingerprint = Fingerprint::of(&rule.id, &self.stable_place, secret);
        if let Some(hit) = self.hits.get_mut(&(number, fingerprint)) {
            hit.count += 1;
            return;
        }
        if self.hits.len() >= self.hits_max {
            self.is_cut = true;
            return;
        }
        let line = (piece.nature != Nature::Binary).then(|| lines.of(piece.text, range.0));
        let absolute = |at: usize| piece.before_bytes + at as u64;
        let range = (absolute(range.0), absolute(range.1));
        let excerpt = Excerpt::of(secret);
        let hit = Hit { rule: number, excerpt, fingerprint, line, count: 1, range };
        self.hits.insert((number, fingerprint), hit);
    }
}

type Span = (usize, usize);

/// Returns the next match that starts in a region, and the secret in it.
fn next_match(
    regex: &Regex,
    rule: &Rule,
    text: &[u8],
    from: usize,
    end: usize,
    groups: &mut CaptureLocations,
) -> Option<(Span, Span)> {
    if from > end {
        return None;
    }
    let mut found = regex.find_at(&text[..end], from)?;
    let mut end = end;
    if found.end() == end && end < text.len() {
        // It may be longer, or none at all.
        end = (end + MATCH_BYTES_MAX).min(text.len());
        found = regex.find_at(&text[..end], found.start())?;
    }
    let whole = (found.start(), found.end());
    if regex.captures_len() == 1 {
        return Some((whole, whole));
    }
    regex.captures_read_at(groups, &text[..end], found.start())?;
    let secret = if rule.secret_group > 0 {
        groups.get(rule.secret_group)
    } else {
        (1..groups.len()).filter_map(|group| groups.get(group)).find(|(start, end)| start < end)
    };
    Some((whole, secret.unwrap_or(whole)))
}

/// Counts lines, from one match to the next.
struct Lines {
    at: usize,
    count: u64,
}

impl Lines {
    /// Returns the line that a place is on, from 1 on.
    fn of(&mut self, text: &[u8], place: usize) -> u64 {
        if place >= self.at {
            let between = &text[self.at..place];
            self.count += memchr::memchr_iter(b'\n', between).count() as u64;
            self.at = place;
        }
        self.count + 1
    }
}

/// Returns the lines that something is on.
fn line_around(text: &[u8], (start, end): Span) -> &[u8] {
    let low = start.saturating_sub(LINE_BYTES_MAX);
    let high = (end + LINE_BYTES_MAX).min(text.len());
    let first = memchr::memrchr(b'\n', &text[low..start]).map_or(low, |at| low + at + 1);
    let last = memchr::memchr(b'\n', &text[end..high]).map_or(high, |at| end + at);
    &text[first..last]
}

/// Returns Shannon's entropy of bytes, in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    // Secrets are far shorter than what a float can count.
    #[expect(clippy::cast_precision_loss, reason = "a match has at most some kilobytes")]
    let length = bytes.len().max(1) as f64;
    let part = |&count: &u32| {
        let share = f64::from(count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|&&count| count > 0).map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies() {
        for (text, expected) in
            [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("0123456789abcdef", 4.0)]
        {
            assert!((entropy(text.as_bytes()) - expected).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn lines() {
        let text = b"one\ntwo\nthree";
        let mut lines = Lines { at: 0, count: 10 };
        assert_eq!([lines.of(text, 0), lines.of(text, 4), lines.of(text, 9)], [11, 12, 13]);
        assert_eq!(line_around(text, (5, 6)), b"two");
        assert_eq!(line_around(text, (2, 5)), b"one\ntwo");
        assert_eq!(line_around(text, (8, 13)), b"three");
    }
}
