// SPDX-License-Identifier: Apache-2.0
//! The page of actions, from the action files.

use std::fmt::Write as _;

use hardpan::action::Actions;
use hardpan_definition::{Action, ActionInput, InputKind, InputValue};

/// Returns the page; `notice` is what every page says of itself.
pub(super) fn page(notice: &str) -> String {
    let actions = Actions::built_in();
    let mut text = format!(
        "# Actions\n\n{notice}\n\
        What `uses: NAME@VERSION` in a step of a build stage can be. `NAME:VERSION` means the same. A step's `environment`,\n\
        `work-dir`, `run-as`, `caches` and `secrets` hold for the scripts of its action. Scripts have no network unless the step\n\
        is `privileged: true`, or the table below says so. [Writing actions](../guide/writing-actions.md) shows how to add your own.\n\n\
        | action | network | what it does |\n|---|---|---|\n"
    );
    for known in actions.iter() {
        let action = &known.action;
        let reference = action.reference();
        let _ = writeln!(
            text,
            "| [`{reference}`](#{}) | {} | {} |",
            anchor(&reference),
            network(action),
            cell(first_sentence(&action.description))
        );
    }
    for known in actions.iter() {
        write_action(&mut text, &known.action);
    }
    text
}

fn write_action(text: &mut String, action: &Action) {
    let _ = write!(text, "\n## {}\n\n{}\n", action.reference(), action.description);
    if action.inputs.is_empty() {
        text.push_str("\nIt has no inputs.\n");
    } else {
        text.push_str("\n| input | type | default | meaning |\n|---|---|---|---|\n");
        for (name, input) in &action.inputs {
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | {} |",
                input.kind.name(),
                default(input),
                cell(&meaning(input))
            );
        }
    }
    if !action.packages.is_empty() {
        let needs: Vec<String> = (action.packages.iter())
            .map(|need| format!("`{}` ({})", need.command, need.debian.join(", ")))
            .collect();
        let _ = writeln!(text, "\nNeeds in the stage: {}.", needs.join(", "));
    }
}

/// Says when an action may use the network although its step may not.
fn network(action: &Action) -> String {
    let mut conditions: Vec<String> = Vec::new();
    for step in &action.steps {
        let Some(privileged) = &step.privileged else { continue };
        let when = [step.condition.as_ref(), Some(privileged)].into_iter().flatten();
        let words = when.map(|condition| match condition.as_str() {
            "true" => "always".to_owned(),
            text => match (text.strip_prefix("!inputs."), text.strip_prefix("inputs.")) {
                (Some(name), _) => format!("unless `{name}`"),
                (_, Some(name)) if !name.contains(' ') => format!("with `{name}`"),
                _ => format!("if `{text}`"),
            },
        });
        conditions.push(words.collect::<Vec<_>>().join(" "));
    }
    conditions.dedup();
    if conditions.is_empty() { "–".to_owned() } else { cell(&conditions.join(", ")) }
}

fn default(input: &ActionInput) -> String {
    let text = match &input.default {
        None if input.required => return "**required**".to_owned(),
        None => return "–".to_owned(),
        Some(InputValue::Bool(value)) => value.to_string(),
        Some(InputValue::Text(text)) => text.clone(),
        Some(InputValue::List(items)) if items.is_empty() => return "none".to_owned(),
        Some(InputValue::List(items)) => items.join(", "),
        Some(_) => return "see the file".to_owned(),
    };
    format!("`{}`", cell(&text))
}

fn meaning(input: &ActionInput) -> String {
    let mut text = input.description.clone();
    if !input.values.is_empty() {
        let values: Vec<String> = input.values.iter().map(|value| format!("`{value}`")).collect();
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    if input.evaluated {
        text.push_str(" The shell evaluates `$NAME` and `$(command)` in it, as in `runs`.");
    }
    if !input.aliases.is_empty() {
        let names: Vec<String> = input.aliases.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(text, " Also spelled {}.", names.join(", "));
    }
    if input.kind == InputKind::List {
        text.push_str(" A single text is a list of one.");
    }
    text
}

/// Returns the anchor of a heading, as hosts of Markdown make it.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

fn first_sentence(text: &str) -> &str {
    let ends = [text.find(". "), text.find(".\n")];
    ends.into_iter().flatten().min().map_or(text, |end| &text[..=end])
}

/// Returns a text as the cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_and_sentences() {
        assert_eq!(anchor("go/build@v1"), "gobuildv1");
        assert_eq!(anchor("dhi/build-pkg@0"), "dhibuild-pkg0");
        assert_eq!(first_sentence("One `x.y` two. Three."), "One `x.y` two.");
        assert_eq!(first_sentence("One.\nTwo. Three."), "One.");
        assert_eq!(first_sentence("Only"), "Only");
        assert_eq!(cell("a\nb | c"), "a b \\| c");
    }
}
