// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy eval`

use std::path::PathBuf;
use std::process::ExitCode;

use hardpan::trust::policy::RuleResult;
use hardpan::trust::{PolicySet, VerifyReport};
use serde_json::{Map, Value, json};

use super::worker::Rego;
use crate::args::Common;
use crate::args::trust::{Keys, Summary};
use crate::commands::verify::{ALTERED, NO, print_rules};
use crate::commands::{place, vsa};
use crate::keys;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, say, styled};

/// What is evaluated.
pub(super) struct Eval<'c> {
    pub(super) image: &'c str,
    pub(super) keys: &'c Keys,
    pub(super) policies: &'c [PathBuf],
    pub(super) summary: &'c Summary,
}

/// Holds an image against policies.
pub(super) fn run(common: &Common, eval: &Eval<'_>) -> anyhow::Result<ExitCode> {
    let location = place::existing(eval.image)?;
    let policies = PolicySet::read(eval.policies).map_err(hardpan::Error::from)?;
    let machine = place::machine(common)?;
    let trusted = keys::trusted(eval.keys, &machine)?;
    let signer = vsa::signer(common, eval.summary, &location)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let report = session.verify(&location, trusted.rules());
    progress.clear();
    let report = report?;
    let rules = rules(&report, &policies, session.now_seconds())?;
    let is_allowed = !report.is_damaged() && rules.iter().flat_map(|(_, all)| all).all(|it| it.ok);
    let is_altered = !is_allowed && (report.is_damaged() || report.is_tampered_with());
    let about = (&location, &report);
    let signer = signer.as_deref().map(|signer| signer as _);
    vsa::write(&session, eval.summary, about, &policies.as_one(), is_allowed, signer)?;
    progress.clear();
    if common.json {
        let of = |(platform, rules): &(String, Vec<RuleResult>)| json!({"subject": platform, "rules": rules});
        say!(
            "{}",
            json!({
                "image": report.name,
                "allowed": is_allowed,
                "altered": is_altered,
                "policy": rules.iter().map(of).collect::<Vec<_>>(),
            })
        );
    } else if !common.quiet || !is_allowed {
        say!("{}", report.name);
        for (platform, rules) in &rules {
            print_rules(platform, rules);
        }
        match (is_allowed, is_altered) {
            (true, _) => say!("{} every policy allows it", styled(GOOD, "allowed")),
            (false, true) => say!("{} something was altered", styled(BAD, "denied")),
            (false, false) => say!("{} see above", styled(BAD, "denied")),
        }
    }
    Ok(match (is_allowed, is_altered) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(ALTERED),
        (false, false) => ExitCode::from(NO),
    })
}

/// Prints the input of policies in Rego.
pub(super) fn print(common: &Common, eval: &Eval<'_>) -> anyhow::Result<ExitCode> {
    let location = place::existing(eval.image)?;
    let machine = place::machine(common)?;
    let trusted = keys::trusted(eval.keys, &machine)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let report = session.verify(&location, trusted.rules());
    progress.clear();
    let inputs: Map<String, Value> = report?.policy_inputs().into_iter().collect();
    say!("{}", serde_json::to_string_pretty(&inputs)?);
    Ok(ExitCode::SUCCESS)
}

/// Holds every platform of an image against policies: those in YAML first.
pub(in crate::commands) fn rules(
    report: &VerifyReport,
    policies: &PolicySet,
    now_seconds: i64,
) -> anyhow::Result<Vec<(String, Vec<RuleResult>)>> {
    let mut all: Vec<(String, Vec<RuleResult>)> = Vec::new();
    let mut add = |of: Vec<(String, Vec<RuleResult>)>| {
        for (platform, rules) in of {
            match all.iter_mut().find(|(known, _)| *known == platform) {
                Some((_, known)) => known.extend(rules),
                None => all.push((platform, rules)),
            }
        }
    };
    for file in &policies.files {
        add(report.evaluate(&file.policy, now_seconds));
    }
    if policies.bundles.is_empty() {
        return Ok(all);
    }
    let (platforms, inputs): (Vec<String>, Vec<Value>) = report.policy_inputs().into_iter().unzip();
    for bundle in &policies.bundles {
        let rego = Rego { modules: &bundle.modules, folder: &bundle.folder, now_seconds };
        let decided = rego.decide(inputs.clone())?;
        let of_platform = |decisions: Vec<hardpan::trust::rego::Decision>| {
            let of = |decision: hardpan::trust::rego::Decision| {
                for line in &decision.printed {
                    crate::text::note!("{}", styled(DIM, line));
                }
                let reason =
                    if decision.allow { "allowed".to_owned() } else { decision.reasons.join("; ") };
                RuleResult {
                    rule: format!("{} {}", bundle.name, decision.rule),
                    ok: decision.allow,
                    reason,
                    exceptions: Vec::new(),
                }
            };
            decisions.into_iter().map(of).collect::<Vec<_>>()
        };
        add(platforms.iter().cloned().zip(decided.into_iter().map(of_platform)).collect());
    }
    Ok(all)
}
