// SPDX-License-Identifier: Apache-2.0
//! `hardpan rebuild`

use std::process::ExitCode;

use hardpan::definition::Platform;
use hardpan::lock::Lock;
use hardpan::trust::{Comparison, PlatformDifference, RebuildPlan, Rebuilt};
use hardpan::{
    BuildRequest, BuildSettings, Built, CatalogRoot, Error, Location, Project, read_workspace,
};
use serde_json::json;

use super::{in_definition, place};
use crate::args::Common;
use crate::args::trust::Rebuild;
use crate::failure::Named;
use crate::keys;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, count, note, say, styled};

/// The most paths that are printed for a platform.
const PATHS_SHOWN_MAX: usize = 50;

/// Builds an image again.
pub(crate) fn run(common: &Common, command: &Rebuild) -> anyhow::Result<ExitCode> {
    let location = place::existing(&command.image)?;
    let machine = place::machine(common)?;
    let trusted = keys::trusted(&command.keys, &machine)?;
    let progress = Progress::new(common);
    let plan = machine.session(&progress).rebuild_plan(&location, trusted.rules());
    progress.clear();
    let plan = plan?;
    let this = env!("CARGO_PKG_VERSION");
    if plan.inputs.program_version != this && !common.quiet {
        let text =
            format!("it was built by hardpan {}, this is {this}", plan.inputs.program_version);
        note!("{} {text}: other versions may give other bytes", styled(WARNING, "warning:"));
    }
    let quiet = hardpan::Silent;
    let folder = machine.session(&quiet).store.temporary_directory().map_err(Error::from)?;
    let layout = match &command.output {
        Some(output) => output.clone(),
        None => folder.path().join("layout"),
    };
    let (built, lock, settings) = build(common, command, &plan, folder.path(), &layout)?;
    let rebuilt = Rebuilt { plan: &plan, built: &built, lock: &lock, settings: &settings };
    let progress = Progress::new(common);
    let comparison = machine.session(&progress).compare_rebuilt(&location, &layout, &rebuilt);
    progress.clear();
    let comparison = comparison?;
    if common.json {
        say!(
            "{}",
            json!({ "same": comparison.is_same(), "key": plan.key, "comparison": comparison })
        );
    } else if !common.quiet || !comparison.is_same() {
        print(&location, &plan, &comparison);
    }
    Ok(if comparison.is_same() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Builds what provenance says, with its own lock and workspace file and this machine's mirrors.
fn build(
    common: &Common,
    command: &Rebuild,
    plan: &RebuildPlan,
    folder: &std::path::Path,
    layout: &std::path::Path,
) -> anyhow::Result<(Built, Lock, BuildSettings)> {
    let definition = plan.write(&folder.join("source"))?;
    let platforms = (plan.inputs.platforms.iter())
        .map(|name| {
            name.parse::<Platform>().map_err(|_| Named {
                message: format!("provenance names the platform {name:?}, which is not known"),
                help: None,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let project = Project::open(&definition, &[]).map_err(Error::from)?;
    let (workspace, _) = read_workspace(&project.root).map_err(Error::from)?;
    let here = CatalogRoot::of("hardpan.toml".as_ref());
    let (local, _) = read_workspace(&here).map_err(Error::from)?;
    let folder_here = std::path::absolute(here.path())?;
    let workspace = workspace.with_places_of(&local, &folder_here);
    let machine =
        Machine::new(common, workspace, project.root.path())?.with_stages(&command.stages)?;
    let progress = Progress::new(common).with_step_output(command.stages.verbose);
    let session = machine.session(&progress);
    let settings = BuildSettings::of(project.any_definition(), machine.workspace());
    let request =
        BuildRequest { platforms, layout: Some(layout.to_owned()), ..BuildRequest::default() };
    let built = session
        .fitting_lock(&project, &settings, true)
        .and_then(|(lock, _)| Ok((session.build(&project, &lock, &settings, &request)?, lock)));
    progress.clear();
    let (built, lock) = built.map_err(in_definition(&project))?;
    Ok((built, lock, settings))
}

fn print(location: &Location, plan: &RebuildPlan, comparison: &Comparison) {
    let by = styled(DIM, &format!("(provenance by {})", plan.key));
    if comparison.is_same() {
        say!("{} {location} is what its provenance says {by}", styled(GOOD, "reproduced"));
        say!("{}", styled(DIM, &comparison.actual.to_string()));
        not_compared(comparison);
        return;
    }
    say!("{} {location} {by}", styled(BAD, "not reproduced"));
    say!("  published {}", comparison.expected);
    say!("  rebuilt   {}", comparison.actual);
    not_compared(comparison);
    comparison.differences.iter().for_each(print_platform);
}

fn print_platform(difference: &PlatformDifference) {
    say!("{}", difference.platform);
    for text in &difference.documents {
        say!("  {text}");
    }
    let lists = [
        ("only in the published one", &difference.removed),
        ("only in the rebuilt one", &difference.added),
        ("differs", &difference.changed),
    ];
    for (what, paths) in lists {
        for path in paths.iter().take(PATHS_SHOWN_MAX) {
            say!("  {what}: {path}");
        }
        if paths.len() > PATHS_SHOWN_MAX {
            say!("  {what}: {} more; see --json", paths.len() - PATHS_SHOWN_MAX);
        }
    }
    for input in &difference.inputs {
        let digest = input.sha256.map(|digest| format!(", now {digest}")).unwrap_or_default();
        say!("  comes of {}{digest}", input.input);
    }
}

/// Says what of the published image no build makes.
fn not_compared(comparison: &Comparison) {
    let left_out = comparison.attestations_left_out;
    if left_out > 0 {
        let left_out = count(left_out, "attestation");
        let digest = comparison.expected;
        say!(
            "compared without the {left_out} in the index: all platforms, not the index {digest} itself"
        );
    }
}
