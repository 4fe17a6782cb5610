// SPDX-License-Identifier: Apache-2.0
//! Audits of an image as signed statements: `build --sign --audit`, `attest audit`.

use std::path::Path;

use hardpan::audit::crypto::Certificate;
use hardpan::audit::{
    AcceptedFinding, AttestAudit, AttestedAudits, AuditRequest, Profile, SourcedException,
    WantedProfile, read_baseline_file, to_predicate,
};
use hardpan::trust::key::Keyring;
use hardpan::trust::{Rules, SignRequest};
use hardpan::{Location, Session};
use serde_json::Value;

use super::audit::explain;
use super::{scans, verify};
use crate::args::audit::Accept;
use crate::failure::Named;
use crate::machine::Machine;
use crate::text::{GOOD, count, say, styled};

/// What audits go by.
#[derive(Default)]
pub(super) struct Choices<'c> {
    /// What the image is for, whatever its labels say.
    pub(super) profile: Option<Profile>,
    /// An advisory database in the place of this machine's.
    pub(super) db: Option<&'c Path>,
    /// Whether the shape of a scan by a security guide is wanted, too.
    pub(super) states_stig: bool,
    /// Whether cryptographic modules are listed.
    pub(super) states_modules: bool,
    /// Certificates that the user answers for.
    pub(super) certificates: &'c [Certificate],
    /// What is accepted beside what the image and its statements say.
    pub(super) exceptions: Vec<SourcedException>,
}

/// Audits every platform of an image, and attaches what came of it. What the signer's own key states counts.
pub(super) fn attest(
    session: &Session<'_>,
    location: &Location,
    sign: SignRequest<'_>,
    choices: &Choices<'_>,
) -> anyhow::Result<AttestedAudits> {
    let advisories = scans::advisories(session, choices.db)?;
    let keyring = Keyring::of("the signing key", sign.signer.public_key().clone());
    let request = AttestAudit {
        audit: AuditRequest {
            profile: choices.profile.map(WantedProfile::Known),
            exceptions: choices.exceptions.clone(),
            rules: Some(Rules::of_signer(sign.signer, &keyring)),
            advisories: advisories.as_ref(),
            ..AuditRequest::default()
        },
        states_stig: choices.states_stig,
        states_modules: choices.states_modules,
        certificates: choices.certificates,
        sign,
    };
    Ok(session.attest_audit(location, &request)?)
}

/// Returns what the workspace accepts of every image.
pub(super) fn of_workspace(machine: &Machine) -> Vec<SourcedException> {
    let accepted = machine.workspace().audit.accepted().into_iter();
    let source = hardpan::config::FILE_NAME;
    accepted.map(|accepted| SourcedException { accepted, source: source.to_owned() }).collect()
}

/// Returns the predicate of what somebody accepts.
pub(super) fn exceptions(accept: &Accept) -> anyhow::Result<Value> {
    if let Some(path) = &accept.baseline {
        let accepted = read_baseline_file(path)?;
        if accepted.is_empty() {
            let message = format!("{} accepts nothing", path.display());
            return Err(Named { message, help: None }.into());
        }
        return Ok(to_predicate(accepted));
    }
    let name = accept.control.as_deref().unwrap_or_default();
    let control = explain::control(name)?.id;
    let reason = accept.reason.as_deref().unwrap_or_default();
    let paths = accept.path.iter().map(|path| Some(path.as_str()));
    let paths: Vec<Option<&str>> =
        if accept.path.is_empty() { vec![None] } else { paths.collect() };
    let one = |path| AcceptedFinding::new(control, path, reason, accept.until);
    let all: Result<Vec<_>, _> = paths.into_iter().map(one).collect();
    let all = all.map_err(|error| Named { message: error.to_string(), help: None })?;
    Ok(to_predicate(all))
}

/// Prints what was stated.
pub(super) fn print(attested: &AttestedAudits) {
    for (kind, number) in &attested.statements {
        let platforms = count(*number, "platform");
        say!("{} {} of {platforms}", styled(GOOD, "attested"), verify::short(kind));
    }
    for (platform, grade) in &attested.grades {
        say!("  {platform}: grade {grade}");
    }
}
