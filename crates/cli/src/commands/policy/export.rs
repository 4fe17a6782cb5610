// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy export`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hardpan::trust::policy::Policy;
use hardpan::trust::rego::{ExportError, ExportRequest, RemarkKind, Target, export};
use serde_json::json;

use crate::args::Common;
use crate::args::policy::ExportTarget;
use crate::commands::place;
use crate::diagnostics;
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
    let written = hardpan::trust::policy::read(command.policy)?;
    for warning in written.warnings() {
        note!("{}\n", diagnostics::draw(&warning, std::slice::from_ref(&written.source)));
    }
    let file = &written.file;
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
        let help = match &error {
            ExportError::NotExpressible { .. } => Some("`--partial` leaves that out".to_owned()),
            ExportError::Key(_) => Some(where_keys_are(command)),
            _ => None,
        };
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
    let names = policy.named_keys();
    let given = if command.keys.is_empty() {
        // What is not there is told by the export, with the policy's word for it.
        let there =
            names.into_keys().map(PathBuf::from).filter(|path| path.is_file()).collect::<Vec<_>>();
        if there.is_empty() { None } else { Some(keys::keyring_of(&there)?) }
    } else {
        Some(keys::keyring_of(command.keys)?)
    };
    let keys = given.iter().flat_map(hardpan::trust::key::Keyring::keys);
    Ok(keys.map(|key| (key.name.clone(), key.key.to_pem())).collect())
}

/// Says where the keys of a policy were looked for.
fn where_keys_are(command: &Export<'_>) -> String {
    if command.keys.is_empty() {
        let here = std::env::current_dir().map(|here| format!(", {}", here.display()));
        return format!(
            "the names of keys are paths from the working directory{}; keys elsewhere are named with `--key`, and called there as in the policy",
            here.unwrap_or_default()
        );
    }
    "of the keys that `--key` names none is called so: a file as it is named there, one of a folder as it is called in it"
        .to_owned()
}

/// Returns a name for objects: that of the file, as far as objects can be called so.
fn name_of(file: &str) -> String {
    let stem =
        Path::new(file).file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = stem.chars().map(plain).collect();
    name.trim_matches('-').chars().take(40).collect()
}
