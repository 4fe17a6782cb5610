// SPDX-License-Identifier: Apache-2.0
//! Tests of policies: rules named `test_…`, as `opa test` and `docker buildx policy test` run them.

use std::collections::BTreeSet;

use regorus::Value;
use serde::{Deserialize, Serialize};

use super::engine::{Loaded, Module, RegoError, Settings};

/// How names of tests begin that are to be done.
const TO_DO: &str = "todo_";

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestOutcome {
    /// Package and rule: `data.docker.test_signed`.
    pub name: String,
    /// The file.
    pub file: String,
    /// Where in it the rule begins.
    pub line: usize,
    /// What came of it.
    pub result: TestResult,
    /// The last line of the rule that was evaluated before it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<usize>,
    /// Why it could not be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub printed: Vec<String>,
}

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestResult {
    /// It is true.
    Passed,
    /// It is not, or undefined.
    Failed,
    /// It could not be evaluated.
    Error,
    /// Its name says that it is to be done: `todo_test_…`.
    Skipped,
}

/// Which tests are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Selection {
    /// Those of the module with this name; all if it is absent.
    pub file: Option<String>,
    /// Those with this in their names; all if it is absent.
    pub name: Option<String>,
}

/// Why no test ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NoTests {
    /// There is none.
    #[error("there is no test: a rule whose name begins with test_")]
    None,
    /// There is none in the file.
    #[error("{0} has no test: a rule whose name begins with test_")]
    InFile(String),
    /// There is none of a name.
    #[error("no test has {0:?} in its name")]
    Named(String),
    /// There are none but those that are to be done.
    #[error("no test ran: all that there are, {0}, are to be done (todo_test_)")]
    ToDo(usize),
}

/// A rule that is a test.
struct Found<'m> {
    module: &'m Module,
    rule: &'m str,
    line: usize,
    /// The line after its last.
    end: usize,
}

/// Tests that were chosen, in the order of files and lines.
pub struct Tests<'m> {
    loaded: Loaded,
    all: Vec<(String, Found<'m>)>,
}

impl std::fmt::Debug for Tests<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(name, _)| name)).finish()
    }
}

impl<'m> Tests<'m> {
    /// Finds tests.
    ///
    /// # Errors
    /// If the modules are no Rego, or there is no test to run: that is no success.
    pub fn find(
        modules: &'m [Module],
        selection: &Selection,
        settings: &Settings,
    ) -> Result<Self, RegoError> {
        let mut loaded = Loaded::new(modules, settings)?;
        loaded.engine.set_enable_coverage(true);
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        for (module, (_, package)) in modules.iter().zip(&loaded.packages) {
            for found in find(module) {
                let name = format!("{package}.{}", found.rule);
                // A line of a text may look like a rule, and several bodies are one.
                if loaded.has(&module.name, found.rule) && seen.insert(name.clone()) {
                    all.push((name, found));
                }
            }
        }
        if all.is_empty() {
            return Err(NoTests::None.into());
        }
        if let Some(file) = &selection.file {
            all.retain(|(_, found)| found.module.name == *file);
            if all.is_empty() {
                return Err(NoTests::InFile(file.clone()).into());
            }
        }
        if let Some(part) = &selection.name {
            all.retain(|(name, _)| name.contains(part.as_str()));
            if all.is_empty() {
                return Err(NoTests::Named(part.clone()).into());
            }
        }
        if all.iter().all(|(_, found)| found.rule.starts_with(TO_DO)) {
            return Err(NoTests::ToDo(all.len()).into());
        }
        Ok(Self { loaded, all })
    }

    /// Returns all of them as if they were skipped: what is known before they run.
    pub fn list(&self) -> Vec<TestOutcome> {
        self.all.iter().map(|(name, found)| skipped(name, found)).collect()
    }

    /// Runs them one by one. The first ones can be left out, by their number.
    pub fn run(mut self, first: usize) -> impl Iterator<Item = TestOutcome> + use<'m> {
        let all = std::mem::take(&mut self.all);
        all.into_iter().skip(first).map(move |(name, found)| run(&mut self.loaded, &name, &found))
    }
}

fn skipped(name: &str, test: &Found<'_>) -> TestOutcome {
    TestOutcome {
        name: name.to_owned(),
        file: test.module.name.clone(),
        line: test.line,
        result: TestResult::Skipped,
        failed_at: None,
        problem: None,
        printed: Vec::new(),
    }
}

fn run(loaded: &mut Loaded, name: &str, test: &Found<'_>) -> TestOutcome {
    let mut outcome = skipped(name, test);
    if test.rule.starts_with(TO_DO) {
        return outcome;
    }
    loaded.engine.clear_coverage_data();
    loaded.engine.set_input(Value::Undefined);
    outcome.result = match loaded.value(&outcome.name) {
        Ok(Some(Value::Bool(true))) => TestResult::Passed,
        Ok(_) => TestResult::Failed,
        Err(error) => {
            outcome.problem = Some(error.to_string());
            TestResult::Error
        }
    };
    if outcome.result != TestResult::Passed {
        outcome.failed_at = last_line(loaded, test);
    }
    outcome.printed = loaded.printed();
    outcome
}

/// Returns the last line of a rule that was evaluated.
fn last_line(loaded: &Loaded, test: &Found<'_>) -> Option<usize> {
    let report = loaded.engine.get_coverage_report().ok()?;
    let file = report.files.iter().find(|file| file.path == test.module.name)?;
    let lines = file.covered.iter().filter_map(|line| usize::try_from(*line).ok());
    lines.filter(|line| (test.line..test.end).contains(line)).max()
}

/// Finds lines where rules with the names of tests begin.
fn find(module: &Module) -> Vec<Found<'_>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    let lines: Vec<&str> = module.text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let is_inside = line.is_empty() || line.starts_with([' ', '\t', '}', ')', ']', '#']);
        if is_inside {
            continue;
        }
        // A rule ends where the next thing begins that is not indented.
        if let Some(last) = found.last_mut().filter(|last| last.end > lines.len()) {
            last.end = number + 1;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = line.find(|c| !is_part(c)).map_or(*line, |end| &line[..end]);
        if name.starts_with("test_") || name.starts_with("todo_test_") {
            found.push(Found { module, rule: name, line: number + 1, end: lines.len() + 1 });
        }
    }
    found
}
