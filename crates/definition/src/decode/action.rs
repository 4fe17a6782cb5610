// SPDX-License-Identifier: Apache-2.0
//! Action files.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decoder, Fields, Place};
use crate::action::{check_condition, read_value};
use crate::check::{self, Refusal};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Action, ActionInput, ActionPackage, ActionStep, Condition, InputKind, input_variable,
};
use crate::place::inner_span;
use crate::source::{Span, Spanned};
use crate::template::RAW;
use crate::yaml::{Entry, Node};

/// Most inputs, steps, packages or files of an action.
const MAX_ENTRIES: usize = 64;

/// The values of `type`.
const KINDS: [(&str, InputKind); 6] = [
    ("string", InputKind::String),
    ("bool", InputKind::Bool),
    ("list", InputKind::List),
    ("map", InputKind::Map),
    ("path", InputKind::Path),
    ("json", InputKind::Json),
];

type Inputs = BTreeMap<String, ActionInput>;

impl<'n> Decoder<'n> {
    /// Decodes the root of an action file.
    pub(crate) fn action(&mut self, root: &'n Node) -> Option<Action> {
        let span = Span::new(root.span.source, 0..0);
        let mut fields = Fields::new(self, root, "the action", span)?;
        let name = self.required_checked(&mut fields, "name", action_name);
        let version = self.required_checked(&mut fields, "version", action_version);
        let description = self.required_text(&mut fields, "description");
        let inputs = self.action_inputs(fields.take("inputs"));
        let packages = self
            .list(fields.take("packages"), |decoder, node| decoder.action_package(node, &inputs));
        let environment = self.action_environment(fields.take("environment"));
        let files = self.action_files(fields.take("files"));
        let steps_entry = fields.require(self, "steps");
        let steps = self.list(steps_entry, |decoder, node| decoder.action_step(node, &inputs));
        if let Some(entry) = steps_entry.filter(|_| steps.is_empty()) {
            self.error(Code::EmptyValue, entry.key_span, "the action has no step that can be read");
        }
        fields.finish(self);
        for (what, count) in [
            ("inputs", inputs.len()),
            ("packages", packages.len()),
            ("files", files.len()),
            ("steps", steps.len()),
        ] {
            if count > MAX_ENTRIES {
                let message = format!("{count} {what} are more than the limit of {MAX_ENTRIES}");
                self.error(Code::Limit, span, message);
            }
        }
        Some(Action {
            name: name?,
            version: version?,
            description: description?,
            inputs,
            packages,
            environment,
            files,
            steps,
        })
    }

    fn required_checked(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Option<Spanned<String>> {
        let entry = fields.require(self, key)?;
        self.valid(&entry.value, &format!("`{key}`"), RAW, Code::BadText, check)
    }

    fn required_text(&mut self, fields: &mut Fields<'n>, key: &'static str) -> Option<String> {
        let entry = fields.require(self, key)?;
        let text = self.text(&entry.value, &format!("`{key}`"), RAW)?;
        if text.trim().is_empty() {
            self.error(Code::EmptyValue, text.span, format!("`{key}` is empty"));
        }
        Some(text.value.trim().to_owned())
    }

    fn action_inputs(&mut self, entry: Option<&'n Entry>) -> Inputs {
        let mut inputs = BTreeMap::new();
        let mut variables: BTreeMap<String, Span> = BTreeMap::new();
        let Some(entry) = entry else { return inputs };
        for entry in self.entries(&entry.value, "`inputs`") {
            if let Err(refusal) = input_name(&entry.key) {
                self.refuse(Code::BadText, entry.key_span, refusal);
            }
            let Some(input) = self.action_input(entry) else { continue };
            let names = std::iter::once(&entry.key).chain(&input.aliases);
            let own: BTreeSet<String> = names.map(|name| input_variable(name)).collect();
            for variable in own {
                if let Some(first) = variables.get(&variable) {
                    let message = format!("two inputs would be `{variable}` for the scripts");
                    let diagnostic = Diagnostic::error(Code::Duplicate, entry.key_span, message);
                    self.push(diagnostic.label(*first, "first here"));
                }
                variables.insert(variable, entry.key_span);
            }
            inputs.insert(entry.key.clone(), input);
        }
        inputs
    }

    fn action_input(&mut self, entry: &'n Entry) -> Option<ActionInput> {
        let mut fields = Fields::new(self, &entry.value, "an input", entry.key_span)?;
        let kind = fields
            .require(self, "type")
            .and_then(|entry| self.choice(&entry.value, "type", &KINDS));
        let description = self.required_text(&mut fields, "description");
        let required = self.flag(&mut fields, "required");
        let evaluated = self.flag(&mut fields, "evaluated");
        let values_entry = fields.take("values");
        let values = self.texts(values_entry, "a value", RAW);
        let aliases = self.list(fields.take("aliases"), |decoder, node| {
            decoder.valid(node, "an alias", RAW, Code::BadText, input_name)
        });
        let default_entry = fields.take("default");
        fields.finish(self);
        let kind = kind?;
        let aliases = aliases.into_iter().map(|alias| alias.value).collect();
        let description = description?;
        let mut input =
            ActionInput { kind, description, default: None, required, values, aliases, evaluated };
        if let Some(entry) = values_entry
            .filter(|_| !matches!(kind, InputKind::String | InputKind::List | InputKind::Path))
        {
            let message = format!("`values` has no meaning for the type {}", kind.name());
            self.error(Code::Conflict, entry.key_span, message);
        }
        if let Some(entry) = default_entry.filter(|entry| !entry.value.is_null()) {
            if required {
                let message = "an input that is required needs no `default`";
                self.error(Code::Conflict, entry.key_span, message);
            }
            match read_value(&input, &self.value(&entry.value, RAW)) {
                Ok(value) => input.default = Some(value),
                Err((code, refusal)) => self.refuse(code, entry.value.span, refusal),
            }
        }
        Some(input)
    }

    fn action_package(&mut self, node: &'n Node, inputs: &Inputs) -> Option<ActionPackage> {
        let mut fields = Fields::new(self, node, "a need", node.span)?;
        let command = self.required_checked(&mut fields, "command", command_name);
        let mut names = |decoder: &mut Self, key: &'static str| -> Vec<String> {
            let found = decoder.list(fields.take(key), |decoder, node| {
                decoder.valid(node, "a package", RAW, Code::BadPackage, package_name)
            });
            found.into_iter().map(|name| name.value).collect()
        };
        let (debian, alpine) = (names(self, "debian"), names(self, "alpine"));
        let condition = self.action_condition(fields.take("if"), inputs);
        fields.finish(self);
        if debian.is_empty() && alpine.is_empty() {
            self.error(Code::MissingKey, node.span, "a need names packages of some distribution");
        }
        Some(ActionPackage { command: command?.value, debian, alpine, condition })
    }

    fn action_step(&mut self, node: &'n Node, inputs: &Inputs) -> Option<ActionStep> {
        let mut fields = Fields::new(self, node, "a step of an action", node.span)?;
        let name = self.optional(&mut fields, "name", RAW);
        let condition = self.action_condition(fields.take("if"), inputs);
        let privileged = self.action_condition(fields.take("privileged"), inputs);
        let work_dir = self.work_dir(fields.take("work-dir"), Place::Stage);
        let environment = self.action_environment(fields.take("environment"));
        let runs = self.required_text(&mut fields, "runs");
        fields.finish(self);
        Some(ActionStep {
            name,
            condition,
            work_dir: work_dir.map(|path| path.value),
            environment,
            privileged,
            runs: format!("{}\n", runs?),
        })
    }

    fn action_environment(&mut self, entry: Option<&'n Entry>) -> BTreeMap<String, String> {
        let map = self.text_map(entry, RAW, |decoder, entry| {
            let reserved = ["INPUT_", "ACTION_"].iter().any(|prefix| entry.key.starts_with(prefix));
            if let Err(refusal) = check::environment_name(&entry.key) {
                decoder.refuse(Code::BadEnvironmentName, entry.key_span, refusal);
            } else if reserved {
                let message = "names that begin with `INPUT_` or `ACTION_` are hardpan's own";
                decoder.error(Code::BadEnvironmentName, entry.key_span, message);
            }
            true
        });
        map.into_iter().map(|(key, value)| (key, value.value)).collect()
    }

    fn action_files(&mut self, entry: Option<&'n Entry>) -> BTreeMap<String, String> {
        let map = self.text_map(entry, RAW, |decoder, entry| match file_name(&entry.key) {
            Ok(()) => true,
            Err(refusal) => {
                decoder.refuse(Code::BadPath, entry.key_span, refusal);
                false
            }
        });
        map.into_iter().map(|(key, value)| (key, value.value)).collect()
    }

    fn action_condition(&mut self, entry: Option<&'n Entry>, inputs: &Inputs) -> Option<Condition> {
        let node = &entry?.value;
        let scalar = self.scalar(node, "a condition", "an expression")?;
        match check_condition(&scalar.text, inputs) {
            Ok(condition) => Some(condition),
            Err(problem) => {
                let source = self.sources.get(node.span.source as usize);
                let span = source.map_or(node.span, |source| {
                    inner_span(&source.text, node.span, scalar, problem.range)
                });
                let mut diagnostic = Diagnostic::error(problem.code, span, problem.message);
                diagnostic.help = problem.help;
                self.push(diagnostic);
                None
            }
        }
    }
}

/// Checks a name made of `bytes`, that begins with a letter or digit.
fn word(text: &str, what: &str, others: &[u8], help: &str) -> Result<(), Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    let first = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if first && text.len() <= 128 && text.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not {what}", check::quote(text))).help(help))
}

fn action_name(text: &str) -> Result<(), Refusal> {
    let help = "an action is called like `patch` or `go/build`";
    for part in text.split('/') {
        word(part, "the name of an action", b"-_.", help)?;
    }
    Ok(())
}

fn action_version(text: &str) -> Result<(), Refusal> {
    word(text, "the version of an action", b"-_.", "a version is written like `v1`")
}

fn input_name(text: &str) -> Result<(), Refusal> {
    let help = "an input is called like `extra-args`";
    let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    if !lower || text.starts_with(|first: char| !first.is_ascii_alphabetic()) {
        let message = format!("{} is not the name of an input", check::quote(text));
        return Err(Refusal::new(message).help(help));
    }
    word(text, "the name of an input", b"-_", help)
}

fn command_name(text: &str) -> Result<(), Refusal> {
    word(text, "the name of a program", b"-_.+", "a program is named without its folder")
}

fn package_name(text: &str) -> Result<(), Refusal> {
    word(text, "the name of a package", b"-_.+", "a package is named without its version")
}

fn file_name(text: &str) -> Result<(), Refusal> {
    word(text, "the name of a file", b"-_.", "a file is named like `report.awk`")
}
