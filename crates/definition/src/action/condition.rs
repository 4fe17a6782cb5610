// SPDX-License-Identifier: Apache-2.0
//! `if` and `privileged` in action files: expressions over the inputs.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::{Code, nearest};
use crate::expression::{self, Names, Outcome, Problem};
use crate::model::{ActionInput, Condition, InputKind, InputValue, Value};

/// What the names of inputs begin with.
const ROOT: &str = "inputs.";

impl Condition {
    /// Whether it holds for these inputs, of which those that nobody gave are absent.
    pub fn holds(&self, action: &crate::Action, values: &BTreeMap<String, InputValue>) -> bool {
        let mut names = Given { inputs: &action.inputs, values };
        // Names and types were checked when the action was read, for every way through the expression.
        matches!(expression::evaluate(&self.0, &mut names), Ok(Outcome::Bool(true)))
    }
}

/// Checks an expression for any values of the inputs.
pub(crate) fn check_condition(
    text: &str,
    inputs: &BTreeMap<String, ActionInput>,
) -> Result<Condition, Problem> {
    match expression::check(text, &mut Given { inputs, values: &BTreeMap::new() })? {
        Outcome::Bool(_) => Ok(Condition(text.trim().to_owned())),
        Outcome::Text(_) => Err(Problem::new(
            Code::ExpressionType,
            0..text.len(),
            "a condition needs a boolean, this is a string",
        )
        .help("compare it, for example `inputs.mode == \"fast\"`")),
    }
}

/// The inputs that a step gave.
struct Given<'a> {
    inputs: &'a BTreeMap<String, ActionInput>,
    values: &'a BTreeMap<String, InputValue>,
}

impl Names for Given<'_> {
    fn name(&mut self, name: &str, range: Range<usize>) -> Result<Outcome, Problem> {
        let Some((input, name)) = name
            .strip_prefix(ROOT)
            .and_then(|name| self.inputs.get(name).map(|input| (input, name)))
        else {
            let message = format!("there is no `{name}` in conditions of an action");
            let known = self.inputs.keys().map(String::as_str);
            let near = nearest(name.strip_prefix(ROOT).unwrap_or(name), known);
            let problem = Problem::new(Code::UnknownName, range, message);
            return Err(match near {
                Some(near) => problem.help(format!("did you mean `{ROOT}{near}`?")),
                None => problem.help(format!("inputs are written `{ROOT}NAME`")),
            });
        };
        let value = self.values.get(name);
        Ok(match input.kind {
            InputKind::String | InputKind::Path => Outcome::Text(match value {
                Some(InputValue::Text(text)) => text.clone(),
                _ => String::new(),
            }),
            _ => Outcome::Bool(value.is_some_and(says_something)),
        })
    }
}

/// Whether a boolean is true, or a collection not empty.
fn says_something(value: &InputValue) -> bool {
    match value {
        InputValue::Bool(value) => *value,
        InputValue::Text(text) => !text.is_empty(),
        InputValue::List(items) => !items.is_empty(),
        InputValue::Map(entries) => !entries.is_empty(),
        InputValue::Json(Value::List(items)) => !items.is_empty(),
        InputValue::Json(Value::Map(entries)) => !entries.is_empty(),
        InputValue::Json(value) => !matches!(value, Value::Null | Value::Bool(false)),
    }
}
