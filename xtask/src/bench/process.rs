// SPDX-License-Identifier: Apache-2.0
//! Runs a command and measures it from outside: time, processor time and peak memory.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// How often memory is looked at. A peak that lasts less long right before the end is missed.
const SAMPLE_EVERY: Duration = Duration::from_micros(500);
/// Of the text that a failed command printed, so much is shown, in bytes.
const ERROR_BYTES_MAX: usize = 4000;
/// The kernel's unit of processor time in `/proc`, which is the same everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// One run of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// From its start to its end, in milliseconds.
    pub(super) wall_milliseconds: f64,
    /// Processor time of it and its children, user and system, in milliseconds, to 10.
    pub(super) cpu_milliseconds: f64,
    /// The largest peak of resident memory of any of its processes, in bytes.
    pub(super) peak_bytes: u64,
}

/// Runs a command to its end; one that fails is an error with what it printed.
pub(super) fn measure(command: &mut Command) -> anyhow::Result<Run> {
    let output = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let name = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("failed to start {name}"))?;
    let number = child.id();
    let pid = Pid::from_child(&child);
    let is_done = AtomicBool::new(false);
    let mut peaks = BTreeMap::new();
    // At once: a short command may have ended before the thread runs, and what has ended has no memory.
    sample(number, &mut peaks);
    let (wall, peak_bytes) = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                sample(number, &mut peaks);
                thread::sleep(SAMPLE_EVERY);
            }
            peaks.into_values().max().unwrap_or(0)
        });
        // Without reaping it, so that its times can still be read.
        let waited = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let wall = start.elapsed();
        is_done.store(true, Ordering::Relaxed);
        waited.context("failed to wait")?;
        let peak = sampler.join().unwrap_or(0);
        anyhow::Ok((wall, peak))
    })?;
    let cpu_milliseconds = cpu_ticks(number).unwrap_or(0.0) / TICKS_PER_SECOND * 1000.0;
    let status = child.wait().context("failed to wait")?;
    if !status.success() {
        bail!("{name} failed ({status}):\n{}", tail(output)?);
    }
    Ok(Run { wall_milliseconds: wall.as_secs_f64() * 1000.0, cpu_milliseconds, peak_bytes })
}

/// Notes the peaks of a process and all below it.
fn sample(pid: u32, peaks: &mut BTreeMap<u32, u64>) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        let kib = line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim();
        kib.parse::<u64>().ok()
    });
    if let Some(kib) = peak {
        let known = peaks.entry(pid).or_default();
        *known = (*known).max(kib * 1024);
    }
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|number| number.parse().ok()) {
        sample(child, peaks);
    }
}

/// Reads the processor time of an ended process that was not reaped, and of its children: fields
/// 14 to 17 of `stat` (proc_pid_stat(5)).
fn cpu_ticks(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split_whitespace().skip(11).take(4);
    Some(ticks.filter_map(|field| field.parse::<f64>().ok()).sum())
}

fn tail(mut output: fs::File) -> anyhow::Result<String> {
    use std::io::{Read as _, Seek as _};
    output.rewind()?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    let from = bytes.len().saturating_sub(ERROR_BYTES_MAX);
    Ok(String::from_utf8_lossy(&bytes[from..]).into_owned())
}
