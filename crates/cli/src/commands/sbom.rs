// SPDX-License-Identifier: Apache-2.0
//! `hardpan sbom`

use std::process::ExitCode;

use hardpan::trust::sbom::{
    Drift, Drifted, Row, Sbom, rows, write_cyclonedx, write_cyclonedx_1_7, write_spdx, write_spdx3,
};
use hardpan::{AttachedSboms, CheckedSbom};
use serde_json::{Value, json};

use super::place;
use super::verify::short;
use crate::args::Common;
use crate::args::trust::{self, SbomFormat};
use crate::keys;
use crate::progress::Progress;
use crate::text::{DIM, HELP, WARNING, count, note, say, styled, visible};

/// The longest licence in a table, in characters.
const LICENSE_CHARS_MAX: usize = 60;
/// The most lines about components that only one of the SBOM and the files has, in each direction.
const DRIFT_LINES_MAX: usize = 20;

/// Writes an SBOM.
pub(crate) fn run(common: &Common, command: &trust::Sbom) -> anyhow::Result<ExitCode> {
    let source = place::source(&command.image)?;
    let choice = place::choice(&command.chosen);
    let machine = place::machine(common)?;
    let trusted = if command.from_files {
        None
    } else {
        Some(keys::optional_trusted(&command.keys, &machine)?)
    };
    let trusted = trusted.filter(|trusted| !trusted.is_nobody());
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let checked = if let Some(trusted) = &trusted {
        session.checked_sbom(&source, choice, trusted.rules())
    } else {
        let of_files = session.sbom(&source, choice);
        of_files.map(|of_files| CheckedSbom { of_files, attached: AttachedSboms::default() })
    };
    progress.clear();
    let checked = checked?;
    if !common.quiet {
        warn(&checked);
        if checked.attached.trusted.is_none() && trusted.is_some() {
            say_alone(&checked.attached);
        }
    }
    let sbom = checked.sbom();
    match form(command.output) {
        Some(form) => say!("{}", String::from_utf8_lossy(&document(form, &sbom, &checked))),
        None if common.json => say!("{}", table_json(&sbom, &checked)),
        None => table(&sbom, &checked),
    }
    Ok(ExitCode::SUCCESS)
}

/// A form of documents.
#[derive(Debug, Clone, Copy)]
struct Form {
    /// The key and value by which a document says that it has it; `None` where attached ones are not read.
    mark: Option<(&'static str, &'static str)>,
    write: fn(&Sbom) -> Vec<u8>,
}

/// Returns the form of a format, if that is one of documents.
fn form(format: SbomFormat) -> Option<Form> {
    let (mark, write): (_, fn(&Sbom) -> Vec<u8>) = match format {
        SbomFormat::Table => return None,
        SbomFormat::Spdx => (Some(("spdxVersion", "SPDX-2.3")), write_spdx),
        SbomFormat::Spdx3 => (None, write_spdx3),
        SbomFormat::Cyclonedx => (Some(("specVersion", "1.6")), write_cyclonedx),
        SbomFormat::Cyclonedx1_7 => (Some(("specVersion", "1.7")), write_cyclonedx_1_7),
    };
    Some(Form { mark, write })
}

/// Returns the attached document as it was signed, if it has the form; else one that is written.
fn document(form: Form, sbom: &Sbom, checked: &CheckedSbom) -> Vec<u8> {
    match (&checked.attached.trusted, form.mark) {
        (Some(attached), Some((key, version))) if attached.document[key] == version => {
            attached.document.to_string().into_bytes()
        }
        _ => (form.write)(sbom),
    }
}

/// Warns of files that can't be read, and of what an attached SBOM says otherwise than files do.
fn warn(checked: &CheckedSbom) {
    let warning = styled(WARNING, "warning:");
    for problem in checked.of_files.problems.iter().chain(&checked.attached.problems) {
        note!("{warning} {problem}");
    }
    let Some(attached) = &checked.attached.trusted else { return };
    let Drift { missing, unlisted, .. } = &attached.drift;
    for (components, what) in [
        (missing, "is in the attached SBOM and not in the image's files"),
        (unlisted, "is in the image's files and not in the attached SBOM"),
    ] {
        for one in components.iter().take(DRIFT_LINES_MAX) {
            note!("{warning} {} {what}", called(one));
        }
        if let Some(more) = components.len().checked_sub(DRIFT_LINES_MAX).filter(|more| *more > 0) {
            note!("{warning} {} more: each {what}; see --json", count(more, "component"));
        }
    }
}

/// Says why the SBOM is made of the files although keys are trusted.
fn say_alone(attached: &AttachedSboms) {
    let why = if attached.refused == 0 {
        "no SBOM is attached".to_owned()
    } else {
        let others = count(attached.refused, "attachment");
        format!("no trusted key signed an SBOM ({others} not proven: see `hardpan attest list`)")
    };
    note!("{} {why}; this is what the image's files say", styled(HELP, "note:"));
}

/// Returns a component's kind, name, version and place.
fn called(one: &Drifted) -> String {
    let version = one.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let place = one.place.as_deref().map(|place| format!(" (/{place})")).unwrap_or_default();
    visible(&format!("{} {}{version}{place}", one.kind.as_str(), one.name))
}

fn table_json(sbom: &Sbom, checked: &CheckedSbom) -> Value {
    let component = |row: &Row| {
        json!({
            "name": row.name, "version": row.version, "kind": row.kind.as_str(), "license": row.license,
            "path": row.evidence,
        })
    };
    let mut problems = checked.of_files.problems.clone();
    problems.extend(checked.attached.problems.iter().cloned());
    let attached = checked.attached.trusted.as_ref().map(|attached| {
        let drifted = |one: &Drifted| {
            json!({
                "name": one.name, "version": one.version, "kind": one.kind.as_str(),
                "path": one.place.as_ref().map(|place| format!("/{place}")),
            })
        };
        json!({
            "predicate-type": attached.predicate_type,
            "key": attached.key_name,
            "not-in-files": attached.drift.missing.iter().map(drifted).collect::<Vec<_>>(),
            "not-in-sbom": attached.drift.unlisted.iter().map(drifted).collect::<Vec<_>>(),
        })
    });
    json!({
        "components": rows(sbom).iter().map(component).collect::<Vec<_>>(),
        "files": sbom.files.len(),
        "attached": attached,
        "problems": problems,
    })
}

fn table(sbom: &Sbom, checked: &CheckedSbom) {
    let rows = rows(sbom);
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0).min(40);
    let names = width(|row| row.name.chars().count());
    let versions = width(|row| row.version.chars().count());
    for row in &rows {
        let Row { name, version, kind, license, .. } = row;
        let (name, version) = (visible(name), visible(version));
        let license = visible(&shortened(license));
        say!(
            "{name:<names$}  {version:<versions$}  {:<9} {}",
            kind.as_str(),
            styled(DIM, &license)
        );
    }
    let subject = &sbom.subject;
    let platform = subject.platform.as_deref().unwrap_or("root file system");
    say!(
        "{}",
        styled(
            DIM,
            &format!(
                "{} ({platform}): {}, {}",
                visible(&subject.name),
                count(rows.len(), "component"),
                count(sbom.files.len(), "file"),
            )
        )
    );
    if let Some(attached) = &checked.attached.trusted {
        let Drift { missing, unlisted, .. } = &attached.drift;
        let drift = match missing.len() + unlisted.len() {
            0 => "its files agree".to_owned(),
            drifted => format!("{} otherwise than its files", count(drifted, "component")),
        };
        let kind = short(&attached.predicate_type);
        let text = format!("as {} signed it ({kind}); {drift}", attached.key_name);
        say!("{}", styled(DIM, &text));
    }
}

/// Shortens a long list of licences; the documents have all of them.
fn shortened(license: &str) -> String {
    if license.chars().count() <= LICENSE_CHARS_MAX {
        return license.to_owned();
    }
    let begin: String = license.chars().take(LICENSE_CHARS_MAX - 1).collect();
    format!("{begin}…")
}
