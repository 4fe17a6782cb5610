// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy export`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hardpan::trust::policy::Policy;
use hardpan::trust::rego::{ExportRequest, RemarkKind, Target, export};
use serde_json::json;

use crate::args::Common;
use crate::args::policy::ExportTarget;
use crate::commands::place;
use crate::failure::Named;
use crate::keys;
use crate::progress::Progress;
use crate::text::{DIM, WARNING, note, say, styled, visible};

/// What is exported.
pub(super) struct Export<'c> {
    pub(super) policy: &'c Path,
    pub(super) target: ExportTarget,
    pub(super) name: Option<&'c str>,
    pub(super) keys: &'c [PathBuf],
}

/// Writes a policy for a target to the standard output.
pub(super) fn run(
    common: &Common,
    command: &Export<'_>,
    partial: bool,
) -> anyhow::Result<ExitCode> {
    let file = hardpan::trust::policy::read(command.policy).map_err(hardpan::Error::from)?;
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let now_seconds = machine.session(&progress).now_seconds();
    let keys = public_keys(&file.policy, command)?;
    let name = command.name.map_or_else(|| name_of(&file.name), str::to_owned);
    let today = jiff::Timestamp::from_second(now_seconds)?;
    let request = ExportRequest {
        policy: &file.policy,
        name: &name,
        keys: &keys,
        today: jiff::tz::Offset::UTC.to_datetime(today).date(),
        partial,
    };
    let target = match command.target {
        ExportTarget::Kyverno => Target::Kyverno,
        ExportTarget::PolicyController => Target::PolicyController,
        ExportTarget::Gatekeeper => Target::Gatekeeper,
        ExportTarget::Buildx => Target::Buildx,
    };
    let exported = export(&request, target).map_err(|error| {
        let is_part = matches!(error, hardpan::trust::rego::ExportError::NotExpressible { .. });
        let help = is_part.then(|| "`--partial` leaves that out".to_owned());
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Named { message: visible(&format!("{error}{}", source.unwrap_or_default())), help }
    })?;
    for remark in &exported.remarks {
        let kind = match remark.kind {
            RemarkKind::Dropped => styled(WARNING, "dropped:"),
            RemarkKind::Stricter | RemarkKind::Note => {
                styled(DIM, &format!("{}:", remark.kind.as_str()))
            }
        };
        note!("{kind} {}: {}", visible(&remark.rule), visible(&remark.reason));
    }
    if common.json {
        say!(
            "{}",
            json!({"target": target.name(), "text": exported.text, "remarks": exported.remarks})
        );
    } else {
        say!("{}", exported.text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the keys that a policy names, as PEM: those given, or the files of their names.
fn public_keys(policy: &Policy, command: &Export<'_>) -> anyhow::Result<BTreeMap<String, String>> {
    let of_rules = policy.require.iter().map(|rule| &rule.keys);
    let of_builders = policy.builders.iter().map(|builder| &builder.keys);
    let all = std::iter::once(&policy.keys).chain(of_rules).chain(of_builders);
    let names: BTreeSet<&String> = all.flatten().collect();
    let given = if command.keys.is_empty() {
        // What is not there is told by the export, with the policy's word for it.
        let there =
            names.iter().map(PathBuf::from).filter(|path| path.is_file()).collect::<Vec<_>>();
        if there.is_empty() { None } else { Some(keys::keyring_of(&there)?) }
    } else {
        Some(keys::keyring_of(command.keys)?)
    };
    let keys = given.iter().flat_map(hardpan::trust::key::Keyring::keys);
    Ok(keys.map(|key| (key.name.clone(), key.key.to_pem())).collect())
}

/// Returns a name for objects: that of the file, as far as objects can be called so.
fn name_of(file: &str) -> String {
    let stem =
        Path::new(file).file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = stem.chars().map(plain).collect();
    name.trim_matches('-').chars().take(40).collect()
}
