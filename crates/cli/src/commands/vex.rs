// SPDX-License-Identifier: Apache-2.0
//! `hardpan vex`

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hardpan::SbomChoice;
use hardpan::advisories::AdvisoryData;
use hardpan::scan::vex::{
    AbsenceClaim, Absent, FixedWanted, Glob, Text, Time, Trust, VexError, VexRead, VexRepository,
    VexSource, VexStatement, lint, repository,
};
use hardpan::scan::{
    ScanSource, StateRequest, StatedVex, UncheckedName, copied_vex, merge_vex, read_vex_file,
};
use serde_json::json;

use super::{place, scan};
use crate::args::Common;
use crate::args::scan::{FixedChoice, Vex, VexAdd, VexCommand};
use crate::failure::{Named, Usage};
use crate::progress::Progress;
use crate::text::{BAD, GOOD, WARNING, count, note, say, styled, visible};

/// The exit code where a claim does not hold, or a document has something wrong.
const NO: u8 = 1;

/// Writes, merges and checks VEX documents.
pub(crate) fn run(common: &Common, command: &Vex) -> anyhow::Result<ExitCode> {
    match &command.command {
        VexCommand::Add(command) => add(common, command),
        VexCommand::Merge { documents, author, id, output } => {
            let read = documents_of(documents, now(common)?)?;
            let time = newest(&read);
            let document = merge_vex(&read, author, id, time)?;
            match output {
                Some(path) => {
                    hardpan::write_file(path, &document.to_bytes())?;
                    if !common.quiet {
                        note_written(path, document.statements().len());
                    }
                }
                None => say!("{}", String::from_utf8_lossy(&document.to_bytes())),
            }
            Ok(ExitCode::SUCCESS)
        }
        VexCommand::Check { documents } => check(common, documents),
        VexCommand::Repository { documents, author, name, base, archive, output } => {
            let read = documents_of(documents, now(common)?)?;
            let about = VexRepository {
                name: name.clone(),
                description: format!("statements of {author}"),
                archive_url: archive.clone(),
                update_interval: "24h".to_owned(),
                base: base.clone(),
                author: text("--author", author)?,
                time: newest(&read),
                version: NonZeroU32::MIN,
            };
            write_repository(common, &about, &read, output)
        }
    }
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<VexSource>> {
    paths.iter().map(|path| Ok(read_vex_file(path, Trust::User)?)).collect()
}

/// Reads documents that become a part of another, and says what of them does not.
fn documents_of(paths: &[PathBuf], now: Time) -> anyhow::Result<Vec<VexRead>> {
    let copied = copied_vex(read(paths)?, now)?;
    for warning in &copied.warnings {
        note!("{} {}", styled(WARNING, "warning:"), visible(&warning.text));
    }
    Ok(copied.documents)
}

/// Reads the document that is written again, if there is one. What could not be in the new one is lost with the old one, so
/// then nothing is written.
fn document_before(path: &Path, now: Time) -> anyhow::Result<Vec<VexRead>> {
    if !hardpan::replaces_file(path) {
        return Ok(Vec::new());
    }
    let copied = copied_vex(read(&[path.to_owned()])?, now)?;
    if copied.warnings.is_empty() {
        return Ok(copied.documents);
    }
    let lost: Vec<&str> = copied.warnings.iter().map(|warning| warning.text.as_str()).collect();
    Err(Named {
        message: format!(
            "what is in {} would be lost: {}",
            path.display(),
            visible(&lost.join("; "))
        ),
        help: Some(
            "mend these statements or take them out, or name another file with -o".to_owned(),
        ),
    }
    .into())
}

/// Says so beside the results: the document itself may go to the standard output.
fn note_written(path: &Path, statements: usize) {
    let statements = count(statements, "statement");
    note!("{} {} ({statements})", styled(GOOD, "wrote"), path.display());
}

fn now(common: &Common) -> anyhow::Result<Time> {
    let progress = Progress::new(common);
    Ok(Time::from_seconds(place::machine(common)?.session(&progress).now_seconds()))
}

/// Returns the newest time that documents have: what is made of them says nothing newer.
fn newest(documents: &[VexRead]) -> Time {
    let own = documents.iter().filter_map(|document| document.time);
    let of_statements = documents.iter().flat_map(|it| &it.statements).map(|it| it.time);
    own.chain(of_statements).max().unwrap_or(Time::EPOCH)
}

fn text(option: &str, text: &str) -> anyhow::Result<Text> {
    let wrong = |error: VexError| Named { message: format!("{option}: {error}"), help: None };
    Ok(Text::new(text).map_err(wrong)?)
}

fn check(common: &Common, paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let sources = read(paths)?;
    let lints = lint(&sources, None, now(common)?);
    if common.json {
        let list = lints
            .iter()
            .map(|lint| json!({"document": lint.document, "message": lint.kind.to_string()}));
        say!("{}", json!({"problems": list.collect::<Vec<_>>()}));
    } else {
        for lint in &lints {
            let text = format!("{}: {}", lint.document, lint.kind);
            say!("{} {}", styled(WARNING, "warning:"), visible(&text));
        }
        let statements: usize = sources.iter().map(|source| source.document.statements.len()).sum();
        let style = if lints.is_empty() { GOOD } else { BAD };
        let problems = count(lints.len(), "problem");
        say!("{} {}: {problems}", styled(style, "checked"), count(statements, "statement"));
    }
    Ok(ExitCode::from(if lints.is_empty() { 0 } else { NO }))
}

fn write_repository(
    common: &Common,
    about: &VexRepository,
    documents: &[VexRead],
    output: &Path,
) -> anyhow::Result<ExitCode> {
    let statements: Vec<VexStatement> =
        documents.iter().flat_map(|document| document.statements.clone()).collect();
    let wrong = |error: VexError| Named {
        message: format!("there can be no repository: {error}"),
        help: None,
    };
    let files = repository(about, &statements).map_err(wrong)?;
    for (path, bytes) in &files {
        hardpan::replace_file(&output.join(path), bytes)?;
    }
    if !common.quiet {
        say!("{} {} ({})", styled(GOOD, "wrote"), output.display(), count(files.len(), "file"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the claim that the command line makes, if it makes one.
fn claim(command: &VexAdd) -> anyhow::Result<Option<AbsenceClaim>> {
    let (Some(vulnerability), Some(package)) = (&command.vulnerability, &command.package) else {
        return Ok(None);
    };
    let globs = |patterns: &[String]| {
        let parse = |pattern: &String| {
            let wrong = |error: hardpan::scan::vex::GlobError| Named {
                message: format!("{pattern:?} is no pattern: {error}"),
                help: None,
            };
            let plain = pattern.trim_start_matches('/');
            Ok(Glob::parse(plain).map_err(wrong)?)
        };
        patterns.iter().map(parse).collect::<anyhow::Result<Vec<Glob>>>()
    };
    let absent = match (&command.no_file[..], &command.not_built[..], &command.no_package[..]) {
        ([_, ..], [], []) => Absent::Component(globs(&command.no_file)?),
        ([], [_, ..], []) => Absent::Built(globs(&command.not_built)?),
        ([], [], [_, ..]) => Absent::Packages(command.no_package.iter().cloned().collect()),
        _ => {
            return Err(Usage(
                "what is not there? name it with one of --no-file, --not-built, --no-package",
            )
            .into());
        }
    };
    let reason = command.reason.as_deref().ok_or(Usage(
        "why is that where the vulnerability is? say so with --reason, for whoever reads the statement",
    ))?;
    Ok(Some(AbsenceClaim {
        vulnerability: vulnerability.clone(),
        package: package.clone(),
        absent,
        reason: text("--reason", reason)?,
    }))
}

fn add(common: &Common, command: &VexAdd) -> anyhow::Result<ExitCode> {
    let claims: Vec<AbsenceClaim> = claim(command)?.into_iter().collect();
    let ScanSource::Image(source) = scan::source(&command.image)? else {
        return Err(Usage(
            "statements with evidence need the image's files, which an SBOM has not",
        )
        .into());
    };
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let time = Time::from_seconds(session.now_seconds());
    let before = document_before(&command.output, time)?;
    let advisories = match &command.db {
        Some(path) => AdvisoryData::read(path)?,
        None => session.advisories()?,
    };
    let request = StateRequest {
        choice: SbomChoice { platform: command.platform.as_deref(), ..SbomChoice::default() },
        advisories: &advisories,
        claims: &claims,
        fixed: match command.fixed {
            FixedChoice::Backported => FixedWanted::Backported,
            FixedChoice::All => FixedWanted::All,
            FixedChoice::None => FixedWanted::None,
        },
        before: &before,
        time,
        author: &command.author,
    };
    let stated = session.state_vex(&source, &request);
    progress.clear();
    finish(common, command, &stated?)
}

fn warn_unchecked(one: &UncheckedName) {
    let near = one.near.as_ref();
    let near = near.map(|near| format!("; did you mean {near}, which is installed?"));
    let text = format!(
        "no data says whether {} is a package of {}: a wrong name excuses what is there{}",
        one.name,
        one.package,
        near.unwrap_or_default()
    );
    note!("{} {}", styled(WARNING, "warning:"), visible(&text));
}

fn finish(common: &Common, command: &VexAdd, stated: &StatedVex) -> anyhow::Result<ExitCode> {
    for refuted in &stated.refuted {
        let why = if refuted.found.is_empty() {
            "no installed package of that name has this vulnerability".to_owned()
        } else {
            format!("the image has {}", visible(&refuted.found.join(", ")))
        };
        note!("{} the claim does not hold: {why}", styled(BAD, "error:"));
    }
    if !stated.refuted.is_empty() {
        return Ok(ExitCode::from(NO));
    }
    if !common.quiet && !stated.unnamed.is_empty() {
        let packages = count(stated.unnamed.len(), "package");
        note!(
            "{} statements can't name {packages}: {}",
            styled(WARNING, "warning:"),
            visible(&stated.unnamed.join(", "))
        );
    }
    if !common.quiet {
        stated.unchecked.iter().for_each(warn_unchecked);
    }
    let Some(document) = &stated.document else {
        note!("there is nothing to state");
        return Ok(ExitCode::SUCCESS);
    };
    hardpan::write_file(&command.output, &document.to_bytes())?;
    if common.json {
        say!("{}", json!({"file": command.output, "statements": document.statements().len()}));
    } else if !common.quiet {
        note_written(&command.output, document.statements().len());
    }
    Ok(ExitCode::SUCCESS)
}
