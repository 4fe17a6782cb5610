// SPDX-License-Identifier: Apache-2.0
//! Runs the real command in a clean environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hardpan_testkit::fixture::Fixture;

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Checks the exit code and that both streams together have all of these texts.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, fragments: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self}");
        let both = format!("{}{}", self.stdout, self.stderr);
        for fragment in fragments {
            assert!(both.contains(fragment), "{fragment:?} is not in\n{self}");
        }
        self
    }

    /// Returns the standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Returns the last line, which is the digest after a build.
    #[track_caller]
    pub(crate) fn digest(&self) -> String {
        assert_eq!(self.code, 0, "{self}");
        let line = self.stdout.lines().last().unwrap_or_default();
        assert!(line.starts_with("sha256:") && line.len() == 71, "no digest: {self}");
        line.to_owned()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// Returns the command with an environment that has nothing of ours but a way to find programs.
pub(crate) fn clean(program: impl AsRef<Path>, fixture: &Fixture) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", fixture.path("home"))
        .env("HARDPAN_STORE", fixture.path("store"))
        // A machine that is busy is no server that hangs. Where one does so on purpose, the test says how long that counts.
        .env("HARDPAN_TIMEOUT_SECONDS", "20")
        .env("HARDPAN_RETRIES", "3")
        .current_dir(fixture.path("work"))
        .stdin(Stdio::null());
    command
}

/// Returns `hardpan` with arguments.
pub(crate) fn hardpan(fixture: &Fixture, arguments: &[&str]) -> Command {
    let mut command = clean(env!("CARGO_BIN_EXE_hardpan"), fixture);
    command.args(arguments);
    command
}

/// Returns `hardpan build` of the fixture's definition into `out`.
pub(crate) fn build_command(fixture: &Fixture, arguments: &[&str]) -> Command {
    let mut command = hardpan(fixture, &["build"]);
    command.arg(fixture.definition()).arg("--output").arg(fixture.path("out")).args(arguments);
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ran {
    command.output().expect("the program starts").into()
}

/// Runs `hardpan build`.
pub(crate) fn build(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(build_command(fixture, arguments))
}

/// Checks that a failed build left nothing behind that looks like a result, and a good store.
#[track_caller]
pub(crate) fn expect_nothing_written(fixture: &Fixture) {
    assert!(!fixture.path("out").exists(), "there is an output: {:?}", files(&fixture.path("out")));
    assert!(!fixture.lock().exists(), "there is a lock");
    expect_good_store(fixture);
}

/// Checks that everything in the store has the digest that it should have.
#[track_caller]
pub(crate) fn expect_good_store(fixture: &Fixture) {
    run(hardpan(fixture, &["store", "verify"])).expect(0, &["0 files damaged"]);
}

/// Returns the files below a directory with their bytes.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let Ok(entries) = fs::read_dir(directory) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            match fs::read(&path) {
                Ok(bytes) => files.insert(path, bytes),
                // A program that still runs has moved it since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => panic!("{}: {error}", path.display()),
            };
        }
    }
    files
}

/// Returns a layout's layers, decompressed.
pub(crate) fn layers(layout: &Path) -> Vec<Vec<u8>> {
    files(layout).into_values().filter_map(|bytes| gunzip(&bytes)).collect()
}

/// Decompresses what is gzip, all members of it.
pub(crate) fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    is_gzip.then(|| {
        let mut raw = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut raw).unwrap();
        raw
    })
}

/// Says why a test did not run.
#[expect(clippy::print_stderr, reason = "this is where a test run says it")]
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test} because {reason}");
}

/// Returns whether this process is root's.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

/// Returns whether a command can be run and succeeds.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Returns the finished image as text, a line for each path.
pub(crate) fn image(fixture: &Fixture) -> String {
    use hardpan_image::Layout;
    use hardpan_tree::{Origin, TarLimits, Tree};
    let layout = Layout::open(&fixture.path("out")).unwrap();
    let images = layout.images().unwrap();
    let mut tar = Vec::new();
    for layer in &images[0].manifest.value().layers {
        let file = std::io::BufReader::new(layout.open_blob(layer).unwrap());
        let mut raw = Vec::new();
        let gzip = hardpan_image::Compression::Gzip;
        std::io::Read::read_to_end(&mut hardpan_image::decompress(file, gzip).unwrap(), &mut raw)
            .unwrap();
        tar.extend_from_slice(&raw[..raw.len() - 1024]);
    }
    tar.extend([0; 1024]);
    Tree::from_tar(&tar[..], TarLimits::default(), Origin::Definition).unwrap().dump()
}
