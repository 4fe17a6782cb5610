// SPDX-License-Identifier: Apache-2.0
//! `hardpan audit`

pub(super) mod explain;
mod forms;
mod table;

use std::path::Path;
use std::process::ExitCode;

use hardpan::audit::{
    AuditReport, AuditRequest, Audited, Day, Outcome, Profile, WantedProfile, read_baseline_file,
    read_profile, write_baseline,
};
use hardpan::scan::ScanSource;
use hardpan::{SbomChoice, SbomSource};

use super::{audits, place, scan, scans};
use crate::args::Common;
use crate::args::audit::{Audit, AuditFormat, FailOn};
use crate::failure::{Named, Usage};
use crate::keys;
use crate::progress::Progress;
use crate::text::{count, note, say};

/// The exit code where something is what --fail-on names.
const FOUND: u8 = 1;

/// Audits.
pub(crate) fn run(common: &Common, command: &Audit) -> anyhow::Result<ExitCode> {
    let explained = command.explain.as_deref().map(explain::control).transpose()?;
    let Some(image) = &command.image else {
        if let Some(control) = explained {
            explain::print(common, control, None);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let ScanSource::Image(source) = scan::source(image)? else {
        return Err(Usage("an SBOM has no files to audit").into());
    };
    let shows_standard = matches!(command.output, AuditFormat::Html | AuditFormat::Markdown);
    if command.against.is_some() && (common.json || !shows_standard) {
        return Err(Usage("--against is shown by -o html and -o markdown alone").into());
    }
    let profile = command.profile.as_deref().map(profile).transpose()?;
    let fail_on = command.fail_on.unwrap_or_else(|| wanted_by(profile.as_ref()));
    let (audited, standard) = audit(common, command, &source, profile)?;
    let report = &audited.report;
    if let Some(control) = explained {
        explain::print(common, control, Some(report));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &command.write_baseline {
        write(common, path, report, command.baseline_until.as_deref())?;
        return Ok(ExitCode::SUCCESS);
    }
    match command.output {
        _ if common.json => say!("{}", serde_json::to_string(report)?),
        AuditFormat::Table => table::print(common, report, command.all),
        form => forms::print(common, form, &audited, standard.as_ref(), &command.fips_certificate)?,
    }
    Ok(ExitCode::from(if is_no(report, fail_on) { FOUND } else { 0 }))
}

fn audit(
    common: &Common,
    command: &Audit,
    source: &SbomSource,
    profile: Option<WantedProfile>,
) -> anyhow::Result<(Audited, Option<Audited>)> {
    let standard = match command.against.as_deref().map(scan::source).transpose()? {
        Some(ScanSource::Document(_)) => {
            return Err(Usage("an SBOM has no files to compare with").into());
        }
        Some(ScanSource::Image(standard)) => Some(standard),
        None => None,
    };
    let mut exceptions = Vec::new();
    if let Some(path) = &command.baseline {
        let source = path.display().to_string();
        let known = read_baseline_file(path)?.into_iter();
        exceptions.extend(
            known.map(|accepted| hardpan::audit::SourcedException {
                accepted,
                source: source.clone(),
            }),
        );
    }
    let machine = place::machine(common)?;
    exceptions.extend(audits::of_workspace(&machine));
    let trusted = keys::optional_trusted(&command.keys, &machine)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let advisories = scans::advisories(&session, command.db.as_deref())?;
    let request = AuditRequest {
        choice: place::choice(&command.chosen),
        profile,
        exceptions,
        believes_image: command.accept_image_exceptions,
        rules: (!trusted.is_nobody()).then(|| trusted.rules()),
        advisories: advisories.as_ref(),
    };
    let audited = session.audit_whole(source, &request);
    // Of the standard image only the surface counts.
    let standard = audited.as_ref().ok().and(standard).map(|standard| {
        let platform = match standard {
            SbomSource::Image(_) => command.chosen.platform.as_deref(),
            SbomSource::Rootfs(_) => None,
        };
        let choice = SbomChoice { platform, ..SbomChoice::default() };
        session.audit_whole(&standard, &AuditRequest { choice, ..AuditRequest::default() })
    });
    progress.clear();
    Ok((audited?, standard.transpose()?))
}

/// Reads what `--profile` says: a name, or else a file.
fn profile(text: &str) -> anyhow::Result<WantedProfile> {
    if let Ok(profile) = text.parse() {
        return Ok(WantedProfile::Known(profile));
    }
    let path = Path::new(text);
    if path.exists() {
        return Ok(WantedProfile::File(Box::new(read_profile(path)?)));
    }
    let names = Profile::ALL.map(Profile::name);
    let near = hardpan::definition::nearest(text, names);
    let help = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}, and files of yours", names.join(", ")),
    };
    let message = format!("{text} is no profile and no file");
    Err(Named { message, help: Some(help) }.into())
}

fn wanted_by(profile: Option<&WantedProfile>) -> FailOn {
    let worst = match profile {
        Some(WantedProfile::File(file)) => file.worst_grade,
        _ => None,
    };
    worst.map_or(FailOn::Fail, FailOn::Grade)
}

fn is_no(report: &AuditReport, fail_on: FailOn) -> bool {
    let is = |outcome: &Outcome| report.controls.iter().any(|control| control.outcome == *outcome);
    match fail_on {
        FailOn::Fail => is(&Outcome::Fail),
        FailOn::Warn => is(&Outcome::Fail) || is(&Outcome::Warn),
        FailOn::Unmeasured => is(&Outcome::Fail) || report.sum.unmeasured > 0,
        FailOn::Grade(worst) => report.grade > worst,
        FailOn::Never => false,
    }
}

fn write(
    common: &Common,
    path: &Path,
    report: &AuditReport,
    until: Option<&str>,
) -> anyhow::Result<()> {
    let wrong = |error| Named {
        message: format!("--baseline-until: {error}"),
        help: Some("write it as 2027-03-31".to_owned()),
    };
    let until: Option<Day> = until.map(str::parse).transpose().map_err(wrong)?;
    hardpan::write_file(path, &write_baseline(report, until)?)?;
    if !common.quiet {
        let broken = report
            .controls
            .iter()
            .filter(|control| matches!(control.outcome, Outcome::Fail | Outcome::Warn));
        let number = broken.count();
        note!("wrote the findings of {} into {}", count(number, "control"), path.display());
    }
    Ok(())
}
