// SPDX-License-Identifier: Apache-2.0
//! From a step that uses an action to the scripts that run.
//!
//! How inputs reach scripts:
//!
//! * `string`, `path`: `INPUT_NAME` is the text.
//! * `bool`: `INPUT_NAME` is `true` or `false`.
//! * `list`: `INPUT_NAME` is the path of a file with one item to a line.
//! * `map`: `INPUT_NAME` is the path of a file with lines `KEY=VALUE`, sorted by key.
//! * `json`: `INPUT_NAME` is the path of a JSON file, with sorted keys and numbers as strings.
//!
//! An input without a value has no variable. The files, and those of the action itself, are below
//! [`ACTION_DIRECTORY`], which `ACTION_DIR` names; `SOURCE_DIR` and `TARGET_DIR` are the stage's directories.

use std::collections::BTreeMap;

use hardpan_definition::{
    Action, ActionPackage, ActionStep, Distribution, InputValue, Step, input_variable,
};
use hardpan_tree::Digest;

use super::{ActionError, Actions};

/// Where a stage has the files of an action while its scripts run. It is no part of what the stage makes.
pub const ACTION_DIRECTORY: &str = "/run/hardpan/action";

/// What every script may use: the shell and the programs that everybody expects, with their packages in Debian and
/// in Alpine.
const BASE: [(&str, &str, &str); 4] = [
    ("cat", "coreutils", "busybox"),
    ("grep", "grep", "busybox"),
    ("sed", "sed", "busybox"),
    ("sh", "dash", "busybox"),
];

/// Where the directories of a stage are, as its steps see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directories<'a> {
    /// `${source.dir}`
    pub source: &'a str,
    /// `${target.dir}`
    pub target: &'a str,
    /// The files of the action: [`ACTION_DIRECTORY`].
    pub action: &'a str,
}

/// What a step that uses an action comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The action with its version.
    pub action: String,
    /// The digest of its file.
    pub digest: Digest,
    /// What the stage must have.
    pub packages: Vec<NeededPackage>,
    /// Files to put below [`Directories::action`] for its scripts, read-only, by relative path.
    pub files: BTreeMap<String, String>,
    /// The scripts, in order. The calling step's user, shell, secrets and caches are theirs, too.
    pub steps: Vec<ExpandedStep>,
}

/// Packages that a stage must have unless it has a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededPackage {
    /// The program that makes them unnecessary.
    pub command: String,
    /// The packages.
    pub packages: Vec<String>,
}

/// One script of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpandedStep {
    /// The action, and what the script does.
    pub name: String,
    /// The script, for `sh`. It is the action's text, unchanged.
    pub runs: String,
    /// Environment, on top of the stage's; has the calling step's in it.
    pub environment: BTreeMap<String, String>,
    /// Working directory, if neither the stage's nor the default one.
    pub work_dir: Option<String>,
    /// Whether it has network: the calling step says so, or the action does.
    pub privileged: bool,
    /// Whether the action said so, and not the calling step.
    pub privileged_by_action: bool,
}

impl NeededPackage {
    /// Returns the need as a canonical line for the lock.
    pub(crate) fn demand_line(&self) -> String {
        format!("program {} of {}", self.command, self.packages.join(" "))
    }
}

impl Actions {
    /// Returns what a step that uses an action comes to; `None` for a step that uses none. In the step
    /// `${source.dir}` and `${target.dir}` have been replaced already.
    pub fn expand(
        &self,
        step: &Step,
        distribution: Distribution,
        directories: &Directories<'_>,
    ) -> Result<Option<Expanded>, ActionError> {
        let Some(found) = self.find(step) else { return Ok(None) };
        let known = found.map_err(|found| ActionError::Use { diagnostics: vec![found] })?;
        let action = &known.action;
        let inputs =
            action.read_inputs(step).map_err(|diagnostics| ActionError::Use { diagnostics })?;
        let inputs: BTreeMap<String, InputValue> =
            inputs.into_iter().map(|(name, value)| (name, directories.fill(value))).collect();
        let mut packages: Vec<NeededPackage> = (BASE.iter())
            .map(|&(command, debian, alpine)| {
                let name = if distribution.is_alpine() { alpine } else { debian };
                NeededPackage { command: command.to_owned(), packages: vec![name.to_owned()] }
            })
            .collect();
        for need in
            action.packages.iter().filter(|need| holds(need.condition.as_ref(), action, &inputs))
        {
            packages.push(package(need, action, distribution, step)?);
        }
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (name, text) in &action.files {
            files.insert(format!("files/{name}"), text.clone());
        }
        let mut variables = BTreeMap::from([
            ("ACTION_DIR".to_owned(), format!("{}/files", directories.action)),
            ("SOURCE_DIR".to_owned(), directories.source.to_owned()),
            ("TARGET_DIR".to_owned(), directories.target.to_owned()),
        ]);
        for (name, value) in &inputs {
            let text = match file_text(value) {
                None => plain_text(value),
                Some(text) => {
                    let path = format!("inputs/{name}");
                    let place = format!("{}/{path}", directories.action);
                    files.insert(path, text);
                    place
                }
            };
            variables.insert(input_variable(name), text);
        }
        let mut steps = Vec::new();
        for (index, script) in action.steps.iter().enumerate() {
            if holds(script.condition.as_ref(), action, &inputs) {
                let privileged = script.privileged.as_ref();
                let privileged = privileged.is_some_and(|found| found.holds(action, &inputs));
                let mut expanded = expanded_step(script, index, action, step, directories);
                expanded.environment.extend(variables.clone());
                expanded.privileged_by_action = privileged && !step.privileged;
                expanded.privileged = privileged || step.privileged;
                steps.push(expanded);
            }
        }
        Ok(Some(Expanded {
            action: action.reference(),
            digest: known.digest,
            packages,
            files,
            steps,
        }))
    }
}

fn holds(
    condition: Option<&hardpan_definition::Condition>,
    action: &Action,
    inputs: &BTreeMap<String, InputValue>,
) -> bool {
    condition.is_none_or(|condition| condition.holds(action, inputs))
}

fn package(
    need: &ActionPackage,
    action: &Action,
    distribution: Distribution,
    step: &Step,
) -> Result<NeededPackage, ActionError> {
    let packages = match distribution {
        _ if distribution.is_debian() => &need.debian,
        _ if distribution.is_alpine() => &need.alpine,
        _ => &Vec::new(),
    };
    if packages.is_empty() {
        return Err(ActionError::NoPackage {
            action: action.reference(),
            command: need.command.clone(),
            distribution,
            span: step.uses.as_ref().map_or_else(Default::default, |uses| uses.span),
        });
    }
    Ok(NeededPackage { command: need.command.clone(), packages: packages.clone() })
}

fn expanded_step(
    script: &ActionStep,
    index: usize,
    action: &Action,
    step: &Step,
    directories: &Directories<'_>,
) -> ExpandedStep {
    let title = script.name.clone().unwrap_or_else(|| format!("step {}", index + 1));
    let filled = |text: &String| directories.replace(text);
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    for own in [&action.environment, &script.environment] {
        environment.extend(own.iter().map(|(name, text)| (name.clone(), filled(text))));
    }
    // The definition has the last word, except on what carries the inputs.
    let theirs = step.environment.iter().map(|(name, text)| (name.clone(), text.value.clone()));
    environment.extend(theirs);
    ExpandedStep {
        name: format!("{}: {title}", action.reference()),
        runs: script.runs.clone(),
        environment,
        work_dir: (script.work_dir.as_ref().map(filled))
            .or_else(|| step.work_dir.as_ref().map(|path| path.value.clone())),
        privileged: false,
        privileged_by_action: false,
    }
}

impl Directories<'_> {
    fn replace(&self, text: &str) -> String {
        text.replace("${source.dir}", self.source).replace("${target.dir}", self.target)
    }

    /// Puts the stage's directories into a text; defaults have them.
    fn fill(&self, value: InputValue) -> InputValue {
        match value {
            InputValue::Text(text) => InputValue::Text(self.replace(&text)),
            InputValue::List(items) => {
                InputValue::List(items.iter().map(|item| self.replace(item)).collect())
            }
            other => other,
        }
    }
}

/// Returns what is in the file of an input, if it has one.
fn file_text(value: &InputValue) -> Option<String> {
    let mut text = String::new();
    match value {
        InputValue::List(items) => {
            for item in items {
                text.push_str(item);
                text.push('\n');
            }
        }
        InputValue::Map(entries) => {
            for (key, value) in entries {
                text.push_str(key);
                text.push('=');
                text.push_str(value);
                text.push('\n');
            }
        }
        InputValue::Json(value) => {
            text = String::from_utf8_lossy(&hardpan_image::canonical_json(value)).into_owned();
            text.push('\n');
        }
        _ => return None,
    }
    Some(text)
}

fn plain_text(value: &InputValue) -> String {
    match value {
        InputValue::Text(text) => text.clone(),
        InputValue::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}
