// SPDX-License-Identifier: Apache-2.0
//! Running one program of the workshop.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use hardpan_tree::TreePath;

use super::error::{LOG_LINES_MAX, SandboxedError, Work};
use crate::error::Error;
use crate::sandbox::{
    DeviceRequest, Exit, Identity, Limits, Mount, Network, Program, Root, Sandbox, Stream, Streams,
};
use crate::session::Session;

/// How long a program may take: far longer than any does, so that a build ends at some time.
const TIME_MAX: Duration = Duration::from_mins(30);
/// How much of what a program says about itself is kept, in bytes.
const LOG_BYTES_MAX: usize = 64 << 10;
/// What a program may print beside its result, in bytes.
const CHATTER_BYTES_MAX: u64 = 16 << 20;
/// Processes and threads at a time.
const PROCESSES_MAX: u64 = 512;

/// A program to run, and where.
pub(super) struct Job<'a> {
    /// What it is for.
    pub(super) work: Work,
    /// What errors call it.
    pub(super) title: String,
    pub(super) root: Root<'a>,
    pub(super) mounts: Vec<Mount>,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: BTreeMap<OsString, OsString>,
    /// How much its result may have, in bytes.
    pub(super) output_bytes_max: u64,
}

/// What a program printed.
pub(super) struct Printed {
    /// To its standard output.
    pub(super) output: Vec<u8>,
    /// The device nodes that it asked for; none was made.
    pub(super) devices: Vec<DeviceRequest>,
}

/// Returns the environment that every program gets.
pub(super) fn environment(epoch: i64) -> BTreeMap<OsString, OsString> {
    [
        ("HOME", "/root".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("PYTHONHASHSEED", "0".to_owned()),
        ("SOURCE_DATE_EPOCH", epoch.to_string()),
        ("TZ", "UTC".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.into()))
    .collect()
}

/// Runs a program to its end; an exit code other than 0 is an error.
pub(super) fn run(session: &Session<'_>, job: Job<'_>) -> Result<Printed, Error> {
    let Job { work, title, root, mounts, arguments, environment, output_bytes_max } = job;
    let limits = Limits {
        time: Some(session.stages.step_time.unwrap_or(TIME_MAX)),
        memory_bytes: session.stages.step_memory_bytes,
        processes: PROCESSES_MAX,
        output_bytes: output_bytes_max.saturating_add(CHATTER_BYTES_MAX),
        ..Limits::default()
    };
    let sandbox = Sandbox {
        root,
        mounts,
        identity: Identity::default(),
        network: Network::None,
        limits,
        emulators: session.stages.emulators.clone(),
        hostname: "hardpan".to_owned(),
    };
    let program = Program { arguments, environment, work_dir: TreePath::root() };
    let mut output = Vec::new();
    let mut log = Vec::new();
    let mut take = |stream: Stream, bytes: &[u8]| match stream {
        Stream::Output => output.extend_from_slice(bytes),
        Stream::Error => {
            log.extend_from_slice(bytes);
            let surplus = log.len().saturating_sub(LOG_BYTES_MAX);
            log.drain(..surplus);
        }
    };
    let finished = sandbox
        .run(&program, Streams::Captured(&mut take))
        .map_err(|source| SandboxedError::Sandbox { work, source })?;
    match finished.exit {
        Exit::Code(0) => Ok(Printed { output, devices: finished.devices }),
        exit => {
            let log = last_lines(&log);
            Err(SandboxedError::Failed { work, program: title, how: how(exit), log }.into())
        }
    }
}

fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with exit code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::TimedOut => "took too long".to_owned(),
        Exit::TooMuchOutput => "printed too much".to_owned(),
    }
}

fn last_lines(log: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(LOG_LINES_MAX);
    // Control characters would move the cursor of whoever reads it.
    let plain = |line: &&str| line.chars().filter(|c| !c.is_control()).collect();
    lines[first..].iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_its_last_lines_without_control_characters() {
        assert_eq!(last_lines(b"\n\n"), Vec::<String>::new());
        assert_eq!(last_lines(b"one\n\x1b[31mtwo\n\n \nthree"), ["one", "[31mtwo", "three"]);
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let lines = last_lines(many.join("\n").as_bytes());
        assert_eq!((lines.len(), lines[0].as_str()), (LOG_LINES_MAX, "80"));
        assert_eq!(last_lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn ends_are_put_into_words() {
        assert_eq!(how(Exit::Code(3)), "ended with exit code 3");
        assert_eq!(how(Exit::Signal(9)), "was ended by signal 9");
        assert_eq!(how(Exit::TimedOut), "took too long");
        assert_eq!(how(Exit::TooMuchOutput), "printed too much");
    }
}
