// SPDX-License-Identifier: Apache-2.0
//! Progress as data: the library says what happens, whoever called it draws that.

/// What happens during a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'e> {
    /// Package indexes are being looked at.
    Indexes {
        /// How many suites.
        suites: usize,
    },
    /// An index was taken.
    Index {
        /// The archive and suite.
        name: &'e str,
        /// Whether it was fetched now, and not known from before.
        fetched: bool,
    },
    /// The solver starts.
    Solve {
        /// The platform.
        platform: &'e str,
    },
    /// Downloads start.
    Downloads {
        /// How many files.
        files: usize,
        /// Their bytes.
        size_bytes: u64,
    },
    /// Bytes came in.
    Downloaded {
        /// How many since the last event.
        size_bytes: u64,
    },
    /// Packages are being turned into segments.
    Unpacks {
        /// How many.
        packages: usize,
    },
    /// One of them is done.
    Unpacked {
        /// Its name.
        package: &'e str,
    },
    /// A platform's tree is being put together.
    Assemble {
        /// The platform.
        platform: &'e str,
    },
    /// A stage gave a result before, and is not run.
    StageKnown {
        /// The platform.
        platform: &'e str,
        /// The stage.
        stage: &'e str,
    },
    /// A step of a stage starts.
    Step {
        /// The platform.
        platform: &'e str,
        /// The stage.
        stage: &'e str,
        /// The step.
        step: &'e str,
    },
    /// A step printed a line.
    StepLine {
        /// The platform.
        platform: &'e str,
        /// The stage.
        stage: &'e str,
        /// The step.
        step: &'e str,
        /// The line, without secrets.
        line: &'e str,
    },
    /// A program runs for an image.
    Run {
        /// What it does: `compiling Python modules`.
        what: &'e str,
    },
    /// Layers are being written.
    Layers {
        /// How many.
        layers: usize,
    },
    /// One of them is done.
    Layer,
    /// A test of an image begins.
    Test {
        /// Its name.
        name: &'e str,
    },
    /// A test of an image is done.
    Tested {
        /// Its name.
        name: &'e str,
        /// What came of it.
        outcome: &'e crate::image_test::TestOutcome,
    },
    /// The verb is done.
    Done,
}

/// Takes events. They come from several threads.
pub trait Observer: Sync {
    /// Takes one event.
    fn event(&self, event: Event<'_>);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event<'_>) {}
}
