// SPDX-License-Identifier: Apache-2.0
//! `hardpan secrets`

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use hardpan::Error;
use hardpan::secrets::{Fingerprint, ImageSecrets, Rules, SecretOptions};

use super::{place, scan};
use crate::args::Common;
use crate::args::scan::Secrets;
use crate::failure::{Named, Usage};
use crate::keys;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, HELP, WARNING, count, note, say, size, styled, visible};

/// The exit code where something was found.
const FOUND: u8 = 1;
/// The largest file of rules or of known fingerprints, in bytes.
const FILE_BYTES_MAX: usize = 16 << 20;

/// Looks for secrets.
pub(crate) fn run(common: &Common, command: &Secrets) -> anyhow::Result<ExitCode> {
    let rules = rules(command.rules.as_deref())?;
    let known = command.baseline.as_deref().map(baseline).transpose()?.unwrap_or_default();
    if scan::is_document(Path::new(&command.image)) {
        return Err(Usage("an SBOM has no files to look for secrets in").into());
    }
    let source = place::files(&command.image)?;
    let choice = place::choice(&command.chosen);
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let found =
        machine.session(&progress).secrets(&source, choice, &rules, SecretOptions::default());
    progress.clear();
    let mut found = found?;
    let removed = found.report.remove_known(&known);
    if common.json {
        say!("{}", serde_json::to_string(&found)?);
    } else {
        if !common.quiet {
            rules
                .remarks()
                .iter()
                .for_each(|remark| note!("{} {remark}", styled(WARNING, "warning:")));
        }
        print(common, &found, removed);
    }
    let is_clean = found.report.findings.is_empty();
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// Reads rules; without a file those that are built in.
pub(super) fn rules(path: Option<&Path>) -> anyhow::Result<Rules> {
    let Some(path) = path else { return Ok(Rules::builtin()) };
    let wrong = |error: hardpan::secrets::RulesError| Named {
        message: format!("{}: {error}", path.display()),
        help: Some("rules are TOML in the format of gitleaks".to_owned()),
    };
    let rules = Rules::parse(&text(path)?).map_err(wrong)?;
    if rules.iter().next().is_none() {
        let message = format!("{} has no rule, so that nothing would be found", path.display());
        let help = "each is a table `[[rules]]`; `[extend] useDefault = true` adds those that are built in";
        return Err(Named { message, help: Some(help.to_owned()) }.into());
    }
    Ok(rules)
}

fn baseline(path: &Path) -> anyhow::Result<BTreeSet<Fingerprint>> {
    let text = text(path)?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let parse = |(number, line): (usize, &str)| {
        let wrong = |error| Named {
            message: format!("{}, line {number}: {error}", path.display()),
            help: Some("`hardpan secrets --json` prints fingerprints".to_owned()),
        };
        line.parse::<Fingerprint>().map_err(|error| wrong(error.to_string()).into())
    };
    lines.map(parse).collect()
}

fn text(path: &Path) -> anyhow::Result<String> {
    let wrap = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let bytes = keys::read_at_most(path, FILE_BYTES_MAX)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(wrap(std::io::Error::other("it is too large")).into());
    }
    let wrong = |error| wrap(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
    Ok(String::from_utf8(bytes).map_err(wrong)?)
}

fn print(common: &Common, found: &ImageSecrets, removed: usize) {
    let report = &found.report;
    for finding in &report.findings {
        say!("{} {}", styled(BAD, "secret"), visible(&finding.to_string()));
        say!("       {}", styled(DIM, &finding.fingerprint.to_string()));
    }
    if !common.quiet {
        for skipped in &report.skipped {
            note!(
                "{} {}",
                styled(WARNING, "warning:"),
                visible(&format!("/{}: {}", skipped.path, skipped.reason))
            );
        }
        if let Some(text) = found.image.left_out_text() {
            note!("{} {}", styled(WARNING, "warning:"), visible(&text));
        }
        if report.is_cut {
            note!("{} there is more than is told", styled(WARNING, "warning:"));
        }
    }
    let files = usize::try_from(report.files).unwrap_or(usize::MAX);
    let looked = format!("({} with {})", count(files, "file"), size(report.bytes));
    let findings = match report.findings.len() {
        0 => styled(GOOD, "no secret found"),
        number => styled(BAD, &count(number, "secret")),
    };
    say!("{findings} {}", styled(DIM, &looked));
    if removed > 0 {
        say!("{}", styled(DIM, &format!("{removed} known, by the baseline")));
    }
    if !report.findings.is_empty() && !common.quiet {
        note!(
            "  {} whoever has the image has them: make them anew, and build without them; a layer on top hides nothing",
            styled(HELP, "help:")
        );
    }
}
