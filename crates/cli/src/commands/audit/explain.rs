// SPDX-License-Identifier: Apache-2.0
//! What a control is, and what it found.

use hardpan::audit::mappings::mapping;
use hardpan::audit::{AuditReport, Control, ControlId, Outcome, Profile, controls};
use serde_json::json;

use super::table;
use crate::args::Common;
use crate::failure::Named;
use crate::text::{DIM, HELP, say, styled, visible};

/// Returns the control of that name.
pub(in crate::commands) fn control(name: &str) -> anyhow::Result<&'static Control> {
    if let Ok(id) = name.parse::<ControlId>() {
        return Ok(id.control());
    }
    let names = controls().iter().map(|control| control.id.name());
    let near = hardpan::definition::nearest(name, names);
    let help = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "`hardpan audit IMAGE --all` names them all".to_owned(),
    };
    Err(Named { message: format!("no control is called {}", visible(name)), help: Some(help) }
        .into())
}

/// Explains it, with all that it found if there is an image.
pub(super) fn print(common: &Common, control: &Control, report: Option<&AuditReport>) {
    let severities = Profile::ALL.map(|profile| {
        let severity = control.severity(profile);
        (profile.name(), severity.map_or_else(|| "–".to_owned(), |one| one.to_string()))
    });
    let result = report.and_then(|report| report.controls.iter().find(|one| one.id == control.id));
    if common.json {
        let severities: serde_json::Map<_, _> = Profile::ALL
            .iter()
            .map(|profile| (profile.name().to_owned(), json!(control.severity(*profile))))
            .collect();
        let value = json!({
            "control": control.id,
            "group": control.group,
            "title": control.title,
            "why": control.why,
            "measured": control.measured(),
            "fix": control.fix,
            "severities": severities,
            "evidenceFor": mapping(control.id).texts(),
            "result": result,
        });
        say!("{value}");
        return;
    }
    let line = |head: &str, text: &str| say!("  {} {text}", styled(HELP, &format!("{head}:")));
    say!("{} {}", styled(HELP, control.id.name()), styled(DIM, &format!("({})", control.group)));
    line("promise", control.title);
    line("why", control.why);
    line("measured", control.measured());
    line("to fix", control.fix);
    let severities = severities.map(|(profile, severity)| format!("{profile} {severity}"));
    line("severity", &severities.join(" · "));
    let guides = mapping(control.id).texts();
    if !guides.is_empty() {
        line("evidence for", &guides.join(" · "));
    }
    let Some(result) = result else { return };
    let outcome = match &result.outcome {
        Outcome::Pass => "passed".to_owned(),
        Outcome::Fail => "failed".to_owned(),
        Outcome::Warn => "to look at".to_owned(),
        Outcome::Info => "worth knowing".to_owned(),
        Outcome::Excepted => "accepted".to_owned(),
        Outcome::NotApplicable => "does not apply".to_owned(),
        Outcome::Unmeasured(why) => format!("not measured: {}", visible(why)),
    };
    line("here", &outcome);
    let mut helps = Vec::new();
    for finding in &result.findings {
        helps.extend(table::finding(control.id, finding));
        // The message has the first few.
        for path in finding.paths.iter().skip(1) {
            say!("      {}", visible(&path.to_string()));
        }
    }
    table::helps(helps);
}
