// SPDX-License-Identifier: Apache-2.0
//! What a scan for malware found, as DHI attests it: the report of the scanner, in base64, and what the scanner is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{PredicateError, limited, read};

/// Its type.
pub const URI: &str = "https://scout.docker.com/virus/v0.1";
const KIND: &str = "virus";
/// The longest report that is read, in bytes: a line for each infected file.
const REPORT_BYTES_MAX: usize = 16 << 20;
/// The most infected files that are read.
const INFECTIONS_MAX: usize = 100_000;
/// How a report's line about an infected file ends.
const FOUND: &str = " FOUND";

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirusScan {
    /// What was run, and what it said.
    pub scanner: Scanner,
}

/// A scanner and its report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanner {
    /// The report, in base64.
    pub report: String,
    /// What the scanner is: a package URL, or the name of an image.
    pub uri: String,
}

impl VirusScan {
    /// Makes the predicate of a report.
    ///
    /// # Errors
    /// If it is none of ClamAV's, or if nothing was scanned: that may not look like a clean image.
    pub fn of(report: &str, uri: &str) -> Result<Self, PredicateError> {
        let scan =
            Self { scanner: Scanner { report: STANDARD.encode(report), uri: uri.to_owned() } };
        scan.report()?;
        Ok(scan)
    }

    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let scan: Self = read(KIND, value)?;
        if scan.scanner.uri.is_empty() {
            return Err(PredicateError::invalid(KIND, "scanner.uri", "it is empty"));
        }
        scan.report()?;
        Ok(scan)
    }

    /// Returns what the report says.
    pub fn report(&self) -> Result<ClamReport, PredicateError> {
        let place = "scanner.report";
        limited(KIND, "bytes of base64", self.scanner.report.len(), REPORT_BYTES_MAX * 2)?;
        let bytes = STANDARD
            .decode(self.scanner.report.trim())
            .map_err(|_| PredicateError::invalid(KIND, place, "it is not base64"))?;
        let text = String::from_utf8_lossy(&bytes);
        let report = ClamReport::parse(&text)
            .map_err(|reason| PredicateError::invalid(KIND, place, reason))?;
        report.check_scanned().map_err(|reason| PredicateError::invalid(KIND, place, reason))?;
        Ok(report)
    }

    /// Refuses one that tells of an infected file.
    pub fn check_passed(&self) -> Result<(), PredicateError> {
        match self.report()?.infected_files {
            0 => Ok(()),
            count => Err(PredicateError::invalid(
                KIND,
                "scanner.report",
                format!("it says that {count} files are infected"),
            )),
        }
    }
}

/// What ClamAV says after a scan. A report may be several ones after each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClamReport {
    /// How many signatures it has; of several the fewest.
    pub known_viruses: u64,
    /// Its version.
    pub engine_version: String,
    /// How many files it looked at; empty ones it does not count.
    pub scanned_files: u64,
    /// How many of them are infected.
    pub infected_files: u64,
    /// Files and what was found in them.
    pub infections: Vec<(String, String)>,
}

impl ClamReport {
    /// Reads a report.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > REPORT_BYTES_MAX {
            return Err(format!("it has more than {REPORT_BYTES_MAX} bytes"));
        }
        let mut report = Self { known_viruses: u64::MAX, ..Self::default() };
        let (mut summaries, mut seen) = (0, [0; 4]);
        for line in text.lines() {
            if line.starts_with("-----") && line.contains(" SCAN SUMMARY ") {
                summaries += 1;
                continue;
            }
            // Before its summary, any line may be a file's.
            if summaries == seen[3] {
                if let Some((path, name)) =
                    line.strip_suffix(FOUND).and_then(|line| line.rsplit_once(": "))
                {
                    if report.infections.len() >= INFECTIONS_MAX {
                        return Err(format!("it names more than {INFECTIONS_MAX} infected files"));
                    }
                    report.infections.push((path.to_owned(), name.to_owned()));
                }
                continue;
            }
            let Some((key, value)) = line.split_once(": ") else { continue };
            let number =
                || value.trim().parse::<u64>().map_err(|_| format!("{key} is not a number"));
            match key {
                "Known viruses" => {
                    report.known_viruses = report.known_viruses.min(number()?);
                    seen[0] += 1;
                }
                "Engine version" => {
                    value.trim().clone_into(&mut report.engine_version);
                    seen[1] += 1;
                }
                "Scanned files" => {
                    report.scanned_files = report.scanned_files.saturating_add(number()?);
                    seen[2] += 1;
                }
                "Infected files" => {
                    report.infected_files = report.infected_files.saturating_add(number()?);
                    seen[3] += 1;
                }
                _ => {}
            }
        }
        if summaries == 0 || seen != [summaries; 4] {
            return Err("it has no summary of ClamAV, or half of one".to_owned());
        }
        if report.infections.len() as u64 > report.infected_files {
            return Err(format!(
                "it names {} infected files and counts {}",
                report.infections.len(),
                report.infected_files
            ));
        }
        Ok(report)
    }

    /// Refuses a scan without signatures, or of no file: it found nothing because it looked for nothing.
    ///
    /// # Errors
    /// What is missing.
    pub fn check_scanned(&self) -> Result<(), String> {
        if self.known_viruses == 0 {
            return Err("nothing was scanned: the scanner had no signatures".to_owned());
        }
        if self.scanned_files == 0 {
            return Err("nothing was scanned: the scanner saw no file".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary(known: &str, scanned: &str, infected: &str) -> String {
        format!(
            "\n----------- SCAN SUMMARY -----------\nKnown viruses: {known}\nEngine version: 1.4.6\nScanned directories: 2\n\
             Scanned files: {scanned}\nInfected files: {infected}\nData scanned: 44.90 MiB\nTime: 11.473 sec (0 m 11 s)\n\
             Start Date: 2026:04:12 02:36:19\n"
        )
    }

    #[test]
    fn reports() {
        let clean =
            VirusScan::of(&summary("3627833", "21", "0"), "pkg:generic/clamav@1.4.6").unwrap();
        clean.check_passed().unwrap();
        let value = serde_json::to_value(&clean).unwrap();
        assert_eq!(value["scanner"]["uri"], "pkg:generic/clamav@1.4.6");
        assert_eq!(value.as_object().unwrap().len(), 1);
        assert_eq!(VirusScan::from_value(&value).unwrap(), clean);
        let report = clean.report().unwrap();
        assert_eq!(
            (report.known_viruses, report.scanned_files, report.engine_version.as_str()),
            (3_627_833, 21, "1.4.6")
        );
        let text = format!(
            "/a: b: Test.Eicar FOUND\n{}/c: X FOUND\n{}",
            summary("7", "2", "1"),
            summary("5", "3", "1")
        );
        let found = VirusScan::of(&text, "clamav/clamav:stable").unwrap();
        let report = found.report().unwrap();
        assert_eq!(
            report.infections,
            [("/a: b".to_owned(), "Test.Eicar".to_owned()), ("/c".to_owned(), "X".to_owned())]
        );
        assert_eq!((report.known_viruses, report.scanned_files, report.infected_files), (5, 5, 2));
        assert!(found.check_passed().unwrap_err().to_string().contains("2 files are infected"));
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        for (text, expected) in [
            (String::new(), "no summary"),
            ("all is well\n".to_owned(), "no summary"),
            ("----------- SCAN SUMMARY -----------\nInfected files: 0\n".to_owned(), "half of one"),
            (
                format!("{}----------- SCAN SUMMARY -----------\n", summary("1", "1", "0")),
                "half of one",
            ),
            (summary("0", "21", "0"), "no signatures"),
            (summary("5", "0", "0"), "no file"),
            (summary("many", "1", "0"), "not a number"),
            (summary("1", "1", "-1"), "not a number"),
            (summary("1", "1", "99999999999999999999"), "not a number"),
            (
                format!("/a: X FOUND\n{}", summary("1", "1", "0")),
                "names 1 infected files and counts 0",
            ),
            (format!("{}{}", summary("1", "1", "0"), summary("0", "1", "0")), "no signatures"),
        ] {
            let error = VirusScan::of(&text, "x").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let good = STANDARD.encode(summary("1", "1", "0"));
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!({"scanner": {}}),
            json!({"scanner": {"report": good}}),
            json!({"scanner": {"report": good, "uri": ""}}),
            json!({"scanner": {"report": "%%%", "uri": "x"}}),
            json!({"scanner": {"report": 1, "uri": "x"}}),
            json!({"scanner": [good, "x"]}),
        ] {
            let is_refused = VirusScan::from_value(&value).is_err();
            // A list would do for an object; what it says is right.
            assert!(is_refused || value["scanner"].is_array(), "{value}");
        }
    }
}
