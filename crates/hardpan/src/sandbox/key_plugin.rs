// SPDX-License-Identifier: Apache-2.0
//! Plugins for keys: programs of this machine's user that hold private keys, or know who does (Sigstore's KMS plugins).

use std::io;
use std::time::Duration;

use hardpan_attest::key::plugin::{Call, REPLY_BYTES_MAX};

use super::user_program::{NoAnswer, UserEnvironment, UserProgram};

/// How long a plugin may take: somebody may have to touch a token.
const TIME_MAX: Duration = Duration::from_mins(2);

/// Runs a plugin and returns what it printed. Its exit status means nothing.
pub fn run(call: Call<'_>, environment: &UserEnvironment) -> io::Result<Vec<u8>> {
    run_within(call, environment, TIME_MAX)
}

fn run_within(
    call: Call<'_>,
    environment: &UserEnvironment,
    time_max: Duration,
) -> io::Result<Vec<u8>> {
    let program = UserProgram {
        name: call.program,
        arguments: &call.arguments.each_ref().map(String::as_str),
        input: call.input,
        environment,
        time_max,
        output_bytes_max: REPLY_BYTES_MAX,
    };
    match program.run() {
        Ok((output, _)) => Ok(output),
        Err(NoAnswer::Start(error)) => Err(error),
        Err(NoAnswer::Ended) => Err(io::Error::other("it took too long or printed too much")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::user_program::tests::script;
    use super::*;

    fn ask(text: &str, input: &[u8]) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let environment = script(folder.path(), "sigstore-kms-test", text);
        let arguments = ["v1".to_owned(), "{\"a b\": '$x'}".to_owned()];
        let call = Call { program: "sigstore-kms-test", arguments: &arguments, input };
        // On a busy machine even a shell may take a while.
        let time_max = if text.contains("sleep 60") { 1500 } else { 60_000 };
        run_within(call, &environment, Duration::from_millis(time_max))
    }

    #[test]
    fn plugins_answer() {
        // No shell looks at the arguments.
        assert_eq!(
            ask("printf '%s|%s|' \"$1\" \"$2\"; cat", b"m").unwrap(),
            b"v1|{\"a b\": '$x'}|m"
        );
        assert_eq!(ask("echo no; exit 3", b"").unwrap(), b"no\n");
        assert_eq!(ask("exit 1", b"").unwrap(), b"");
    }

    #[test]
    fn plugins_that_hang_or_babble_are_ended() {
        for text in ["sleep 60", "sleep 60 & sleep 60", "cat /dev/zero"] {
            let error = ask(text, b"").unwrap_err().to_string();
            assert_eq!(error, "it took too long or printed too much", "{text}");
        }
        let arguments = [String::new(), String::new()];
        let call = Call { program: "sigstore-kms-missing", arguments: &arguments, input: b"" };
        let error = run(call, &UserEnvironment::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn secrets_of_the_caller_are_not_theirs() {
        let shown = String::from_utf8(ask("/usr/bin/env", b"").unwrap()).unwrap();
        let is_known = |line: &&str| {
            ["PATH=", "HOME=", "PWD=", "OLDPWD=", "SHLVL=", "_="]
                .iter()
                .any(|name| line.starts_with(name))
        };
        assert_eq!(shown.lines().find(|line| !is_known(line)), None, "{shown}");
    }
}
