// SPDX-License-Identifier: Apache-2.0
//! What came of tests as JUnit's XML, which many CI systems show.

use std::fmt::Write as _;
use std::path::Path;

use super::report::{TestReport, TestStatus};

/// Returns reports as one document: a suite for each image, a case for each test. But for times it depends on nothing
/// but the reports.
pub fn junit(reports: &[TestReport]) -> String {
    let count = |status| reports.iter().map(|report| report.count(status)).sum::<usize>();
    let tests: usize = reports.iter().map(|report| report.tests.len()).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (failed, skipped) = (count(TestStatus::Failed), count(TestStatus::Skipped));
    // Writing to a string can't fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"hardpan\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">"
    );
    for report in reports {
        suite(&mut out, report);
    }
    out.push_str("</testsuites>\n");
    out
}

/// Writes a document completely or not at all.
pub fn write_junit(path: &Path, document: &str) -> Result<(), crate::Error> {
    crate::write_file(path, document.as_bytes())
}

fn suite(out: &mut String, report: &TestReport) {
    let name = escaped(&format!("{} {}", report.image, report.platform));
    let seconds = report.stop.duration_since(report.start).unwrap_or_default().as_secs_f64();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{seconds:.3}\">",
        report.tests.len(),
        report.count(TestStatus::Failed),
        report.count(TestStatus::Skipped),
    );
    for test in &report.tests {
        let class = test.file.as_deref().map_or_else(|| name.clone(), escaped);
        let _ = write!(
            out,
            "    <testcase name=\"{}\" classname=\"{class}\" time=\"{:.3}\"",
            escaped(&test.name),
            test.duration.as_secs_f64(),
        );
        let message = escaped(&test.message);
        match test.status {
            TestStatus::Passed => out.push_str("/>\n"),
            TestStatus::Skipped => {
                let _ = writeln!(out, "><skipped message=\"{message}\"/></testcase>");
            }
            TestStatus::Failed => {
                let output = escaped(&test.output.join("\n"));
                let _ =
                    writeln!(out, "><failure message=\"{message}\">{output}</failure></testcase>");
            }
        }
    }
    out.push_str("  </testsuite>\n");
}

/// Makes a text that can stand anywhere in a document. What XML has no way to say becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character if character.is_control() => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::report::TestOutcome;
    use super::*;

    #[test]
    fn a_document_has_every_test_and_no_mark_that_is_not_ours() {
        let start = SystemTime::UNIX_EPOCH;
        let test = |name: &str, status, message: &str| TestOutcome {
            name: name.to_owned(),
            file: (name == "b").then(|| "tests & more.yaml".to_owned()),
            status,
            message: message.to_owned(),
            output: vec!["<\u{1b}x>".to_owned(), "y".to_owned()],
            start,
            duration: Duration::from_millis(1_500),
        };
        let report = TestReport {
            image: "example.com/app:1".to_owned(),
            platform: "linux/amd64".to_owned(),
            manifest: hardpan_tree::Digest::of(b""),
            tests: vec![
                test("a", TestStatus::Passed, ""),
                test("b", TestStatus::Failed, "no \"x\""),
                test("c", TestStatus::Skipped, "none"),
            ],
            start,
            stop: start + Duration::from_secs(2),
        };
        insta::assert_snapshot!(junit(&[report]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="hardpan" tests="3" failures="1" errors="0" skipped="1">
          <testsuite name="example.com/app:1 linux/amd64" tests="3" failures="1" errors="0" skipped="1" time="2.000">
            <testcase name="a" classname="example.com/app:1 linux/amd64" time="1.500"/>
            <testcase name="b" classname="tests &amp; more.yaml" time="1.500"><failure message="no &quot;x&quot;">&lt;�x&gt;&#10;y</failure></testcase>
            <testcase name="c" classname="example.com/app:1 linux/amd64" time="1.500"><skipped message="none"/></testcase>
          </testsuite>
        </testsuites>
        "#);
        assert!(junit(&[]).contains("tests=\"0\""));
    }
}
