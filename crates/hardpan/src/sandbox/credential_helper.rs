// SPDX-License-Identifier: Apache-2.0
//! Credential helpers: programs of this machine's user that know logins (docker-credential-helpers).
//!
//! They are the user's own, named in the user's own files, and need what the user has: a keyring, an agent. So
//! they run outside of the sandbox, but with no more of the environment than a path and a home, without a
//! shell, and not for ever.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hardpan_remote::registry::HelperReply;

/// How long a helper may take: it may ask its user for a password.
const TIME_MAX: Duration = Duration::from_mins(1);
/// How long a helper that has printed everything may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at.
const END_STEP: Duration = Duration::from_millis(5);
/// The most that a helper may print, in bytes.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;
/// The longest name of a helper, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// What helpers print, and fail, if they have no login.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// What a helper is given of the environment.
#[derive(Debug, Clone, Default)]
pub struct HelperEnvironment {
    /// Where it, and what it runs, is looked for.
    pub path: OsString,
    /// The user's home.
    pub home: OsString,
}

/// Runs `docker-credential-NAME get` for a registry. What it prints is in no error.
pub fn ask(
    name: &str,
    server: &str,
    environment: &HelperEnvironment,
) -> Result<HelperReply, String> {
    ask_within(name, server, environment, TIME_MAX)
}

fn ask_within(
    name: &str,
    server: &str,
    environment: &HelperEnvironment,
    time_max: Duration,
) -> Result<HelperReply, String> {
    let is_good =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_good) {
        let name: String = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(format!("{name:?} is not the name of a credential helper"));
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
        .arg("get")
        .env_clear()
        .env("PATH", &environment.path)
        .env("HOME", &environment.home)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // To be ended with all that it starts.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program} can't be run: {error}"))?;
    let ended = talk(&mut child, server, time_max);
    if ended.is_none() {
        end(&mut child);
    }
    let (output, status) =
        ended.ok_or_else(|| format!("{program} took too long or printed too much"))?;
    if status.success() {
        return Ok(HelperReply::Output(output));
    }
    if String::from_utf8_lossy(&output).trim() == NOT_FOUND {
        return Ok(HelperReply::NotFound);
    }
    Err(format!("{program} failed ({status})"))
}

/// Asks, and reads to the end; nothing if that takes too long or is too much.
fn talk(child: &mut Child, server: &str, time_max: Duration) -> Option<(Vec<u8>, ExitStatus)> {
    if let Some(mut input) = child.stdin.take() {
        // Whoever does not read the question has to answer nevertheless.
        let _ = input.write_all(server.as_bytes());
    }
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
        // Nobody waits for it any more if it took too long.
        let _ = sender.send(read.map(|_| bytes));
    });
    let bytes = receiver.recv_timeout(time_max).ok()?.ok()?;
    if bytes.len() as u64 > OUTPUT_BYTES_MAX {
        return None;
    }
    for _ in 0..END_TIME_MAX.as_millis() / END_STEP.as_millis() {
        if let Some(status) = child.try_wait().ok()? {
            return Some((bytes, status));
        }
        thread::sleep(END_STEP);
    }
    None
}

/// Ends a helper with all that it has started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Makes a helper of a shell script.
    fn helper(folder: &std::path::Path, script: &str) -> HelperEnvironment {
        let path = folder.join("docker-credential-test.1");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        HelperEnvironment { path: path.into(), home: folder.into() }
    }

    #[test]
    fn helpers_answer() {
        let folder = tempfile::tempdir().unwrap();
        for (script, expected) in [
            ("read a; echo \"$1 $a\"", Ok(HelperReply::Output(b"get registry.example\n".to_vec()))),
            ("echo 'credentials not found in native keychain'; exit 1", Ok(HelperReply::NotFound)),
            ("true", Ok(HelperReply::Output(Vec::new()))),
            ("echo hunter2; exit 3", Err("docker-credential-test.1 failed (exit status: 3)")),
            ("echo hunter2; kill -9 $$", Err("docker-credential-test.1 failed (signal: 9")),
            ("cat /dev/zero", Err("docker-credential-test.1 took too long or printed too much")),
            ("sleep 60 & sleep 60", Err("docker-credential-test.1 took too long")),
        ] {
            let environment = helper(folder.path(), script);
            let time_max = Duration::from_millis(1500);
            let reply = ask_within("test.1", "registry.example\n", &environment, time_max);
            match (&reply, &expected) {
                (Err(error), Err(words)) => assert!(error.starts_with(words), "{error}"),
                (reply, expected) => {
                    assert_eq!(reply.as_ref().ok(), expected.as_ref().ok(), "{script}");
                }
            }
            assert!(!format!("{reply:?}").contains("hunter2"));
        }
    }

    #[test]
    fn helpers_get_no_more_than_a_path_and_a_home() {
        let folder = tempfile::tempdir().unwrap();
        let environment = helper(folder.path(), "/usr/bin/env; pwd");
        let Ok(HelperReply::Output(output)) = ask("test.1", "", &environment) else {
            panic!("no answer");
        };
        let output = String::from_utf8(output).unwrap();
        let is_known = |line: &str| {
            ["PATH=", "HOME=", "PWD=", "OLDPWD=", "SHLVL=", "_="]
                .iter()
                .any(|name| line.starts_with(name))
        };
        let other: Vec<&str> = output.lines().filter(|line| !is_known(line)).collect();
        assert_eq!(other, ["/"], "{output}");
    }

    #[test]
    fn names_lead_to_helpers_only() {
        let folder = tempfile::tempdir().unwrap();
        let environment = helper(folder.path(), "echo run");
        for name in ["", "../x", "a/b", "A", "a b", "a;b", "a\0b", "ä", &"a".repeat(65)] {
            let error = ask(name, "", &environment).unwrap_err();
            assert!(error.contains("is not the name of a credential helper"), "{error}");
        }
        let error = ask("missing", "", &environment).unwrap_err();
        assert!(error.starts_with("docker-credential-missing can't be run"), "{error}");
    }
}
