// SPDX-License-Identifier: Apache-2.0
//! Results of tests, in two forms: a CTRF report as it is ([`CtrfReport`], which DHI's tools read), and in-toto's
//! lists of names ([`TestResult`], which policies read).

use std::collections::BTreeSet;

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{PredicateError, ResourceDescriptor, limited, null_is_default, read};

/// The type of [`TestResult`].
pub const URI: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// The type of [`CtrfReport`].
pub const URI_CTRF: &str = "https://scout.docker.com/tests/v0.1";
const KIND: &str = "test result";
const KIND_CTRF: &str = "tests";
/// The most tests that are read. The largest suites that images come with have thousands.
const TESTS_MAX: usize = 100_000;

/// What came of all tests together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// All passed.
    Passed,
    /// None failed, but some say something.
    Warned,
    /// One failed.
    Failed,
}

/// In-toto's test result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// What came of all together.
    pub result: Outcome,
    /// What the tests were told: the definition that they stand in.
    pub configuration: Vec<ResourceDescriptor>,
    /// Where the run can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Names of tests that passed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub passed_tests: BTreeSet<String>,
    /// Names of tests that passed, but.
    #[serde(default, deserialize_with = "null_is_default")]
    pub warned_tests: BTreeSet<String>,
    /// Names of tests that failed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub failed_tests: BTreeSet<String>,
}

impl TestResult {
    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let result: Self = read(KIND, value)?;
        let lists = [&result.passed_tests, &result.warned_tests, &result.failed_tests];
        limited(KIND, "tests", lists.iter().map(|list| list.len()).sum(), TESTS_MAX)?;
        limited(KIND, "configurations", result.configuration.len(), TESTS_MAX)?;
        let contradicts = |reason| Err(PredicateError::invalid(KIND, "result", reason));
        match result.result {
            Outcome::Failed => {}
            _ if !result.failed_tests.is_empty() => {
                return contradicts("a test failed, and it says none did");
            }
            Outcome::Passed if !result.warned_tests.is_empty() => {
                return contradicts("a test has a warning, and it says that all passed");
            }
            Outcome::Passed | Outcome::Warned => {}
        }
        if let Some(name) =
            result.failed_tests.iter().find(|name| result.passed_tests.contains(*name))
        {
            return Err(PredicateError::invalid(KIND, name.as_str(), "it passed and failed"));
        }
        Ok(result)
    }

    /// Refuses one that says that a test failed.
    pub fn check_passed(&self) -> Result<(), PredicateError> {
        match self.result {
            Outcome::Passed | Outcome::Warned => Ok(()),
            Outcome::Failed => Err(PredicateError::invalid(KIND, "result", "it says FAILED")),
        }
    }
}

/// A CTRF report, checked. What is signed is the document itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CtrfReport {
    document: Value,
    #[serde(skip)]
    results: Results,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Report {
    results: Results,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Results {
    tool: Tool,
    summary: Summary,
    tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Tool {
    name: String,
}

/// How many tests came out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Summary {
    /// All.
    pub tests: usize,
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Could not be asked.
    pub skipped: usize,
    /// Not run yet.
    #[serde(default)]
    pub pending: usize,
    /// Anything else.
    #[serde(default)]
    pub other: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Test {
    name: String,
    status: Status,
    #[serde(default)]
    suite: Suite,
}

/// A suite is a text in older versions of the format, a list in newer ones.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Suite {
    One(String),
    Path(Vec<String>),
    Nothing(Option<()>),
}

impl Default for Suite {
    fn default() -> Self {
        Self::Nothing(None)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Passed,
    Failed,
    Skipped,
    Pending,
    Other,
}

impl Test {
    /// Returns a name that says which suite it is of.
    fn full_name(&self) -> String {
        match &self.suite {
            Suite::Nothing(_) => self.name.clone(),
            Suite::One(suite) => format!("{suite}: {}", self.name),
            Suite::Path(path) => format!("{}: {}", path.join(" "), self.name),
        }
    }
}

impl CtrfReport {
    /// Takes a CTRF document.
    ///
    /// # Errors
    /// If it is none, or if its summary counts other tests than it lists.
    pub fn from_value(document: &Value) -> Result<Self, PredicateError> {
        let Report { results } = read(KIND_CTRF, document)?;
        limited(KIND_CTRF, "tests", results.tests.len(), TESTS_MAX)?;
        let invalid = |place, reason| Err(PredicateError::invalid(KIND_CTRF, place, reason));
        if results.tool.name.is_empty() {
            return invalid("results.tool.name", "it is empty".to_owned());
        }
        let count = |status| results.tests.iter().filter(|test| test.status == status).count();
        let counted = Summary {
            tests: results.tests.len(),
            passed: count(Status::Passed),
            failed: count(Status::Failed),
            skipped: count(Status::Skipped),
            pending: count(Status::Pending),
            other: count(Status::Other),
        };
        if counted != results.summary {
            let reason = format!("it says {:?}, and the tests are {counted:?}", results.summary);
            return invalid("results.summary", reason);
        }
        Ok(Self { document: document.clone(), results })
    }

    /// Returns the document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Refuses one with a test that failed.
    pub fn check_passed(&self) -> Result<(), PredicateError> {
        match self.results.summary.failed {
            0 => Ok(()),
            failed => {
                let reason = format!("of {} tests {failed} failed", self.results.summary.tests);
                Err(PredicateError::invalid(KIND_CTRF, "results.summary", reason))
            }
        }
    }

    /// Returns the digests of the images that were tested, where hardpan wrote the report.
    pub fn manifests(&self) -> BTreeSet<Digest> {
        let images = self.document.pointer("/results/extra/images").and_then(Value::as_array);
        let images = images.into_iter().flatten();
        images.filter_map(|image| image["manifest"].as_str()?.parse().ok()).collect()
    }

    /// Returns how many tests came out how.
    pub fn summary(&self) -> Summary {
        self.results.summary
    }

    /// Returns in-toto's form of it. Skipped tests are in no list: they did not pass.
    ///
    /// # Errors
    /// If no test ran: an empty list would look like success.
    pub fn to_test_result(
        &self,
        configuration: Vec<ResourceDescriptor>,
    ) -> Result<TestResult, PredicateError> {
        let names = |status| -> BTreeSet<String> {
            let tests = self.results.tests.iter().filter(|test| test.status == status);
            tests.map(Test::full_name).collect()
        };
        let (failed, warned) = (names(Status::Failed), names(Status::Other));
        // Two tests of one name are one, and it is as good as the worse of them.
        let passed: BTreeSet<String> = names(Status::Passed)
            .into_iter()
            .filter(|name| !failed.contains(name) && !warned.contains(name))
            .collect();
        let warned: BTreeSet<String> =
            warned.into_iter().filter(|name| !failed.contains(name)).collect();
        if passed.is_empty() && warned.is_empty() && failed.is_empty() {
            return Err(PredicateError::invalid(KIND, "tests", "none ran"));
        }
        let result = match (failed.is_empty(), warned.is_empty()) {
            (false, _) => Outcome::Failed,
            (true, false) => Outcome::Warned,
            (true, true) => Outcome::Passed,
        };
        Ok(TestResult {
            result,
            configuration,
            url: None,
            passed_tests: passed,
            warned_tests: warned,
            failed_tests: failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(statuses: &[&str]) -> Value {
        let count = |status: &str| statuses.iter().filter(|one| **one == status).count();
        let tests: Vec<Value> = (statuses.iter().enumerate())
            .map(|(i, status)| json!({"name": format!("t{i}"), "status": status, "duration": 1, "suite": ["a", "linux/amd64"]}))
            .collect();
        json!({
            "reportFormat": "CTRF", "specVersion": "0.0.0",
            "results": {
                "tool": {"name": "hardpan"},
                "summary": {
                    "tests": tests.len(), "passed": count("passed"), "failed": count("failed"),
                    "skipped": count("skipped"), "pending": 0, "other": count("other"),
                    "start": 0, "stop": 0,
                },
                "tests": tests,
            },
        })
    }

    #[test]
    fn reports_are_kept_as_they_are_and_become_results() {
        for (statuses, outcome, passed) in [
            (&["passed", "passed"][..], Outcome::Passed, 2),
            (&["passed", "skipped"], Outcome::Passed, 1),
            (&["passed", "other"], Outcome::Warned, 1),
            (&["passed", "other", "failed"], Outcome::Failed, 1),
        ] {
            let document = report(statuses);
            let ctrf = CtrfReport::from_value(&document).unwrap();
            assert_eq!(serde_json::to_value(&ctrf).unwrap(), document);
            assert_eq!((ctrf.document(), ctrf.summary().tests), (&document, statuses.len()));
            let result = ctrf.to_test_result(vec![ResourceDescriptor::default()]).unwrap();
            assert_eq!((result.result, result.passed_tests.len()), (outcome, passed));
            assert!(result.passed_tests.contains("a linux/amd64: t0"));
            let value = serde_json::to_value(&result).unwrap();
            assert_eq!(TestResult::from_value(&value).unwrap(), result);
        }
    }

    #[test]
    fn two_tests_of_one_name_are_as_good_as_the_worse() {
        let mut document = report(&["passed", "failed"]);
        document["results"]["tests"][1]["name"] = json!("t0");
        document["results"]["tests"][0]["suite"] = json!("a linux/amd64");
        let result = CtrfReport::from_value(&document).unwrap().to_test_result(Vec::new()).unwrap();
        assert!(result.passed_tests.is_empty() && result.failed_tests.len() == 1);
    }

    #[test]
    fn nothing_that_ran_is_no_result() {
        for statuses in [&[][..], &["skipped"]] {
            let ctrf = CtrfReport::from_value(&report(statuses)).unwrap();
            assert!(ctrf.to_test_result(Vec::new()).is_err());
        }
    }

    #[test]
    fn reports_that_can_t_be_are_refused() {
        for (pointer, value) in [
            ("/results", json!({})),
            ("/results/tool/name", json!("")),
            ("/results/summary/passed", json!(2)),
            ("/results/summary/failed", json!(-1)),
            ("/results/tests", json!([])),
            ("/results/tests/0/status", json!("fine")),
            ("/results/tests/0/name", json!(null)),
            ("/results/tests/0/suite", json!(7)),
        ] {
            let mut document = report(&["passed"]);
            *document.pointer_mut(pointer).unwrap() = value;
            assert!(CtrfReport::from_value(&document).is_err(), "{pointer}");
        }
        assert!(CtrfReport::from_value(&report(&vec!["passed"; TESTS_MAX + 1])).is_err());
    }

    #[test]
    fn results_that_contradict_themselves_are_refused() {
        for (value, expected) in [
            (
                json!({"result": "PASSED", "configuration": [], "failedTests": ["a"]}),
                "says none did",
            ),
            (
                json!({"result": "WARNED", "configuration": [], "failedTests": ["a"]}),
                "says none did",
            ),
            (json!({"result": "PASSED", "configuration": [], "warnedTests": ["a"]}), "all passed"),
            (
                json!({"result": "FAILED", "configuration": [], "failedTests": ["a"], "passedTests": ["a"]}),
                "passed and failed",
            ),
            (json!({"result": "OK", "configuration": []}), "malformed"),
            (json!({"result": "PASSED"}), "malformed"),
            (json!(null), "not an object"),
            (json!(["PASSED", []]), "not an object"),
        ] {
            let error = TestResult::from_value(&value).unwrap_err().to_string();
            assert!(error.contains(expected), "{value}: {error}");
        }
        let null = json!({"result": "FAILED", "configuration": [], "passedTests": null});
        assert!(TestResult::from_value(&null).is_ok());
    }
}
