// SPDX-License-Identifier: Apache-2.0
//! `audit`: any image held against the hardening controls, whoever built it.
//!
//! [`look`] reads the layers once, for three readers at the same time; [`facts`] adds what others state about the image and
//! what the advisory database knows; [`profile`] says what the image is for. `hardpan_scan::audit` judges.

mod attest;
mod attested;
mod definition;
mod error;
mod facts;
mod look;
mod parallel;
mod profile;
mod whole;

use hardpan_attest::verify::Rules;
use hardpan_scan::audit::exceptions::{EXCEPTIONS_LABEL, of_label};
use hardpan_scan::audit::{AuditPolicy, AuditedImage, audit};
use hardpan_scan::catalog::Catalog;

pub use attest::{AttestAudit, AttestedAudits};
pub use definition::check_exceptions;
pub(crate) use definition::{accepted, profile_of};
pub use error::AuditError;
pub use hardpan_scan::audit::exceptions::{
    AcceptedFinding, Day, DayError, ExceptionError, SourcedException,
};
pub use hardpan_scan::audit::exceptions::{read_baseline, to_label, to_predicate, write_baseline};
pub use hardpan_scan::audit::{
    Acceptance, AuditFinding, AuditReport, ControlResult, Deduction, Grade, GradeSum, Outcome,
    ProfileChoice, ProfileFile, ProfileFileError, ProfileSource, Surface, Traits, UnknownGrade,
};
pub use hardpan_scan::audit::{benchmark, compare, crypto, health, mappings, report, surface};
pub use hardpan_scan::controls::{
    Control, ControlId, Group, Profile, Severity, UnknownControl, UnknownProfile, controls,
};
pub use profile::{read_baseline_file, read_profile};
pub use whole::Audited;

use attested::AttestedExceptions;

use crate::advisories::AdvisoryData;
use crate::error::Error;
use crate::sbom::{SbomChoice, SbomSource, Target};
use crate::session::Session;

const SECONDS_PER_DAY: i64 = 86_400;

/// What an image is judged by.
#[derive(Debug, Clone)]
pub enum WantedProfile {
    /// One of ours.
    Known(Profile),
    /// One that the user wrote.
    File(Box<ProfileFile>),
}

/// How an image is audited.
#[derive(Debug, Clone, Default)]
pub struct AuditRequest<'r> {
    /// Which of several images and platforms.
    pub choice: SbomChoice<'r>,
    /// By what it is judged; without it by what it says that it is for, if somebody who is trusted signed it, or else as what
    /// runs in production.
    pub profile: Option<WantedProfile>,
    /// What the user accepts.
    pub exceptions: Vec<SourcedException>,
    /// Whether the exceptions that the image carries and what it says that it is for count, though nobody who is trusted
    /// signed it.
    pub believes_image: bool,
    /// Whose statements count; without any, what others state is not measured.
    pub rules: Option<Rules<'r>>,
    /// What is known of vulnerabilities; without it they are not measured.
    pub advisories: Option<&'r AdvisoryData>,
}

impl Session<'_> {
    /// Measures an image or a root file system and judges it.
    ///
    /// ```no_run
    /// use hardpan::audit::AuditRequest;
    /// use hardpan::{SbomSource, Session};
    /// # fn example(session: &Session<'_>, source: &SbomSource) -> Result<(), hardpan::Error> {
    /// let report = session.audit(source, &AuditRequest::default())?;
    /// for control in &report.controls {
    ///     let _line = format!("{}: {:?}", control.id, control.outcome);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn audit(
        &self,
        source: &SbomSource,
        request: &AuditRequest<'_>,
    ) -> Result<AuditReport, Error> {
        Ok(self.audit_whole(source, request)?.report)
    }

    /// The same, with what reports and statements show beside it.
    pub fn audit_whole(
        &self,
        source: &SbomSource,
        request: &AuditRequest<'_>,
    ) -> Result<Audited, Error> {
        let target = self.target(source, request.choice)?;
        check_system(&target)?;
        let looked = look::look(&target)?;
        let (mut evidence, catalog) = (looked.evidence, looked.catalog);
        let mut warnings = std::mem::take(&mut evidence.warnings);
        let image = &mut evidence.image;
        image.today = u32::try_from(self.now_seconds() / SECONDS_PER_DAY).ok();
        image.tag.clone_from(&target.tag);
        image.annotations = target.annotations();
        let evidence_of = |rules| facts::evidence(self, &target, rules);
        let stated = request.rules.map(evidence_of).transpose()?.flatten();
        image.statements = stated.as_deref().map(facts::statements);
        let attested = AttestedExceptions::of(stated.as_deref().unwrap_or_default());
        warnings.extend(attested.warnings);
        if let Some(advisories) = request.advisories {
            let known = facts::vulnerabilities(self, &target, &catalog, advisories, request.rules);
            let known = known?;
            image.vulnerabilities = Some(known.vulnerabilities);
            image.distribution_end = known.distribution_end;
        }
        let (profile, mut policy) = policy(request, image, &mut warnings);
        policy.exceptions.extend(attested.exceptions);
        let vulnerabilities = image.vulnerabilities.as_ref().map(whole::by_severity);
        let gaps = image.vulnerabilities.as_ref().map(|known| known.gaps.clone());
        let audited = audited(&target, &catalog, image.layers.len());
        let packages = catalog.packages.iter().filter(|package| package.owned_by.is_none()).count();
        let inspection = evidence.inspection(profile);
        let mut report = audit(&inspection, &policy, audited, packages as u64);
        report.warnings.extend(warnings);
        Ok(Audited {
            report,
            time: whole::time(target.epoch, request.advisories),
            pull_bytes: target.pull_bytes(),
            vulnerabilities,
            vulnerability_gaps: gaps.unwrap_or_default(),
            modules: whole::modules(&evidence.tree, &catalog),
        })
    }
}

/// Fails if an image is for another system than Linux: where nothing could be found, everything would pass.
fn check_system(target: &Target<'_>) -> Result<(), AuditError> {
    let platform = target.platform.as_deref();
    let os = platform.and_then(|platform| platform.split('/').next()).unwrap_or_default();
    // Old tools write none, and mean Linux.
    if os.is_empty() || os == "linux" {
        return Ok(());
    }
    Err(AuditError::NotLinux { name: target.name.clone(), os: os.chars().take(40).collect() })
}

/// Returns by what an image is judged. What it says for itself counts if somebody signed it who is trusted.
fn policy(
    request: &AuditRequest<'_>,
    image: &hardpan_scan::controls::image::ImageFacts,
    warnings: &mut Vec<String>,
) -> (Profile, AuditPolicy) {
    let labels = image.config.as_ref().map(|config| &config.config.labels);
    let is_signed =
        image.statements.as_ref().is_some_and(|statements| !statements.signers.is_empty());
    let is_believed = is_signed || request.believes_image;
    let profile::Chosen { profile, choice, unbelieved } =
        profile::choose(request.profile.as_ref(), labels, is_believed);
    warnings.extend(unbelieved.map(|said| {
        format!(
            "the image says by a label that it is for {said}, which does not count: nobody whose key is trusted signed it; it is judged as {profile}, and --profile {said} judges it as it says"
        )
    }));
    let mut exceptions = request.exceptions.clone();
    let mut severities = std::collections::BTreeMap::new();
    if let Some(WantedProfile::File(file)) = &request.profile {
        severities.clone_from(&file.severities);
        let source = format!("the profile {}", file.name);
        exceptions.extend(file.exceptions.iter().map(|accepted| SourcedException {
            accepted: accepted.clone(),
            source: source.clone(),
        }));
    }
    if let Some(text) = labels.and_then(|labels| labels.get(EXCEPTIONS_LABEL)) {
        match of_label(text) {
            Ok(own) if is_believed => {
                let source = "the image's definition".to_owned();
                let sourced =
                    |accepted| SourcedException { accepted, source: source.clone() };
                exceptions.extend(own.into_iter().map(sourced));
            }
            Ok(own) if own.is_empty() => {}
            Ok(own) => warnings.push(format!(
                "the image carries {} exceptions, which do not count: nobody whose key is trusted signed it",
                own.len()
            )),
            Err(error) => warnings.push(format!("the label {EXCEPTIONS_LABEL} does not count: {error}")),
        }
    }
    (profile, AuditPolicy { choice, severities, exceptions })
}

fn audited(target: &Target<'_>, catalog: &Catalog, layers: usize) -> AuditedImage {
    let distribution = catalog.os.as_ref().map(|os| {
        let version = os.version_id.as_deref().unwrap_or_default();
        format!("{} {version}", os.id).trim_end().to_owned()
    });
    AuditedImage {
        name: match &target.tag {
            Some(tag) => format!("{}:{tag}", target.name),
            None => target.name.clone(),
        },
        platform: target.platform.clone(),
        digest: target.digest,
        distribution,
        layers,
    }
}
