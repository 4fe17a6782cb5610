// SPDX-License-Identifier: Apache-2.0
//! `hardpan verify`

use std::collections::BTreeSet;
use std::error::Error as _;
use std::process::ExitCode;

use hardpan::trust::policy::{BuildLevel, RuleResult};
use hardpan::trust::{
    Accepted, Claim, Evidence, PolicySet, SubjectReport, VerifyReport, Witnessed, predicate,
};
use serde_json::{Value, json};

use super::{place, policy, vsa};
use crate::args::Common;
use crate::args::trust::Verify;
use crate::failure::Named;
use crate::keys;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, HELP, WARNING, count, note, say, styled, visible};

/// The exit code where the answer is no.
pub(super) const NO: u8 = 1;
/// The exit code where something was altered.
pub(super) const ALTERED: u8 = 4;

/// What came of the command.
struct Verdict {
    report: VerifyReport,
    /// Kinds of attestations that are missing, by what lacks them.
    missing: Vec<(String, String)>,
    rules: Vec<(String, Vec<RuleResult>)>,
    levels: Vec<(String, BuildLevel)>,
}

/// Verifies an image.
pub(crate) fn run(common: &Common, command: &Verify) -> anyhow::Result<ExitCode> {
    let location = place::existing(&command.image)?;
    let policies = PolicySet::read(&command.policy)?;
    let required = command.require.iter().map(|name| known(name)).collect::<Result<Vec<_>, _>>()?;
    let machine = place::machine(common)?;
    let trusted = keys::trusted(&command.keys, &machine)?;
    policy::eval::warn(&policies, &trusted);
    let signer = vsa::signer(common, &command.summary, &location)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let report = session.verify(&location, trusted.rules());
    progress.clear();
    let report = report?;
    let missing = missing(&report, &required);
    let held = policy::eval::hold(&report, &policies, session.now_seconds());
    let is_denied = report.is_damaged() || !report.is_signed() || !missing.is_empty();
    let rules = held.unless_undecided(is_denied)?;
    let one = (!policies.is_empty()).then(|| policies.as_one());
    let levels = report.build_levels(one.as_ref().map(|file| &file.policy));
    let verdict = Verdict { report, missing, rules, levels };
    if let Some(policy) = &one {
        let passed = verdict.is_good();
        let about = (&location, &verdict.report);
        vsa::write(
            &session,
            &command.summary,
            about,
            policy,
            passed,
            signer.as_deref().map(|signer| signer as _),
        )?;
        progress.clear();
    }
    if common.json {
        say!("{}", verdict.to_json());
    } else if !common.quiet || !verdict.is_good() {
        verdict.print(command);
    }
    Ok(verdict.exit_code())
}

/// Returns the URIs that a kind of attestation may have.
pub(super) fn known(name: &str) -> anyhow::Result<BTreeSet<String>> {
    let found = predicate::find_all(name);
    if found.is_empty() && !name.contains("://") {
        let known = predicate::known_aliases();
        let near = hardpan::definition::nearest(name, known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("it is a URI, or one of {}", known.join(", ")),
        };
        let message = format!("{name:?} is no kind of attestation");
        return Err(Named { message, help: Some(help) }.into());
    }
    let mut uris: BTreeSet<String> = found.iter().map(|kind| kind.uri.to_owned()).collect();
    if uris.is_empty() {
        uris.insert(name.to_owned());
    }
    Ok(uris)
}

/// Returns what every manifest must have and does not.
fn missing(report: &VerifyReport, required: &[BTreeSet<String>]) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    for (label, subject) in report.judged().1 {
        for uris in required {
            let mut there = subject.evidence.iter().filter_map(Evidence::statement);
            if !there.any(|statement| uris.contains(&statement.predicate_type)) {
                let name = uris.first().map(|uri| short(uri)).unwrap_or_default();
                missing.push((label.clone(), name));
            }
        }
    }
    missing
}

/// Returns the short name of a predicate type.
pub(super) fn short(uri: &str) -> String {
    predicate::find_uri(uri).map_or_else(|| uri.to_owned(), |kind| kind.aliases[0].to_owned())
}

impl Verdict {
    fn is_good(&self) -> bool {
        let rules_hold = self.rules.iter().flat_map(|(_, rules)| rules).all(|rule| rule.ok);
        self.report.is_signed()
            && !self.report.is_damaged()
            && self.missing.is_empty()
            && rules_hold
    }

    /// Whether something was altered, and not only missing or somebody else's. What strangers attach to an image of which all
    /// is proven changes nothing.
    fn is_altered(&self) -> bool {
        !self.is_good() && (self.report.is_damaged() || self.report.is_tampered_with())
    }

    fn exit_code(&self) -> ExitCode {
        if self.is_good() {
            ExitCode::SUCCESS
        } else if self.is_altered() {
            ExitCode::from(ALTERED)
        } else {
            ExitCode::from(NO)
        }
    }

    fn print(&self, command: &Verify) {
        say!("{}", visible(&self.report.name));
        for subject in &self.report.subjects {
            print_subject(subject, command.explain);
        }
        for (subject, kind) in &self.missing {
            let subject = visible(subject);
            say!("{} {subject} has no {kind} by a trusted key", styled(BAD, "missing"));
        }
        for (platform, rules) in &self.rules {
            print_rules(platform, rules);
        }
        if command.explain {
            vsa::print_levels(&self.levels);
            self.print_commands(command);
        }
        if self.is_good() {
            let platforms = self.report.subjects.iter().filter(|it| it.platform.is_some()).count();
            let what =
                if platforms > 0 { "the index and all platforms are" } else { "the image is" };
            say!("{} {what} signed by a trusted key", styled(GOOD, "verified"));
            let refused = self.report.refusals().count();
            if refused > 0 && !command.explain {
                let refused = count(refused, "attached thing");
                note!(
                    "{} {refused} proved nothing, which changes nothing",
                    styled(WARNING, "warning:")
                );
            }
        } else if self.is_altered() {
            say!("{} something was altered; see above", styled(BAD, "not trusted"));
        } else if self.report.is_signed() {
            say!("{} what is proven is not enough; see above", styled(BAD, "not verified"));
        } else {
            say!("{} no trusted key signed all of it", styled(BAD, "not verified"));
            if !command.explain {
                note!("  {} `--explain` shows everything that was found", styled(HELP, "help:"));
            }
        }
    }

    /// Prints how cosign proves the same.
    fn print_commands(&self, command: &Verify) {
        let key = command.keys.key.first().map(|path| path.display().to_string());
        let key = key.unwrap_or_else(|| "KEY".to_owned());
        say!("{}", styled(DIM, "the same with cosign:"));
        for subject in &self.report.subjects {
            let Some(repository) = &self.report.repository else {
                say!("  {}", styled(DIM, "(cosign verifies images of registries)"));
                return;
            };
            let image = format!("{repository}@{}", subject.descriptor.digest);
            let accepted = subject.evidence.iter().filter_map(|one| one.outcome.as_ref().ok());
            let is_logged = accepted.into_iter().any(|it| !it.witnessed.entries.is_empty());
            let mut types: BTreeSet<&str> = BTreeSet::from([predicate::uri::SIGN]);
            let own = subject.evidence.iter().filter_map(Evidence::statement);
            types.extend(own.map(|statement| statement.predicate_type.as_str()));
            for kind in types {
                let root = command.keys.trusted_root.as_ref().filter(|_| is_logged);
                let root = root.map(|path| path.display().to_string());
                say!("  {}", predicate::cosign_command(kind, &image, &key, root.as_deref()));
            }
        }
    }

    fn to_json(&self) -> Value {
        let subjects: Vec<Value> = self.report.subjects.iter().map(subject_json).collect();
        json!({
            "image": self.report.name,
            "verified": self.is_good(),
            "altered": self.is_altered(),
            "subjects": subjects,
            "missing": self.missing.iter().map(|(of, kind)| json!({"subject": of, "type": kind})).collect::<Vec<_>>(),
            "slsa": self.levels.iter().map(|(of, level)| json!({"subject": of, "build": level})).collect::<Vec<_>>(),
            "policy": self.rules.iter().map(|(of, rules)| json!({"subject": of, "rules": rules})).collect::<Vec<_>>(),
        })
    }
}

/// Prints what came of rules, with the exceptions that they hold by.
pub(super) fn print_rules(platform: &str, rules: &[RuleResult]) {
    // Platforms are what images say, reasons what policies and statements say.
    let platform = visible(platform);
    for rule in rules {
        let mark = if rule.ok { styled(GOOD, "holds") } else { styled(BAD, "fails") };
        say!("{mark}  {platform}: {}: {}", visible(&rule.rule), visible(&rule.reason));
        for used in &rule.exceptions {
            let until = if used.has_ended { "ended on" } else { "until" };
            let text = format!("exception for {} {until} {}: {}", used.id, used.until, used.reason);
            let style = if used.has_ended { WARNING } else { DIM };
            say!("       {}", styled(style, &visible(&text)));
        }
    }
}

fn print_subject(subject: &SubjectReport, explain: bool) {
    let signers: BTreeSet<&str> = (subject.evidence.iter())
        .filter(|one| one.is_signature())
        .filter_map(|one| one.outcome.as_ref().ok())
        .map(|accepted| accepted.key_name.as_str())
        .collect();
    let signed = if signers.is_empty() {
        styled(BAD, "not signed by a trusted key")
    } else {
        let names: Vec<&str> = signers.into_iter().collect();
        styled(GOOD, &format!("signed by {}", names.join(", ")))
    };
    say!("  {:<12} {signed}", visible(&subject.label()));
    say!("  {:<12} {}", "", styled(DIM, &subject.descriptor.digest.to_string()));
    let kinds: BTreeSet<String> = (subject.evidence.iter())
        .filter_map(Evidence::statement)
        .map(|statement| short(&statement.predicate_type))
        .collect();
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds.iter().map(|kind| visible(kind)).collect();
        say!("  {:<12} attested: {}", "", kinds.join(", "));
    }
    for one in &subject.evidence {
        match &one.outcome {
            Ok(accepted) if explain => {
                let what = claim(accepted);
                let text =
                    format!("{what}, by {} ({}; {})", accepted.key_name, one.form, one.source);
                say!("  {:<12} {} {}", "", styled(GOOD, "+"), styled(DIM, &visible(&text)));
                for line in witnesses(&accepted.witnessed) {
                    say!("  {:<12}   {}", "", styled(DIM, &visible(&line)));
                }
            }
            Ok(_) => {}
            Err(refusal) => {
                let mut reason = refusal.to_string();
                let mut cause = refusal.source();
                while let Some(source) = cause {
                    reason = format!("{reason}: {source}");
                    cause = source.source();
                }
                let where_found = format!("{}, {}, {}", one.form, one.source, one.manifest);
                say!(
                    "  {:<12} {} {} {}",
                    "",
                    styled(BAD, "-"),
                    visible(&reason),
                    styled(DIM, &format!("({where_found})"))
                );
            }
        }
    }
}

/// Says what others say of a signature, and whether that is proven.
fn witnesses(witnessed: &Witnessed) -> Vec<String> {
    let proof = if witnessed.is_checked { "" } else { " (not verified: no trusted root)" };
    let entries = witnessed.entries.iter();
    let entries = entries.map(|it| format!("in the log {} as entry {}{proof}", it.log, it.index));
    let stamps = witnessed.timestamps.iter().map(|seen| match &seen.authority {
        Some(authority) => format!("seen at {} by {authority}{proof}", seen.time),
        None => format!("seen at {}{proof}", seen.time),
    });
    entries.chain(stamps).collect()
}

fn claim(accepted: &Accepted) -> String {
    match &accepted.claim {
        Claim::Signature { identity: Some(name) } => format!("signature as {name}"),
        Claim::Signature { identity: None } => "signature".to_owned(),
        Claim::Attestation(statement) => short(&statement.predicate_type),
    }
}

fn witnesses_json(witnessed: &Witnessed, value: &mut Value) {
    let entries = witnessed.entries.iter().map(|it| json!({"log": it.log, "index": it.index}));
    let stamps = (witnessed.timestamps.iter())
        .map(|seen| json!({"time": seen.time.to_string(), "authority": seen.authority}));
    let (entries, stamps): (Vec<Value>, Vec<Value>) = (entries.collect(), stamps.collect());
    if !entries.is_empty() || !stamps.is_empty() {
        value["witnessed"] =
            json!({"tlog": entries, "timestamps": stamps, "verified": witnessed.is_checked});
    }
}

/// Returns what is proven about a subject as JSON.
pub(super) fn subject_json(subject: &SubjectReport) -> Value {
    let evidence: Vec<Value> = (subject.evidence.iter())
        .map(|one| {
            let mut value = json!({
                "source": one.source.to_string(), "form": one.form.to_string(), "manifest": one.manifest,
            });
            match &one.outcome {
                Ok(accepted) => {
                    value["key"] = json!(accepted.key_name);
                    value["key-id"] = json!(accepted.key.to_string());
                    witnesses_json(&accepted.witnessed, &mut value);
                    match &accepted.claim {
                        Claim::Signature { identity } => value["signature"] = json!({"identity": identity}),
                        Claim::Attestation(statement) => {
                            value["predicate-type"] = json!(statement.predicate_type);
                        }
                    }
                }
                Err(refusal) => value["refused"] = json!(refusal.to_string()),
            }
            value
        })
        .collect();
    json!({
        "digest": subject.descriptor.digest,
        "platform": subject.platform.as_ref().map(ToString::to_string),
        "signed": subject.is_signed(),
        "evidence": evidence,
    })
}
