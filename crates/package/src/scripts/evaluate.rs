// SPDX-License-Identifier: Apache-2.0
//! Follows a script as a shell would, both ways where a condition is not known.

mod branches;
mod builtins;
mod files;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::apk;
use super::commands::{self, Context, Outcome, Output};
use super::expand::Value;
use super::syntax::{
    AndOr, Command, CommandKind, Joint, List, Part, Pipeline, Redirect, RedirectOperator, Script,
    Simple,
};
use crate::segment::Format;

use super::{Effect, FileTests, Look, Operation, ScriptInput, Treatment, conditions};

/// How many commands one run of a script may take.
const STEPS_MAX: u32 = 20_000;
/// How many bytes of values one run of a script may make; what comes after is not known.
const VALUES_BYTES_MAX: usize = 1024 * 1024;
/// dpkg's umask, with which scripts run.
const UMASK: u32 = 0o022;
/// How deep functions may call each other.
const CALLS_MAX: u32 = 24;
/// Where files of `mktemp` are taken to be.
pub(super) const SCRATCH: &str = "/tmp/.hardpan-scratch";

/// What a status is, if that is known: `true` is success.
pub(super) type Status = Option<bool>;

/// How a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
    Return,
    Exit,
    /// The script fails. Packages install, so this is never the way taken.
    Fail,
}

/// All that one way through a script may change.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) variables: BTreeMap<String, Value>,
    pub(super) positional: Vec<Value>,
    functions: BTreeMap<String, Rc<Command>>,
    /// Whether an unset variable may have been set by something unknown.
    pub(super) may_be_set: bool,
    /// Files that this or an earlier script of the package made or removed.
    files: BTreeMap<String, Noted>,
    /// Whether it is not known that this is reached at all.
    is_uncertain: bool,
    /// The mode bits that new files do not get.
    umask: u32,
    /// Answers of debconf that the script set itself.
    pub(super) answers: BTreeMap<String, Value>,
    /// Whether it may be in another directory than the one it began in.
    pub(super) is_elsewhere: bool,
}

/// What the scripts themselves put somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Noted {
    Look(Look),
    /// A link with this target.
    Link(String),
}

/// What one visit of a command said.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) command: usize,
    pub(super) treatment: Treatment,
}

/// One script being followed.
pub(super) struct Evaluator<'a> {
    pub(super) input: &'a ScriptInput<'a>,
    pub(super) script: &'a str,
    pub(super) questions: &'a BTreeMap<String, String>,
    files: &'a dyn FileTests,
    tree: &'a Script,
    pub(super) state: State,
    pub(super) visits: Vec<Visit>,
    pub(super) effects: Vec<Effect>,
    steps: u32,
    value_bytes: usize,
    calls: u32,
    /// Whether a failure of the current command goes unnoticed.
    may_fail: bool,
    /// What was printed so far in the `$( )` around, innermost last.
    captured: Vec<Output>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        input: &'a ScriptInput<'a>,
        script: &'a str,
        tree: &'a Script,
        questions: &'a BTreeMap<String, String>,
        files: &'a dyn FileTests,
    ) -> Self {
        Self {
            input,
            script,
            questions,
            files,
            tree,
            state: State {
                variables: BTreeMap::new(),
                positional: Vec::new(),
                functions: BTreeMap::new(),
                may_be_set: false,
                files: BTreeMap::new(),
                is_uncertain: false,
                umask: UMASK,
                answers: BTreeMap::new(),
                is_elsewhere: false,
            },
            visits: Vec::new(),
            effects: Vec::new(),
            steps: 0,
            value_bytes: 0,
            calls: 0,
            may_fail: false,
            captured: Vec::new(),
        }
    }

    /// Follows the script once with the arguments that the package manager gives; what it did to files stays
    /// known. Returns whether it came to an end within [`STEPS_MAX`].
    pub(super) fn run(&mut self, arguments: Vec<Value>) -> bool {
        let files = std::mem::take(&mut self.state.files);
        self.state = State {
            variables: self.environment(),
            positional: arguments,
            functions: BTreeMap::new(),
            may_be_set: false,
            files,
            is_uncertain: false,
            umask: UMASK,
            answers: BTreeMap::new(),
            is_elsewhere: false,
        };
        self.steps = 0;
        self.value_bytes = 0;
        let tree = self.tree;
        self.list(&tree.body);
        self.steps < STEPS_MAX
    }

    /// What the package manager puts into the environment, and what is not known of it.
    fn environment(&self) -> BTreeMap<String, Value> {
        if self.input.format == Format::Apk {
            return apk::environment();
        }
        let known = [
            ("DPKG_ROOT", ""),
            ("DPKG_MAINTSCRIPT_PACKAGE", self.input.package),
            ("DPKG_MAINTSCRIPT_NAME", self.script),
            ("DPKG_MAINTSCRIPT_ARCH", self.input.architecture),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DEBIAN_FRONTEND", "noninteractive"),
        ];
        let unknown = [
            "PATH",
            "HOME",
            "LANG",
            "LC_ALL",
            "TERM",
            "USER",
            "IFS",
            "PWD",
            "DPKG_RUNNING_VERSION",
        ];
        let known =
            known.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
        known.chain(unknown.iter().map(|name| ((*name).to_owned(), None))).collect()
    }

    fn list(&mut self, list: &List) -> (Flow, Status) {
        let mut status = Some(true);
        for and_or in list {
            let (flow, new) = self.and_or(and_or);
            status = new;
            if flow != Flow::Next || self.steps >= STEPS_MAX {
                return (flow, status);
            }
        }
        (Flow::Next, status)
    }

    fn and_or(&mut self, and_or: &AndOr) -> (Flow, Status) {
        let outer = self.may_fail;
        self.may_fail |= and_or.rest.iter().any(|(joint, _)| *joint == Joint::Or);
        let (mut flow, mut status) = self.pipeline(&and_or.first);
        for (joint, pipeline) in &and_or.rest {
            if flow != Flow::Next {
                break;
            }
            match (joint, status) {
                (Joint::And, Some(false)) | (Joint::Or, Some(true)) => {}
                (_, Some(_)) => (flow, status) = self.pipeline(pipeline),
                (_, None) => {
                    let skipped = self.state.clone();
                    self.state.is_uncertain = true;
                    let (new_flow, _) = self.pipeline(pipeline);
                    flow = self.join(skipped, Flow::Next, new_flow);
                    status = None;
                }
            }
        }
        self.may_fail = outer;
        (flow, status)
    }

    /// Brings two ways together: `other` ended with `other_flow`, the current one with `flow`.
    fn join(&mut self, other: State, other_flow: Flow, flow: Flow) -> Flow {
        match (other_flow, flow) {
            (_, Flow::Fail) => {
                self.state = other;
                other_flow
            }
            (Flow::Fail, _) => flow,
            (Flow::Next, Flow::Next) => {
                let was_uncertain = other.is_uncertain;
                let is_uncertain = self.state.is_uncertain;
                self.state = merge(other, &self.state);
                // Both ways lead here, so it is reached if either was certain to be taken.
                self.state.is_uncertain = was_uncertain && is_uncertain;
                Flow::Next
            }
            (Flow::Next, _) => {
                self.state = other;
                self.state.is_uncertain = true;
                Flow::Next
            }
            (_, Flow::Next) => {
                self.state.is_uncertain = true;
                Flow::Next
            }
            (left, right) if left == right => left,
            // Whichever leaves less, so that nothing that may be reached is passed over.
            (left, right) => {
                self.state.is_uncertain = true;
                [Flow::Continue, Flow::Break, Flow::Return]
                    .into_iter()
                    .find(|flow| *flow == left || *flow == right)
                    .unwrap_or(Flow::Exit)
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> (Flow, Status) {
        let (flow, status) = match pipeline.commands.as_slice() {
            [command] => self.command(command),
            commands => {
                // Each part runs in a shell of its own: what it sets is lost.
                let before = self.state.clone();
                self.captured.push(Output::Unknown);
                for command in commands {
                    self.command(command);
                }
                self.captured.pop();
                self.print(&Output::Unknown);
                let files = std::mem::take(&mut self.state.files);
                self.state = before;
                self.state.files = files;
                (Flow::Next, None)
            }
        };
        (flow, if pipeline.is_negated { status.map(|status| !status) } else { status })
    }

    fn command(&mut self, command: &Command) -> (Flow, Status) {
        self.steps += 1;
        if self.steps >= STEPS_MAX {
            return (Flow::Exit, None);
        }
        if !matches!(command.kind, CommandKind::Simple(_)) {
            self.compound_redirects(command);
        }
        match &command.kind {
            CommandKind::Simple(simple) => self.simple(command, simple),
            CommandKind::Group(list) => self.list(list),
            CommandKind::Subshell(list) => {
                let before = self.state.clone();
                let (_, status) = self.list(list);
                let files = std::mem::take(&mut self.state.files);
                self.state = before;
                self.state.files = files;
                (Flow::Next, status)
            }
            CommandKind::If { branches, otherwise } => self.branches(branches, otherwise.as_ref()),
            CommandKind::Case { subject, arms } => self.case(subject, arms),
            CommandKind::For { variable, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words),
                    None => self.state.positional.clone(),
                };
                self.each(variable, values, body)
            }
            CommandKind::While { condition, body, is_until } => {
                self.repeat(condition, body, *is_until)
            }
            CommandKind::Function { name, body } => {
                self.state.functions.insert(name.clone(), body.clone());
                (Flow::Next, Some(true))
            }
            CommandKind::Opaque => (Flow::Next, None),
        }
    }

    fn simple(&mut self, command: &Command, simple: &Simple) -> (Flow, Status) {
        let words = self.fields(&simple.words);
        let mut last = Some(true);
        let mut assigned = Vec::new();
        for (name, word) in &simple.assignments {
            let has_substitution =
                word.iter().any(|part| matches!(part, Part::Substitution { .. }));
            let value = self.value(word);
            if has_substitution {
                last = None;
            }
            assigned.push((name.clone(), value));
        }
        let Some(first) = words.first() else {
            self.state.variables.extend(assigned);
            if simple.assignments.is_empty() {
                // Only redirections: `> file`.
                let outcome = Outcome::ignored("has no effect by itself");
                return (Flow::Next, self.settle(command, outcome));
            }
            self.visit(command.id, Treatment::Ignored { reason: "sets variables only".to_owned() });
            return (Flow::Next, last);
        };
        let Some(name) = first.clone() else {
            let outcome = Outcome::unhandled("the name of the command is not known");
            return (Flow::Next, self.settle(command, outcome));
        };
        // Assignments before a command last only as long as it does; here they only may matter inside functions.
        let saved: Vec<(String, Option<Value>)> = assigned
            .iter()
            .map(|(name, _)| (name.clone(), self.state.variables.get(name).cloned()))
            .collect();
        self.state.variables.extend(assigned);
        let result = self.named(command, &name, &words[1..]);
        for (name, value) in saved {
            match value {
                Some(value) => self.state.variables.insert(name, value),
                None => self.state.variables.remove(&name),
            };
        }
        result
    }

    fn named(&mut self, command: &Command, name: &str, arguments: &[Value]) -> (Flow, Status) {
        if let Some(body) = self.state.functions.get(name).cloned() {
            return self.call(command, &body, arguments);
        }
        let flow = match name {
            "exit" if !matches!(arguments, [] | [None]) && !is_zero(arguments) => Flow::Fail,
            "exit" => Flow::Exit,
            "return" => Flow::Return,
            "break" => Flow::Break,
            "continue" => Flow::Continue,
            _ => Flow::Next,
        };
        if flow != Flow::Next {
            let reason = "only directs the script".to_owned();
            self.visit(command.id, Treatment::Ignored { reason });
            let status = match arguments.first() {
                Some(Some(code)) => Some(code == "0"),
                Some(None) => None,
                None => Some(true),
            };
            return (flow, status);
        }
        if matches!(name, "command" | "builtin" | "exec" | "nice" | "ionice" | "nohup" | "env")
            && let Some(Some(inner)) = arguments.first()
            && !inner.starts_with('-')
            && !inner.contains('=')
        {
            let inner = inner.clone();
            let (flow, status) = self.named(command, &inner, &arguments[1..]);
            return (if name == "exec" { Flow::Exit } else { flow }, status);
        }
        if name == "eval" {
            return self.eval(command, arguments);
        }
        if let Some(status) = self.builtin(name, arguments) {
            let outcome = Outcome::ignored("only directs the script");
            // `: > file` makes a file.
            self.settle(command, outcome);
            return (Flow::Next, status);
        }
        if matches!(name, "[" | "test") {
            let reason = "asks, changes nothing".to_owned();
            self.visit(command.id, Treatment::Ignored { reason });
            let arguments = match (name, arguments) {
                ("[", [rest @ .., Some(end)]) if end == "]" => rest,
                (_, all) => all,
            };
            return (Flow::Next, conditions::test(self, arguments));
        }
        let context = Context { name, arguments };
        let mut outcome = commands::treat(self, &context);
        if outcome.output == Output::Unknown
            && let Some(text) = commands::output(self, name, arguments)
        {
            outcome.output = Output::Text(text);
        }
        let outcome = match self.here_document(command) {
            Some(content) if matches!(name, "cat" | "tee") && arguments.is_empty() => {
                let output = content.map_or(Output::Unknown, Output::Text);
                Outcome { output, ..outcome }
            }
            _ => outcome,
        };
        (Flow::Next, self.settle(command, outcome))
    }

    fn call(&mut self, command: &Command, body: &Command, arguments: &[Value]) -> (Flow, Status) {
        if self.calls >= CALLS_MAX {
            let outcome = Outcome::unhandled("functions call each other too deeply");
            return (Flow::Next, self.settle(command, outcome));
        }
        let reason = "calls a function of the script".to_owned();
        self.visit(command.id, Treatment::Ignored { reason });
        self.calls += 1;
        let positional = std::mem::replace(&mut self.state.positional, arguments.to_vec());
        let was_uncertain = self.state.is_uncertain;
        let (flow, status) = self.command(body);
        self.state.positional = positional;
        self.calls -= 1;
        match flow {
            Flow::Exit | Flow::Fail => (flow, status),
            _ => {
                self.state.is_uncertain = was_uncertain;
                (Flow::Next, status)
            }
        }
    }

    /// Counts what a value takes; returns whether there was room for it.
    pub(super) fn has_room(&mut self, length_bytes: usize) -> bool {
        // Empty values take something too.
        self.value_bytes = self.value_bytes.saturating_add(length_bytes + 1);
        self.value_bytes <= VALUES_BYTES_MAX
    }

    /// Follows `$( )`: its commands count as this script's, its output is the value if it is known.
    pub(super) fn substitute(&mut self, list: &List) -> Value {
        let before = self.state.clone();
        self.captured.push(Output::Nothing);
        self.list(list);
        let is_doubtful = self.state.is_uncertain && !before.is_uncertain;
        let files = std::mem::take(&mut self.state.files);
        self.state = before;
        self.state.files = files;
        match self.captured.pop() {
            _ if is_doubtful => None,
            Some(Output::Nothing) => Some(String::new()),
            Some(Output::Text(text)) => Some(text.trim_end_matches('\n').to_owned()),
            _ => None,
        }
    }

    /// Records what a command does, and what its redirections do.
    fn settle(&mut self, command: &Command, outcome: Outcome) -> Status {
        let Outcome { treatment, operations, status, output } = outcome;
        let mut treatment = treatment;
        let mut operations = operations;
        let redirects: Vec<&Redirect> = command.redirects.iter().collect();
        for redirect in redirects {
            match self.redirect(redirect, &output) {
                Ok(None) => {}
                Ok(Some(operation)) => {
                    operations.push(operation);
                    treatment =
                        treatment.max(Treatment::Handled { finisher: "scripts".to_owned() });
                }
                Err(reason) => treatment = treatment.max(Treatment::Unhandled { reason }),
            }
        }
        let is_redirected = command.redirects.iter().any(|redirect| {
            matches!(redirect.descriptor, None | Some(1))
                && matches!(
                    redirect.operator,
                    RedirectOperator::Write
                        | RedirectOperator::Append
                        | RedirectOperator::DuplicateOut
                )
        });
        if !is_redirected {
            self.print(&output);
        }
        if !operations.is_empty() && self.state.is_uncertain && !operations.iter().all(is_harmless)
        {
            let reason = "whether this is reached depends on what is not known here".to_owned();
            treatment = treatment.max(Treatment::Unhandled { reason });
            operations.retain(is_harmless);
        }
        let may_fail = self.may_fail;
        for mut operation in operations {
            self.mask(&mut operation);
            self.note_file(&operation);
            let line = command.first_line;
            let script = self.script.to_owned();
            self.effects.push(Effect { script, line, may_fail, operation });
        }
        self.visit(command.id, treatment);
        status
    }

    /// Takes the bits of the umask from the mode of what is new.
    fn mask(&self, operation: &mut Operation) {
        let umask = self.state.umask;
        match operation {
            Operation::Write { mode, .. } | Operation::Touch { mode, .. } => *mode &= !umask,
            Operation::MakeDirectory { mode: mode @ None, .. } if umask != UMASK => {
                *mode = Some(0o777 & !umask);
            }
            _ => {}
        }
    }

    fn visit(&mut self, command: usize, treatment: Treatment) {
        self.visits.push(Visit { command, treatment });
    }
}

/// Whether a way leads on, or is never taken.
fn goes_on(flow: Flow) -> bool {
    matches!(flow, Flow::Next | Flow::Fail)
}

/// Whether `exit` is given a zero, or a value that is not known.
fn is_zero(arguments: &[Value]) -> bool {
    matches!(arguments.first(), Some(Some(code)) if code.trim() == "0")
}

/// Whether a change may be made though it is not known that the script would come to it.
fn is_harmless(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Sysusers { .. } | Operation::Tmpfiles { .. } | Operation::Pam
            | Operation::Shells { .. }
            // These make what is missing, and only if the image wants accounts of packages.
            | Operation::User(_)
            | Operation::Group(_)
            | Operation::Member { .. }
            // These look for themselves what there is.
            | Operation::PhpModules { .. }
    )
}

/// Whether a path is below the place of temporary files.
pub(super) fn is_scratch(path: &str) -> bool {
    path.starts_with(SCRATCH)
}

/// Keeps what two ways agree on.
fn merge(mut left: State, right: &State) -> State {
    let names: Vec<String> = left.variables.keys().chain(right.variables.keys()).cloned().collect();
    for name in names {
        if left.variables.get(&name) != right.variables.get(&name) {
            left.variables.insert(name, None);
        }
    }
    let paths: Vec<String> = left.files.keys().chain(right.files.keys()).cloned().collect();
    for path in paths {
        if left.files.get(&path) != right.files.get(&path) {
            left.files.insert(path, Noted::Look(Look::Unknown));
        }
    }
    for (name, body) in &right.functions {
        left.functions.entry(name.clone()).or_insert_with(|| body.clone());
    }
    for (question, answer) in &right.answers {
        if left.answers.get(question) != Some(answer) {
            left.answers.insert(question.clone(), None);
        }
    }
    if left.positional != right.positional {
        left.positional = vec![None; left.positional.len().max(right.positional.len())];
    }
    left.may_be_set |= right.may_be_set;
    left.is_elsewhere |= right.is_elsewhere;
    // Rather too few may read a file than too many.
    left.umask |= right.umask;
    left
}
