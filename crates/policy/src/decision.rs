// SPDX-License-Identifier: Apache-2.0
//! What Rego decides about an image.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use serde::{Deserialize, Serialize};

use super::engine::{Loaded, Module, RegoError, Settings};

/// The most reasons that are kept of one package.
const REASONS_MAX: usize = 1_000;
/// The longest reason that is kept, in characters.
const REASON_CHARACTERS_MAX: usize = 2_000;
/// How modules with tests end, which decide nothing.
const TESTS: &str = "_test.rego";

/// What a package decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// The rules that were asked: `data.docker.decision`.
    pub rule: String,
    /// Whether the image may be used.
    pub allow: bool,
    /// Why not. One that denies without a word has one of ours.
    pub reasons: Vec<String>,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub printed: Vec<String>,
}

/// Holds an input against modules that belong together. Each package that has one of the rules `decision`, `allow` and
/// `deny` decides, in the order of their names; all of them have to allow it.
///
/// # Errors
/// If they are no Rego, have no such rule, take too long, or decide something that is no decision.
pub fn decide(
    modules: &[Module],
    input: &serde_json::Value,
    settings: &Settings,
) -> Result<Vec<Decision>, RegoError> {
    let own: Vec<Module> =
        modules.iter().filter(|module| !module.name.ends_with(TESTS)).cloned().collect();
    let mut loaded = Loaded::new(&own, settings)?;
    // Undefined would be another input: what is no image.
    let input = Value::deserialize(input).map_err(|error| RegoError::Input(error.to_string()))?;
    loaded.engine.set_input(input);
    let mut rules: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (module, package) in &loaded.packages {
        let all = ["decision", "allow", "deny"];
        let there = all.into_iter().filter(|rule| loaded.has(module, rule));
        let there: Vec<&str> = there.collect();
        if !there.is_empty() {
            rules.entry(package.clone()).or_default().extend(there);
        }
    }
    if rules.is_empty() {
        return Err(RegoError::NoDecision);
    }
    rules.iter().map(|(package, rules)| of_package(&mut loaded, package, rules)).collect()
}

fn of_package(
    loaded: &mut Loaded,
    package: &str,
    rules: &BTreeSet<&str>,
) -> Result<Decision, RegoError> {
    let mut decision = if rules.contains("decision") {
        let rule = format!("{package}.decision");
        match loaded.value(&rule)? {
            Some(value) => of_decision(rule, &value)?,
            None => undefined(rule),
        }
    } else {
        of_rules(loaded, package, rules)?
    };
    if !decision.allow && decision.reasons.is_empty() {
        decision.reasons.push(format!("{} does not allow it, and says no reason", decision.rule));
    }
    decision.printed = loaded.printed();
    Ok(decision)
}

fn undefined(rule: String) -> Decision {
    let reason = format!("{rule} is undefined for this image: what is not decided is denied");
    Decision { rule, allow: false, reasons: vec![reason], printed: Vec::new() }
}

/// Reads buildx's form.
fn of_decision(rule: String, value: &Value) -> Result<Decision, RegoError> {
    let shape = |text: &str| RegoError::Shape { rule: rule.clone(), text: text.to_owned() };
    let Ok(object) = value.as_object() else {
        return Err(shape("it is not an object with allow and deny_msg"));
    };
    let allow = match object.get(&Value::from("allow")) {
        None => false,
        Some(Value::Bool(allow)) => *allow,
        Some(_) => return Err(shape("allow is neither true nor false")),
    };
    let reasons = match object.get(&Value::from("deny_msg")) {
        None => Vec::new(),
        Some(list) => reasons(list).ok_or_else(|| shape("deny_msg is no list of texts"))?,
    };
    Ok(Decision { rule, allow, reasons, printed: Vec::new() })
}

/// Reads `allow`, which has to be true where it is, and `deny`, in which nothing may be.
fn of_rules(
    loaded: &mut Loaded,
    package: &str,
    rules: &BTreeSet<&str>,
) -> Result<Decision, RegoError> {
    let names: Vec<String> = rules.iter().map(|rule| format!("{package}.{rule}")).collect();
    let rule = names.join(", ");
    let shape = |text: &str| RegoError::Shape { rule: rule.clone(), text: text.to_owned() };
    let mut denied = Vec::new();
    if rules.contains("deny") {
        // A rule that is undefined denies as little as an empty set.
        denied = match loaded.value(&format!("{package}.deny"))? {
            None | Some(Value::Bool(false)) => Vec::new(),
            Some(Value::Bool(true)) => vec![format!("{package}.deny is true")],
            Some(list) => reasons(&list).ok_or_else(|| shape("deny is no set of texts"))?,
        };
    }
    let mut allow = denied.is_empty();
    if rules.contains("allow") {
        match loaded.value(&format!("{package}.allow"))? {
            Some(Value::Bool(allowed)) => allow &= allowed,
            Some(_) => return Err(shape("allow is neither true nor false")),
            None => {
                denied.extend(undefined(format!("{package}.allow")).reasons);
                allow = false;
            }
        }
    }
    Ok(Decision { rule, allow, reasons: denied, printed: Vec::new() })
}

/// Reads reasons: texts, or objects with a text `msg`.
fn reasons(list: &Value) -> Option<Vec<String>> {
    let all: Vec<&Value> = match list {
        Value::Array(list) => list.iter().collect(),
        Value::Set(set) => set.iter().collect(),
        _ => return None,
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.to_string()),
        Value::Object(object) => match object.get(&Value::from("msg")) {
            Some(Value::String(text)) => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    };
    // More than are kept still deny.
    let short = |text: String| text.chars().take(REASON_CHARACTERS_MAX).collect();
    all.into_iter().take(REASONS_MAX).map(|value| text(value).map(short)).collect()
}
