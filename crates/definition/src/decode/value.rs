// SPDX-License-Identifier: Apache-2.0
//! Untyped values.

use std::collections::BTreeMap;

use super::Decoder;
use crate::model::Value;
use crate::template::Mode;
use crate::yaml::{Kind, Node};

impl<'n> Decoder<'n> {
    /// Any value, with placeholders substituted in its strings.
    pub(crate) fn value(&mut self, node: &'n Node, mode: Mode) -> Value {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.is_null() => Value::Null,
            Kind::Scalar(scalar) => {
                if let Some(value) = scalar.boolean() {
                    Value::Bool(value)
                } else if scalar.is_number() {
                    Value::Number(scalar.text.clone())
                } else {
                    let text = self.text(node, "this value", mode);
                    Value::String(text.map(|text| text.value).unwrap_or_default())
                }
            }
            Kind::List(items) => {
                Value::List(items.iter().map(|item| self.value(item, mode)).collect())
            }
            Kind::Map(entries) => {
                let entries: BTreeMap<String, Value> = entries
                    .iter()
                    .map(|entry| (entry.key.clone(), self.value(&entry.value, mode)))
                    .collect();
                Value::Map(entries)
            }
        }
    }
}
