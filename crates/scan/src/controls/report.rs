// SPDX-License-Identifier: Apache-2.0
//! Collects what the checks see and turns it into findings.

use std::collections::BTreeMap;

use hardpan_tree::{Origin, TreePath};

use super::{ControlId, ControlPolicy, Finding, Inspection, Severity};

/// How many further paths a message spells out; the finding itself has them all.
const PATHS_IN_MESSAGE_MAX: usize = 3;

/// What one check says about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) control: ControlId,
    pub(super) path: Option<TreePath>,
    pub(super) origin: Option<Origin>,
    /// Follows the path in the message: `is a shell`.
    pub(super) text: String,
    /// Whether the definition itself asked for it: then it is no failure but is still said.
    pub(super) is_asked_for: bool,
}

/// Groups observations: same control, same origin, same text.
#[derive(Debug)]
pub(super) struct Report<'a> {
    input: &'a Inspection<'a>,
    policy: &'a ControlPolicy,
    groups: BTreeMap<GroupKey, Vec<TreePath>>,
}

type GroupKey = (ControlId, Severity, Option<Origin>, String, Option<usize>);

impl<'a> Report<'a> {
    pub(super) fn new(input: &'a Inspection<'a>, policy: &'a ControlPolicy) -> Self {
        Self { input, policy, groups: BTreeMap::new() }
    }

    /// Adds something about a path of the tree.
    pub(super) fn path(&mut self, control: ControlId, path: &TreePath, text: impl Into<String>) {
        let origin = self.input.tree.get(path).map(|node| node.origin);
        self.add(Observation {
            control,
            path: Some(path.clone()),
            origin,
            text: text.into(),
            is_asked_for: false,
        });
    }

    /// Adds something that is about the image's configuration.
    pub(super) fn image(&mut self, control: ControlId, text: impl Into<String>) {
        self.add(Observation {
            control,
            path: None,
            origin: None,
            text: text.into(),
            is_asked_for: false,
        });
    }

    /// Adds an observation, with the severity that control, variant and policy give it.
    pub(super) fn add(&mut self, seen: Observation) {
        let Some(mut severity) = self.severity(seen.control) else { return };
        if seen.is_asked_for {
            severity = severity.min(Severity::Warn);
        }
        let exception = self.policy.exceptions.iter().position(|exception| {
            exception.control == seen.control
                && exception.path.as_ref().is_none_or(|below| {
                    seen.path.as_ref().is_some_and(|path| path.starts_with(below))
                })
        });
        if exception.is_some() {
            severity = Severity::Info;
        }
        let key = (seen.control, severity, seen.origin, seen.text, exception);
        self.groups.entry(key).or_default().extend(seen.path);
    }

    fn severity(&self, control: ControlId) -> Option<Severity> {
        match self.policy.severities.get(&control) {
            Some(severity) => *severity,
            None => control.control().severity(self.input.variant),
        }
    }

    /// Returns the findings, worst first.
    pub(super) fn finish(self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::with_capacity(self.groups.len());
        for ((control, severity, origin, text, exception), mut paths) in self.groups {
            paths.sort();
            paths.dedup();
            let message = message(&paths, &text);
            let help = match exception {
                Some(index) => format!("accepted: {}", self.policy.exceptions[index].reason),
                None => help(self.input, control, origin),
            };
            let package = match origin {
                Some(Origin::Package(index)) => Some(index),
                _ => None,
            };
            let mut paths = paths.into_iter();
            let path = paths.next();
            let more_paths = paths.collect();
            findings.push(Finding { control, severity, message, path, more_paths, package, help });
        }
        findings.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then(a.control.cmp(&b.control)).then(a.path.cmp(&b.path))
        });
        findings
    }
}

fn message(paths: &[TreePath], text: &str) -> String {
    let [first, more @ ..] = paths else { return text.to_owned() };
    if more.is_empty() {
        return format!("{first} {text}");
    }
    let mut named: Vec<String> =
        more.iter().take(PATHS_IN_MESSAGE_MAX).map(ToString::to_string).collect();
    if more.len() > PATHS_IN_MESSAGE_MAX {
        named.push("…".to_owned());
    }
    format!("{first} {text} (and {} more: {})", more.len(), named.join(", "))
}

/// Says where a finding comes from, who pulled that in, and what to do.
fn help(input: &Inspection<'_>, control: ControlId, origin: Option<Origin>) -> String {
    let fix = control.control().fix;
    let Some(origin) = origin else { return fix.to_owned() };
    let Origin::Package(index) = origin else {
        return format!("{}; {fix}", source(origin));
    };
    let name = package_name(input, index);
    let mut help = format!("from package {name}");
    if input.requested_packages.contains(&name) {
        help.push_str(", which the definition names");
    } else if let Some(why) = (input.why)(index) {
        help.push_str(", pulled in by ");
        help.push_str(&why);
    }
    help.push_str("; ");
    match (input.cut)(index).filter(|_| is_cured_by_a_cut(control)) {
        Some(cut) => format!("{help}add \"{cut}\" to contents.packages to cut it"),
        None => help + fix,
    }
}

fn package_name(input: &Inspection<'_>, index: u32) -> String {
    usize::try_from(index)
        .ok()
        .and_then(|index| input.packages.get(index))
        .map_or_else(|| format!("number {index}"), |package| package.name.clone())
}

fn source(origin: Origin) -> String {
    match origin {
        Origin::Package(index) => format!("from package number {index}"),
        Origin::Finisher(name) => format!("made by the finisher {name}"),
        Origin::Definition => "put there by the definition".to_owned(),
        Origin::Stage(number) => format!("copied from build stage {number}"),
    }
}

/// Whether cutting the package is the natural answer, rather than changing the one file.
fn is_cured_by_a_cut(control: ControlId) -> bool {
    matches!(
        control,
        ControlId::Shell
            | ControlId::PackageManager
            | ControlId::LanguagePackageManager
            | ControlId::Compiler
            | ControlId::Debugger
            | ControlId::NetworkTool
            | ControlId::LibraryMissing
    )
}
