// SPDX-License-Identifier: Apache-2.0
//! The commands that hold images against controls.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use hardpan::audit::Grade;

use super::trust::{Chosen, Keys, Signing};

/// Hold any image against the hardening controls, and grade it
#[derive(Debug, Args)]
#[command(
    after_help = "Whoever built the image: what is measured are its layers, its configuration, what trusted keys state about it, and what the advisory database of this machine knows of it. What could not be measured is said and never counts as passed.

The profile says what the image is for: runtime, runtime-static, compat (a shell is allowed), dev, sdk, or a YAML file of yours. Without --profile the image's labels say it, if a trusted key signed the image; else it is runtime, or what a label makes stricter.

Exit code 0: nothing that --fail-on names. 1: something.

Examples:
  hardpan audit out/python
  hardpan audit registry.example/app:1 --profile compat --fail-on warn
  hardpan audit registry.example/app:1 --key keys/ -o json --fail-on unmeasured
  hardpan audit app.tar --write-baseline known.json
  hardpan audit app.tar --baseline known.json
  hardpan audit out/python --against docker.io/library/python:3.13 -o html > audit.html
  hardpan audit --explain setuid-file"
)]
pub(crate) struct Audit {
    /// What to look at; a root file system may be that of a running process: /proc/PID/root
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS", required_unless_present = "explain")]
    pub(crate) image: Option<String>,
    /// What the image is for: runtime, runtime-static, compat, dev, sdk, or a file [default: what the labels of a signed image say, or else runtime]
    #[arg(long, value_name = "PROFILE|FILE")]
    pub(crate) profile: Option<String>,
    /// The form
    #[arg(long, short, value_enum, default_value_t = AuditFormat::Table, value_name = "FORMAT")]
    pub(crate) output: AuditFormat,
    /// Explain this control: what it promises, why, and how to mend it; with an image, also all that it found there
    #[arg(long, value_name = "CONTROL", conflicts_with_all = ["output", "write_baseline"])]
    pub(crate) explain: Option<String>,
    /// Exit with 1 if a control fails (fail), or also if one warns (warn) or one that counts could not be measured (unmeasured), or if the grade is worse than grade:B, or never [default: the profile's grade, or else fail]
    #[arg(long, value_name = "WHEN", value_parser = fail_on)]
    pub(crate) fail_on: Option<FailOn>,
    /// Show the controls that passed, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Findings that are known, and don't count, as --write-baseline wrote them
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the present findings into a file for --baseline
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// The last day on which what --write-baseline writes is accepted: 2027-03-31
    #[arg(long, value_name = "DAY", requires = "write_baseline")]
    pub(crate) baseline_until: Option<String>,
    /// Count the exceptions that the image carries from its definition, and what it says that it is for, though no trusted key signed it
    #[arg(long)]
    pub(crate) accept_image_exceptions: bool,
    /// Use this advisory database [default: the one of this machine, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// Compare the attack surface with this standard image; for -o html and -o markdown, which show it
    #[arg(long, value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS")]
    pub(crate) against: Option<String>,
    /// The number of the certificate of a cryptographic module, for which you answer; may be given several times
    #[arg(long, value_name = "[MODULE=]NUMBER")]
    pub(crate) fips_certificate: Vec<hardpan::audit::crypto::Certificate>,
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

/// What is accepted of an image.
#[derive(Debug, Args)]
pub(crate) struct Accept {
    /// The image
    #[arg(value_name = "IMAGE|LAYOUT")]
    pub(crate) image: String,
    /// The control whose findings are accepted
    #[arg(long, value_name = "CONTROL", required_unless_present = "baseline", requires = "reason")]
    pub(crate) control: Option<String>,
    /// Only this path and all below it; may be given several times
    #[arg(long, value_name = "PATH", requires = "control")]
    pub(crate) path: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "control")]
    pub(crate) reason: Option<String>,
    /// The last day on which it is accepted: 2027-03-31
    #[arg(long, value_name = "DAY", requires = "control")]
    pub(crate) until: Option<hardpan::audit::Day>,
    /// Accept what is in this file, which `hardpan audit --write-baseline` wrote and people edit
    #[arg(long, value_name = "FILE", conflicts_with = "control")]
    pub(crate) baseline: Option<PathBuf>,
    /// Only of this platform [default: the index and all of its platforms]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// A table for people
    Table,
    /// Everything, as JSON
    Json,
    /// A page for a browser, in one file
    Html,
    /// Tables for comments and summaries
    Markdown,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit's XML, for servers that run tests
    Junit,
    /// XCCDF 1.2, for tools for compliance; derived from the GPOS SRG, and certified by nobody
    Xccdf,
    /// A badge, as SVG
    Badge,
}

/// When the answer is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailOn {
    /// A control fails.
    Fail,
    /// A control fails or warns.
    Warn,
    /// A control fails, or one that counts could not be measured.
    Unmeasured,
    /// The grade is worse.
    Grade(Grade),
    /// Never.
    Never,
}

fn fail_on(text: &str) -> Result<FailOn, String> {
    match text {
        "fail" => return Ok(FailOn::Fail),
        "warn" => return Ok(FailOn::Warn),
        "unmeasured" => return Ok(FailOn::Unmeasured),
        "never" => return Ok(FailOn::Never),
        _ => {}
    }
    let grade = text.strip_prefix("grade:").and_then(|letter| letter.parse().ok());
    let wrong = || "it is fail, warn, unmeasured, never, or grade:A to grade:F".to_owned();
    grade.map(FailOn::Grade).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_answer_is_no() {
        for (text, expected) in [
            ("fail", Some(FailOn::Fail)),
            ("warn", Some(FailOn::Warn)),
            ("never", Some(FailOn::Never)),
            ("unmeasured", Some(FailOn::Unmeasured)),
            ("grade:A", Some(FailOn::Grade(Grade::A))),
            ("grade:F", Some(FailOn::Grade(Grade::F))),
            ("grade:G", None),
            ("grade:b", None),
            ("grade:AB", None),
            ("grade:", None),
            ("grade", None),
            ("", None),
            ("A", None),
            ("info", None),
        ] {
            assert_eq!(fail_on(text).ok(), expected, "{text}");
        }
    }
}
