// SPDX-License-Identifier: Apache-2.0
//! Commands of container-structure-test. Those before a command, it, and those after it share one root file system, whose
//! changes go with the test. None gets a shell.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expand::expand;
use super::{Patterns, StructureRun, lossy};
use crate::container::{ChangedRoot, ContainerError, ContainerMount, ContainerOptions};
use crate::error::Error;
use crate::image_test::observe::Output;
use crate::image_test::{Stop, limits, shown};
use crate::sandbox::{Exit, Network, Stream, Streams};

/// What is added to a signal's number where a runtime gives an exit code.
const SIGNALLED: i64 = 128;

/// A command and what is expected of it.
#[derive(Debug, Clone)]
pub(super) struct CommandCase {
    pub(super) setup: Vec<Vec<String>>,
    pub(super) teardown: Vec<Vec<String>>,
    /// Variables of its own.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) words: Vec<String>,
    pub(super) exit_code: i64,
    pub(super) output: Patterns,
    pub(super) error: Patterns,
    pub(super) shared: Arc<Shared>,
}

/// What all commands of a file have.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Variables that are given as they are.
    pub(super) given: BTreeMap<String, String>,
    /// Variables of the file.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) user: Option<String>,
    pub(super) mounts: Vec<FileMount>,
    /// What is asked for and not given to tests.
    pub(super) refused: Vec<&'static str>,
}

/// What of the host commands see, and where that is asked for.
#[derive(Debug)]
pub(super) struct FileMount {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) mount: ContainerMount,
}

impl Shared {
    /// Says which entry is to blame if something can't be mounted.
    fn blame(&self, error: Error) -> Stop {
        if let Error::Container(ContainerError::Mount { place, .. }) = &error {
            let is_it = |one: &&FileMount| {
                one.mount.source.display().to_string() == *place || one.mount.target == *place
            };
            if let Some(FileMount { file, line, mount }) = self.mounts.iter().find(is_it) {
                let (source, target) = (mount.source.display(), &mount.target);
                let entry = format!("{source}:{target}");
                return Stop::Failed(format!("`{entry}` of `bindMounts` ({file}:{line}): {error}"));
            }
        }
        error.into()
    }
}

/// What a command printed, and how it ended.
struct Ended {
    output: Vec<u8>,
    error: Vec<u8>,
    exit: Exit,
}

/// A root file system for the commands of one test, and what they have in common.
struct Place<'p> {
    test: &'p StructureRun<'p>,
    shared: &'p Shared,
    environment: BTreeMap<String, String>,
    root: ChangedRoot,
}

impl StructureRun<'_> {
    /// Runs a command with all that belongs to it. Returns what there is to remark.
    pub(super) fn command(&self, case: &CommandCase, output: &mut Output) -> Result<String, Stop> {
        let shared = &case.shared;
        if !shared.refused.is_empty() {
            let refused = shared.refused.join(", ");
            return Err(Stop::Failed(format!(
                "`containerRunOptions` asks for {refused}, which the sandbox does not give to tests"
            )));
        }
        let own = self.environment();
        let mut environment = shared.given.clone();
        for variables in [&shared.environment, &case.environment] {
            let expanded =
                variables.iter().map(|(name, value)| (name.clone(), expand(value, &own)));
            environment.extend(expanded);
        }
        let mut seen = own;
        seen.extend(environment.clone());
        let root = self.session.changed_root(self.image)?;
        let place = Place { test: self, shared, environment, root };
        let mut remarks = Vec::new();
        for words in &case.setup {
            remarks.extend(place.beside("setup", words, output)?);
        }
        output.forget();
        let words: Vec<String> = case.words.iter().map(|word| expand(word, &seen)).collect();
        let ended = place.run(&words, output)?;
        let mut wrong = case.error.check("standard error", &lossy(&ended.error));
        wrong.extend(case.output.check("standard output", &lossy(&ended.output)));
        wrong.extend(self.wrong_end(case, &words, ended.exit));
        for words in &case.teardown {
            match place.beside("teardown", words, &mut Output::default()) {
                // The original does not even start them.
                Err(Stop::Failed(reason)) => remarks.push(format!("the teardown failed: {reason}")),
                remark => remarks.extend(remark?),
            }
        }
        if wrong.is_empty() {
            return Ok(remarks.join("; "));
        }
        wrong.extend(remarks);
        Err(Stop::Failed(wrong.join("; ")))
    }

    fn wrong_end(&self, case: &CommandCase, words: &[String], exit: Exit) -> Option<String> {
        let (words, expected) = (shown(&words.join(" ")), case.exit_code);
        let ended = self.deadline.ended(exit);
        let code = match exit {
            Exit::Code(code) => i64::from(code),
            Exit::Signal(signal) => SIGNALLED + i64::from(signal),
            Exit::TimedOut | Exit::TooMuchOutput => {
                return Some(format!(
                    "`{words}` {ended} and was stopped, where exit code {expected} is expected"
                ));
            }
        };
        (code != expected).then(|| match exit {
            Exit::Code(_) => format!("`{words}` {ended}, not with exit code {expected}"),
            _ => format!("`{words}` {ended}, where exit code {expected} is expected"),
        })
    }
}

impl Place<'_> {
    fn run(&self, words: &[String], output: &mut Output) -> Result<Ended, Stop> {
        let test = self.test;
        let options = ContainerOptions {
            user: self.shared.user.clone(),
            environment: self.environment.clone(),
            network: if test.options.with_network { Network::Host } else { Network::Loopback },
            mounts: self.shared.mounts.iter().map(|one| one.mount.clone()).collect(),
            is_writable: true,
            keeps_volumes: true,
            entrypoint: Some(words.to_vec()),
            limits: limits(test.deadline.left()?),
            ..ContainerOptions::default()
        };
        let (mut printed, mut error) = (Vec::new(), Vec::new());
        let mut take = |stream, bytes: &[u8]| {
            output.take(bytes);
            match stream {
                Stream::Output => printed.extend_from_slice(bytes),
                Stream::Error => error.extend_from_slice(bytes),
            }
        };
        let streams = Streams::Captured(&mut take);
        let exit = test.session.run_container_in(test.image, &self.root, &options, streams);
        let exit = exit.map_err(|error| self.shared.blame(error))?;
        output.end();
        Ok(Ended { output: printed, error, exit })
    }

    /// Runs a command before or after. As in the original, what it ends with fails no test, but it is remarked.
    fn beside(
        &self,
        what: &str,
        words: &[String],
        output: &mut Output,
    ) -> Result<Option<String>, Stop> {
        let exit = self.run(words, output)?.exit;
        let (words, ended) = (shown(&words.join(" ")), self.test.deadline.ended(exit));
        Ok((exit != Exit::Code(0)).then(|| format!("the {what} `{words}` {ended}")))
    }
}
