// SPDX-License-Identifier: Apache-2.0
//! Tests of images: commands that run in the finished image, as its user, and what they must come to.
//!
//! A command is words and runs without a shell. One that needs a shell is given to the image's, if it
//! has one. A line that begins with `docker run` is understood and runs here like the others.

mod case;
mod docker_line;
mod junit;
mod observe;
mod report;
mod service;
mod structure;
mod words;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::container::{ContainerError, ContainerImage, ContainerMount, ContainerOptions};
use crate::error::{Error, Trouble};
use crate::image_tree::ImageFiles;
use crate::observer::Event;
use crate::project::CatalogRoot;
use crate::sandbox::{Exit, Limits, Network, Streams};
use crate::session::Session;
use crate::store::Scratch;

pub use case::TestCase;
pub use junit::{junit, write_junit};
pub use report::{TestOutcome, TestReport, TestStatus, ctrf, write_ctrf};
pub use structure::{CheckedStructureFile, StructureFile, check_structure_files};

use case::{ContainerCase, TestKind};
use docker_line::{DockerLine, DockerNetwork};
use observe::Output;
use structure::StructureRun;
use words::CommandLine;

/// Where a container sees the folder of its test.
pub const TEST_DIRECTORY: &str = "/run/hardpan/test";
/// What a test may print, in bytes.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;
/// Processes of a test at a time: servers with many workers fit, a fork bomb does not.
const PROCESSES_MAX: u64 = 1_024;
/// The shell of images that have one.
const SHELL: &str = "bin/sh";

/// How tests are run.
#[derive(Clone, Copy)]
pub struct TestOptions<'o> {
    /// Where folders of tests are.
    pub catalog: Option<&'o CatalogRoot>,
    /// Whether tests have the host's network.
    pub with_network: bool,
    /// The caller's clock.
    pub clock: &'o dyn Fn() -> SystemTime,
}

impl std::fmt::Debug for TestOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestOptions")
            .field("catalog", &self.catalog)
            .field("with_network", &self.with_network)
            .finish_non_exhaustive()
    }
}

/// Why tests can't be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// No test has such a name.
    #[error("no test has {text:?} in its name")]
    NoTest {
        /// What was asked for.
        text: String,
        /// The name that may have been meant.
        near: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// A line of a file with variables that is none.
    #[error("line {line} of {path} is no variable: {reason}")]
    EnvFile {
        /// The file.
        path: String,
        /// The line.
        line: usize,
        /// Why.
        reason: String,
    },
}

impl TestError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        Trouble::Usage
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        let Self::NoTest { near, known, .. } = self else {
            return vec!["write NAME=value, or NAME for the caller's".to_owned()];
        };
        match near {
            Some(near) => vec![format!("did you mean {near}?")],
            None if known.is_empty() => vec!["the definition has no tests".to_owned()],
            None => vec![format!("the tests are {}", known.join(", "))],
        }
    }
}

/// A test's end before its commands' end.
enum Stop {
    /// The test failed, for this reason.
    Failed(String),
    /// Nothing can be tested on this machine.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            // What the test or the image asks for can't be given.
            Error::Container(error) => Self::Failed(with_hints(&error)),
            error => Self::Error(error),
        }
    }
}

fn with_hints(error: &ContainerError) -> String {
    let hints = error.hints().into_iter().map(|hint| format!("; {hint}"));
    std::iter::once(error.to_string()).chain(hints).collect()
}

impl Session<'_> {
    /// Tests an image: first that what its configuration names is there, then the tests given.
    pub fn test_image(
        &self,
        image: &ContainerImage,
        cases: &[TestCase],
        options: &TestOptions<'_>,
    ) -> Result<TestReport, Error> {
        let start = (options.clock)();
        let mut tests = vec![configuration(image, start)];
        // Read only if a test looks at files.
        let files = OnceCell::new();
        self.told(&tests[0]);
        for case in cases {
            self.observer.event(Event::Test { name: &case.name });
            let outcome = self.test_case(image, &files, case, options)?;
            self.told(&outcome);
            tests.push(outcome);
        }
        Ok(TestReport {
            image: image.name().to_owned(),
            platform: image.platform().to_owned(),
            manifest: image.manifest(),
            tests,
            start,
            stop: (options.clock)(),
        })
    }

    fn test_case(
        &self,
        image: &ContainerImage,
        files: &OnceCell<ImageFiles>,
        case: &TestCase,
        options: &TestOptions<'_>,
    ) -> Result<TestOutcome, Error> {
        let begin = (options.clock)();
        let deadline = Deadline { begin, time: case.time, clock: options.clock };
        let mut output = Output::default();
        let result = match &case.kind {
            TestKind::Container(case) => {
                let mut run = Run {
                    session: self,
                    image,
                    case,
                    options,
                    deadline,
                    directory: None,
                    writable: Vec::new(),
                    output: Output::default(),
                };
                let result = run.all();
                output = run.output;
                result.map(|()| String::new())
            }
            TestKind::Structure(case) => {
                let run = StructureRun { session: self, image, files, options, deadline };
                run.all(case, &mut output)
            }
        };
        let (status, message) = match result {
            Ok(remark) => (TestStatus::Passed, remark),
            Err(Stop::Failed(reason)) => (TestStatus::Failed, reason),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(TestOutcome {
            name: case.name.clone(),
            file: case.file.clone(),
            status,
            message,
            output: if status == TestStatus::Passed { Vec::new() } else { output.tail() },
            start: begin,
            duration: (options.clock)().duration_since(begin).unwrap_or_default(),
        })
    }

    fn told(&self, outcome: &TestOutcome) {
        self.observer.event(Event::Tested { name: &outcome.name, outcome });
    }
}

/// Tests what needs no container: that the program, the user and the working directory are there.
fn configuration(image: &ContainerImage, start: SystemTime) -> TestOutcome {
    let (status, message) = match image.check_configuration() {
        Ok(true) => (TestStatus::Passed, String::new()),
        Ok(false) => (TestStatus::Skipped, "the image names no program".to_owned()),
        Err(error) => (TestStatus::Failed, with_hints(&error)),
    };
    let name = "image configuration".to_owned();
    let (file, output) = (None, Vec::new());
    TestOutcome { name, file, status, message, output, start, duration: Duration::ZERO }
}

/// Until when a test may take.
#[derive(Clone, Copy)]
struct Deadline<'r> {
    begin: SystemTime,
    time: Duration,
    clock: &'r dyn Fn() -> SystemTime,
}

impl Deadline<'_> {
    /// Returns how much time is left; none left is the test's end.
    fn left(&self) -> Result<Duration, Stop> {
        let passed = (self.clock)().duration_since(self.begin).unwrap_or_default();
        let left = self.time.saturating_sub(passed);
        if left.is_zero() {
            return Err(Stop::Failed(format!("the test was not done after {} s", self.seconds())));
        }
        Ok(left)
    }

    fn seconds(&self) -> u64 {
        self.time.as_secs()
    }

    /// Says how a command ended.
    fn ended(&self, exit: Exit) -> String {
        match exit {
            Exit::Code(code) => format!("ended with exit code {code}"),
            Exit::Signal(signal) => format!("was killed by signal {signal}"),
            Exit::TimedOut => format!("was not done after {} s", self.seconds()),
            Exit::TooMuchOutput => format!("printed more than {OUTPUT_BYTES_MAX} bytes"),
        }
    }
}

/// Returns what every command may use up.
fn limits(left: Duration) -> Limits {
    Limits {
        time: Some(left),
        output_bytes: OUTPUT_BYTES_MAX,
        processes: PROCESSES_MAX,
        ..Limits::default()
    }
}

/// A definition's test while it runs.
struct Run<'r> {
    session: &'r Session<'r>,
    image: &'r ContainerImage,
    case: &'r ContainerCase,
    options: &'r TestOptions<'r>,
    deadline: Deadline<'r>,
    /// The test's folder on this machine.
    directory: Option<PathBuf>,
    /// What stands for each writable path.
    writable: Vec<(String, Scratch)>,
    output: Output,
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        self.directory =
            self.case.directory.as_deref().map(|path| self.locate(path, "folder")).transpose()?;
        for path in &self.case.writable {
            let scratch = self.image.writable_directory(self.session, path)?;
            self.writable.push((path.clone(), scratch));
        }
        for command in &self.case.before {
            self.command(command, 0)?;
        }
        self.output.forget();
        if self.case.service {
            return self.beside_service();
        }
        for command in &self.case.commands {
            self.command(command, self.case.exit_code)?;
        }
        self.check_output()
    }

    fn check_output(&self) -> Result<(), Stop> {
        match &self.case.output {
            Some(text) if !self.output.contains(text) => {
                Err(Stop::Failed(format!("the output has no {text:?} in it")))
            }
            _ => Ok(()),
        }
    }

    /// Returns a folder or file of the catalog.
    fn locate(&self, path: &str, what: &str) -> Result<PathBuf, Stop> {
        let Some(catalog) = self.options.catalog else {
            return Err(Stop::Failed(format!("there is no catalog to find the {what} {path} in")));
        };
        catalog
            .locate(path)
            .map_err(|error| Stop::Failed(format!("the {what} {path} of the catalog: {error}")))
    }

    fn command(&mut self, command: &str, exit_code: i64) -> Result<(), Stop> {
        let options = match docker_line::parse(command) {
            Some(Ok(line)) => self.docker_options(line)?,
            Some(Err(error)) => {
                return Err(Stop::Failed(format!("can't run `{}`: {error}", shown(command))));
            }
            None => self.plain_options(command)?,
        };
        let output = &mut self.output;
        let mut take = |_, bytes: &[u8]| output.take(bytes);
        let exit =
            self.session.run_container(self.image, &options, Streams::Captured(&mut take))?;
        self.output.end();
        let how = match exit {
            Exit::Code(code) if i64::from(code) == exit_code => return Ok(()),
            Exit::Code(code) => format!("ended with exit code {code}, not {exit_code}"),
            exit => self.deadline.ended(exit),
        };
        Err(Stop::Failed(format!("`{}` {how}", shown(command))))
    }

    /// What every command of the test has.
    fn options(&self) -> Result<ContainerOptions, Stop> {
        let left = self.deadline.left()?;
        let mut mounts = Vec::new();
        for (target, scratch) in &self.writable {
            mounts.push(ContainerMount {
                source: scratch.path().to_owned(),
                target: target.clone(),
                is_read_only: false,
            });
        }
        if let Some(directory) = &self.directory {
            mounts.push(ContainerMount {
                source: directory.clone(),
                target: TEST_DIRECTORY.to_owned(),
                is_read_only: true,
            });
        }
        Ok(ContainerOptions {
            user: self.case.user.clone(),
            environment: self.case.environment.clone(),
            work_dir: self.directory.as_ref().map(|_| TEST_DIRECTORY.to_owned()),
            network: if self.options.with_network { Network::Host } else { Network::Loopback },
            mounts,
            limits: limits(left),
            ..ContainerOptions::default()
        })
    }

    fn plain_options(&self, command: &str) -> Result<ContainerOptions, Stop> {
        let line = words::split(command)
            .map_err(|error| Stop::Failed(format!("can't run `{}`: {error}", shown(command))))?;
        let words = match line {
            CommandLine::Words(words) => words,
            CommandLine::Script if self.image.has_program(SHELL) => {
                vec![format!("/{SHELL}"), "-c".to_owned(), command.to_owned()]
            }
            CommandLine::Script => {
                return Err(Stop::Failed(format!(
                    "`{}` needs a shell, and the image has none: write it as plain words, or test \
                     the -dev variant",
                    shown(command)
                )));
            }
        };
        Ok(ContainerOptions { entrypoint: Some(words), ..self.options()? })
    }

    fn docker_options(&self, line: DockerLine) -> Result<ContainerOptions, Stop> {
        let mut options = self.options()?;
        match line.network {
            Some(DockerNetwork::Host) if !self.options.with_network => {
                let reason = "the test asks for the host's network; allow that with --network";
                return Err(Stop::Failed(reason.to_owned()));
            }
            Some(DockerNetwork::None) => options.network = Network::Loopback,
            _ => {}
        }
        options.user = line.user.or(options.user);
        options.environment.extend(line.environment);
        options.work_dir = line.work_dir;
        options.temporary = line.temporary;
        options.is_writable = !line.is_read_only;
        options.entrypoint = line
            .entrypoint
            .map(|program| if program.is_empty() { Vec::new() } else { vec![program] });
        options.command = line.arguments;
        for volume in line.volumes {
            let path = match &self.case.directory {
                Some(directory) => format!("{directory}/{}", volume.source),
                None => volume.source,
            };
            options.mounts.push(ContainerMount {
                source: self.locate(&path, "volume")?,
                target: volume.target,
                is_read_only: true,
            });
        }
        Ok(options)
    }
}

/// Cuts a command short where it is shown.
fn shown(command: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let line = command.trim().lines().next().unwrap_or_default();
    if line.chars().count() <= CHARACTERS_MAX && line.len() == command.trim().len() {
        return line.to_owned();
    }
    line.chars().take(CHARACTERS_MAX).chain(['…']).collect()
}
