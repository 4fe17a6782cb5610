// SPDX-License-Identifier: Apache-2.0
//! Whether the health check can run. That there is none is no defect: orchestrators have checks of their own, and the OCI
//! image specification has none.

use std::collections::BTreeSet;

use hardpan_tree::TreePath;

use super::ControlId;
use super::identity::Account;
use super::report::Report;
use super::view::{self, View};
use super::{commands, programs};

/// The shell where an image sets none.
const SHELL_DEFAULT: &str = "/bin/sh";
/// The first words of a text that a shell does itself.
const BUILT_IN: [&str; 33] = [
    "!", ".", ":", "[", "[[", "break", "case", "cd", "command", "echo", "eval", "exec", "exit",
    "export", "false", "for", "if", "kill", "let", "printf", "read", "return", "set", "shift",
    "source", "test", "trap", "true", "type", "ulimit", "until", "wait", "while",
];

pub(super) fn check(
    view: &View<'_>,
    account: &Account,
    shells: &BTreeSet<TreePath>,
    report: &mut Report<'_>,
) {
    let control = ControlId::HealthcheckBroken;
    let config = match view.config() {
        Ok(config) => config,
        Err(why) => return report.unmeasured(control, why),
    };
    let test = config.healthcheck.as_ref().map_or(&[][..], |health| &health.test);
    let Some((kind, words)) = test.split_first() else { return };
    let why = match kind.as_str() {
        "NONE" => None,
        "CMD" => match words.first() {
            Some(program) => why_not(view, account, program),
            None => Some("names no program".to_owned()),
        },
        "CMD-SHELL" => {
            let shell = config.shell.first().map_or(SHELL_DEFAULT, String::as_str);
            why_not(view, account, shell).or_else(|| {
                words.first().and_then(|text| why_not_text(view, account, shells, shell, text))
            })
        }
        other => Some(format!("begins with {other}, which is neither CMD nor CMD-SHELL")),
    };
    if let Some(why) = why {
        report.image(control, format!("the health check {why}"));
    }
}

/// Says why a program can't be started, if it can't.
fn why_not(view: &View<'_>, account: &Account, word: &str) -> Option<String> {
    let paths = commands::chain(view, word);
    let Some(path) = paths.first() else {
        return Some(format!("needs {word}, which is not in the image"));
    };
    let (node, _) = view.tree.file(path)?;
    if !account.may(&node.metadata, 1) {
        return Some(format!("needs {path}, which the image's user can't execute"));
    }
    let last = paths.last()?;
    let (_, file) = view.tree.file(last)?;
    // The chain ends at a script only where what runs it is missing.
    let Some(view::Program::Script(line)) = view::program(file) else { return None };
    let interpreter =
        view::interpreter_of(&line).map(|(path, looked_up)| looked_up.unwrap_or(path));
    let interpreter = interpreter.unwrap_or("an interpreter").to_owned();
    Some(format!("needs {interpreter} for {last}, which is not in the image"))
}

/// Looks at the first word of a text for a shell, if it is simple enough to say what that is.
fn why_not_text(
    view: &View<'_>,
    account: &Account,
    shells: &BTreeSet<TreePath>,
    shell: &str,
    text: &str,
) -> Option<String> {
    let path = programs::look_up(view, shell)?;
    // busybox may have the program in itself.
    let is_multi_call =
        shells.contains(&path) && [b"busybox".as_slice(), b"toybox"].contains(&path.name());
    let word = text.split_ascii_whitespace().find(|word| !commands::is_assignment(word))?;
    let is_plain = word.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b'+')
    });
    if is_multi_call || !is_plain || BUILT_IN.contains(&word) {
        return None;
    }
    why_not(view, account, word).filter(|_| programs::look_up(view, word).is_none())
}
