// SPDX-License-Identifier: Apache-2.0
//! The values of inputs: what a step says under `with`, as the action wants it.

use std::collections::BTreeMap;

use crate::check::{Refusal, quote};
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::model::{Action, ActionInput, InputKind, InputValue, Step, Value};
use crate::source::Span;
use crate::template::shorten;

/// Largest text of one input in bytes. The kernel takes environment variables up to 128 KiB.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// Largest collection of one input in bytes; it goes to the script in a file.
const MAX_FILE_BYTES: usize = 1 << 20;

impl Action {
    /// The name with its version, as `uses` would write it.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The input with this name or alias.
    pub fn input(&self, name: &str) -> Option<(&str, &ActionInput)> {
        let named = self.inputs.get_key_value(name);
        let found = named.or_else(|| {
            let mut inputs = self.inputs.iter();
            inputs.find(|(_, input)| input.aliases.iter().any(|alias| alias == name))
        });
        found.map(|(name, input)| (name.as_str(), input))
    }

    /// The values of the inputs for a step that uses the action, defaults included; an input without
    /// a value is absent.
    ///
    /// # Errors
    /// Everything that is wrong with the step's `with`.
    pub fn read_inputs(
        &self,
        step: &Step,
    ) -> Result<BTreeMap<String, InputValue>, Vec<Diagnostic>> {
        let mut diagnostics = Vec::new();
        let mut values = BTreeMap::new();
        let mut written: BTreeMap<&str, Span> = BTreeMap::new();
        for (key, value) in &step.with {
            let key_span = step.with_keys.get(key).map_or(value.span, |key| key.span);
            let Some((name, input)) = self.input(key) else {
                diagnostics.push(self.unknown_input(key, key_span));
                continue;
            };
            if let Some(first) = written.insert(name, key_span) {
                let message = format!("`{}` is another spelling of `{name}`", shorten(key));
                let diagnostic = Diagnostic::error(Code::Conflict, key_span, message);
                diagnostics.push(diagnostic.label(first, "given here as well"));
                continue;
            }
            if value.value == Value::Null {
                continue;
            }
            match read_value(input, &value.value) {
                Ok(value) => {
                    values.insert(name.to_owned(), value);
                }
                Err((code, refusal)) => {
                    let message =
                        format!("`{}` of {}: {}", shorten(key), self.reference(), refusal.message);
                    let mut diagnostic = Diagnostic::error(code, value.span, message);
                    diagnostic.help = refusal.help;
                    diagnostics.push(diagnostic);
                }
            }
        }
        let step_span = step.uses.as_ref().map_or_else(Span::default, |uses| uses.span);
        for (name, input) in &self.inputs {
            if values.contains_key(name) {
                continue;
            }
            if let Some(default) = &input.default {
                values.insert(name.clone(), default.clone());
            } else if input.required && !written.contains_key(name.as_str()) {
                let message = format!("{} needs `{name}`", self.reference());
                let diagnostic = Diagnostic::error(Code::MissingKey, step_span, message);
                diagnostics.push(diagnostic.help(format!("it is {}", describe(input.kind))));
            } else if input.required
                && step.with.iter().any(|(key, value)| {
                    value.value == Value::Null
                        && self.input(key).is_some_and(|(found, _)| found == name)
                })
            {
                let message = format!("`{name}` of {} is empty", self.reference());
                let span = written.get(name.as_str()).copied().unwrap_or(step_span);
                diagnostics.push(Diagnostic::error(Code::MissingKey, span, message));
            }
        }
        if diagnostics.is_empty() { Ok(values) } else { Err(diagnostics) }
    }

    fn unknown_input(&self, key: &str, span: Span) -> Diagnostic {
        let message = format!("{} has no input `{}`", self.reference(), shorten(key));
        let diagnostic = Diagnostic::error(Code::UnknownKey, span, message);
        match nearest(key, self.inputs.keys().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if self.inputs.is_empty() => diagnostic.help("it has none"),
            None => {
                let known: Vec<&str> = self.inputs.keys().map(String::as_str).collect();
                diagnostic.help(format!("known are {}", known.join(", ")))
            }
        }
    }
}

/// What a value of a kind is, in words.
fn describe(kind: InputKind) -> &'static str {
    match kind {
        InputKind::String => "a string",
        InputKind::Bool => "true or false",
        InputKind::List => "a list of strings",
        InputKind::Map => "a mapping of strings",
        InputKind::Path => "a path",
        InputKind::Json => "a value of any form",
    }
}

/// Reads a value as an input wants it.
pub(crate) fn read_value(
    input: &ActionInput,
    value: &Value,
) -> Result<InputValue, (Code, Refusal)> {
    let read = match input.kind {
        InputKind::String => InputValue::Text(text(value, InputKind::String)?.to_owned()),
        InputKind::Bool => match value.as_bool() {
            Some(value) => InputValue::Bool(value),
            None => return Err(wrong_type(InputKind::Bool, value)),
        },
        InputKind::Path => InputValue::Text(path(value)?),
        InputKind::List => InputValue::List(list(value)?),
        InputKind::Map => InputValue::Map(map(value)?),
        InputKind::Json => InputValue::Json(value.clone()),
    };
    check_size(&read)?;
    check_values(input, &read)?;
    Ok(read)
}

fn text(value: &Value, kind: InputKind) -> Result<&str, (Code, Refusal)> {
    value.as_text().ok_or_else(|| wrong_type(kind, value))
}

fn wrong_type(kind: InputKind, value: &Value) -> (Code, Refusal) {
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    };
    let message = format!("must be {}, found {found}", describe(kind));
    (Code::WrongType, Refusal::new(message))
}

fn path(value: &Value) -> Result<String, (Code, Refusal)> {
    let text = text(value, InputKind::Path)?;
    if text.is_empty() {
        return Err((Code::EmptyValue, Refusal::new("the path is empty")));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        let message = format!("the path has the character `{}`", bad.escape_debug());
        return Err((Code::BadPath, Refusal::new(message)));
    }
    // So that no program takes it for an option.
    Ok(if text.starts_with('-') { format!("./{text}") } else { text.to_owned() })
}

/// The items become lines of a file, so that none may have a line break.
fn list(value: &Value) -> Result<Vec<String>, (Code, Refusal)> {
    let Value::List(items) = value else {
        return Ok(vec![line(value, InputKind::List)?]);
    };
    items.iter().map(|item| line(item, InputKind::String)).collect()
}

fn line(value: &Value, kind: InputKind) -> Result<String, (Code, Refusal)> {
    let text = text(value, kind)?;
    // A block scalar ends with a line break that nobody meant.
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.contains('\n') {
        let refusal = Refusal::new(format!("{} has a line break", quote(text)));
        return Err((Code::BadText, refusal.help("write each line as an item of its own")));
    }
    Ok(text.to_owned())
}

fn map(value: &Value) -> Result<BTreeMap<String, String>, (Code, Refusal)> {
    let entries = value.as_map().ok_or_else(|| wrong_type(InputKind::Map, value))?;
    let mut read = BTreeMap::new();
    for (key, value) in entries {
        if key.is_empty() || key.contains(['=', '\n']) {
            let message = format!("{} can't be a name here", quote(key));
            return Err((Code::BadText, Refusal::new(message)));
        }
        read.insert(key.clone(), line(value, InputKind::String)?);
    }
    Ok(read)
}

fn check_size(value: &InputValue) -> Result<(), (Code, Refusal)> {
    fn bytes(value: &Value) -> usize {
        match value {
            Value::Null | Value::Bool(_) => 8,
            Value::Number(text) | Value::String(text) => text.len(),
            Value::List(items) => items.iter().map(bytes).sum(),
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| key.len() + bytes(value)).sum()
            }
        }
    }
    let (found, limit) = match value {
        InputValue::Bool(_) => (0, MAX_TEXT_BYTES),
        InputValue::Text(text) => (text.len(), MAX_TEXT_BYTES),
        InputValue::List(items) => (items.iter().map(String::len).sum(), MAX_FILE_BYTES),
        InputValue::Map(entries) => {
            (entries.iter().map(|(key, value)| key.len() + value.len()).sum(), MAX_FILE_BYTES)
        }
        InputValue::Json(value) => (bytes(value), MAX_FILE_BYTES),
    };
    if found <= limit {
        return Ok(());
    }
    Err((Code::Limit, Refusal::new(format!("{found} bytes are more than the limit of {limit}"))))
}

fn check_values(input: &ActionInput, value: &InputValue) -> Result<(), (Code, Refusal)> {
    let texts: &[String] = match value {
        InputValue::Text(text) => std::slice::from_ref(text),
        InputValue::List(items) => items,
        _ => &[],
    };
    let known = || input.values.iter().map(String::as_str);
    let Some(bad) = texts.iter().find(|text| !known().any(|value| value == text.as_str())) else {
        return Ok(());
    };
    if input.values.is_empty() {
        return Ok(());
    }
    let all = input.values.join(", ");
    Err((
        Code::UnknownValue,
        Refusal::new(format!("unknown value {}", quote(bad))).help(match nearest(bad, known()) {
            Some(near) => format!("did you mean `{near}`? Known are {all}"),
            None => format!("known are {all}"),
        }),
    ))
}
