// SPDX-License-Identifier: Apache-2.0
//! Runs targets, several at once, and says what came of each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use hardpan_fuzz::Target;

use super::{Arguments, Places, corpus};

/// An input that takes longer hangs. This is time on the wall, of which other jobs and programs take their part.
const INPUT_SECONDS_MAX: u32 = 25;
/// More memory is a leak, or an input that is believed how large it is.
const MEMORY_MIB_MAX: u32 = 2048;
/// How much of what a fuzzer wrote last is shown if it found something, in lines.
const SHOWN_LINES: usize = 30;

/// What came of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// How many inputs were run.
    runs: u64,
    /// The edges that were reached.
    edges: u64,
    /// What was seen of them: how often they were reached, and what was compared there.
    features: u64,
    /// The input that broke something.
    broke: Option<PathBuf>,
}

/// Runs all targets, and prints a line for each. Returns how many of them found something.
pub(super) fn all(
    targets: &[&'static Target],
    program: &Path,
    places: &Places,
    arguments: &Arguments,
) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    let trouble = Mutex::new(None);
    let work = || {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            match one(target, program, places, arguments) {
                Ok(false) => {}
                Ok(true) => drop(failures.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    trouble
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .replace(error);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.get() {
            scope.spawn(work);
        }
    });
    let trouble = trouble.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    trouble.map_or(Ok(failures.into_inner()), Err)
}

/// Runs a target, and says whether it found something.
fn one(target: &Target, program: &Path, places: &Places, arguments: &Arguments) -> Result<bool> {
    let found = places.folder.join("found").join(target.name);
    fs::create_dir_all(&found).with_context(|| format!("failed to make {}", found.display()))?;
    let log = places.folder.join(format!("{}.log", target.name));
    let file = File::create(&log).with_context(|| format!("failed to make {}", log.display()))?;
    let started = Instant::now();
    let status = Command::new(program)
        .env("HARDPAN_FUZZ_TARGET", target.name)
        .env("RUST_BACKTRACE", "0")
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-max_len={}", target.bytes_max))
        .arg(format!("-seed={}", arguments.seed))
        .arg(format!("-dict={}", corpus::dictionary(target, places).display()))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-use_value_profile=0", "-print_final_stats=1", "-detect_leaks=0", "-reload=0"])
        .arg(corpus::folder(target, places))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .with_context(|| format!("failed to start {}", program.display()))?;
    let text = fs::read(&log).with_context(|| format!("failed to read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut outcome = read(&text, status.success())
        .ok_or_else(|| anyhow!("{} ended with {status}; see {}", target.name, log.display()))?;
    let hung = outcome.broke.take_if(|input| is_hang(input) && !hangs(target, program, input));
    if let Some(input) = hung {
        println!("{}: slow once, and not by itself: {}", target.name, input.display());
    }
    println!("{}", line(target.name, &outcome, started.elapsed()));
    if let Some(input) = &outcome.broke {
        let lines: Vec<&str> = text.lines().collect();
        let is_progress = |line: &&&str| line.starts_with('#') && line.contains("cov:");
        let last: Vec<&&str> =
            lines.iter().rev().filter(|it| !is_progress(it)).take(SHOWN_LINES).collect();
        last.iter().rev().for_each(|line| println!("    {line}"));
        println!(
            "    once more, without a fuzzer:\n    cargo run --package hardpan-fuzz -- {} {}",
            target.name,
            input.display()
        );
    }
    Ok(outcome.broke.is_some())
}

/// Whether it is too slow what an input was found for, by the name that libFuzzer gives it.
fn is_hang(input: &Path) -> bool {
    let name = input.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("timeout-"))
}

/// Whether an input is too slow once more, without all that is tried beside it. Where that can't be found out it is.
fn hangs(target: &Target, program: &Path, input: &Path) -> bool {
    let status = Command::new(program)
        .env("HARDPAN_FUZZ_TARGET", target.name)
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        // It is written once more then, under the name that it has.
        .arg(format!("-artifact_prefix={}/", input.parent().unwrap_or(input).display()))
        .arg(input)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    !status.is_ok_and(|status| status.success())
}

/// `catalog: 12345 runs in 60 s, 3456 edges, 7890 features, nothing found`
fn line(name: &str, outcome: &Outcome, elapsed: Duration) -> String {
    let Outcome { runs, edges, features, broke } = outcome;
    let result = match broke {
        Some(input) => format!("BROKEN by {}", input.display()),
        None => "nothing found".to_owned(),
    };
    let seconds = elapsed.as_secs();
    format!("{name}: {runs} runs in {seconds} s, {edges} edges, {features} features, {result}")
}

/// Reads what a fuzzer wrote; `None` if it did not even start.
fn read(log: &str, is_success: bool) -> Option<Outcome> {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.split_once(name)?.1.split_ascii_whitespace().next()?.parse().ok()
    };
    let is_progress = |line: &&str| line.starts_with('#') && line.contains(" cov: ");
    let last = log.lines().rfind(is_progress);
    let of_last = |name| last.and_then(|line| number(line, name)).unwrap_or_default();
    let runs = log.lines().find_map(|line| number(line, "stat::number_of_executed_units:"));
    let broke =
        log.lines().find_map(|line| line.split_once("Test unit written to ").map(|it| it.1));
    let broke = broke.map(|path| PathBuf::from(path.trim()));
    if broke.is_none() && (!is_success || runs.is_none()) {
        return None;
    }
    let seen = last.and_then(|line| line[1..].split('\t').next()?.trim().parse().ok());
    let runs = runs.or(seen).unwrap_or_default();
    Some(Outcome { runs, edges: of_last(" cov: "), features: of_last(" ft: "), broke })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRESS: &str = "INFO: Running with entropic power schedule\n#2\tINITED cov: 10 ft: 12 corp: 1/1b\n\
        #900\tNEW    cov: 321 ft: 654 corp: 22/15Kb lim: 48 exec/s: 450 rss: 44Mb L: 9/9 MS: 1\n";

    #[test]
    fn what_a_fuzzer_says() {
        let done = format!(
            "{PROGRESS}Done 12345 runs in 61 second(s)\nstat::number_of_executed_units: 12345\n"
        );
        let outcome = Outcome { runs: 12345, edges: 321, features: 654, broke: None };
        assert_eq!(read(&done, true), Some(outcome.clone()));
        assert_eq!(
            line("zip", &outcome, Duration::from_secs(61)),
            "zip: 12345 runs in 61 s, 321 edges, 654 features, nothing found"
        );
        let broken = format!(
            "{PROGRESS}thread panicked\nartifact_prefix='/f/'; Test unit written to /f/crash-1\nBase64: YQ==\n"
        );
        let outcome = read(&broken, false).unwrap();
        assert_eq!((outcome.runs, outcome.broke.as_deref()), (900, Some(Path::new("/f/crash-1"))));
        assert!(line("zip", &outcome, Duration::ZERO).ends_with("BROKEN by /f/crash-1"));
    }

    #[test]
    fn what_hangs_hangs_again() {
        let target = &hardpan_fuzz::TARGETS[0];
        let input = Path::new("/f/timeout-1");
        assert!(is_hang(input) && !is_hang(Path::new("/timeout-f/crash-1")));
        assert!(!hangs(target, Path::new("/bin/true"), input));
        for program in ["/bin/false", "/nonexistent"] {
            assert!(hangs(target, Path::new(program), input), "{program}");
        }
    }

    #[test]
    fn one_that_did_not_run_did_not_find_nothing() {
        for (log, is_success) in
            [("", true), ("", false), (PROGRESS, false), ("error: no such file", false)]
        {
            assert_eq!(read(log, is_success), None, "{log}");
        }
    }
}
