// SPDX-License-Identifier: Apache-2.0
//! Files of container-structure-test as tests of ours.
//!
//! File tests look at the image's layers, metadata tests at its configuration; only commands need the sandbox.

mod command;
mod expand;
mod files;
mod metadata;
mod named;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hardpan_definition::{
    Code, CommandTest, Diagnostic, Expectation, ExpectedValue, FileExistenceTest, LicenseTest,
    MAX_SOURCE_BYTES, MetadataTest, Source, Spanned, StructureSchema, StructureTests,
    parse_structure_tests,
};
use hardpan_scan::re2::Pattern;

use super::case::{TestCase, TestKind, time};
use super::observe::Output;
use super::{Deadline, Stop, TestError, TestOptions};
use crate::container::{ContainerImage, ContainerMount};
use crate::contents::StoreContents;
use crate::error::Error;
use crate::image_tree::ImageFiles;
use crate::project::{ProjectError, read_text};
use crate::session::Session;

pub use named::{CheckedStructureFile, check_structure_files};

use command::{CommandCase, FileMount, Shared};
use files::Files;
use metadata::{MetadataCase, Value};

/// The largest file with variables, in bytes.
const ENV_FILE_BYTES_MAX: u64 = 1 << 20;

/// A file of container-structure-test.
#[derive(Debug)]
pub struct StructureFile {
    name: String,
    text: Arc<str>,
    cases: Vec<TestCase>,
}

/// A test of such a file.
#[derive(Debug, Clone)]
pub(super) struct StructureCase {
    is_new: bool,
    check: Check,
}

#[derive(Debug, Clone)]
enum Check {
    Command(CommandCase),
    Existence(FileExistenceTest),
    Contents { path: String, patterns: Patterns },
    Metadata(MetadataCase),
    Licenses(LicenseTest),
}

impl StructureFile {
    /// Reads a file. `variable` gives the caller's variables, for those that the file names.
    ///
    /// ```no_run
    /// use hardpan::image_test::StructureFile;
    /// # fn example() -> Result<(), hardpan::Error> {
    /// let tests = StructureFile::open("tests.yaml".as_ref(), &|_| None)?;
    /// for case in tests.cases() {
    ///     let _name = case.name();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let limit = u64::try_from(MAX_SOURCE_BYTES).unwrap_or(u64::MAX);
        let source = Source::new(path.display().to_string(), read_text(path, limit)?);
        Self::of_source(path, &source, variable)
    }

    fn of_source(
        path: &Path,
        source: &Source,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let refuse = |diagnostics| refused(path, diagnostics, vec![source.clone()]);
        let tests = parse_structure_tests(source).map_err(refuse)?;
        let mut compiler = Compiler::default();
        let mut given = BTreeMap::new();
        if let Some(file) = &tests.run.env_file {
            let text = read_text(Path::new(&file.value), ENV_FILE_BYTES_MAX)?;
            given = env_file(&file.value, &text, variable)?;
        }
        for name in &tests.run.variables {
            match variable(&name.value) {
                Some(value) => drop(given.insert(name.value.clone(), value)),
                None => compiler.refuse_variable(name),
            }
        }
        let cases = compiler.cases(source, tests, given);
        if !compiler.diagnostics.is_empty() {
            return Err(refuse(compiler.diagnostics).into());
        }
        Ok(Self { name: source.name.clone(), text: source.text.clone(), cases })
    }

    /// Returns the file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns its tests, in the order in which the original runs them.
    pub fn cases(&self) -> &[TestCase] {
        &self.cases
    }
}

fn refused(path: &Path, diagnostics: Vec<Diagnostic>, sources: Vec<Source>) -> ProjectError {
    ProjectError::Diagnostics { path: path.to_owned(), diagnostics, sources }
}

/// Compiles expressions, and finds all that can't be.
#[derive(Default)]
struct Compiler {
    diagnostics: Vec<Diagnostic>,
}

impl Compiler {
    fn cases(
        &mut self,
        file: &Source,
        tests: StructureTests,
        given: BTreeMap<String, String>,
    ) -> Vec<TestCase> {
        let StructureTests { commands, existence, contents, metadata, licenses, .. } = tests;
        let is_new = tests.schema == StructureSchema::V2;
        let run = tests.run;
        let refused = [
            (run.privileged, "`privileged`"),
            (run.terminal, "`allocateTty`"),
            (!run.capabilities.is_empty(), "`capabilities`"),
        ];
        let mounts = run.bind_mounts.into_iter().map(|mount| FileMount {
            line: file.line_column(mount.span.range().start).0,
            file: file.name.clone(),
            mount: ContainerMount {
                source: mount.value.source.into(),
                target: mount.value.target,
                // A test changes nothing beside itself.
                is_read_only: true,
            },
        });
        let shared = Arc::new(Shared {
            given,
            environment: tests.environment,
            user: run.user,
            mounts: mounts.collect(),
            refused: refused
                .iter()
                .filter(|(is_asked, _)| *is_asked)
                .map(|(_, what)| *what)
                .collect(),
        });
        let mut checks: Vec<(String, Check)> = Vec::new();
        for test in commands {
            let name = format!("command: {}", test.name);
            checks.push((name, Check::Command(self.command(test, &shared))));
        }
        for test in contents {
            let patterns = self.patterns(test.contents);
            let check = Check::Contents { path: test.path, patterns };
            checks.push((format!("file content: {}", test.name), check));
        }
        for test in existence {
            checks.push((format!("file existence: {}", test.name), Check::Existence(test)));
        }
        for test in licenses {
            checks.push(("licenses".to_owned(), Check::Licenses(test)));
        }
        let metadata = metadata.map(|test| self.metadata(test));
        checks.extend(metadata.map(|test| ("metadata".to_owned(), Check::Metadata(test))));
        let case = |(name, check)| TestCase {
            name,
            file: Some(file.name.clone()),
            time: time(None),
            kind: TestKind::Structure(Box::new(StructureCase { is_new, check })),
        };
        checks.into_iter().map(case).collect()
    }

    fn command(&mut self, test: CommandTest, shared: &Arc<Shared>) -> CommandCase {
        CommandCase {
            setup: test.setup,
            teardown: test.teardown,
            environment: test.environment,
            words: test.words,
            exit_code: test.exit_code,
            output: self.patterns(test.output),
            error: self.patterns(test.error),
            shared: shared.clone(),
        }
    }

    fn metadata(&mut self, test: MetadataTest) -> MetadataCase {
        let mut values = |expected: &[ExpectedValue]| -> Vec<Value> {
            let value = |expected: &ExpectedValue| {
                let pattern = expected.is_regex.then(|| self.pattern(&expected.value));
                Value { expected: expected.clone(), pattern: pattern.flatten() }
            };
            expected.iter().map(value).collect()
        };
        let environment = values(&test.environment);
        let labels = values(&test.labels);
        MetadataCase { test, environment, labels }
    }

    fn patterns(&mut self, expectation: Expectation) -> Patterns {
        let mut compile = |texts: Vec<Spanned<String>>| -> Vec<(String, Pattern)> {
            let compile = |text: Spanned<String>| Some((text.value.clone(), self.pattern(&text)?));
            texts.into_iter().filter_map(compile).collect()
        };
        Patterns {
            expected: compile(expectation.expected),
            excluded: compile(expectation.excluded),
        }
    }

    fn pattern(&mut self, text: &Spanned<String>) -> Option<Pattern> {
        match Pattern::for_text(&text.value) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let message = format!("the expression can't be used: {error}");
                self.diagnostics.push(Diagnostic::error(Code::BadRegex, text.span, message));
                None
            }
        }
    }

    fn refuse_variable(&mut self, name: &Spanned<String>) {
        let message = format!("the environment has no variable `{}`", name.value);
        let diagnostic = Diagnostic::error(Code::UndefinedVariable, name.span, message);
        self.diagnostics.push(diagnostic.help("set it where hardpan is called"));
    }
}

/// Reads variables as docker's `--env-file` does: `NAME=value`, as it is written; `NAME` alone is the caller's.
fn env_file(
    path: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, TestError> {
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let fail = |reason: &str| {
            let (path, reason) = (path.to_owned(), reason.to_owned());
            Err(TestError::EnvFile { path, line: number + 1, reason })
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), variable(line.trim_end())),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return fail("its name is empty, or has a blank in it");
        }
        if line.contains('\0') {
            return fail("it has a NUL");
        }
        let Some(value) = value else { return fail("the environment has no such variable") };
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// Expressions that must be in a text, and that must not.
#[derive(Debug, Clone, Default)]
pub(super) struct Patterns {
    expected: Vec<(String, Pattern)>,
    excluded: Vec<(String, Pattern)>,
}

impl Patterns {
    /// Returns what is not as it should be.
    fn check(&self, what: &str, text: &str) -> Vec<String> {
        let check = |patterns: &[(String, Pattern)], is_expected: bool| -> Vec<String> {
            let wrong = patterns
                .iter()
                .filter(|(_, pattern)| pattern.is_in(text.as_bytes()) != is_expected);
            wrong
                .map(|(source, _)| {
                    let found = if is_expected { "nothing" } else { "something" };
                    format!("{what} has {found} that {source:?} matches")
                })
                .collect()
        };
        let mut wrong = check(&self.expected, true);
        wrong.extend(check(&self.excluded, false));
        wrong
    }
}

/// Makes text of bytes as Go's expressions see them: each byte that is none stands for U+FFFD.
fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
    }
    out
}

/// A test of container-structure-test while it runs.
pub(super) struct StructureRun<'r> {
    pub(super) session: &'r Session<'r>,
    pub(super) image: &'r ContainerImage,
    /// The image's files, read once for all tests.
    pub(super) files: &'r OnceCell<ImageFiles>,
    pub(super) options: &'r TestOptions<'r>,
    pub(super) deadline: Deadline<'r>,
}

impl StructureRun<'_> {
    /// Runs a test. Returns what there is to remark where it passed.
    pub(super) fn all(&self, case: &StructureCase, output: &mut Output) -> Result<String, Stop> {
        let environment = self.environment();
        let wrong = match &case.check {
            Check::Command(command) => return self.command(command, output),
            Check::Metadata(test) => test.check(self.image.config(), &environment),
            Check::Existence(test) => self.files(case, &environment)?.existence(test)?,
            Check::Contents { path, patterns } => {
                self.files(case, &environment)?.contents(path, patterns)
            }
            Check::Licenses(test) => self.files(case, &environment)?.licenses(test)?,
        };
        if wrong.is_empty() { Ok(String::new()) } else { Err(Stop::Failed(wrong.join("; "))) }
    }

    fn files<'f>(
        &'f self,
        case: &StructureCase,
        environment: &'f BTreeMap<String, String>,
    ) -> Result<Files<'f>, Stop> {
        let image = if let Some(image) = self.files.get() {
            image
        } else {
            let image = self.session.container_files(self.image)?;
            self.files.get_or_init(|| image)
        };
        let contents = StoreContents { store: self.session.store };
        Ok(Files { image, contents, environment, is_new: case.is_new })
    }

    /// Returns the image's variables.
    fn environment(&self) -> BTreeMap<String, String> {
        let variables = self.image.config().env.iter();
        let variables = variables.filter_map(|variable| variable.split_once('='));
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}
