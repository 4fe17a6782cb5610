// SPDX-License-Identifier: Apache-2.0
//! YAML files of others than definitions: policies and the like, as plain data or as types of others.

mod typed;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::yaml::{self, Kind, Node, Scalar};

/// A YAML file, with the places of all that is in it.
#[derive(Debug, Clone)]
pub struct DataFile(Node);

impl DataFile {
    /// Reads a YAML file.
    ///
    /// # Errors
    /// All problems, with their places. A key that stands twice is one.
    pub fn parse(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        let mut diagnostics = Vec::new();
        match yaml::read(source, 0, &mut diagnostics) {
            Some(node) if diagnostics.iter().all(|diagnostic| !diagnostic.is_error()) => {
                Ok(Self(node))
            }
            _ => Err(diagnostics),
        }
    }

    /// Returns the file as a type, called `what` as a whole. Nothing stands for what is absent, and no list for a mapping.
    ///
    /// # Errors
    /// The first thing that does not fit, with its place, its key, and what may be there.
    pub fn decode<T: DeserializeOwned>(&self, what: &str) -> Result<T, Diagnostic> {
        typed::decode(&self.0, what)
    }

    /// Returns the data of the file, as it is meant in YAML 1.2. That of an empty one is `null`.
    pub fn value(&self) -> Value {
        value(&self.0)
    }

    /// Returns where something stands, by its JSON pointer (RFC 6901): a scalar itself, of all else its key. Of what is not
    /// there it is the place of what would hold it.
    pub fn span_of(&self, pointer: &str) -> Span {
        let (node, span) = self.find(pointer);
        match node {
            Some(node) if matches!(node.kind, Kind::Scalar(_)) && !node.is_null() => node.span,
            _ => span,
        }
    }

    /// Returns where the key of something stands, by its JSON pointer: that is where it begins. Of what is not there it is
    /// the place of what would hold it.
    pub fn key_span_of(&self, pointer: &str) -> Span {
        self.find(pointer).1
    }

    /// Returns what is at a JSON pointer, if it is there, and where that, or what would hold it, begins.
    fn find(&self, pointer: &str) -> (Option<&Node>, Span) {
        let (mut node, mut span) = (&self.0, self.0.span.at_start());
        for step in pointer.split('/').skip(1) {
            let next = match &node.kind {
                Kind::Scalar(_) => None,
                Kind::List(items) => {
                    let item = step.parse().ok().and_then(|number: usize| items.get(number));
                    item.map(|item| (item, item.span))
                }
                Kind::Map(_) => {
                    let entry = node.get(&step.replace("~1", "/").replace("~0", "~"));
                    entry.map(|entry| (&entry.value, entry.key_span))
                }
            };
            let Some(next) = next else { return (None, span) };
            (node, span) = next;
        }
        (Some(node), span)
    }
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) => of_scalar(scalar),
        Kind::List(items) => Value::Array(items.iter().map(value).collect()),
        Kind::Map(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), value(&entry.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

fn of_scalar(scalar: &Scalar) -> Value {
    if scalar.is_null() {
        return Value::Null;
    }
    if let Some(boolean) = scalar.boolean() {
        return Value::Bool(boolean);
    }
    let number = scalar.is_number().then(|| number(&scalar.text)).flatten();
    number.map_or_else(|| Value::String(scalar.text.clone()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(whole) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, Vec<Diagnostic>> {
        DataFile::parse(&Source::new("policy.yaml", text)).map(|file| file.value())
    }

    #[test]
    fn scalars_mean_what_yaml_says() {
        let text = "a: 1\nb: true\nc: '1'\nd: [x, 1.5, null, 0x1f, +3]\ne: {f: yes}\n";
        let expected = json!({
            "a": 1, "b": true, "c": "1", "d": ["x", 1.5, null, 31, 3], "e": {"f": "yes"},
        });
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        for text in ["a: [", "a: 1\na: 2\n", "a: *b\n", "\t- a\n- b: :\n c"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
