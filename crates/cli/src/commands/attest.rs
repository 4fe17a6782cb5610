// SPDX-License-Identifier: Apache-2.0
//! `hardpan attest`

use std::process::ExitCode;

use hardpan::trust::predicate::uri;
use hardpan::trust::{Accepted, AddRequest, Claim, SignRequest, SubjectReport};
use hardpan::{Error, Location, Session};
use serde::Serialize;
use serde_json::{Value, json};

use super::scans::{self, Choices};
use super::verify::{known, short, subject_json};
use super::{audits, place};
use crate::args::Common;
use crate::args::trust::{Attest, AttestCommand, Keys, Signing};
use crate::failure::{Named, Usage};
use crate::keys;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, say, styled};

/// The largest predicate that is read, in bytes.
const PREDICATE_BYTES_MAX: u64 = 16 << 20;

/// Lists, prints or adds attestations.
pub(crate) fn run(common: &Common, command: &Attest) -> anyhow::Result<ExitCode> {
    match &command.command {
        AttestCommand::List { image, keys } => list(common, image, keys),
        AttestCommand::Get { image, kind, platform, statement, keys } => {
            get(common, image, kind, platform.as_deref(), *statement, keys)
        }
        AttestCommand::Scan { image, db, vex, rules, signatures, signing } => {
            let choices = Choices {
                db: db.as_deref(),
                rules: rules.as_deref(),
                signatures: signatures.as_deref(),
                vex,
            };
            let attest = |session: &Session<'_>,
                          machine: &Machine,
                          location: &Location,
                          sign: SignRequest<'_>| {
                scans::attest(session, machine, location, sign, &choices)
            };
            state(common, image, signing, attest, scans::print)
        }
        AttestCommand::Audit { image, profile, db, stig, fips, fips_certificate, signing } => {
            let choices = audits::Choices {
                profile: *profile,
                db: db.as_deref(),
                states_stig: *stig,
                states_modules: *fips,
                certificates: fips_certificate,
                exceptions: Vec::new(),
            };
            let attest = |session: &Session<'_>,
                          machine: &Machine,
                          location: &Location,
                          sign: SignRequest<'_>| {
                let exceptions = audits::of_workspace(machine);
                audits::attest(session, location, sign, &audits::Choices { exceptions, ..choices })
            };
            state(common, image, signing, attest, audits::print)
        }
        AttestCommand::Accept(accept) => {
            let predicate = (uri::AUDIT_EXCEPTIONS.to_owned(), audits::exceptions(accept)?);
            let platform = accept.platform.clone();
            add(common, &accept.image, predicate, platform, &accept.signing)
        }
        AttestCommand::Add { image, kind, predicate, platform, signing } => {
            let uris = known(kind)?;
            // A short name stands for the first of its types, not for the first by the alphabet.
            let first =
                hardpan::trust::predicate::find_all(kind).first().map(|kind| kind.uri.to_owned());
            let uri = first.or_else(|| uris.into_iter().next()).unwrap_or_else(|| kind.clone());
            let predicate = read(predicate)?;
            add(common, image, (uri, predicate), platform.clone(), signing)
        }
    }
}

/// Opens what signs, has something stated about every platform of an image, and tells what.
fn state<T: Serialize>(
    common: &Common,
    image: &str,
    signing: &Signing,
    attest: impl FnOnce(&Session<'_>, &Machine, &Location, SignRequest<'_>) -> anyhow::Result<T>,
    print: impl FnOnce(&T),
) -> anyhow::Result<ExitCode> {
    keys::refuse_index(signing)?;
    let location = place::existing(image)?;
    let machine = place::machine(common)?;
    let signer = keys::open_signing(common, signing, &machine, place::layout(&location))?;
    let signer = signer.ok_or(keys::NO_KEY)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let sign = keys::request(signing, &*signer)?;
    let attested = attest(&session, &machine, &location, sign);
    progress.clear();
    let attested = attested?;
    if common.json {
        say!("{}", serde_json::to_string(&attested)?);
    } else if !common.quiet {
        print(&attested);
    }
    Ok(ExitCode::SUCCESS)
}

fn subjects(common: &Common, image: &str, keys: &Keys) -> anyhow::Result<Vec<SubjectReport>> {
    let location = place::existing(image)?;
    let machine = place::machine(common)?;
    let trusted = keys::optional_trusted(keys, &machine)?;
    let progress = Progress::new(common);
    let report = machine.session(&progress).verify(&location, trusted.rules());
    progress.clear();
    Ok(report?.subjects)
}

fn list(common: &Common, image: &str, keys: &Keys) -> anyhow::Result<ExitCode> {
    let subjects = subjects(common, image, keys)?;
    if common.json {
        let subjects: Vec<Value> = subjects.iter().map(subject_json).collect();
        say!("{}", json!({ "subjects": subjects }));
        return Ok(ExitCode::SUCCESS);
    }
    for subject in &subjects {
        say!("{} {}", subject.label(), styled(DIM, &subject.descriptor.digest.to_string()));
        let mut lines: Vec<(String, String, String)> = (subject.evidence.iter())
            .map(|one| {
                let place = format!("{}, {}", one.form, one.source);
                match &one.outcome {
                    Ok(accepted) => (what(accepted), styled(GOOD, &accepted.key_name), place),
                    Err(refusal) => {
                        let kind = one.announced.as_deref().map_or_else(|| "?".to_owned(), short);
                        (kind, styled(BAD, &format!("not proven: {refusal}")), place)
                    }
                }
            })
            .collect();
        lines.sort();
        if lines.is_empty() {
            say!("  nothing is attached");
        }
        let width = lines.iter().map(|(kind, _, _)| kind.chars().count()).max().unwrap_or(0);
        for (kind, by, place) in lines {
            say!("  {kind:<width$}  {by}  {}", styled(DIM, &place));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn what(accepted: &Accepted) -> String {
    match &accepted.claim {
        Claim::Signature { .. } => "signature".to_owned(),
        Claim::Attestation(statement) => short(&statement.predicate_type),
    }
}

fn get(
    common: &Common,
    image: &str,
    kind: &str,
    platform: Option<&str>,
    whole: bool,
    keys: &Keys,
) -> anyhow::Result<ExitCode> {
    let uris = known(kind)?;
    if keys.key.is_empty() && keys.certificate_identity.is_none() {
        return Err(Usage(
            "no key is trusted; name the key whose word counts with --key or HARDPAN_PUBLIC_KEY",
        )
        .into());
    }
    let subjects = subjects(common, image, keys)?;
    let here = crate::machine::platform().map(|platform| platform.name().to_owned());
    let of = |subject: &SubjectReport| subject.platform.as_ref().map(ToString::to_string);
    let is_wanted = |subject: &&SubjectReport| match platform {
        Some(platform) => of(subject).as_deref() == Some(platform),
        None => of(subject).is_none() || of(subject) == here || subjects.len() == 1,
    };
    // Of what the index itself has, this machine's platform is as good a witness.
    let mut candidates: Vec<&SubjectReport> = subjects.iter().filter(is_wanted).collect();
    candidates.sort_by_key(|subject| of(subject).is_none());
    let statements = candidates.iter().flat_map(|subject| &subject.evidence);
    let mut found = statements.filter_map(hardpan::trust::Evidence::statement);
    let Some(statement) = found.find(|statement| uris.contains(&statement.predicate_type)) else {
        let refused = candidates.iter().flat_map(|subject| &subject.evidence);
        let refused = refused.filter_map(|one| one.outcome.as_ref().err()).count();
        let message = format!("no trusted key signed a {kind} of this image");
        let help =
            format!("{refused} of what is attached does not count; see `hardpan attest list`");
        return Err(Named { message, help: (refused > 0).then_some(help) }.into());
    };
    if whole {
        say!("{}", serde_json::to_string(statement)?);
    } else {
        say!("{}", statement.predicate);
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a predicate.
fn read(predicate: &std::path::Path) -> anyhow::Result<Value> {
    let wrap = |source| Error::Io { action: "read", path: predicate.to_owned(), source };
    let size_bytes = std::fs::metadata(predicate).map_err(wrap)?.len();
    if size_bytes > PREDICATE_BYTES_MAX {
        return Err(Usage("the predicate has more than 16 MiB, more than verifiers read").into());
    }
    let text = std::fs::read(predicate).map_err(wrap)?;
    let value = serde_json::from_slice(&text).map_err(|error| Named {
        message: format!("{} is not JSON: {error}", predicate.display()),
        help: None,
    })?;
    Ok(value)
}

fn add(
    common: &Common,
    image: &str,
    (predicate_type, predicate): (String, Value),
    platform: Option<String>,
    signing: &Signing,
) -> anyhow::Result<ExitCode> {
    let location = place::existing(image)?;
    if let Location::Archive(path) = &location {
        let message = format!("{} is an archive, to which nothing can be added", path.display());
        let help = "import it first, or add it to the image that it was exported from".to_owned();
        return Err(Named { message, help: Some(help) }.into());
    }
    keys::refuse_index(signing)?;
    let machine = place::machine(common)?;
    let signer = keys::open_signing(common, signing, &machine, place::layout(&location))?
        .ok_or(keys::NO_KEY)?;
    let progress = Progress::new(common);
    let request = AddRequest {
        predicate_type: predicate_type.clone(),
        predicate,
        platform,
        sign: keys::request(signing, &*signer)?,
    };
    let added = machine.session(&progress).add_attestation(&location, &request);
    progress.clear();
    let subjects = added?;
    if common.json {
        say!("{}", json!({ "predicate-type": predicate_type, "subjects": subjects }));
    } else if !common.quiet {
        say!("{} {} to {location}", styled(GOOD, "added"), short(&predicate_type));
    }
    Ok(ExitCode::SUCCESS)
}
