// SPDX-License-Identifier: Apache-2.0
//! The public structs and enums of a source with the comments on them: as much of Rust as their
//! definitions in our own formatting need.

use std::collections::BTreeMap;

/// A struct or enum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Item {
    /// Its comment, in one line.
    pub(super) doc: String,
    /// Whether it is an enum.
    pub(super) is_enum: bool,
    /// Its fields or variants, in order.
    pub(super) fields: Vec<Field>,
}

/// A field of a struct or a variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: String,
    /// Its type; empty for a variant.
    pub(super) kind: String,
    /// Its comment, in one line.
    pub(super) doc: String,
    /// Whether it is the default variant.
    pub(super) is_default: bool,
}

/// Finds the structs and enums of a source by name.
pub(super) fn items(source: &str) -> BTreeMap<String, Item> {
    let mut items = BTreeMap::new();
    let mut current: Option<(String, Item)> = None;
    let mut doc = String::new();
    let mut is_default = false;
    let mut in_attribute = false;
    for line in source.lines() {
        let code = line.trim_start();
        if let Some(comment) = code.strip_prefix("///") {
            doc.push_str(comment);
            continue;
        }
        if in_attribute || code.starts_with("#[") {
            in_attribute = !code.ends_with(']');
            is_default |= code == "#[default]";
            continue;
        }
        let comment = std::mem::take(&mut doc).trim().to_owned();
        match &mut current {
            None => {
                current = header(line).map(|(name, is_enum)| {
                    (name, Item { doc: comment, is_enum, fields: Vec::new() })
                });
            }
            Some(_) if line == "}" => items.extend(current.take()),
            // Fields of the item itself, not those of a variant.
            Some((_, item)) if line.len() - code.len() == 4 => {
                let field = if item.is_enum { variant(code) } else { field(code) };
                if let Some(mut field) = field {
                    field.doc = comment;
                    field.is_default = is_default;
                    item.fields.push(field);
                }
            }
            Some(_) => {}
        }
        is_default = false;
    }
    items
}

fn header(line: &str) -> Option<(String, bool)> {
    let line = line.strip_suffix(" {")?;
    match line.strip_prefix("pub struct ") {
        Some(name) => Some((name.to_owned(), false)),
        None => Some((line.strip_prefix("pub enum ")?.to_owned(), true)),
    }
}

fn field(code: &str) -> Option<Field> {
    let (name, kind) = code.strip_prefix("pub ")?.strip_suffix(',')?.split_once(": ")?;
    Some(Field { name: name.to_owned(), kind: kind.to_owned(), ..Field::default() })
}

fn variant(code: &str) -> Option<Field> {
    let name: String = code.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!name.is_empty()).then(|| Field { name, ..Field::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
/// A thing
/// of two lines.
#[derive(
    Debug, Default,
)]
pub struct Thing {
    /// One.
    #[serde(default)]
    pub one: Option<String>,
    hidden: u8,
}

/// Not a type.
pub fn f() {
    let x = 1;
}

pub enum Choice {
    /// Left, with a value.
    Left(u8),
    /// Right.
    #[default]
    Right {
        /// Inside.
        inside: u8,
    },
}
";

    #[test]
    fn structs_and_enums() {
        let items = items(SOURCE);
        assert_eq!(items.keys().collect::<Vec<_>>(), ["Choice", "Thing"]);
        let thing = &items["Thing"];
        assert_eq!((thing.doc.as_str(), thing.fields.len()), ("A thing of two lines.", 1));
        assert_eq!(thing.fields[0].kind, "Option<String>");
        let choice: Vec<(&str, &str, bool)> = (items["Choice"].fields.iter())
            .map(|field| (field.name.as_str(), field.doc.as_str(), field.is_default))
            .collect();
        assert_eq!(choice, [("Left", "Left, with a value.", false), ("Right", "Right.", true)]);
    }
}
