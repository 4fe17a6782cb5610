// SPDX-License-Identifier: Apache-2.0
//! `hardpan explain`

use std::process::ExitCode;

use hardpan::{BuildSettings, Explanation};
use serde_json::json;

use super::{in_definition, open};
use crate::args::{Common, Explain};
use crate::progress::Progress;
use crate::text::{DIM, GOOD, count, say, size, styled};

/// Explains a package.
pub(crate) fn run(common: &Common, command: &Explain) -> anyhow::Result<ExitCode> {
    let (project, machine) = open(common, &command.definition)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let settings = BuildSettings::of(project.any_definition(), machine.workspace());
    let platform = command.platform.unwrap_or(project.any_definition().platform);
    let result = session.fitting_lock(&project, &settings, false).and_then(|(lock, _)| {
        session.explain(&project, &lock, &settings, platform, &command.package)
    });
    progress.clear();
    let explanation = result.map_err(in_definition(&project))?;
    if common.json {
        say!("{}", json!(explanation));
    } else {
        print(&explanation);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(explanation: &Explanation) {
    say!(
        "{} {}  {}",
        styled(GOOD, &explanation.package),
        explanation.version,
        styled(DIM, &explanation.platform)
    );
    if explanation.is_requested {
        say!("  the definition asks for it");
    } else {
        say!("  why:");
        for (depth, step) in explanation.path.iter().enumerate() {
            let indent = "  ".repeat(depth);
            let clause = step.clause.as_deref().map(|clause| format!("needs {clause}"));
            let clause = styled(DIM, clause.as_deref().unwrap_or(""));
            say!("    {indent}{} {clause}", step.package);
        }
    }
    if !explanation.dependents.is_empty() {
        say!("  needed by:");
        for step in &explanation.dependents {
            let clause = step.clause.as_deref().unwrap_or("");
            say!("    {} {}", step.package, styled(DIM, clause));
        }
    }
    say!("  costs {}", size(explanation.size_bytes));
    let others = explanation.only_through.len().saturating_sub(1);
    if others > 0 {
        say!(
            "  without it {} would go, too: {} less",
            count(others, "other package"),
            size(explanation.only_through_size_bytes)
        );
        let names: Vec<&str> = (explanation.only_through.iter())
            .filter(|name| **name != explanation.package)
            .map(String::as_str)
            .collect();
        say!("    {}", names.join(" "));
    }
    if !explanation.is_requested {
        say!(
            "  {}",
            styled(DIM, &format!("'!{}' in contents.packages would cut it", explanation.package))
        );
    }
}
