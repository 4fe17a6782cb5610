// SPDX-License-Identifier: Apache-2.0
//! Programs of this machine's user that hardpan asks for something: credential helpers, plugins for keys.
//!
//! They are the user's own, named by the user, and need what the user has: a keyring, an agent, the network. So
//! they run outside of the sandbox, but with no more of the environment than a path and a home, without a
//! shell, and not for ever.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a program that has printed everything may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// How often something that is waited for is looked at.
const STEP: Duration = Duration::from_millis(5);

/// How long a program is waited for that is still open for writing: one that is being installed, or that this process
/// wrote and another thread's new child has open for a moment more.
const BUSY_TIME_MAX: Duration = Duration::from_secs(1);

/// What such a program is given of the environment.
#[derive(Debug, Clone, Default)]
pub struct UserEnvironment {
    /// Where it, and what it runs, is looked for.
    pub path: OsString,
    /// The user's home.
    pub home: OsString,
}

/// A program and what it is asked.
pub(super) struct UserProgram<'a> {
    /// Its name; the user's path leads to it.
    pub(super) name: &'a str,
    pub(super) arguments: &'a [&'a str],
    pub(super) input: &'a [u8],
    pub(super) environment: &'a UserEnvironment,
    /// How long it may take.
    pub(super) time_max: Duration,
    /// The most that it may print, in bytes.
    pub(super) output_bytes_max: usize,
}

/// Why there is no answer. What the program printed is in no error.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It was not started.
    Start(io::Error),
    /// It took too long or printed too much, and was ended with all that it had started.
    Ended,
}

impl UserProgram<'_> {
    /// Runs it to its end.
    pub(super) fn run(&self) -> Result<(Vec<u8>, ExitStatus), NoAnswer> {
        let mut command = Command::new(self.name);
        command
            .args(self.arguments)
            .env_clear()
            .env("PATH", &self.environment.path)
            .env("HOME", &self.environment.home)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // To be ended with all that it starts.
            .process_group(0);
        let mut child = start(&mut command).map_err(NoAnswer::Start)?;
        self.talk(&mut child).ok_or_else(|| {
            end(&mut child);
            NoAnswer::Ended
        })
    }

    /// Asks, and reads to the end; nothing if that takes too long or is too much.
    fn talk(&self, child: &mut Child) -> Option<(Vec<u8>, ExitStatus)> {
        let (input, output) = (child.stdin.take(), child.stdout.take()?);
        let question = self.input.to_vec();
        let most_bytes = self.output_bytes_max;
        // Written beside reading: a program may answer before it has read everything.
        thread::spawn(move || {
            // Whoever does not read the question has to answer nevertheless.
            let _ = input.map(|mut input| input.write_all(&question));
        });
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.take(most_bytes as u64 + 1).read_to_end(&mut bytes);
            // Nobody waits for it any more if it took too long.
            let _ = sender.send(read.map(|_| bytes));
        });
        let bytes = receiver.recv_timeout(self.time_max).ok()?.ok()?;
        if bytes.len() > most_bytes {
            return None;
        }
        for _ in 0..END_TIME_MAX.as_millis() / STEP.as_millis() {
            if let Some(status) = child.try_wait().ok()? {
                return Some((bytes, status));
            }
            thread::sleep(STEP);
        }
        None
    }
}

fn start(command: &mut Command) -> io::Result<Child> {
    let mut waited = Duration::ZERO;
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && waited < BUSY_TIME_MAX =>
            {
                thread::sleep(STEP);
                waited += STEP;
            }
            result => return result,
        }
    }
}

/// Ends a program with all that it has started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    /// Makes a program of a shell script, and an environment that leads to it.
    pub(in crate::sandbox) fn script(folder: &Path, name: &str, text: &str) -> UserEnvironment {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        UserEnvironment { path: path.into(), home: folder.into() }
    }

    #[test]
    fn programs_that_somebody_still_writes_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let environment = script(folder.path(), "busy", "echo yes");
        let run = |file: Option<fs::File>| {
            let program = UserProgram {
                name: "busy",
                arguments: &[],
                input: b"",
                environment: &environment,
                time_max: Duration::from_mins(1),
                output_bytes_max: 8,
            };
            thread::scope(|scope| {
                let writer = scope.spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    drop(file);
                });
                let said = program.run();
                writer.join().unwrap();
                said
            })
        };
        let open = || fs::OpenOptions::new().append(true).open(folder.path().join("busy")).unwrap();
        let (output, _) = run(Some(open())).unwrap();
        assert_eq!(output, b"yes\n");
        // Not for ever.
        let kept = open();
        let error = run(None).unwrap_err();
        let NoAnswer::Start(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), io::ErrorKind::ExecutableFileBusy);
        drop(kept);
    }

    #[test]
    fn long_questions_and_answers_do_not_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        // Far more than pipes hold, in both directions at once, and one who does not listen.
        for (text, length) in [("cat", 8 << 20), ("exec true", 0)] {
            let environment = script(folder.path(), "both-ways", text);
            let program = UserProgram {
                name: "both-ways",
                arguments: &[],
                input: &vec![b'x'; 8 << 20],
                environment: &environment,
                time_max: Duration::from_mins(1),
                output_bytes_max: 8 << 20,
            };
            let (output, status) = program.run().unwrap();
            assert!(status.success());
            assert_eq!(output.len(), length, "{text}");
        }
    }
}
