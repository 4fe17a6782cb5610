// SPDX-License-Identifier: Apache-2.0
//! Progress on a terminal: one line that says what is going on. Nothing where there is no terminal.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use hardpan::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Common;
use crate::text::{DIM, note, styled};

/// Draws events.
pub(crate) struct Progress {
    bar: ProgressBar,
    shows_steps: bool,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    files: usize,
    fetched_bytes: u64,
    wanted_bytes: u64,
    packages: usize,
    unpacked: usize,
    layers: usize,
    written: usize,
}

impl Progress {
    /// Starts drawing, if anybody looks.
    pub(crate) fn new(common: &Common) -> Self {
        let is_seen = !common.quiet && !common.json && std::io::stderr().is_terminal();
        let bar = ProgressBar::new_spinner();
        if is_seen {
            // The template is fixed, so it always parses.
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, shows_steps: is_seen, counts: Mutex::new(Counts::default()) }
    }

    /// Prints what build steps print, also where nobody looks at a terminal.
    pub(crate) fn with_step_output(self, is_wanted: bool) -> Self {
        Self { shows_steps: self.shows_steps || is_wanted, ..self }
    }

    fn step_line(&self, event: &Event<'_>) {
        let text = match event {
            Event::Step { platform, stage, step } => {
                styled(DIM, &format!("{platform} {stage}/{step}"))
            }
            Event::StepLine { stage, step, line, .. } => {
                format!("{} {line}", styled(DIM, &format!("{stage}/{step} │")))
            }
            _ => return,
        };
        if self.bar.is_hidden() {
            note!("{text}");
        } else {
            self.bar.suspend(|| note!("{text}"));
        }
    }

    /// Prints something while the line is away.
    pub(crate) fn beside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Removes the line.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        if self.shows_steps {
            self.step_line(&event);
        }
        if self.bar.is_hidden() {
            return;
        }
        let Ok(mut counts) = self.counts.lock() else { return };
        let message = match event {
            Event::Indexes { suites } => format!("package indexes of {suites} suites"),
            Event::Index { name, .. } => format!("package index {name}"),
            Event::Solve { platform } => format!("choosing packages for {platform}"),
            Event::Downloads { files, size_bytes } => {
                counts.files = files;
                counts.wanted_bytes = size_bytes;
                counts.fetched_bytes = 0;
                counts.fetching()
            }
            Event::Downloaded { size_bytes } => {
                counts.fetched_bytes += size_bytes;
                if counts.wanted_bytes == 0 {
                    return;
                }
                counts.fetching()
            }
            Event::Unpacks { packages } => {
                counts.packages = packages;
                counts.unpacked = 0;
                return;
            }
            Event::Unpacked { .. } => {
                counts.unpacked += 1;
                if counts.fetched_bytes < counts.wanted_bytes {
                    counts.fetching()
                } else {
                    format!("packages {}/{}", counts.unpacked, counts.packages)
                }
            }
            Event::Assemble { platform } => format!("putting {platform} together"),
            Event::Step { platform, stage, step } => format!("{platform}: {stage}/{step}"),
            Event::Run { what } => what.to_owned(),
            Event::Layers { layers } => {
                counts.layers = layers;
                counts.written = 0;
                format!("layers 0/{layers}")
            }
            Event::Layer => {
                counts.written += 1;
                format!("layers {}/{}", counts.written, counts.layers)
            }
            Event::Test { name } => format!("test {name}"),
            _ => return,
        };
        self.bar.set_message(message);
    }
}

impl Counts {
    fn fetching(&self) -> String {
        format!(
            "fetching {} packages: {} of {}",
            self.files,
            crate::text::size(self.fetched_bytes),
            crate::text::size(self.wanted_bytes)
        )
    }
}
