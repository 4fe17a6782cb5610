// SPDX-License-Identifier: Apache-2.0
//! Machine-readable `debian/copyright` (copyright-format 1.0).

use std::collections::BTreeMap;

use super::expression::Node;
use super::{Collector, statement};

/// The most paragraphs that are read. Chromium has 1,400.
const PARAGRAPHS_MAX: usize = 20_000;

/// A paragraph: its fields, names in lower case. Of a field that stands there twice both are kept.
type Paragraph = Vec<(String, String)>;

/// What a file in the format says.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The short names, each with the text that stands below it, if there is one.
    pub licenses: Vec<(String, String)>,
    /// The texts of stand-alone paragraphs, by short name.
    pub texts: BTreeMap<String, String>,
    /// What the fields `Copyright` have.
    pub copyright: Vec<String>,
}

/// Reads a file, if it has the format: some paragraph says which license which files have.
pub(super) fn read(text: &str) -> Option<Machine> {
    let paragraphs = paragraphs(text);
    let has = |paragraph: &Paragraph, name: &str| paragraph.iter().any(|(field, _)| field == name);
    let is_machine = |paragraph: &Paragraph| has(paragraph, "license") && has(paragraph, "files");
    let is_headed = paragraphs
        .first()
        .is_some_and(|first| has(first, "format") || has(first, "format-specification"));
    let is_licensed = paragraphs.iter().any(|paragraph| has(paragraph, "license"));
    if !(paragraphs.iter().any(is_machine) || is_headed && is_licensed) {
        return None;
    }
    let mut machine = Machine::default();
    for (number, paragraph) in paragraphs.iter().enumerate() {
        let is_alone = number > 0 && !has(paragraph, "files");
        for (field, value) in paragraph {
            let (first, rest) = value.split_once('\n').unwrap_or((value, ""));
            match field.as_str() {
                "license" if is_alone && !rest.trim().is_empty() => {
                    machine.texts.entry(first.trim().to_owned()).or_insert_with(|| unfold(rest));
                }
                "license" if !is_alone => {
                    machine.licenses.push((first.trim().to_owned(), unfold(rest)));
                }
                "copyright" => {
                    machine.copyright.extend(value.lines().map(|line| line.trim().to_owned()));
                }
                _ => {}
            }
        }
    }
    (!machine.licenses.is_empty()).then_some(machine)
}

impl Machine {
    /// Reads what the short names stand for.
    pub(super) fn nodes(&self, collector: &mut Collector<'_>) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (name, text) in &self.licenses {
            if !seen.insert((name, text)) {
                continue;
            }
            // A sentence where a name should be: the whole is the text.
            let is_sentence = name.split_whitespace().count() > 8
                && !name.contains(" or ")
                && !name.contains(" and ");
            if is_sentence || (name.is_empty() && !text.is_empty()) {
                nodes.push(statement::text_of(&format!("{name}\n{text}"), collector));
            } else if text.is_empty() {
                nodes.extend(statement::read(name, collector));
            } else if name.split_whitespace().count() == 1 {
                nodes.push(statement::named(name, Some(text), collector));
            } else {
                nodes.extend(statement::read(name, collector));
            }
        }
        nodes
    }
}

/// Splits a control file into paragraphs. Lines that are no field belong to nothing.
fn paragraphs(text: &str) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph::new()];
    for line in text.lines() {
        let last = paragraphs.last_mut().expect("there is always one");
        if line.trim().is_empty() {
            if !last.is_empty() && paragraphs.len() < PARAGRAPHS_MAX {
                paragraphs.push(Paragraph::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = last.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if line.starts_with('#') {
            // A comment.
        } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_field(name))
        {
            last.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn is_field(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Removes the blank in front of each line, and the dot of empty ones.
fn unfold(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix([' ', '\t']).unwrap_or(line) {
        "." => String::new(),
        line => line.trim_end().to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}
