// SPDX-License-Identifier: Apache-2.0
//! Programs of others: registries and clients. They come from `HARDPAN_TEST_CLIENTS`, a directory, or from `PATH`.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::skip;

/// Finds a program, or says that the test can't run.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("HARDPAN_TEST_CLIENTS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = (named.into_iter().chain(std::env::split_paths(&path)))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        skip(name, "it is neither in HARDPAN_TEST_CLIENTS nor in PATH");
    }
    found
}

/// A client with a home of its own.
pub(crate) struct Client {
    program: PathBuf,
    home: TempDir,
}

/// What a client came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Client {
    pub(crate) fn find(name: &str) -> Option<Self> {
        Some(Self { program: find(name)?, home: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr> + Debug]) -> Done {
        let home = self.home.path();
        let Output { status, stdout, stderr } = Command::new(&self.program)
            .args(arguments)
            .current_dir(home)
            .env("HOME", home)
            .env("DOCKER_CONFIG", home)
            .env("COSIGN_PASSWORD", crate::world::PASSWORD)
            // Nothing of a test leaves this machine.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Done { ok: status.success(), out: text(stdout), errors: text(stderr) }
    }

    /// Runs it; it must succeed. Returns what it printed.
    #[track_caller]
    pub(crate) fn good(&self, arguments: &[impl AsRef<OsStr> + Debug]) -> String {
        let done = self.run(arguments);
        assert!(done.ok, "{} {arguments:?}\n{}\n{}", self.program.display(), done.out, done.errors);
        done.out
    }

    /// Runs it; it must refuse.
    #[track_caller]
    pub(crate) fn bad(&self, arguments: &[impl AsRef<OsStr> + Debug]) {
        let done = self.run(arguments);
        assert!(!done.ok, "{} {arguments:?}\n{}", self.program.display(), done.out);
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }
}

/// A registry of others that runs for a test.
pub(crate) struct Running {
    process: Child,
    pub(crate) name: String,
    _home: TempDir,
}

impl Running {
    /// Starts a program that says on its errors' stream where it listens, in words after `marker`.
    fn start(command: &mut Command, marker: &str, home: TempDir) -> Self {
        let mut process =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it was found");
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            if let Some((_, rest)) = line.split_once(marker) {
                let digits = rest.chars().take_while(char::is_ascii_digit);
                break digits.collect::<String>();
            }
        };
        // Whoever fills a pipe that nobody reads waits for ever.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process, name: format!("127.0.0.1:{port}"), _home: home }
    }

    pub(crate) fn docker() -> Option<Self> {
        let program = find("docker-registry")?;
        let home = tempfile::tempdir().unwrap();
        let settings = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: \"{}\"}}}}\n\
             http: {{addr: \"127.0.0.1:0\"}}\n",
            home.path().join("storage").display()
        );
        let file = home.path().join("settings.yml");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(file);
        Some(Self::start(&mut command, "listening on 127.0.0.1:", home))
    }

    pub(crate) fn crane() -> Option<Self> {
        let mut command = Command::new(find("crane")?);
        command.args(["registry", "serve", "--address", "127.0.0.1:0"]);
        Some(Self::start(&mut command, "serving on port ", tempfile::tempdir().unwrap()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Returns the statements that `cosign verify-attestation` prints, an envelope a line.
pub(crate) fn statements(printed: &str) -> Vec<Value> {
    let envelopes = printed.lines().filter(|line| line.starts_with('{'));
    envelopes
        .map(|line| {
            let envelope: Value = serde_json::from_str(line).unwrap();
            let payload = decode(envelope["payload"].as_str().unwrap());
            serde_json::from_slice(&payload).unwrap()
        })
        .collect()
}

/// Reads base64.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = alphabet.iter().position(|known| *known == letter).expect("base64");
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

/// Writes base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let get = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
        let bits = (get(0) << 16) | (get(1) << 8) | get(2);
        for place in 0..4 {
            let letter = alphabet[usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap()];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
