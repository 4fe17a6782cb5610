// SPDX-License-Identifier: Apache-2.0
//! Policies in a process of their own. Rego may be anybody's: whatever it does to its process, time and memory are limited,
//! and this one goes on.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hardpan::trust::rego::{
    Decision, Files, Module, NoTests, RegoError, Selection, Settings, TestOutcome, TestResult,
    Tests, decide,
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
/// How long after the first one another process may begin for the tests that are left.
const TESTS_TIME_MAX: Duration = Duration::from_mins(5);
/// The most processes of one run of tests: two for each test that ends its own.
const PROCESSES_MAX: usize = 40;
/// The most that is read of what a process says as it ends, in bytes.
const LAST_WORDS_BYTES_MAX: u64 = 64 << 10;
/// What the standard library says of memory that it does not get.
const NO_MEMORY: &str = "memory allocation of";
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
    /// Run tests, without the first ones.
    Test { selection: Cow<'q, Selection>, first: usize },
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Decided(Vec<Vec<Decision>>),
    /// All tests that were chosen, before any runs.
    Found(Vec<TestOutcome>),
    /// What came of the next test.
    Tested(TestOutcome),
    NoTests(NoTests),
    Failed(String),
}

/// What a process answered.
struct Heard {
    answers: Vec<Answer>,
    /// Why it ended before its time, if it did.
    end: Option<String>,
}

impl Heard {
    fn unanswered(&self) -> anyhow::Error {
        self.end.as_deref().map_or_else(other_answer, undecided)
    }
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
        let mut heard = self.ask(What::Decide(Cow::Borrowed(inputs)))?;
        match heard.answers.pop() {
            Some(Answer::Decided(decided)) if heard.end.is_none() => Ok(decided),
            Some(Answer::Failed(problem)) => Err(undecided(&problem)),
            _ => Err(heard.unanswered()),
        }
    }

    /// Runs tests. One that ends its process has failed, and those after it run in another one.
    pub(super) fn test(&self, selection: &Selection) -> anyhow::Result<Vec<TestOutcome>> {
        let start = Instant::now();
        let mut outcomes = Vec::new();
        for number in 1.. {
            let first = outcomes.len();
            let selection = Cow::Borrowed(selection);
            let mut heard = self.ask(What::Test { selection, first })?;
            let all = take(&mut heard, &mut outcomes)?;
            if outcomes.len() < all.len() {
                let Some(end) = &heard.end else { return Err(other_answer()) };
                // Where others ran before it in the process, they may have used up what it had.
                if outcomes.len() == first {
                    outcomes.push(failed(&all[first], end));
                }
            }
            if outcomes.len() >= all.len() {
                break;
            }
            if number >= PROCESSES_MAX || start.elapsed() > TESTS_TIME_MAX {
                let problem =
                    "it did not run: tests before it ended too many processes, or took too long";
                let left = all[outcomes.len()..].iter().map(|one| failed(one, problem));
                outcomes.extend(left.collect::<Vec<_>>());
                break;
            }
        }
        Ok(outcomes)
    }

    fn ask(&self, what: What<'_>) -> anyhow::Result<Heard> {
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
            .stderr(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().map(|output| read_all(output, ANSWER_BYTES_MAX));
        let said = child.stderr.take().map(|said| read_all(said, LAST_WORDS_BYTES_MAX));
        // Who ends early reads no more: what it says, or how it ended, tells why.
        let writer = std::thread::spawn(move || {
            let _ = input.map(|mut input| input.write_all(&question));
        });
        let ended = wait(&mut child)?;
        let joined = |reader: Option<JoinHandle<Vec<u8>>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let (bytes, said) = (joined(output), joined(said));
        let _ = writer.join();
        let answers = serde_json::Deserializer::from_slice(&bytes).into_iter();
        let end = match ended {
            None => {
                let seconds = PROCESS_TIME_MAX.as_secs();
                Some(format!("it took longer than {seconds} seconds, and was ended"))
            }
            Some(status) if status.success() => None,
            Some(status) => Some(last_words(status, &String::from_utf8_lossy(&said))),
        };
        // The last may be cut off.
        Ok(Heard { answers: answers.map_while(Result::ok).collect(), end })
    }
}

/// Reads what a process writes, as far as it may.
fn read_all(from: impl std::io::Read + Send + 'static, bytes_max: u64) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.take(bytes_max).read_to_end(&mut bytes);
        bytes
    })
}

/// Says why a process ended.
fn last_words(status: ExitStatus, said: &str) -> String {
    let memory = MEMORY_BYTES_MAX >> 20;
    if said.contains(NO_MEMORY) {
        return format!(
            "it needs more than the {memory} MiB of memory that it may have, and was ended"
        );
    }
    format!("it ended its process ({status}), which may have {memory} MiB of memory")
}

/// Takes what came of tests. Returns all that were to run.
fn take(heard: &mut Heard, outcomes: &mut Vec<TestOutcome>) -> anyhow::Result<Vec<TestOutcome>> {
    let mut all = None;
    for answer in std::mem::take(&mut heard.answers) {
        match answer {
            Answer::Found(found) => all = Some(found),
            Answer::Tested(outcome) => outcomes.push(outcome),
            Answer::NoTests(none) => {
                let help = "what does not run proves nothing".to_owned();
                return Err(Named { message: visible(&none.to_string()), help: Some(help) }.into());
            }
            Answer::Failed(problem) => return Err(undecided(&problem)),
            Answer::Decided(_) => return Err(other_answer()),
        }
    }
    all.ok_or_else(|| heard.unanswered())
}

/// Returns a test as one that could not be evaluated.
fn failed(test: &TestOutcome, problem: &str) -> TestOutcome {
    let problem = Some(problem.to_owned());
    TestOutcome { result: TestResult::Error, problem, ..test.clone() }
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
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
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
    let told = thread.spawn(move || answer(question))?.join();
    told.unwrap_or_else(|_| tell(&Answer::Failed("the engine panicked".to_owned())))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes an answer. Each is written at once: who ends this process does not take with it what came before.
fn tell(answer: &Answer) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    output.write_all(b"\n")?;
    output.flush()
}

fn answer(question: Question<'_>) -> std::io::Result<()> {
    let folder = question.folder.into_owned();
    let files: Files = Arc::new(move |path| read_beside(&folder, path, FILE_BYTES_MAX));
    let now_nanoseconds = question.now_seconds.saturating_mul(1_000_000_000);
    let settings = Settings { now_nanoseconds, time_max: EVALUATION_TIME_MAX, files };
    let modules = &question.modules;
    let failed = |error: RegoError| match error {
        RegoError::NoTests(none) => Answer::NoTests(none),
        error => Answer::Failed(error.to_string()),
    };
    match question.what {
        What::Decide(inputs) => {
            let decided = inputs.iter().map(|input| decide(modules, input, &settings));
            tell(&decided.collect::<Result<_, _>>().map_or_else(failed, Answer::Decided))
        }
        What::Test { selection, first } => {
            let tests = match Tests::find(modules, &selection, &settings) {
                Ok(tests) => tests,
                Err(error) => return tell(&failed(error)),
            };
            tell(&Answer::Found(tests.list()))?;
            tests.run(first).try_for_each(|outcome| tell(&Answer::Tested(outcome)))
        }
    }
}
