// SPDX-License-Identifier: Apache-2.0
//! Scans of an image as signed statements: `build --sign --scan`, `attest scan`.

use std::path::{Path, PathBuf};

use hardpan::advisories::AdvisoryData;
use hardpan::malware::MalwareOptions;
use hardpan::scan::vex::{Trust, VexPolicy, VexSource};
use hardpan::scan::{AttestScans, AttestedScans, ScanRequest, read_vex_file};
use hardpan::trust::key::Keyring;
use hardpan::trust::{Rules, SignRequest};
use hardpan::{Location, SbomChoice, Session};

use super::{secrets, verify};
use crate::machine::Machine;
use crate::text::{GOOD, WARNING, count, note, say, styled, visible};

/// After how many days data is old, where nobody says.
const AGE_DAYS_MAX: u32 = 7;

/// What scans go by, beside the workspace.
#[derive(Default)]
pub(super) struct Choices<'c> {
    /// An advisory database in the place of this machine's.
    pub(super) db: Option<&'c Path>,
    /// Rules for secrets.
    pub(super) rules: Option<&'c Path>,
    /// Signatures of malware.
    pub(super) signatures: Option<&'c Path>,
    /// VEX documents.
    pub(super) vex: &'c [PathBuf],
}

/// Scans every platform of an image, and attaches what was found.
pub(super) fn attest(
    session: &Session<'_>,
    machine: &Machine,
    location: &Location,
    sign: SignRequest<'_>,
    choices: &Choices<'_>,
) -> anyhow::Result<AttestedScans> {
    let advisories = advisories(session, choices.db)?;
    let keyring = Keyring::of("the signing key", sign.signer.public_key().clone());
    let mut vex: Vec<VexSource> = Vec::new();
    for path in &machine.workspace().scan.vex {
        vex.push(read_vex_file(&machine.workspace_folder().join(path), Trust::Organization)?);
    }
    for path in choices.vex {
        vex.push(read_vex_file(path, Trust::User)?);
    }
    let request = AttestScans {
        vulnerabilities: advisories.as_ref().map(|advisories| ScanRequest {
            choice: SbomChoice::default(),
            advisories,
            rules: Some(Rules::of_signer(sign.signer, &keyring)),
            from_files: false,
            trusts_sbom: false,
            vex: &vex,
            policy: VexPolicy::default(),
            release: None,
            allows_unknown_distribution: false,
            allows_nothing: false,
            max_age_days: machine.workspace().scan.max_age_days.unwrap_or(AGE_DAYS_MAX),
        }),
        rules: &secrets::rules(choices.rules)?,
        malware: &MalwareOptions {
            database: choices.signatures.map(Path::to_owned),
            ..MalwareOptions::default()
        },
        sign,
    };
    Ok(session.attest_scans(location, &request)?)
}

/// Returns the database that is named, or that of this machine if it has one.
pub(super) fn advisories(
    session: &Session<'_>,
    db: Option<&Path>,
) -> anyhow::Result<Option<AdvisoryData>> {
    if let Some(path) = db {
        return Ok(Some(AdvisoryData::read(path)?));
    }
    Ok(session.installed_advisories()?)
}

/// Prints what was stated.
pub(super) fn print(attested: &AttestedScans) {
    for text in &attested.left_out {
        note!("{} not stated: {}", styled(WARNING, "warning:"), visible(text));
    }
    for (kind, number) in &attested.statements {
        let platforms = count(*number, "platform");
        say!("{} {} of {platforms}", styled(GOOD, "attested"), verify::short(kind));
    }
}
