// SPDX-License-Identifier: Apache-2.0
//! What came of tests.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

/// The version of the CTRF specification that reports follow.
const CTRF_VERSION: &str = "0.0.0";

/// What came of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TestStatus {
    /// It went as it should.
    Passed,
    /// It did not.
    Failed,
    /// It could not be asked of this image.
    Skipped,
}

impl TestStatus {
    /// Returns the word for it, which is CTRF's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One test with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// The test's name.
    pub name: String,
    /// The file that it stands in, where that is not the definition.
    pub file: Option<String>,
    /// What came of it.
    pub status: TestStatus,
    /// Why it failed or was skipped; of those that passed, what there is to remark, mostly nothing.
    pub message: String,
    /// The last lines that its commands printed, both streams, where it failed.
    pub output: Vec<String>,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
}

/// What came of the tests of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The image: its name, or the layout that it is in.
    pub image: String,
    /// The platform.
    pub platform: String,
    /// Digest of its manifest.
    pub manifest: hardpan_tree::Digest,
    /// Test by test, in the order in which they ran.
    pub tests: Vec<TestOutcome>,
    /// When the first began.
    pub start: SystemTime,
    /// When the last ended.
    pub stop: SystemTime,
}

impl TestReport {
    /// Returns how many tests came out like this.
    pub fn count(&self, status: TestStatus) -> usize {
        self.tests.iter().filter(|test| test.status == status).count()
    }

    /// Returns whether no test failed.
    pub fn is_good(&self) -> bool {
        self.count(TestStatus::Failed) == 0
    }
}

/// Returns reports as one CTRF document (<https://ctrf.io>, "Specification"). But for times it depends on
/// nothing but the reports. The suite of a test is its image and platform.
pub fn ctrf(reports: &[TestReport], tool_version: &str) -> Value {
    let count = |status| reports.iter().map(|report| report.count(status)).sum::<usize>();
    let start = reports.iter().map(|report| report.start).min();
    let stop = reports.iter().map(|report| report.stop).max();
    let tests: Vec<Value> = reports
        .iter()
        .flat_map(|report| report.tests.iter().map(move |test| ctrf_test(report, test)))
        .collect();
    let images: Vec<Value> = reports
        .iter()
        .map(|report| {
            json!({
                "image": report.image,
                "platform": report.platform,
                "manifest": report.manifest.to_string(),
            })
        })
        .collect();
    json!({
        "reportFormat": "CTRF",
        "specVersion": CTRF_VERSION,
        "generatedBy": "hardpan",
        "results": {
            "tool": { "name": "hardpan", "version": tool_version },
            "summary": {
                "tests": tests.len(),
                "passed": count(TestStatus::Passed),
                "failed": count(TestStatus::Failed),
                "skipped": count(TestStatus::Skipped),
                "pending": 0,
                "other": 0,
                "suites": reports.len(),
                "start": milliseconds(start.unwrap_or(SystemTime::UNIX_EPOCH)),
                "stop": milliseconds(stop.unwrap_or(SystemTime::UNIX_EPOCH)),
            },
            "tests": tests,
            "extra": { "images": images },
        },
    })
}

/// Writes a document completely or not at all.
pub fn write_ctrf(path: &std::path::Path, document: &Value) -> Result<(), crate::Error> {
    crate::write_file(path, format!("{document:#}\n").as_bytes())
}

fn ctrf_test(report: &TestReport, test: &TestOutcome) -> Value {
    let stop = test.start + test.duration;
    let mut value = json!({
        "name": test.name,
        "status": test.status.name(),
        "duration": whole_milliseconds(test.duration),
        "start": milliseconds(test.start),
        "stop": milliseconds(stop),
        "suite": [report.image, report.platform],
    });
    if let Some(file) = &test.file {
        value["suite"] = json!([report.image, report.platform, file]);
    }
    if !test.message.is_empty() {
        value["message"] = json!(test.message);
    }
    if !test.output.is_empty() {
        value["stdout"] = json!(test.output);
    }
    value
}

fn milliseconds(time: SystemTime) -> u64 {
    whole_milliseconds(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(statuses: &[TestStatus]) -> TestReport {
        let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let tests = statuses
            .iter()
            .enumerate()
            .map(|(number, &status)| TestOutcome {
                name: format!("test {number}"),
                file: None,
                status,
                message: if status == TestStatus::Passed { "" } else { "why" }.to_owned(),
                output: if status == TestStatus::Failed { vec!["said".to_owned()] } else { vec![] },
                start,
                duration: Duration::from_micros(1_999),
            })
            .collect();
        TestReport {
            image: "example.com/app".to_owned(),
            platform: "linux/amd64".to_owned(),
            manifest: hardpan_tree::Digest::of(b"manifest"),
            tests,
            start,
            stop: start + Duration::from_secs(2),
        }
    }

    /// What the schema of CTRF requires, in our own words, and nothing that it does not know.
    fn schema() -> Value {
        let whole = json!({ "type": "integer", "minimum": 0 });
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = json!({ "type": "array", "items": { "type": "string" } });
        let suite = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
        let status = json!({ "enum": ["passed", "failed", "skipped", "pending", "other"] });
        let summary = ["tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"];
        let mut counts: serde_json::Map<String, Value> =
            summary.iter().map(|name| ((*name).to_owned(), whole.clone())).collect();
        counts.insert("suites".to_owned(), whole.clone());
        let closed = |required: &[&str], properties: Value| {
            json!({
                "type": "object", "required": required,
                "properties": properties, "additionalProperties": false,
            })
        };
        let test = closed(
            &["name", "status", "duration"],
            json!({
                "name": text, "status": status, "duration": whole, "start": whole, "stop": whole,
                "suite": suite, "message": { "type": "string" }, "stdout": texts,
            }),
        );
        let tool = closed(&["name"], json!({ "name": text, "version": { "type": "string" } }));
        json!({
            "type": "object",
            "required": ["results", "reportFormat", "specVersion"],
            "additionalProperties": false,
            "properties": {
                "reportFormat": { "const": "CTRF" },
                "specVersion": { "type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$" },
                "generatedBy": { "type": "string" },
                "results": closed(&["tool", "summary", "tests"], json!({
                    "tool": tool,
                    "summary": closed(&summary, Value::Object(counts)),
                    "tests": { "type": "array", "items": test },
                    "extra": { "type": "object" },
                })),
            },
        })
    }

    #[test]
    fn documents_are_ctrf() {
        use TestStatus::{Failed, Passed, Skipped};
        let validator = jsonschema::validator_for(&schema()).unwrap();
        for statuses in [&[][..], &[Passed], &[Passed, Failed, Skipped, Failed]] {
            let document = ctrf(&[report(statuses), report(&[Passed])], "1.2.3");
            let problems: Vec<String> =
                validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert_eq!(problems, [""; 0], "{document:#}");
        }
        let mut bad = ctrf(&[], "1");
        bad["results"]["tests"] = json!([{ "name": "", "status": "great" }]);
        assert!(!validator.is_valid(&bad));
    }

    #[test]
    fn a_document_counts_and_says_why() {
        use TestStatus::{Failed, Passed, Skipped};
        let document = ctrf(&[report(&[Passed, Failed, Skipped])], "1.2.3");
        let results = &document["results"];
        let summary = &results["summary"];
        assert_eq!((&summary["tests"], &summary["passed"]), (&json!(3), &json!(1)));
        assert_eq!((&summary["failed"], &summary["skipped"]), (&json!(1), &json!(1)));
        assert_eq!(summary["start"], json!(1_700_000_000_123_u64));
        assert_eq!(summary["stop"], json!(1_700_000_002_123_u64));
        assert_eq!(
            results["tests"][1],
            json!({
                "name": "test 1", "status": "failed", "duration": 1,
                "start": 1_700_000_000_123_u64, "stop": 1_700_000_000_124_u64,
                "suite": ["example.com/app", "linux/amd64"], "message": "why", "stdout": ["said"],
            })
        );
        assert_eq!(results["tests"][0].get("message"), None);
        assert_eq!(document, ctrf(&[report(&[Passed, Failed, Skipped])], "1.2.3"));
    }
}
