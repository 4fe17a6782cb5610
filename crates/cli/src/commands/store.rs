// SPDX-License-Identifier: Apache-2.0
//! `hardpan store`

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use hardpan::store::{GcOptions, Store};
use hardpan::{CatalogRoot, Error, read_workspace};
use serde_json::json;

use crate::args::{Common, StoreCommand};
use crate::machine;
use crate::text::{BAD, GOOD, count, note, say, size, styled};

/// Looks after the store.
pub(crate) fn run(common: &Common, command: &crate::args::Store) -> anyhow::Result<ExitCode> {
    let catalog = CatalogRoot::of("hardpan.toml".as_ref());
    let (workspace, _) = read_workspace(&catalog).map_err(Error::from)?;
    let root = machine::store_path(common, Some((&workspace, catalog.path())))?;
    match &command.command {
        StoreCommand::Path => {
            say!("{}", root.display());
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Gc { unused_for, dry_run } => {
            let options = GcOptions {
                now: SystemTime::now(),
                unused_for: Duration::from_secs(unused_for.saturating_mul(24 * 60 * 60)),
                dry_run: *dry_run,
            };
            let report = Store::collect_garbage(&root, options).map_err(Error::from)?;
            if common.json {
                let value = json!({
                    "files-removed": report.files_removed, "bytes-removed": report.bytes_removed,
                    "files-kept": report.files_kept, "bytes-kept": report.bytes_kept, "dry-run": dry_run,
                });
                say!("{value}");
            } else if !common.quiet {
                let verb = if *dry_run { "would remove" } else { "removed" };
                say!(
                    "{} {} files ({}), kept {} files ({})",
                    styled(GOOD, verb),
                    report.files_removed,
                    size(report.bytes_removed),
                    report.files_kept,
                    size(report.bytes_kept)
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Verify { repair } => {
            let store = Store::open(&root).map_err(Error::from)?;
            let report = store.verify(*repair).map_err(Error::from)?;
            if common.json {
                let damaged: Vec<String> = report.damaged.iter().map(ToString::to_string).collect();
                let value = json!({
                    "files-checked": report.files_checked, "bytes-checked": report.bytes_checked,
                    "damaged": damaged, "repaired": report.repaired,
                });
                say!("{value}");
            } else {
                for error in &report.damaged {
                    note!("{} {error}", styled(BAD, "damaged:"));
                }
                let style = if report.damaged.is_empty() { GOOD } else { BAD };
                say!(
                    "{} {} files ({}): {} damaged{}",
                    styled(style, "checked"),
                    report.files_checked,
                    size(report.bytes_checked),
                    count(report.damaged.len(), "file"),
                    if *repair && !report.damaged.is_empty() { ", removed" } else { "" }
                );
            }
            let is_good = report.damaged.is_empty() || *repair;
            Ok(ExitCode::from(if is_good { 0 } else { 4 }))
        }
    }
}
