// SPDX-License-Identifier: Apache-2.0
//! debconf: every answer is the default of its template.

use std::collections::BTreeMap;

use super::commands::{Context, Outcome};
use super::evaluate::Evaluator;

/// Answers that `config` scripts give on a system that is not there yet; their templates have no default.
const CONFIGURED: &[(&str, &str)] = &[("tzdata/Areas", "Etc"), ("tzdata/Zones/Etc", "UTC")];

const REASON: &str = "debconf: the answers are the defaults";

/// Treats debconf's shell functions.
pub(super) fn treat(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Option<Outcome> {
    let operation = context.name.strip_prefix("db_")?;
    let question = context.arguments.first().cloned().flatten();
    let mut outcome = Outcome::ignored(REASON);
    match operation {
        "get" => {
            let answer = question.and_then(|question| {
                let own = evaluator.state.answers.get(&question).cloned();
                own.unwrap_or_else(|| evaluator.questions.get(&question).cloned())
            });
            // A question of another package may not exist.
            outcome.status = answer.as_ref().map(|_| true);
            evaluator.state.variables.insert("RET".to_owned(), answer);
        }
        "set" => {
            if let Some(question) = question {
                let value = context.arguments.get(1).cloned().unwrap_or(Some(String::new()));
                evaluator.state.answers.insert(question, value);
            }
        }
        "fget" => {
            evaluator.state.variables.insert("RET".to_owned(), Some("false".to_owned()));
        }
        "metaget" => {
            evaluator.state.variables.insert("RET".to_owned(), None);
        }
        "input" | "go" | "version" | "capb" | "title" | "settitle" | "beginblock" | "endblock"
        | "subst" | "fset" | "reset" | "register" | "unregister" | "purge" | "stop" | "info"
        | "progress" | "data" | "x_loadtemplatefile" | "previous_module" => {}
        _ => return None,
    }
    Some(outcome)
}

/// Reads the defaults of all questions in debconf's `templates`, by question.
pub fn defaults(templates: &str) -> BTreeMap<String, String> {
    let mut defaults = BTreeMap::new();
    for stanza in templates.split("\n\n") {
        let field =
            |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let Some(name) = field("Template") else { continue };
        let kind = field("Type").unwrap_or_default().trim();
        if matches!(kind, "note" | "error" | "title" | "text") {
            continue;
        }
        let value = field("Default").or_else(|| field("_Default")).unwrap_or_default();
        let name = name.trim();
        let configured = CONFIGURED.iter().find(|(question, _)| *question == name);
        let value = configured.map_or(value.trim(), |(_, answer)| answer);
        defaults.insert(name.to_owned(), value.to_owned());
    }
    defaults
}
