// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy test`

use std::path::Path;
use std::process::ExitCode;

use hardpan::trust::Bundle;
use hardpan::trust::rego::{Selection, TestOutcome, TestResult};
use serde_json::json;

use super::worker::Rego;
use crate::args::Common;
use crate::commands::place;
use crate::commands::verify::NO;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, count, say, styled, visible};

/// Runs tests.
pub(super) fn run(common: &Common, path: &Path, filter: Option<&str>) -> anyhow::Result<ExitCode> {
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let now_seconds = machine.session(&progress).now_seconds();
    let outcomes = outcomes(path, filter, now_seconds)?;
    let of = |wanted: TestResult| outcomes.iter().filter(|it| it.result == wanted).count();
    let bad = of(TestResult::Failed) + of(TestResult::Error);
    if common.json {
        say!(
            "{}",
            json!({
                "passed": of(TestResult::Passed),
                "failed": of(TestResult::Failed),
                "errors": of(TestResult::Error),
                "skipped": of(TestResult::Skipped),
                "tests": outcomes,
            })
        );
    } else {
        for outcome in &outcomes {
            if !common.quiet || !matches!(outcome.result, TestResult::Passed) {
                print(outcome);
            }
        }
        let skipped = of(TestResult::Skipped);
        let left_out = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        let passed = count(of(TestResult::Passed), "test");
        if bad == 0 {
            say!("{} {passed} passed{left_out}", styled(GOOD, "good"));
        } else {
            say!("{} {passed} passed, {bad} failed{left_out}", styled(BAD, "failed"));
        }
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// Runs the tests of a folder, or those of a file with the rest of its folder beside it.
fn outcomes(
    path: &Path,
    filter: Option<&str>,
    now_seconds: i64,
) -> anyhow::Result<Vec<TestOutcome>> {
    let own = Bundle::read(path)?;
    let (bundle, file) = if path.is_dir() { (own, None) } else { with_folder(path, own)? };
    let rego = Rego { modules: &bundle.modules, folder: &bundle.folder, now_seconds };
    rego.test(&Selection { file, name: filter.map(str::to_owned) })
}

/// Returns a file with the rest of its folder beside it, and what it is called there.
fn with_folder(path: &Path, own: Bundle) -> Result<(Bundle, Option<String>), hardpan::Error> {
    let mut whole = Bundle::read(&own.folder)?;
    // Under the name by which it was asked for. Others of the same name are in other folders.
    let is_it = |name: &str| match (Path::new(name).canonicalize(), path.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    whole.modules.retain(|module| !is_it(&module.name));
    let name = own.modules.first().map(|module| module.name.clone());
    whole.modules.extend(own.modules);
    Ok((whole, name))
}

fn print(outcome: &TestOutcome) {
    let TestOutcome { name, file, line, .. } = outcome;
    let mark = match outcome.result {
        TestResult::Passed => styled(GOOD, "pass"),
        TestResult::Failed => styled(BAD, "FAIL"),
        TestResult::Error => styled(BAD, "ERROR"),
        TestResult::Skipped => styled(WARNING, "todo"),
    };
    let file = visible(file);
    say!("{mark}  {file}:{line}: {}", visible(name));
    if let Some(at) = outcome.failed_at {
        say!("      it came to {file}:{at}");
    }
    if let Some(problem) = &outcome.problem {
        say!("      {}", visible(problem));
    }
    for line in &outcome.printed {
        say!("      {}", styled(DIM, &visible(line)));
    }
}
