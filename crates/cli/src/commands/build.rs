// SPDX-License-Identifier: Apache-2.0
//! `hardpan build`

use std::path::PathBuf;
use std::process::ExitCode;

use hardpan::definition::Variant;
use hardpan::{BuildRequest, BuildSettings, Built, LockState, Project};
use serde_json::json;

use super::{in_definition, open};
use crate::args::{Build, Common};
use crate::diagnostics;
use crate::progress::Progress;
use crate::text::{DIM, GOOD, HELP, WARNING, count, note, say, size, styled};

/// Builds an image.
pub(crate) fn run(common: &Common, command: &Build) -> anyhow::Result<ExitCode> {
    let (project, machine) = open(common, &command.definition)?;
    let machine = machine.with_stages(&command.stages)?;
    let progress = Progress::new(common).with_step_output(command.stages.verbose);
    let session = machine.session(&progress);
    let fail = in_definition(&project);
    let settings = BuildSettings::of(project.any_definition(), machine.workspace());
    let result =
        session.fitting_lock(&project, &settings, command.locked).and_then(|(lock, state)| {
            let request = BuildRequest {
                platforms: command.platform.clone(),
                layout: layout(command.output.as_ref(), command.docker_archive.is_some(), &project),
                docker_archive: command.docker_archive.clone(),
            };
            let built = session.build(&project, &lock, &settings, &request)?;
            Ok((state, request, built))
        });
    progress.clear();
    let (state, request, built) = result.map_err(fail)?;
    if common.json {
        let value = json!({
            "built": built,
            "layout": request.layout,
            "docker-archive": request.docker_archive,
            "lock-written": !matches!(state, LockState::Fitted),
        });
        say!("{value}");
    } else if !common.quiet {
        summary(&project, &state, &request, &built);
    }
    Ok(ExitCode::SUCCESS)
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
