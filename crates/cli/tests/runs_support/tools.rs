// SPDX-License-Identifier: Apache-2.0
//! Running other people's tools.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns where a program is.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    (path.split(':').chain(["/usr/sbin", "/sbin"]))
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
}

/// Says why a test does nothing, if programs are missing.
pub(crate) fn lack(names: &[&str]) -> bool {
    let missing: Vec<&str> = names.iter().copied().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        skip(&format!("not installed: {}", missing.join(", ")));
    }
    !missing.is_empty()
}

#[allow(clippy::print_stderr, reason = "who runs the tests must see what did not run")]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: because {reason}");
}

#[allow(clippy::print_stderr, reason = "sizes and warnings are a result, too")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Removes a directory, if it is there.
pub(crate) fn remove(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            panic!("{}: {error}", directory.display())
        }
        _ => {}
    }
}

/// What a program said, and whether it was content.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) command: String,
}

impl Outcome {
    /// Returns the output of a program that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        self.output
    }

    /// Returns all that was said by a program that must have failed.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "{self}");
        self.output + &self.errors
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} gave {:?}", self.command, self.code)?;
        write!(f, "{}{}", self.output, self.errors)
    }
}

/// Runs a program to its end.
pub(crate) fn attempt(command: &mut Command) -> Outcome {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{name}: {e}"));
    Outcome {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        command: name,
    }
}

/// Splits a command as a shell does: words, with single and double quotes around parts of them.
pub(crate) fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in command.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    assert_eq!(quote, None, "{command}");
    words.extend(word);
    words
}
