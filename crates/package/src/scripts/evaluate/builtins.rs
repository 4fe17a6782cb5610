// SPDX-License-Identifier: Apache-2.0
//! Commands that are part of the shell itself.

use super::super::Treatment;
use super::super::expand::Value;
use super::super::syntax::Command;
use super::commands::{Outcome, Output};
use super::{Evaluator, Flow, Status, VALUES_BYTES_MAX};

impl Evaluator<'_> {
    pub(super) fn eval(&mut self, command: &Command, arguments: &[Value]) -> (Flow, Status) {
        let text: Option<Vec<String>> = arguments.iter().cloned().collect();
        // A text without here-documents can be followed with the tables of this script.
        let parsed = text
            .map(|words| words.join(" "))
            .filter(|text| !text.contains("<<"))
            .and_then(|text| super::super::parser::parse(&text).ok());
        let Some(parsed) = parsed else {
            let outcome = Outcome::unhandled("the text that is evaluated is not known");
            self.state.may_be_set = true;
            return (Flow::Next, self.settle(command, outcome));
        };
        let visits = self.visits.len();
        let result = self.list(&parsed.body);
        // The numbers of its commands mean nothing here: all that it does is done by this command.
        for visit in &mut self.visits[visits..] {
            visit.command = command.id;
        }
        self.visit(command.id, Treatment::Ignored { reason: "only directs the script".to_owned() });
        result
    }

    /// Builtins that change the state alone; `None` if it is none of them.
    pub(super) fn builtin(&mut self, name: &str, arguments: &[Value]) -> Option<Status> {
        match name {
            "set" => {
                let first = arguments.first().cloned().flatten();
                if first.as_deref() == Some("--") {
                    self.state.positional = arguments[1..].to_vec();
                } else if first.as_deref().is_some_and(|text| !text.starts_with(['-', '+'])) {
                    self.state.positional = arguments.to_vec();
                }
            }
            "shift" => {
                let count = match arguments.first() {
                    Some(Some(text)) => text.parse().unwrap_or(1),
                    _ => 1,
                };
                let count = self.state.positional.len().min(count);
                self.state.positional.drain(..count);
            }
            "export" | "local" | "readonly" | "declare" | "typeset" => {
                for argument in arguments.iter().flatten() {
                    if let Some((name, value)) = argument.split_once('=') {
                        self.state.variables.insert(name.to_owned(), Some(value.to_owned()));
                    } else if name == "local" && !argument.starts_with('-') {
                        self.state.variables.insert(argument.clone(), Some(String::new()));
                    }
                }
                if arguments.iter().any(Option::is_none) {
                    // `local x="$y"` with an unknown y: the name is lost with the value.
                    self.state.may_be_set = true;
                }
            }
            "unset" => {
                for name in arguments.iter().flatten() {
                    self.state.variables.remove(name);
                }
            }
            "read" => {
                for name in arguments.iter().flatten().filter(|name| !name.starts_with('-')) {
                    self.state.variables.insert(name.clone(), None);
                }
                return Some(None);
            }
            "getopts" => {
                self.state.variables.insert("OPTARG".to_owned(), None);
                if let Some(Some(name)) = arguments.get(1) {
                    self.state.variables.insert(name.clone(), None);
                }
                return Some(None);
            }
            "umask" => {
                let mask = arguments.first().and_then(Option::as_deref);
                let mask = mask.and_then(|mask| u32::from_str_radix(mask, 8).ok());
                self.state.umask = mask.map_or(self.state.umask, |mask| mask & 0o777);
            }
            "cd" => self.state.is_elsewhere = true,
            ":" | "true" | "trap" | "wait" | "ulimit" | "alias" | "hash" | "exec" => {}
            "false" => return Some(Some(false)),
            _ => return None,
        }
        Some(Some(true))
    }

    /// Notes what is printed for the `$( )` around, if there is one.
    pub(super) fn print(&mut self, output: &Output) {
        let is_uncertain = self.state.is_uncertain;
        let Some(captured) = self.captured.last_mut() else { return };
        match (&mut *captured, output) {
            (_, Output::Nothing) => {}
            _ if is_uncertain => *captured = Output::Unknown,
            (Output::Nothing, output) => *captured = output.clone(),
            (Output::Text(text), Output::Text(more)) if text.len() < VALUES_BYTES_MAX => {
                text.push_str(more);
            }
            _ => *captured = Output::Unknown,
        }
    }
}
