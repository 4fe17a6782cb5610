// SPDX-License-Identifier: Apache-2.0
//! Audits of an image as signed statements: `build --sign --audit`, `attest audit`.

use std::path::Path;

use hardpan::audit::crypto::Certificate;
use hardpan::audit::{AttestAudit, AttestedAudits, AuditRequest, Profile, WantedProfile};
use hardpan::trust::key::Keyring;
use hardpan::trust::{Rules, SignRequest};
use hardpan::{Location, Session};

use super::{scans, verify};
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
