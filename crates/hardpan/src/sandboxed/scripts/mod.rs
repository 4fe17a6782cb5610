// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts that no finisher covers, run where the definition asks for it:
//! `x-hardpan: scripts: sandbox`.
//!
//! A script runs as a whole, since shells have no other way, but only if a part of it is not covered. It
//! runs over the assembled tree, after the finishers, in the order in which dpkg would configure the packages.
//! What a finisher does already it finds done. [Shims](shims) stand in for programs that
//! do nothing in an image, and refuse to make keys and databases. An image without a shell gets tools of the
//! lock [beside it](builder), of which nothing ends in it. What scripts change is written down by
//! package, kept in the store by all that decides it, and judged by the controls as everything else.

mod builder;
mod edits;
mod run;
mod shims;

use std::collections::BTreeSet;
use std::sync::Arc;

use hardpan_definition::{Definition, Scripts};
use hardpan_package::scripts::Treatment;
use hardpan_package::segment::Unpacked;
use hardpan_tree::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use self::builder::BuilderRoot;
use self::edits::Edit;
use super::error::{SandboxedError, Work};
use super::keep::{self, KIND};
use super::workshop::Workshop;
use crate::assemble::Assembly;
use crate::error::Error;
use crate::finish::{Action, Warning, scripts};
use crate::observer::Event;

/// The finisher's name, also in what scripts are reported as.
const NAME: &str = "sandbox";
/// Changes with every change of how scripts are run.
const FORMAT_VERSION: u32 = 1;
/// The largest file that a script may leave, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A script to run.
#[derive(Debug, Clone)]
struct Script {
    package: Arc<Unpacked>,
    /// `preinst` or `postinst`.
    name: &'static str,
}

impl Script {
    fn text(&self) -> &str {
        self.package.scripts.get(self.name).map_or("", String::as_str)
    }

    fn title(&self) -> String {
        format!("{} of {}", self.name, self.package.name)
    }
}

/// What came of all scripts of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    /// Sorted by path.
    edits: Vec<Edit>,
    refusals: Vec<Refusal>,
}

/// A command that was not run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Refusal {
    package: String,
    script: String,
    command: String,
}

/// Runs the scripts of an image that have parts that nothing covers.
pub(super) fn apply(
    workshop: Workshop<'_>,
    assembly: &mut Assembly,
    definition: &Definition,
) -> Result<(), Error> {
    if definition.x_hardpan.scripts != Scripts::Sandbox {
        return Ok(());
    }
    let chosen = chosen(assembly);
    let Some(first) = chosen.first() else { return Ok(()) };
    if !workshop.can_run(workshop.platform) {
        return Err(SandboxedError::NoRunner {
            work: Work::Scripts,
            platform: workshop.platform,
            program: "shell".to_owned(),
        }
        .into());
    }
    let root = BuilderRoot::new(workshop, definition, &assembly.tree, assembly.epoch)?;
    let Some(root) = root else {
        let (package, script) = (first.package.name.clone(), first.name.to_owned());
        return Err(SandboxedError::NoShell { work: Work::Scripts, package, script }.into());
    };
    let outcome = outcome(workshop, assembly, &root, &chosen)?;
    put(assembly, &chosen, &outcome)
}

/// Returns the scripts with parts that nothing covers, in the order in which dpkg would run them.
fn chosen(assembly: &Assembly) -> Vec<Script> {
    let uncovered: BTreeSet<(&str, &str)> = assembly
        .scripts
        .iter()
        .filter(|action| matches!(action.treatment, Treatment::Unhandled { .. }))
        .map(|action| (action.package.as_str(), action.script.as_str()))
        .collect();
    let packages: Vec<Arc<Unpacked>> =
        assembly.members.iter().map(|member| member.unpacked.clone()).collect();
    let mut chosen = Vec::new();
    for package in scripts::order(packages.iter().map(|package| &**package)) {
        let Some(package) = packages.iter().find(|known| known.name == package.name) else {
            continue;
        };
        for name in ["preinst", "postinst"] {
            if uncovered.contains(&(package.name.as_str(), name)) {
                chosen.push(Script { package: package.clone(), name });
            }
        }
    }
    chosen
}

/// Returns what comes of the scripts, out of the store or by running them.
fn outcome(
    workshop: Workshop<'_>,
    assembly: &Assembly,
    root: &BuilderRoot<'_>,
    chosen: &[Script],
) -> Result<Outcome, Error> {
    let store = workshop.session.store;
    let key = key(assembly.epoch, root, chosen, workshop.platform.name());
    let known = || -> Option<Outcome> {
        let known = store.read_record::<Outcome>(KIND, &key).ok()??;
        let segments = known.edits.iter().filter_map(|edit| match &edit.kind {
            edits::EditKind::File { kept, .. } => Some(kept.segment),
            _ => None,
        });
        keep::gone(store, segments).is_empty().then_some(known)
    };
    if let Some(known) = known() {
        return Ok(known);
    }
    workshop.session.observer.event(Event::Run { what: "running maintainer scripts" });
    let outcome = run::run(workshop, assembly, root, chosen)?;
    store.write_record(KIND, &key, &outcome)?;
    Ok(outcome)
}

/// Does to the tree what scripts did, and says so.
fn put(assembly: &mut Assembly, chosen: &[Script], outcome: &Outcome) -> Result<(), Error> {
    let changed = edits::apply(&mut assembly.tree, NAME, assembly.epoch, &outcome.edits)?;
    assembly.actions.extend(changed.into_iter().map(|(package, paths)| Action {
        finisher: NAME,
        package: Some(package.to_owned()),
        paths: paths.into_iter().collect(),
    }));
    let has_run = |package: &str, script: &str| {
        chosen.iter().any(|run| run.package.name == package && run.name == script)
    };
    for action in &mut assembly.scripts {
        if matches!(action.treatment, Treatment::Unhandled { .. })
            && has_run(&action.package, &action.script)
        {
            action.treatment = Treatment::Handled { finisher: NAME.to_owned() };
        }
    }
    assembly.warnings.retain(|warning| {
        let place = warning.package.as_deref().zip(warning.file.as_deref());
        warning.finisher != scripts::NAME
            || !place.is_some_and(|(package, script)| has_run(package, script))
    });
    assembly.warnings.extend(outcome.refusals.iter().map(|refusal| Warning {
        finisher: NAME,
        package: Some(refusal.package.clone()),
        file: Some(refusal.script.clone()),
        lines: None,
        message: format!(
            "`{}` was not run: an image must have no keys or databases of its own",
            refusal.command
        ),
    }));
    Ok(())
}

/// Returns the key of what comes of scripts: all that decides it.
fn key(epoch: i64, root: &BuilderRoot<'_>, chosen: &[Script], platform: &str) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan maintainer scripts\n");
    hasher.update(&FORMAT_VERSION.to_be_bytes());
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(platform.as_bytes());
    field(&epoch.to_be_bytes());
    for script in chosen {
        field(script.package.name.as_bytes());
        field(script.name.as_bytes());
        field(script.text().as_bytes());
        field(script.package.version.as_bytes());
        let templates = script.package.control_members.get("templates");
        field(templates.map_or("", String::as_str).as_bytes());
    }
    for shim in shims::shims("") {
        field(shim.text.as_bytes());
    }
    for path in root.tools() {
        field(path.as_bytes());
    }
    field(root.tree.dump().as_bytes());
    hasher.finish()
}
