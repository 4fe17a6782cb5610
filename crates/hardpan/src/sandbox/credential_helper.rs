// SPDX-License-Identifier: Apache-2.0
//! Credential helpers: programs of this machine's user that know logins (docker-credential-helpers).

use std::time::Duration;

use hardpan_remote::registry::HelperReply;

use super::user_program::{NoAnswer, UserEnvironment, UserProgram};

/// How long a helper may take: it may ask its user for a password.
const TIME_MAX: Duration = Duration::from_mins(1);
/// The most that a helper may print, in bytes.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// The longest name of a helper, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// What helpers print, and fail, if they have no login.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Runs `docker-credential-NAME get` for a registry. What it prints is in no error.
pub fn ask(name: &str, server: &str, environment: &UserEnvironment) -> Result<HelperReply, String> {
    ask_within(name, server, environment, TIME_MAX)
}

fn ask_within(
    name: &str,
    server: &str,
    environment: &UserEnvironment,
    time_max: Duration,
) -> Result<HelperReply, String> {
    let is_good =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_good) {
        let name: String = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(format!("{name:?} is not the name of a credential helper"));
    }
    let program = format!("docker-credential-{name}");
    let asked = UserProgram {
        name: &program,
        arguments: &["get"],
        input: server.as_bytes(),
        environment,
        time_max,
        output_bytes_max: OUTPUT_BYTES_MAX,
    };
    let (output, status) = asked.run().map_err(|error| match error {
        NoAnswer::Start(error) => format!("{program} can't be run: {error}"),
        NoAnswer::Ended => format!("{program} took too long or printed too much"),
    })?;
    if status.success() {
        return Ok(HelperReply::Output(output));
    }
    if String::from_utf8_lossy(&output).trim() == NOT_FOUND {
        return Ok(HelperReply::NotFound);
    }
    Err(format!("{program} failed ({status})"))
}

#[cfg(test)]
mod tests {
    use super::super::user_program::tests::script;
    use super::*;

    /// Makes a helper of a shell script.
    fn helper(folder: &std::path::Path, text: &str) -> UserEnvironment {
        script(folder, "docker-credential-test.1", text)
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
            // On a busy machine even a shell may take a while.
            let time_max = if script.contains("sleep 60") { 1500 } else { 60_000 };
            let time_max = Duration::from_millis(time_max);
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
