// SPDX-License-Identifier: Apache-2.0
//! `hardpan explain`

use std::process::ExitCode;

use hardpan::{BuildSettings, Explanation, ScriptAction, Treatment};
use serde_json::json;

use super::{in_definition, open};
use crate::args::{Common, Explain};
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, count, say, size, styled};

/// Explains a package.
pub(crate) fn run(common: &Common, command: &Explain) -> anyhow::Result<ExitCode> {
    let (project, machine) = open(common, &command.definition)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let settings = BuildSettings::of(project.any_definition(), machine.workspace());
    let platform = command.platform.unwrap_or(project.any_definition().platform);
    if command.scripts {
        let result = session.fitting_lock(&project, &settings, false).and_then(|(lock, _)| {
            session.explain_scripts(&project, &lock, &settings, platform, &command.package)
        });
        progress.clear();
        let actions = result.map_err(in_definition(&project))?;
        if common.json {
            say!("{}", json!(actions));
        } else {
            print_scripts(&command.package, &actions);
        }
        return Ok(ExitCode::SUCCESS);
    }
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

/// Prints what becomes of each command, with the first line of its text.
fn print_scripts(package: &str, actions: &[ScriptAction]) {
    if actions.is_empty() {
        say!("{} has no maintainer scripts", styled(GOOD, package));
        return;
    }
    let mut script = "";
    for action in actions {
        if action.script != script {
            script = &action.script;
            say!("{} {script}", styled(GOOD, package));
        }
        let (style, word, detail) = match &action.treatment {
            Treatment::Ignored { reason } => (DIM, "ignored", reason.clone()),
            Treatment::Handled { finisher } => (GOOD, "handled", format!("by finisher {finisher}")),
            Treatment::Denied { reason } => (WARNING, "denied", reason.clone()),
            Treatment::Unhandled { reason } => (BAD, "not covered", reason.clone()),
            _ => (DIM, "other", String::new()),
        };
        let lines = if action.first_line == action.last_line {
            action.first_line.to_string()
        } else {
            format!("{}-{}", action.first_line, action.last_line)
        };
        let text = action.text.lines().next().unwrap_or("").trim();
        say!("  {lines:>7}  {}  {text}", styled(style, word));
        say!("           {}", styled(DIM, &detail));
    }
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
