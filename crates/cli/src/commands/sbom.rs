// SPDX-License-Identifier: Apache-2.0
//! `hardpan sbom`

use std::path::Path;
use std::process::ExitCode;

use hardpan::trust::sbom::{Row, rows, write_cyclonedx, write_spdx};
use hardpan::{SbomChoice, SbomReport, SbomSource};
use serde_json::{Value, json};

use super::place;
use crate::args::Common;
use crate::args::trust::{Sbom, SbomFormat};
use crate::failure::Named;
use crate::progress::Progress;
use crate::text::{DIM, WARNING, count, note, say, styled};

/// The longest licence in a table, in characters.
const LICENSE_CHARS_MAX: usize = 60;

/// Writes an SBOM.
pub(crate) fn run(common: &Common, command: &Sbom) -> anyhow::Result<ExitCode> {
    let path = Path::new(&command.image);
    let source = if path.is_dir() && !path.join("oci-layout").exists() {
        refuse_other_forms(path)?;
        SbomSource::Rootfs(path.to_owned())
    } else {
        SbomSource::Image(place::existing(&command.image)?)
    };
    let choice =
        SbomChoice { image: command.image_name.as_deref(), platform: command.platform.as_deref() };
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let report = machine.session(&progress).sbom(&source, choice);
    progress.clear();
    let report = report?;
    if !common.quiet {
        for problem in &report.problems {
            note!("{} {problem}", styled(WARNING, "warning:"));
        }
    }
    match command.output {
        SbomFormat::Spdx => document(&write_spdx(&report.sbom)),
        SbomFormat::Cyclonedx => document(&write_cyclonedx(&report.sbom)),
        SbomFormat::Table if common.json => say!("{}", table_json(&report)),
        SbomFormat::Table => table(&report),
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses directories that hold an image in a form which is not read: as a root file system they would be empty.
fn refuse_other_forms(path: &Path) -> Result<(), Named> {
    let has = |name: &str| path.join(name).is_file();
    if !has("manifest.json") || path.join("etc").exists() {
        return Ok(());
    }
    let (form, help) = if has("version") {
        let to = "copy it: `skopeo copy dir:IMAGE oci:LAYOUT`";
        ("skopeo's form `dir`", to)
    } else {
        ("an unpacked archive", "name the archive itself")
    };
    let message = format!("{} is no root file system: it holds an image in {form}", path.display());
    Err(Named { message, help: Some(help.to_owned()) })
}

fn document(bytes: &[u8]) {
    say!("{}", String::from_utf8_lossy(bytes));
}

fn table_json(report: &SbomReport) -> Value {
    let component = |row: &Row| {
        json!({
            "name": row.name, "version": row.version, "kind": row.kind.as_str(), "license": row.license,
            "path": row.evidence,
        })
    };
    json!({
        "components": rows(&report.sbom).iter().map(component).collect::<Vec<_>>(),
        "files": report.sbom.files.len(),
        "problems": report.problems,
    })
}

fn table(report: &SbomReport) {
    let rows = rows(&report.sbom);
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0).min(40);
    let names = width(|row| row.name.chars().count());
    let versions = width(|row| row.version.chars().count());
    for row in &rows {
        let Row { name, version, kind, license, .. } = row;
        let license = shortened(license);
        say!(
            "{name:<names$}  {version:<versions$}  {:<9} {}",
            kind.as_str(),
            styled(DIM, &license)
        );
    }
    let subject = &report.sbom.subject;
    let platform = subject.platform.as_deref().unwrap_or("root file system");
    say!(
        "{}",
        styled(
            DIM,
            &format!(
                "{} ({platform}): {}, {}",
                subject.name,
                count(rows.len(), "component"),
                count(report.sbom.files.len(), "file"),
            )
        )
    );
}

/// Shortens a long list of licences; the documents have all of them.
fn shortened(license: &str) -> String {
    if license.chars().count() <= LICENSE_CHARS_MAX {
        return license.to_owned();
    }
    let begin: String = license.chars().take(LICENSE_CHARS_MAX - 1).collect();
    format!("{begin}…")
}
