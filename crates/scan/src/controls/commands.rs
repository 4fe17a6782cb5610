// SPDX-License-Identifier: Apache-2.0
//! What an image starts: the words of its entrypoint, command and health check, and the programs that they name.

use hardpan_tree::TreePath;

use super::programs;
use super::view::{self, Program, View};

/// How many interpreters Linux follows from script to script (`BINPRM_MAX_RECURSION`).
const INTERPRETERS_MAX: usize = 5;

/// Returns the words of entrypoint and command, and those of the health check after them.
pub(super) fn words<'a>(view: &View<'a>) -> Vec<&'a str> {
    let started = started(view);
    let health = view.config().ok().and_then(|config| config.healthcheck.as_ref());
    let health = health.map_or(&[][..], |health| health.test.get(1..).unwrap_or_default());
    // The text for a shell is words too.
    let health = health.iter().flat_map(|text| text.split_ascii_whitespace());
    started.into_iter().chain(health).collect()
}

/// Returns the words of entrypoint and command; the text for a shell stays one word.
pub(super) fn started<'a>(view: &View<'a>) -> Vec<&'a str> {
    view.input.entrypoint.iter().chain(view.input.command).map(String::as_str).collect()
}

/// Returns the program that is really started, and what runs that if it is a script, and so on.
pub(super) fn entrypoint(view: &View<'_>) -> Vec<TreePath> {
    let words = started(view);
    after_starters(&words).first().map(|word| chain(view, word)).unwrap_or_default()
}

/// Returns what a word names, and what runs that if it is a script, and so on. A text for a shell names what its words
/// name.
pub(super) fn chain(view: &View<'_>, word: &str) -> Vec<TreePath> {
    let mut paths = Vec::new();
    let words = word.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'', ';', '&']));
    for word in words.filter(|word| !word.is_empty() && !word.starts_with('-')) {
        let Some(mut path) = programs::look_up(view, word) else { continue };
        for _ in 0..INTERPRETERS_MAX {
            paths.push(path.clone());
            let Some((_, file)) = view.tree.file(&path) else { break };
            let Some(Program::Script(line)) = view::program(file) else { break };
            let Some((interpreter, looked_up)) = view::interpreter_of(&line) else { break };
            let Some(next) = programs::look_up(view, looked_up.unwrap_or(interpreter)) else {
                break;
            };
            path = next;
        }
    }
    paths
}

/// Returns the words from the program on that is really started, after what only starts others: `tini --`,
/// `env A=B`.
pub(super) fn after_starters<'a, 'w>(words: &'w [&'a str]) -> &'w [&'a str] {
    let mut words = words;
    while let [first, rest @ ..] = words {
        let name = first.rsplit('/').next().unwrap_or(first);
        let is_starter = matches!(
            name,
            "tini"
                | "tini-static"
                | "dumb-init"
                | "catatonit"
                | "env"
                | "exec"
                | "nice"
                | "setsid"
                | "docker-init"
                | "s6-setuidgid"
                | "gosu"
                | "su-exec"
        );
        let is_between = first.starts_with('-') || is_assignment(first);
        if !is_starter && !is_between {
            break;
        }
        words = rest;
    }
    words
}

/// Whether a word gives a variable its value: `A=B`.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starters_are_left_out() {
        for (words, expected) in [
            (&["tini", "--", "/app"][..], &["/app"][..]),
            (&["/usr/bin/env", "-i", "A=b", "python3", "-c", "x"], &["python3", "-c", "x"]),
            (&["sh", "-c", "x"], &["sh", "-c", "x"]),
            (&["tini"], &[]),
            (&[], &[]),
        ] {
            assert_eq!(after_starters(words), expected, "{words:?}");
        }
        assert!(is_assignment("A_1="));
        assert!(!is_assignment("=a") && !is_assignment("--a=b") && !is_assignment("a"));
    }
}
