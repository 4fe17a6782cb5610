// SPDX-License-Identifier: Apache-2.0
//! The texts of a configuration: where secrets are looked for, and how they are kept out of what is shown.

use std::borrow::Cow;
use std::ops::Range;

use hardpan_image::ImageConfig;
use memchr::memmem;

use super::detect::{Detector, Hit};
use super::finding::{Excerpt, Place};
use super::rules::Rules;

/// The longest text of a configuration that is looked at, in bytes. Larger documents are refused before.
const TEXT_BYTES_MAX: usize = 8 << 20;
/// The most secrets that are masked in one text; one with more is not shown at all.
const MASKED_MAX: usize = 100;
/// What stands for a secret, behind what may be shown of it, and for a text that can't be shown.
const MASK: &str = "…";

/// A text of a configuration, which is looked at as if it were a file of settings.
pub(super) struct Text<'c> {
    /// How that file would be called.
    name: &'static str,
    content: Cow<'c, str>,
    pub(super) place: Place,
}

impl<'c> Text<'c> {
    pub(super) fn annotation(name: &str, value: &str) -> Self {
        let place = Place::Annotation { name: name.to_owned() };
        Self { name: "annotations", content: format!("{name}={value}").into(), place }
    }

    fn history(number: usize, text: &'c str) -> Self {
        Self { name: "history", content: text.into(), place: Place::History { number } }
    }

    /// Looks through it. Returns whether there may be more than the hits.
    pub(super) fn find<'r>(
        &self,
        detector: &mut Detector<'r>,
        end: impl FnOnce(&mut Detector<'r>) -> (Vec<Hit>, bool),
    ) -> (Vec<Hit>, bool) {
        let seen = self.content.floor_char_boundary(TEXT_BYTES_MAX);
        let path = format!("image-configuration/{}.env", self.name);
        detector.begin(path.as_bytes(), self.place.stable());
        detector.feed(&self.content.as_bytes()[..seen]);
        let (hits, is_cut) = end(detector);
        (hits, is_cut || seen < self.content.len())
    }
}

/// Returns all texts of a configuration that may have a secret.
pub(super) fn texts(config: &ImageConfig) -> Vec<Text<'_>> {
    let run = &config.config;
    let mut texts = Vec::new();
    for variable in &run.env {
        let name = variable.split_once('=').map_or("", |(name, _)| name).to_owned();
        let place = Place::Environment { name };
        texts.push(Text { name: "environment", content: variable.into(), place });
    }
    for (name, value) in &run.labels {
        let place = Place::Label { name: name.clone() };
        texts.push(Text { name: "labels", content: format!("{name}={value}").into(), place });
    }
    for (number, history) in config.history.iter().enumerate() {
        let told = [&history.created_by, &history.comment].into_iter().flatten();
        texts.extend(told.map(|text| Text::history(number, text)));
    }
    let health: &[String] = run.healthcheck.as_ref().map_or(&[], |check| &check.test);
    for (key, words) in [
        ("Entrypoint", run.entrypoint.as_slice()),
        ("Cmd", &run.cmd),
        ("Shell", &run.shell),
        ("Healthcheck", health),
    ] {
        let place = Place::Command { key };
        texts.push(Text { name: "command", content: words.join(" ").into(), place });
    }
    for instruction in &run.on_build {
        let place = Place::Command { key: "OnBuild" };
        texts.push(Text { name: "command", content: instruction.into(), place });
    }
    texts
}

impl Rules {
    /// Masks whatever these rules find in the history of an image, which says what made each layer: of a secret only that
    /// stays that a finding shows, too.
    pub fn mask_history(&self, config: &mut ImageConfig) {
        let mut detector = Detector::new(self, MASKED_MAX);
        for history in &mut config.history {
            for text in [&mut history.created_by, &mut history.comment].into_iter().flatten() {
                *text = mask(&mut detector, "history", text);
            }
        }
    }

    /// Returns a variable or a label, `NAME=value`, or the words of a command, in which whatever these rules find is masked.
    pub fn masked(&self, text: &str) -> String {
        mask(&mut Detector::new(self, MASKED_MAX), "environment", text)
    }
}

fn mask(detector: &mut Detector<'_>, name: &'static str, text: &str) -> String {
    // With such a byte it would be looked at as a program, of which only strings count.
    let text = text.replace('\0', " ");
    let place = Place::Environment { name: String::new() };
    let looked_at = Text { name, content: text.as_str().into(), place };
    let (hits, is_cut) = looked_at.find(detector, Detector::end_with_all);
    if is_cut {
        return MASK.to_owned();
    }
    let bytes = text.as_bytes();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for hit in hits {
        let Some(secret) = hit.bytes_of(bytes).filter(|secret| !secret.is_empty()) else {
            continue;
        };
        // Of a secret that is there twice the first place is told.
        let places = memmem::find_iter(bytes, secret);
        ranges.extend(places.map(|start| start..start + secret.len()));
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut shown = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut ranges = ranges.into_iter().peekable();
    while let Some(mut secret) = ranges.next() {
        while let Some(next) = ranges.next_if(|next| next.start < secret.end) {
            secret.end = secret.end.max(next.end);
        }
        shown.extend_from_slice(&bytes[at..secret.start]);
        shown.extend_from_slice(Excerpt::of(&bytes[secret.clone()]).start.as_bytes());
        shown.extend_from_slice(MASK.as_bytes());
        at = secret.end;
    }
    shown.extend_from_slice(&bytes[at..]);
    String::from_utf8_lossy(&shown).into_owned()
}
