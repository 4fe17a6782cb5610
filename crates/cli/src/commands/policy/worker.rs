// SPDX-License-Identifier: Apache-2.0
//! Policies in a process of their own. Rego may be anybody's: whatever it does to its process, time and memory are limited,
//! and this one goes on.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hardpan::trust::rego::{
    Decision, Files, Module, NoTests, RegoError, Selection, Settings, TestOutcome, decide,
    run_tests,
};
use hardpan::trust::{limit_memory, read_beside};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Named;
use crate::text::visible;

/// How long one evaluation may take; the engine looks at the clock itself.
const EVALUATION_TIME_MAX: Duration = Duration::from_secs(10);
/// How long all of a process may take: reading modules has no clock of its own, and there may be many tests.
const PROCESS_TIME_MAX: Duration = Duration::from_mins(1);
/// The most address space of a process: the program itself takes some hundred megabytes of it.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// The stack that modules are read and run on.
const STACK_BYTES: usize = 64 << 20;
/// The largest question: statements about an image, for each of its platforms.
const QUESTION_BYTES_MAX: u64 = 512 << 20;
/// The largest answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The largest file that a policy may read; the engine says so if it is more than it takes.
const FILE_BYTES_MAX: usize = 8 << 20;
/// How long to wait between two looks at a process.
const PAUSE: Duration = Duration::from_millis(5);

/// What a process is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Question<'q> {
    modules: Cow<'q, [Module]>,
    folder: Cow<'q, Path>,
    now_seconds: i64,
    what: What<'q>,
}

#[derive(Debug, Serialize, Deserialize)]
enum What<'q> {
    /// Decide about each of these.
    Decide(Cow<'q, [Value]>),
    /// Run tests.
    Test(Selection),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Decided(Vec<Vec<Decision>>),
    Tested(Vec<TestOutcome>),
    NoTests(NoTests),
    Failed(String),
}

/// Modules that belong together, and when it is.
pub(super) struct Rego<'b> {
    pub(super) modules: &'b [Module],
    /// Where files lie that they may read.
    pub(super) folder: &'b std::path::Path,
    pub(super) now_seconds: i64,
}

impl Rego<'_> {
    /// Decides about each input.
    pub(super) fn decide(&self, inputs: &[Value]) -> anyhow::Result<Vec<Vec<Decision>>> {
        match self.ask(What::Decide(Cow::Borrowed(inputs)))? {
            Answer::Decided(decided) => Ok(decided),
            Answer::Failed(problem) => Err(undecided(&problem)),
            Answer::Tested(_) | Answer::NoTests(_) => Err(other_answer()),
        }
    }

    /// Runs tests.
    pub(super) fn test(&self, selection: Selection) -> anyhow::Result<Vec<TestOutcome>> {
        match self.ask(What::Test(selection))? {
            Answer::Tested(outcomes) => Ok(outcomes),
            Answer::NoTests(none) => {
                let help = "what does not run proves nothing".to_owned();
                Err(Named { message: visible(&none.to_string()), help: Some(help) }.into())
            }
            Answer::Failed(problem) => Err(undecided(&problem)),
            Answer::Decided(_) => Err(other_answer()),
        }
    }

    fn ask(&self, what: What<'_>) -> anyhow::Result<Answer> {
        let question = Question {
            modules: Cow::Borrowed(self.modules),
            folder: Cow::Borrowed(self.folder),
            now_seconds: self.now_seconds,
            what,
        };
        let question = serde_json::to_vec(&question)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["policy", "worker"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        // Who ends early reads no more: what it says, or how it ended, tells why.
        let writer = std::thread::spawn(move || {
            let _ = input.map(|mut input| input.write_all(&question));
        });
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.map(|output| output.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes));
            bytes
        });
        let ended = wait(&mut child)?;
        let bytes = reader.join().unwrap_or_default();
        let _ = writer.join();
        let Some(status) = ended else {
            let seconds = PROCESS_TIME_MAX.as_secs();
            return Err(undecided(&format!(
                "it took longer than {seconds} seconds, and was ended"
            )));
        };
        serde_json::from_slice(&bytes).map_err(|_| {
            let memory = MEMORY_BYTES_MAX >> 20;
            undecided(&format!(
                "it ended its process ({status}), which may have {memory} MiB of memory"
            ))
        })
    }
}

/// What is said of an answer that does not fit the question.
pub(super) fn other_answer() -> anyhow::Error {
    undecided("another answer than was asked for")
}

fn undecided(problem: &str) -> anyhow::Error {
    let help = Some("what a policy does not decide is denied".to_owned());
    let message = format!("the policy in Rego decides nothing: {}", visible(problem));
    Named { message, help }.into()
}

/// Waits until a process ends; ends it where it takes too long.
fn wait(child: &mut Child) -> std::io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > PROCESS_TIME_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Answers the question on the standard input.
pub(super) fn serve() -> anyhow::Result<ExitCode> {
    limit_memory(MEMORY_BYTES_MAX)?;
    let mut bytes = Vec::new();
    std::io::stdin().take(QUESTION_BYTES_MAX).read_to_end(&mut bytes)?;
    let question: Question<'static> = serde_json::from_slice(&bytes)?;
    drop(bytes);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let answer = thread.spawn(move || answer(question))?.join();
    let answer = answer.unwrap_or_else(|_| Answer::Failed("the engine panicked".to_owned()));
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, &answer)?;
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn answer(question: Question<'_>) -> Answer {
    let folder = question.folder.into_owned();
    let files: Files = Arc::new(move |path| read_beside(&folder, path, FILE_BYTES_MAX));
    let now_nanoseconds = question.now_seconds.saturating_mul(1_000_000_000);
    let settings = Settings { now_nanoseconds, time_max: EVALUATION_TIME_MAX, files };
    let modules = &question.modules;
    let result = match question.what {
        What::Decide(inputs) => (inputs.iter())
            .map(|input| decide(modules, input, &settings))
            .collect::<Result<_, _>>()
            .map(Answer::Decided),
        What::Test(selection) => run_tests(modules, &selection, &settings).map(Answer::Tested),
    };
    result.unwrap_or_else(|error| match error {
        RegoError::NoTests(none) => Answer::NoTests(none),
        error => Answer::Failed(error.to_string()),
    })
}
