// SPDX-License-Identifier: Apache-2.0
//! Cosign 2 and 3 accept what we write, and we accept what they write. `HARDPAN_TEST_CLIENTS` names the folder
//! with these programs, which `testkit/get-clients` makes.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod bundles;
mod keys;
mod plugin;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use hardpan_attest::key::{NoRandomness, PrivateKey, ScryptCost, Signer as _};
use tempfile::TempDir;

const PASSWORD: &str = "p ssw\u{f6}rd";

/// The programs, and a folder to work in.
pub(crate) struct Clients {
    programs: PathBuf,
    pub(crate) work: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cosign {
    Two,
    Three,
}

impl Cosign {
    pub(crate) const BOTH: [Self; 2] = [Self::Two, Self::Three];
}

impl Clients {
    /// Returns nothing, and says so, where there are no clients.
    pub(crate) fn find() -> Option<Self> {
        let programs = std::env::var_os("HARDPAN_TEST_CLIENTS").map(PathBuf::from)?;
        let is_there = ["cosign2", "cosign3"].iter().all(|name| programs.join(name).exists());
        is_there.then(|| Self { programs, work: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// A cosign in the folder to work in, whose home it is, too, with a password.
    pub(crate) fn cosign(&self, which: Cosign, arguments: &[&str]) -> Command {
        let name = if which == Cosign::Two { "cosign2" } else { "cosign3" };
        let mut command = Command::new(self.programs.join(name));
        command
            .args(arguments)
            .current_dir(self.work.path())
            .env_clear()
            .env("HOME", self.work.path())
            .env("PATH", self.work.path())
            .env("COSIGN_PASSWORD", PASSWORD)
            .stdin(Stdio::null());
        command
    }
}

/// Returns the output, or all that it said if it failed.
pub(crate) fn attempt(mut command: Command) -> Result<Vec<u8>, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{text}", output.status))
}

pub(crate) fn run(command: Command) -> Vec<u8> {
    attempt(command).unwrap_or_else(|error| panic!("{error}"))
}

/// Gets the clients, or ends the test.
macro_rules! clients {
    () => {
        match crate::Clients::find() {
            Some(clients) => clients,
            None => {
                #[allow(clippy::print_stderr, reason = "who runs the tests must see it")]
                {
                    eprintln!("skipped: because HARDPAN_TEST_CLIENTS names no folder with cosign2 and cosign3");
                }
                return;
            }
        }
    };
}
pub(crate) use clients;

/// A filler of bytes that are the same each time; the keys protect nothing.
pub(crate) fn filler(seed: u8) -> impl FnMut(&mut [u8]) -> Result<(), NoRandomness> {
    let mut next = seed;
    move |bytes| {
        for byte in bytes {
            next = next.wrapping_mul(13).wrapping_add(101);
            *byte = next;
        }
        Ok(())
    }
}

/// A key, with `NAME.key` and `NAME.pub` for cosign.
pub(crate) fn key(clients: &Clients, name: &str, seed: u8) -> PrivateKey {
    let key = PrivateKey::generate(&mut filler(seed)).unwrap();
    let sealed = key
        .to_encrypted_pem(PASSWORD.as_bytes(), ScryptCost::default(), &mut filler(seed))
        .unwrap();
    clients.write(&format!("{name}.key"), sealed.as_bytes());
    clients.write(&format!("{name}.pub"), key.public_key().to_pem().as_bytes());
    key
}

/// What lets cosign 3 sign without asking anybody.
pub(crate) fn signing_config(clients: &Clients) -> &'static str {
    run(clients.cosign(Cosign::Three, &["signing-config", "create", "--out", "signing.json"]));
    "signing.json"
}
