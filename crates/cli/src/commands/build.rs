// SPDX-License-Identifier: Apache-2.0
//! `hardpan build`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hardpan::definition::Variant;
use hardpan::trust::key::Signer;
use hardpan::trust::predicate::Time;
use hardpan::trust::predicate::provenance::{Run, Source};
use hardpan::trust::predicate::vex::VexRead;
use hardpan::trust::{AnySigner, AttestRequest, Attested, BuiltBy, TestedFile};
use hardpan::{BuildRequest, BuildSettings, Built, Error, Location, LockState, Project};
use serde_json::json;

use super::{audits, in_definition, open, scans};
use crate::args::{Build, Common};
use crate::diagnostics;
use crate::failure::Usage;
use crate::keys;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::text::{DIM, GOOD, HELP, WARNING, count, note, say, size, styled, visible};

/// The most warnings about a VEX document that are printed.
const VEX_WARNINGS_SHOWN_MAX: usize = 10;

/// Builds an image.
pub(crate) fn run(common: &Common, command: &Build) -> anyhow::Result<ExitCode> {
    let (project, machine) = open(common, &command.definition)?;
    let said = said(common, command, &project)?;
    let machine = machine.with_stages(&command.stages)?;
    let to_layout = layout(command.output.as_ref(), command.docker_archive.is_some(), &project);
    let signer = signer(common, command, &machine, to_layout.as_deref())?;
    let progress = Progress::new(common).with_step_output(command.stages.verbose);
    let session = machine.session(&progress);
    let started = session.now_seconds();
    let fail = in_definition(&project);
    let settings = BuildSettings::of(project.any_definition(), machine.workspace());
    let result =
        session.fitting_lock(&project, &settings, command.locked).and_then(|(lock, state)| {
            let request = BuildRequest {
                platforms: command.platform.clone(),
                layout: to_layout.clone(),
                docker_archive: command.docker_archive.clone(),
                is_attested_in_index: signer.is_some()
                    && keys::attaches_to_index(&command.attestations.signing),
            };
            let mut built = session.build(&project, &lock, &settings, &request)?;
            // Every stage has ended, and nothing of the build can see the key.
            let attested = match (&signer, &request.layout) {
                (Some(signer), Some(layout)) => {
                    let request =
                        attest_request(command, &said, &**signer, started, session.now_seconds())?;
                    let attested =
                        session.attest(&project, &lock, &settings, &built, layout, &request)?;
                    built.digest = attested.digest;
                    Some(attested)
                }
                _ => None,
            };
            Ok((state, request, built, attested))
        });
    progress.clear();
    let (state, request, built, attested) = result.map_err(fail)?;
    let scanned = match (&signer, &request.layout) {
        (Some(signer), Some(layout)) if command.attestations.scan => {
            let sign = keys::request(&command.attestations.signing, &**signer)?;
            let location = Location::Layout(layout.clone());
            Some(scans::attest(&session, &machine, &location, sign, &scans::Choices::default())?)
        }
        _ => None,
    };
    let audited = match (&signer, &request.layout) {
        (Some(signer), Some(layout)) if command.attestations.audit => {
            let sign = keys::request(&command.attestations.signing, &**signer)?;
            let location = Location::Layout(layout.clone());
            let exceptions = audits::of_workspace(&machine);
            let choices = audits::Choices { exceptions, ..audits::Choices::default() };
            Some(audits::attest(&session, &location, sign, &choices)?)
        }
        _ => None,
    };
    if common.json {
        let value = json!({
            "built": built,
            "layout": request.layout,
            "docker-archive": request.docker_archive,
            "lock-written": !matches!(state, LockState::Fitted),
            "attested": attested,
            "scanned": scanned,
            "audited": audited,
        });
        say!("{value}");
    } else if !common.quiet {
        summary(&project, &state, &request, &built);
        if let Some(attested) = &attested {
            signed(attested);
        }
        if let Some(scanned) = &scanned {
            scans::print(scanned);
        }
        if let Some(audited) = &audited {
            audits::print(audited);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the key that the image is signed with, before anything is built.
fn signer(
    common: &Common,
    command: &Build,
    machine: &Machine,
    layout: Option<&Path>,
) -> anyhow::Result<Option<AnySigner>> {
    if !command.attestations.sign {
        return Ok(None);
    }
    if command.output.is_none() && command.docker_archive.is_some() {
        let problem = "a docker archive can't be signed; name a layout with --output, too";
        return Err(Usage(problem).into());
    }
    let signing = &command.attestations.signing;
    let signer = keys::open_signing(common, signing, machine, layout)?;
    Ok(Some(signer.ok_or(keys::NO_KEY)?))
}

/// What people say of the image, and what it is compared with.
#[derive(Default)]
struct Said {
    vex: Vec<VexRead>,
    tests: Vec<TestedFile>,
    previous: Option<Location>,
}

/// Reads what people say, before anything is built.
fn said(common: &Common, command: &Build, project: &Project) -> anyhow::Result<Said> {
    let options = &command.attestations;
    let mut said = Said::default();
    let mut documents = Vec::new();
    for path in &options.vex {
        let document = hardpan::trust::read_vex(path).map_err(Error::from)?;
        documents.push((path.display().to_string(), document));
    }
    if options.sign {
        documents.extend(hardpan::trust::read_vex_of(project)?);
    }
    for (name, document) in documents {
        if !common.quiet {
            let shown = document.warnings.iter().take(VEX_WARNINGS_SHOWN_MAX);
            shown.for_each(|warning| {
                let text = visible(&format!("{name}: {warning}"));
                note!("{} {text}", styled(WARNING, "warning:"));
            });
            let more = document.warnings.len().saturating_sub(VEX_WARNINGS_SHOWN_MAX);
            if more > 0 {
                let more = count(more, "more warning");
                note!("{} {name}: {more}", styled(WARNING, "warning:"));
            }
        }
        said.vex.push(document);
    }
    for path in &options.tests {
        said.tests.push(TestedFile::read(path).map_err(Error::from)?);
    }
    said.previous = options.previous.as_deref().map(super::place::existing).transpose()?;
    Ok(said)
}

fn attest_request<'k>(
    command: &'k Build,
    said: &Said,
    signer: &'k dyn Signer,
    started: i64,
    now: i64,
) -> Result<AttestRequest<'k>, Error> {
    let options = &command.attestations;
    let run = options.invocation_id.as_ref().map(|id| Run {
        invocation_id: Some(id.clone()),
        started: Some(Time::from_seconds(started)),
        finished: Some(Time::from_seconds(now)),
    });
    let by = BuiltBy {
        builder: options.builder_id.clone(),
        source: options.source_uri.as_deref().map(source),
        run,
    };
    let sign = keys::request(&options.signing, signer)?;
    Ok(AttestRequest {
        sign,
        by,
        provenance_v0_2: options.provenance_v0_2,
        vex: said.vex.clone(),
        tests: said.tests.clone(),
        previous: said.previous.clone(),
    })
}

/// Splits `git+https://forge.example/images@COMMIT` into the place and the commit.
fn source(uri: &str) -> Source {
    let is_commit = |text: &str| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match uri.rsplit_once('@').filter(|(_, commit)| is_commit(commit)) {
        Some((place, commit)) => Source {
            uri: place.to_owned(),
            digest: [("gitCommit".to_owned(), commit.to_owned())].into(),
        },
        None => Source { uri: uri.to_owned(), digest: BTreeMap::new() },
    }
}

fn signed(attested: &Attested) {
    let kinds: Vec<String> =
        attested.statements.keys().map(|uri| super::verify::short(uri)).collect();
    say!("{} and attested: {}", styled(GOOD, "signed"), kinds.join(", "));
    say!("{}", styled(DIM, &format!("key {}", attested.key)));
    if let Some(vex) = &attested.vex {
        let (own, others) = (count(vex.statements, "statement"), vex.left_out);
        let others = if others > 0 {
            format!(", {others} about what is not in the image left out")
        } else {
            String::new()
        };
        say!("{}", styled(DIM, &format!("vex: {own}{others}")));
        if vex.statements == 0 {
            note!("{} no VEX document says anything of this image", styled(WARNING, "warning:"));
        }
    }
    for platform in &attested.without_changes {
        note!("{} the previous image is not for {platform}", styled(WARNING, "warning:"));
    }
    for problem in &attested.problems {
        note!("{} not in the SBOM: {problem}", styled(WARNING, "warning:"));
    }
}

/// Returns where the layout goes; with only a docker archive there is none.
pub(super) fn layout(
    output: Option<&PathBuf>,
    has_archive: bool,
    project: &Project,
) -> Option<PathBuf> {
    if let Some(output) = output {
        return Some(output.clone());
    }
    if has_archive {
        return None;
    }
    let definition = project.any_definition();
    let image = &definition.image.value;
    let name = image.rsplit('/').next().unwrap_or(image);
    // A -dev image does not take the place of the runtime one.
    let suffix = if definition.variant == Variant::Dev { "-dev" } else { "" };
    Some(PathBuf::from("out").join(format!("{name}{suffix}")))
}

fn summary(project: &Project, state: &LockState, request: &BuildRequest, built: &Built) {
    for diagnostic in project.parsed.diagnostics() {
        note!("{}\n", diagnostics::draw(diagnostic, project.parsed.sources()));
    }
    if let LockState::Written { changes, had_lock } = state {
        let what = if *had_lock { "refreshed" } else { "wrote" };
        let path = project.lock_path();
        let detail = if *had_lock {
            format!(" ({})", count(changes.len(), "change"))
        } else {
            String::new()
        };
        note!("{} {}{detail}", styled(DIM, what), path.display());
    }
    for platform in &built.platforms {
        say!(
            "{}  {} compressed, {} unpacked, {}, {}, {}",
            styled(GOOD, &platform.platform),
            size(platform.compressed_size_bytes),
            size(platform.size_bytes),
            count(platform.packages, "package"),
            count(platform.files, "file"),
            count(platform.layers, "layer"),
        );
        say!("  {}", styled(DIM, &format!("manifest {}", platform.manifest)));
        say!("  {}", styled(DIM, &format!("image id {}", platform.image_id)));
    }
    warnings(built);
    let target = match (&request.layout, &request.docker_archive) {
        (Some(layout), Some(archive)) => format!("{} and {}", layout.display(), archive.display()),
        (Some(layout), None) => layout.display().to_string(),
        (None, Some(archive)) => archive.display().to_string(),
        (None, None) => String::new(),
    };
    let verb = if built.was_unchanged { "unchanged" } else { "built" };
    say!("{} {} → {target}", styled(GOOD, verb), built.names.join(", "));
    say!("{}", built.digest);
}

/// Prints what deserves a look; what holds for all platforms once.
fn warnings(built: &Built) {
    let mut seen = std::collections::BTreeSet::new();
    for platform in &built.platforms {
        for warning in &platform.warnings {
            if seen.insert(warning.clone()) {
                note!("{} {warning}", styled(WARNING, "warning:"));
            }
        }
        for substitute in &platform.substitutes {
            let stage = substitute.stage.as_ref().map(|stage| format!("stage {stage}: "));
            let text = format!(
                "{}{} is not the definition's: hardpan.toml puts {} in its place",
                stage.unwrap_or_default(),
                substitute.wanted,
                substitute.used
            );
            if seen.insert(text.clone()) {
                note!("{} {text}", styled(WARNING, "warning:"));
            }
        }
        for step in &platform.network_steps {
            let text = format!("step {step} had the network");
            if seen.insert(text.clone()) {
                note!("{} {text}", styled(WARNING, "warning:"));
            }
        }
        for remark in platform.remarks.iter().filter(|remark| remark.severity == "warn") {
            if seen.insert(remark.message.clone()) {
                note!("{} {}: {}", styled(WARNING, "warning:"), remark.control, remark.message);
                if !remark.help.is_empty() {
                    note!("  {} {}", styled(HELP, "help:"), remark.help);
                }
            }
        }
    }
    // The packages that only build are not the image's: a word, and all of it in `--json`.
    let of_stages: std::collections::BTreeSet<&String> =
        built.platforms.iter().flat_map(|platform| &platform.stage_warnings).collect();
    if !of_stages.is_empty() {
        let warnings = count(of_stages.len(), "warning");
        note!("{}", styled(DIM, &format!("{warnings} about build stages: see --json")));
    }
}
