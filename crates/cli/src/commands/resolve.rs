// SPDX-License-Identifier: Apache-2.0
//! `hardpan resolve`

use std::collections::BTreeMap;
use std::process::ExitCode;

use hardpan::BuildSettings;
use hardpan::lock::{Change, Lock};
use serde_json::json;

use super::{in_definition, open};
use crate::args::{Common, Resolve};
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, count, say, styled};

/// Refreshes locks.
pub(crate) fn run(common: &Common, command: &Resolve) -> anyhow::Result<ExitCode> {
    for path in &command.definitions {
        let (project, machine) = open(common, path)?;
        let progress = Progress::new(common);
        let session = machine.session(&progress);
        let settings = BuildSettings::of(project.any_definition(), machine.workspace());
        // A lock that can't be read is replaced like an old one.
        let old = session.read_lock(&project).unwrap_or_default();
        let result = session.resolve(&project, &settings).and_then(|lock| {
            if !command.dry_run && old.as_ref() != Some(&lock) {
                session.write_lock(&project, &lock)?;
            }
            Ok(lock)
        });
        progress.clear();
        let lock = result.map_err(in_definition(&project))?;
        let changes = lock.changes_since(old.as_ref());
        if common.json {
            let value = json!({
                "definition": path, "lock": project.lock_path(), "changed": old.as_ref() != Some(&lock),
                "changes": changes,
            });
            say!("{value}");
        } else if !common.quiet {
            summary(&project.lock_path().display().to_string(), old.as_ref(), &lock, &changes);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(path: &str, old: Option<&Lock>, lock: &Lock, changes: &[Change]) {
    if old == Some(lock) {
        say!("{} {path}", styled(DIM, "unchanged"));
        return;
    }
    if old.is_none() {
        let packages: Vec<String> = lock
            .platforms
            .iter()
            .map(|(name, platform)| format!("{name} {}", count(platform.packages.len(), "package")))
            .collect();
        say!("{} {path}: {}", styled(GOOD, "wrote"), packages.join(", "));
        return;
    }
    say!("{} {path}: {}", styled(GOOD, "refreshed"), count(changes.len(), "change"));
    for line in change_lines(changes) {
        say!("{line}");
    }
}

/// Returns a line for each change; one that is the same on all platforms stands once.
fn change_lines(changes: &[Change]) -> Vec<String> {
    /// A package with its version before and now.
    type Key<'c> = (&'c str, Option<&'c str>, Option<&'c str>);
    let mut platforms: BTreeMap<Key<'_>, Vec<&str>> = BTreeMap::new();
    for change in changes {
        platforms
            .entry((&change.package, change.old.as_deref(), change.new.as_deref()))
            .or_default()
            .push(&change.platform);
    }
    platforms
        .into_iter()
        .map(|((package, old, new), platforms)| {
            let what = match (old, new) {
                (None, Some(new)) => format!("{} {package} {new}", styled(GOOD, "+")),
                (Some(old), None) => format!("{} {package} {old}", styled(BAD, "-")),
                (Some(old), Some(new)) => {
                    format!("{} {package} {old} → {new}", styled(WARNING, "~"))
                }
                (None, None) => package.to_owned(),
            };
            format!("  {what} {}", styled(DIM, &platforms.join(", ")))
        })
        .collect()
}
