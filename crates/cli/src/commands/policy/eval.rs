// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy eval`

use std::path::PathBuf;
use std::process::ExitCode;

use hardpan::trust::policy::{RuleResult, WrittenPolicy};
use hardpan::trust::rego::Decision;
use hardpan::trust::{Bundle, PolicySet, VerifyReport};
use serde_json::{Map, Value, json};

use super::worker::Rego;
use crate::args::Common;
use crate::args::trust::{Keys, Summary};
use crate::commands::verify::{ALTERED, NO, print_rules};
use crate::commands::{place, vsa};
use crate::diagnostics;
use crate::keys::{self, Trusted};
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, note, say, styled, visible};

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
    let policies = PolicySet::read(eval.policies)?;
    let machine = place::machine(common)?;
    let trusted = keys::trusted(eval.keys, &machine)?;
    warn(&policies, &trusted);
    let signer = vsa::signer(common, eval.summary, &location)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let report = session.verify(&location, trusted.rules());
    progress.clear();
    let report = report?;
    let held = hold(&report, &policies, session.now_seconds());
    let is_allowed = !report.is_damaged() && held.is_good();
    let is_altered = !is_allowed && (report.is_damaged() || report.is_tampered_with());
    let rules = held.unless_undecided(report.is_damaged())?;
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
        say!("{}", visible(&report.name));
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

/// Warns of what policies say that decides nothing.
pub(in crate::commands) fn warn(policies: &PolicySet, trusted: &Trusted) {
    let names = trusted.names();
    for policy in &policies.files {
        let sources = [policy.source.clone()];
        for warning in policy.unknown_keys(&names).into_iter().chain(policy.warnings()) {
            note!("{}\n", diagnostics::draw(&warning, &sources));
        }
    }
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

/// What came of policies.
pub(in crate::commands) struct Held {
    /// The rules, by what they are about: those of policies in YAML first.
    rules: Vec<(String, Vec<RuleResult>)>,
    /// Why not all policies decided.
    problem: Option<anyhow::Error>,
}

impl Held {
    /// Returns whether all policies decided, and allow it.
    pub(in crate::commands) fn is_good(&self) -> bool {
        self.problem.is_none() && self.rules_hold()
    }

    fn rules_hold(&self) -> bool {
        self.rules.iter().flat_map(|(_, rules)| rules).all(|rule| rule.ok)
    }

    /// Returns the rules. Where the answer is no whatever the others say, what they don't decide is told and changes nothing.
    ///
    /// # Errors
    /// If it depends on a policy that does not decide.
    pub(in crate::commands) fn unless_undecided(
        self,
        is_denied: bool,
    ) -> anyhow::Result<Vec<(String, Vec<RuleResult>)>> {
        let is_denied = is_denied || !self.rules_hold();
        match self.problem {
            Some(problem) if !is_denied => Err(problem),
            Some(problem) => {
                note!("{} {problem}", styled(WARNING, "warning:"));
                Ok(self.rules)
            }
            None => Ok(self.rules),
        }
    }

    fn add(&mut self, of: Vec<(String, Vec<RuleResult>)>) {
        for (label, rules) in of {
            match self.rules.iter_mut().find(|(known, _)| *known == label) {
                Some((_, known)) => known.extend(rules),
                None => self.rules.push((label, rules)),
            }
        }
    }
}

/// Holds every manifest of an image against policies: those in YAML first.
pub(in crate::commands) fn hold(
    report: &VerifyReport,
    policies: &PolicySet,
    now_seconds: i64,
) -> Held {
    let mut held = Held { rules: Vec::new(), problem: None };
    for WrittenPolicy { file, .. } in &policies.files {
        held.add(report.evaluate(&file.policy, now_seconds));
    }
    if policies.bundles.is_empty() {
        return held;
    }
    let (labels, inputs): (Vec<String>, Vec<Value>) = report.policy_inputs().into_iter().unzip();
    for bundle in &policies.bundles {
        let rego = Rego { modules: &bundle.modules, folder: &bundle.folder, now_seconds };
        match rego.decide(&inputs) {
            // One answer for each: what is not decided is denied.
            Ok(decided) if decided.len() == inputs.len() => {
                let results = decided.into_iter().map(|all| of_bundle(bundle, all));
                held.add(labels.iter().cloned().zip(results).collect());
            }
            Ok(_) => held.problem = held.problem.or_else(|| Some(super::worker::other_answer())),
            Err(problem) => held.problem = held.problem.or(Some(problem)),
        }
    }
    held
}

/// Says what a policy in Rego decided.
fn of_bundle(bundle: &Bundle, decisions: Vec<Decision>) -> Vec<RuleResult> {
    let of = |decision: Decision| {
        for line in &decision.printed {
            note!("{}", styled(DIM, &visible(line)));
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
    decisions.into_iter().map(of).collect()
}
