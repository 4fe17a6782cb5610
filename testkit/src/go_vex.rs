// SPDX-License-Identifier: Apache-2.0
//! go-vex, the library by which other scanners find VEX statements, as a matcher that is not ours.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The program, which `testkit/get-go-vex` compiles of go-vex and a few lines.
#[derive(Debug)]
pub struct GoVex {
    program: PathBuf,
}

/// Whether statements are about a vulnerability of a product, or of parts of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The name of the vulnerability.
    pub vulnerability: String,
    /// What a scanner calls the product: a package URL.
    pub product: String,
    /// What it calls parts of it; without any the product itself is meant.
    pub parts: Vec<String>,
}

impl GoVex {
    /// Returns it where it is at hand.
    pub fn find() -> Option<Self> {
        let folder = std::env::var_os("HARDPAN_TEST_CLIENTS").map(PathBuf::from)?;
        let program = folder.join("go-vex-match");
        program.is_file().then_some(Self { program })
    }

    /// Returns for each question the statuses of all statements that match, the oldest first, of documents that go-vex
    /// merges if there are several.
    ///
    /// # Panics
    /// If it does not take a document, or does not answer.
    pub fn answers(&self, documents: &[&[u8]], questions: &[Question]) -> Vec<Vec<String>> {
        self.ask(documents, questions).unwrap_or_else(|error| panic!("go-vex: {error}"))
    }

    /// As [`Self::answers`], with what it says where it does not take a document.
    ///
    /// # Errors
    /// If it fails: all that it printed.
    ///
    /// # Panics
    /// If it can't be run, or answers what is no answer.
    pub fn ask(
        &self,
        documents: &[&[u8]],
        questions: &[Question],
    ) -> Result<Vec<Vec<String>>, String> {
        let folder = tempfile::tempdir().expect("a folder for its documents");
        let mut command = Command::new(&self.program);
        for (number, document) in documents.iter().enumerate() {
            let path = folder.path().join(format!("{number}.json"));
            fs::write(&path, document).expect("a document is written");
            command.arg(path);
        }
        let lines: String = questions.iter().map(|it| line(it) + "\n").collect();
        let asked = folder.path().join("questions");
        fs::write(&asked, lines).expect("questions are written");
        let input = File::open(&asked).expect("questions are there");
        command.env_clear().stdin(Stdio::from(input));
        let output = command.output().expect("it starts");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let answers = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let answers: Vec<Vec<String>> = answers.map(statuses).collect();
        assert_eq!(answers.len(), questions.len(), "an answer for each question");
        Ok(answers)
    }
}

fn line(question: &Question) -> String {
    let Question { vulnerability, product, parts } = question;
    json!({"vulnerability": vulnerability, "product": product, "parts": parts}).to_string()
}

fn statuses(line: &[u8]) -> Vec<String> {
    let matching: Vec<Value> = serde_json::from_slice(line).expect("a list");
    let status = |one: &Value| one["status"].as_str().expect("a status").to_owned();
    matching.iter().map(status).collect()
}
