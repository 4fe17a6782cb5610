// SPDX-License-Identifier: Apache-2.0
//! The figures: summed up over runs, held against the targets, and as a table.

use std::fmt::Write as _;

use serde::Serialize;

use super::process::Run;

/// The least and the middle of some runs.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Spread {
    /// The least.
    pub(super) min: f64,
    /// The middle one; of two, their mean.
    pub(super) median: f64,
}

impl Spread {
    /// Returns the spread of some figures; of none it is zero.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = match figures.as_slice() {
            [] => 0.0,
            all if all.len() % 2 == 1 => all[middle],
            all => f64::midpoint(all[middle - 1], all[middle]),
        };
        Self { min: figures.first().copied().unwrap_or(0.0), median }
    }
}

/// What one kind of run came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Figures {
    /// What was run.
    pub(super) what: String,
    /// How many times.
    pub(super) runs: usize,
    /// Time, in milliseconds.
    pub(super) wall_milliseconds: Spread,
    /// Processor time, in milliseconds.
    pub(super) cpu_milliseconds: Spread,
    /// Largest peak of memory of any process in any run, in bytes; unknown for what runs in here.
    pub(super) peak_bytes: Option<u64>,
    /// The targets that it is held against.
    pub(super) targets: Vec<Target>,
}

/// A figure that is wanted.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Target {
    /// What is asked: `wall ≤ 3 × floor`.
    pub(super) name: String,
    /// How much of what is allowed was used: 1 is just met.
    pub(super) used: f64,
}

impl Target {
    /// Returns whether it is met.
    pub(super) fn is_met(&self) -> bool {
        self.used <= 1.0
    }
}

impl Figures {
    /// Sums up runs.
    pub(super) fn of(what: &str, runs: &[Run]) -> Self {
        Self {
            what: what.to_owned(),
            runs: runs.len(),
            wall_milliseconds: Spread::of(runs.iter().map(|run| run.wall_milliseconds)),
            cpu_milliseconds: Spread::of(runs.iter().map(|run| run.cpu_milliseconds)),
            peak_bytes: runs.iter().map(|run| run.peak_bytes).max(),
            targets: Vec::new(),
        }
    }

    /// What ran once, on one thread, in here.
    pub(super) fn alone(what: &str, milliseconds: f64) -> Self {
        let spread = Spread::of([milliseconds]);
        Self {
            what: what.to_owned(),
            runs: 1,
            wall_milliseconds: spread,
            cpu_milliseconds: spread,
            peak_bytes: None,
            targets: Vec::new(),
        }
    }

    /// Holds the median processor time against a limit.
    pub(super) fn cpu_at_most(&mut self, name: impl Into<String>, limit_milliseconds: f64) {
        let used = self.cpu_milliseconds.median / limit_milliseconds;
        self.targets.push(Target { name: name.into(), used });
    }

    /// Holds the median time against a limit.
    pub(super) fn wall_at_most(&mut self, name: impl Into<String>, limit_milliseconds: f64) {
        let used = self.wall_milliseconds.median / limit_milliseconds;
        self.targets.push(Target { name: name.into(), used });
    }

    /// Holds the peak of memory against a limit.
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
    pub(super) fn memory_at_most(&mut self, limit_bytes: u64) {
        if let Some(peak_bytes) = self.peak_bytes {
            self.targets.push(Target {
                name: format!("memory ≤ {}", mebibytes(limit_bytes)),
                used: peak_bytes as f64 / limit_bytes as f64,
            });
        }
    }
}

/// Everything that was found of one subject.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    /// Its name.
    pub(super) name: String,
    /// How many packages hardpan took.
    pub(super) packages: usize,
    /// Sum of the layers, in bytes.
    pub(super) compressed_bytes: u64,
    /// Sum of the layers' tar bytes.
    pub(super) raw_bytes: u64,
    /// Run by run.
    pub(super) figures: Vec<Figures>,
}

impl Report {
    /// Draws the table.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{}: {} packages, layers of {} ({} compressed)\n",
            self.name,
            self.packages,
            mebibytes(self.raw_bytes),
            mebibytes(self.compressed_bytes),
        );
        let _ = writeln!(
            text,
            "  {:<24} {:>4} {:>10} {:>10} {:>10} {:>9}  targets (part used)",
            "", "runs", "wall min", "median", "CPU", "memory"
        );
        for figures in &self.figures {
            let targets: Vec<String> = (figures.targets.iter())
                .map(|target| {
                    let verdict = if target.is_met() { "met" } else { "MISSED" };
                    format!("{} {verdict} ({:.2})", target.name, target.used)
                })
                .collect();
            let line = format!(
                "  {:<24} {:>4} {:>10} {:>10} {:>10} {:>9}  {}",
                figures.what,
                figures.runs,
                milliseconds(figures.wall_milliseconds.min),
                milliseconds(figures.wall_milliseconds.median),
                milliseconds(figures.cpu_milliseconds.median),
                figures.peak_bytes.map_or_else(|| "-".to_owned(), mebibytes),
                targets.join(", "),
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// Returns a time as text: `12.3 ms`, `4.56 s`.
fn milliseconds(time: f64) -> String {
    if time < 1000.0 { format!("{time:.1} ms") } else { format!("{:.2} s", time / 1000.0) }
}

/// Returns a size as text.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53 bytes")]
fn mebibytes(size_bytes: u64) -> String {
    format!("{:.0} MiB", size_bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_have_a_least_and_a_middle() {
        for (figures, min, median) in [
            (vec![], 0.0, 0.0),
            (vec![3.0], 3.0, 3.0),
            (vec![3.0, 1.0], 1.0, 2.0),
            (vec![9.0, 1.0, 2.0], 1.0, 2.0),
        ] {
            let spread = Spread::of(figures);
            assert_eq!((spread.min, spread.median), (min, median));
        }
    }

    #[test]
    fn targets_are_met_up_to_their_limit() {
        let run = Run { wall_milliseconds: 50.0, cpu_milliseconds: 80.0, peak_bytes: 100 << 20 };
        let mut figures = Figures::of("no-op build", &[run]);
        figures.wall_at_most("wall ≤ 50 ms", 50.0);
        figures.wall_at_most("wall ≤ 40 ms", 40.0);
        figures.memory_at_most(200 << 20);
        let met: Vec<bool> = figures.targets.iter().map(Target::is_met).collect();
        assert_eq!(met, [true, false, true]);
        let report = Report {
            name: "x".to_owned(),
            packages: 3,
            compressed_bytes: 2 << 20,
            raw_bytes: 6 << 20,
            figures: vec![figures],
        };
        assert!(report.table().contains("wall ≤ 40 ms MISSED (1.25)"), "{}", report.table());
    }
}
