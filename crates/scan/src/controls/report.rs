// SPDX-License-Identifier: Apache-2.0
//! Collects what the checks see and turns it into findings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hardpan_tree::{Kind, Origin, TreePath};

use super::{ControlId, ControlPolicy, Finding, Inspection, Measured, Severity, lasting};

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
    /// What each exception is compared by, if it is for what a finding says.
    messages: Vec<Option<Cow<'a, str>>>,
    /// The further names of files that have several.
    names: BTreeMap<&'a TreePath, Vec<&'a TreePath>>,
    groups: BTreeMap<GroupKey, Vec<TreePath>>,
    unmeasured: BTreeMap<ControlId, String>,
}

type GroupKey = (ControlId, Severity, Option<Origin>, String, Option<usize>, Option<u32>);

impl<'a> Report<'a> {
    pub(super) fn new(input: &'a Inspection<'a>, policy: &'a ControlPolicy) -> Self {
        let exceptions = policy.exceptions.iter();
        let messages = exceptions
            .map(|one| one.message.as_deref().map(|message| lasting(one.control, message)))
            .collect();
        let mut names: BTreeMap<&TreePath, Vec<&TreePath>> = BTreeMap::new();
        for (path, node) in input.tree.walk() {
            if let Kind::HardLink(target) = &node.kind {
                names.entry(target).or_default().push(path);
            }
        }
        let (groups, unmeasured) = (BTreeMap::new(), BTreeMap::new());
        Self { input, policy, messages, names, groups, unmeasured }
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

    /// Adds something about a path of the tree that is never worse than this.
    pub(super) fn path_at_most(
        &mut self,
        control: ControlId,
        path: &TreePath,
        text: impl Into<String>,
        most: Severity,
    ) {
        let origin = self.input.tree.get(path).map(|node| node.origin);
        let (path, text) = (Some(path.clone()), text.into());
        let seen = Observation { control, path, origin, text, is_asked_for: false };
        self.add_at_most(seen, most, None);
    }

    /// Adds something about the image that is never worse than this.
    pub(super) fn image_at_most(
        &mut self,
        control: ControlId,
        text: impl Into<String>,
        most: Severity,
    ) {
        let text = text.into();
        let seen = Observation { control, path: None, origin: None, text, is_asked_for: false };
        self.add_at_most(seen, most, None);
    }

    /// Adds something about a path of a layer, which a container need not see.
    pub(super) fn in_layer(
        &mut self,
        control: ControlId,
        path: &TreePath,
        layer: u32,
        text: impl Into<String>,
        most: Severity,
    ) {
        let (path, text) = (Some(path.clone()), text.into());
        let seen = Observation { control, path, origin: None, text, is_asked_for: false };
        self.add_at_most(seen, most, Some(layer));
    }

    /// Adds an observation, with the severity that control, variant and policy give it.
    pub(super) fn add(&mut self, seen: Observation) {
        self.add_at_most(seen, Severity::Fail, None);
    }

    /// Adds an observation. One about a path without a layer is about what a container sees there; what holds for a file by
    /// whatever name is added for each of its names, so that nobody accepts one by another.
    pub(super) fn add_at_most(&mut self, seen: Observation, most: Severity, layer: Option<u32>) {
        let file =
            seen.path.as_ref().filter(|_| layer.is_none() && holds_by_any_name(seen.control));
        let names = file.and_then(|file| self.names.get(file)).cloned().unwrap_or_default();
        for name in names {
            let origin = self.input.tree.get(name).map(|node| node.origin);
            let is_same_package =
                matches!(origin, Some(Origin::Package(_))) && origin == seen.origin;
            let is_asked_for =
                seen.is_asked_for && (is_same_package || self.input.requested_paths.contains(name));
            let path = Some(name.clone());
            self.add_one(Observation { path, origin, is_asked_for, ..seen.clone() }, most, layer);
        }
        self.add_one(seen, most, layer);
    }

    fn add_one(&mut self, seen: Observation, most: Severity, layer: Option<u32>) {
        let Some(severity) = self.severity(seen.control) else { return };
        let mut severity = severity.min(most);
        if seen.is_asked_for {
            severity = severity.min(Severity::Warn);
        }
        let exception = self.exception(&seen);
        if exception.is_some() {
            severity = Severity::Info;
        }
        let layer = layer.or_else(|| self.layer(seen.path.as_ref()));
        let key = (seen.control, severity, seen.origin, seen.text, exception, layer);
        self.groups.entry(key).or_default().extend(seen.path);
    }

    /// Returns the number of the exception by which something is accepted.
    fn exception(&self, seen: &Observation) -> Option<usize> {
        let text = lasting(seen.control, &seen.text);
        self.policy.exceptions.iter().zip(&self.messages).position(|(exception, message)| {
            exception.control == seen.control
                && message.as_ref().is_none_or(|message| *message == text)
                && exception.path.as_ref().is_none_or(|accepted| {
                    let is_exact = message.is_some();
                    let is_it = |path: &TreePath| {
                        if is_exact { path == accepted } else { path.starts_with(accepted) }
                    };
                    seen.path.as_ref().is_some_and(is_it)
                })
        })
    }

    /// Says that some controls can't be measured here, and why.
    pub(super) fn all_unmeasured(&mut self, controls: &[ControlId], why: &str) {
        for control in controls {
            self.unmeasured(*control, why);
        }
    }

    /// Says that a control can't be measured here, and why.
    pub(super) fn unmeasured(&mut self, control: ControlId, why: impl Into<String>) {
        if self.severity(control).is_some() {
            self.unmeasured.insert(control, why.into());
        }
    }

    fn layer(&self, path: Option<&TreePath>) -> Option<u32> {
        self.input.image?.introduced.get(path?).copied()
    }

    fn severity(&self, control: ControlId) -> Option<Severity> {
        match self.policy.severities.get(&control) {
            Some(severity) => *severity,
            None => control.control().severity(self.input.profile),
        }
    }

    /// Returns the findings, worst first.
    pub(super) fn finish(self) -> Measured {
        let mut findings: Vec<Finding> = Vec::with_capacity(self.groups.len());
        for ((control, severity, origin, text, exception, layer), mut paths) in self.groups {
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
            findings.push(Finding {
                control,
                severity,
                message,
                path,
                more_paths,
                package,
                layer,
                help,
                exception,
            });
        }
        findings.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then(a.control.cmp(&b.control)).then(a.path.cmp(&b.path))
        });
        Measured { findings, unmeasured: self.unmeasured }
    }
}

/// Returns what [`message`] says of each path, which is what exceptions are compared with.
pub(crate) fn text_of<'m>(message: &'m str, paths: &[TreePath]) -> Option<&'m str> {
    let [first, more @ ..] = paths else { return Some(message) };
    let text = message.strip_prefix(&first.to_string())?.strip_prefix(' ')?;
    if more.is_empty() {
        return Some(text);
    }
    text.rfind(&format!(" (and {} more: ", more.len())).map(|end| &text[..end])
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
    let known = control.control();
    // What is built here has a definition.
    let fix = if input.image.is_some() { known.fix } else { known.fix_in_definition() };
    let Some(origin) = origin else { return fix.to_owned() };
    let Origin::Package(index) = origin else {
        return format!("{}; {fix}", source(input, origin));
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

/// The most characters of a layer's instruction that a help text has.
const INSTRUCTION_CHARACTERS_MAX: usize = 80;

fn source(input: &Inspection<'_>, origin: Origin) -> String {
    match origin {
        Origin::Package(index) => format!("from package number {index}"),
        Origin::Finisher(name) => format!("made by the finisher {name}"),
        Origin::Definition => "put there by the definition".to_owned(),
        Origin::Stage(number) => format!("copied from build stage {number}"),
        Origin::Layer(number) => {
            let layers = input.image.map_or(&[][..], |image| &image.layers);
            let layer = usize::try_from(number).ok().and_then(|number| layers.get(number));
            let instruction = layer.and_then(|layer| layer.created_by.as_deref());
            match instruction.map(short).filter(|text| !text.is_empty()) {
                Some(instruction) => format!("put there by layer {number}: {instruction}"),
                None => format!("put there by layer {number}"),
            }
        }
    }
}

/// Returns what an entry of the history says in one line, without what builders write around it.
fn short(instruction: &str) -> String {
    let words: Vec<&str> =
        instruction.split_whitespace().take(INSTRUCTION_CHARACTERS_MAX).collect();
    let line = words.join(" ");
    let line = line.strip_suffix("# buildkit").unwrap_or(&line).trim();
    let line = ["/bin/sh -c #(nop) ", "RUN /bin/sh -c ", "/bin/sh -c "]
        .iter()
        .find_map(|start| line.strip_prefix(start))
        .unwrap_or(line);
    let mut text: String = line
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(INSTRUCTION_CHARACTERS_MAX)
        .collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// Whether what a control finds of a file is in its bytes, mode or owner, and not in what it is called.
fn holds_by_any_name(control: ControlId) -> bool {
    matches!(
        control,
        ControlId::SetuidFile
            | ControlId::FileCapability
            | ControlId::WorldWritableFile
            | ControlId::WritableSystemFile
            | ControlId::WritableProgram
            | ControlId::UnownedFile
            | ControlId::ExecutableStack
            | ControlId::WritableCode
            | ControlId::UnsafeRunpath
            | ControlId::FixedAddress
            | ControlId::PartialRelro
            | ControlId::NoStackProtector
            | ControlId::NoFortify
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_each_path_is_found_again() {
        let path = |name: &str| TreePath::parse(name).unwrap();
        let many: Vec<TreePath> = (0..30).map(|number| path(&format!("a/{number}"))).collect();
        for paths in [vec![], vec![path("bin/su")], vec![path("a b"), path("c")], many] {
            for text in ["is bad", "has (and 1 more: x) in it", "is /etc (and 29 more: y)", ""] {
                assert_eq!(text_of(&message(&paths, text), &paths), Some(text), "{paths:?}");
            }
        }
        for (message, paths) in [
            ("/bin/sh is bad", vec![path("bin/su")]),
            ("/bin/sush is bad", vec![path("bin/su")]),
            ("/bin/su is bad", vec![path("bin/su"), path("c")]),
            ("/bin/su is bad (and 2 more: /c)", vec![path("bin/su"), path("c")]),
        ] {
            assert_eq!(text_of(message, &paths), None, "{message}");
        }
    }
}
