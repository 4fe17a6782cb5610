// SPDX-License-Identifier: Apache-2.0
//! What the parent heard of a program.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::RawFd;

use hardpan_tree::TreePath;

use super::forbidden::explain;
use super::message::{Failure, MESSAGE_BYTES_MAX, Message, Step, parse};
use super::owners::{KEEP, Key};
use super::plan::setup;
use super::run::Finished;
use super::{DeviceRequest, Exit, Program, SandboxError, emulator, sys};

/// How much is remembered of owners and devices: enough for a million files with paths as they are.
const KEPT_BYTES_MAX: usize = 256 << 20;
/// What a record takes beside its texts, roughly.
const ENTRY_BYTES: usize = 128;

/// Whom a file was given to. [`KEEP`] leaves a part as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Where it was then.
    pub(super) path: Option<TreePath>,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) failure: Option<Failure>,
    /// What it was that could not be mounted.
    pub(super) place: Option<String>,
    status: Option<i32>,
    cut: Option<Exit>,
    no_program: bool,
    pub(super) wrong_machine: Option<u16>,
    /// Files that were given away.
    pub(super) owners: BTreeMap<Key, Given>,
    devices: BTreeSet<DeviceRequest>,
    /// Mount points that were made, and whether they are directories.
    pub(super) made: Vec<(TreePath, bool)>,
    kept_bytes: usize,
}

impl Heard {
    /// Notes that the program had to be killed; the first reason counts.
    pub(super) fn cut(&mut self, exit: Exit) {
        self.cut.get_or_insert(exit);
    }

    /// Returns whether a program has asked for more than is remembered.
    pub(super) fn is_too_much(&self) -> bool {
        self.kept_bytes > KEPT_BYTES_MAX
    }

    fn give(&mut self, key: &[u8], path: Option<TreePath>, uid: u32, gid: u32) {
        match self.owners.entry(key.to_vec()) {
            Entry::Vacant(entry) => {
                let length = path.as_ref().map_or(0, |path| path.as_bytes().len());
                self.kept_bytes += key.len() + length + ENTRY_BYTES;
                entry.insert(Given { path, uid, gid });
            }
            Entry::Occupied(mut entry) => {
                let given = entry.get_mut();
                if uid != KEEP {
                    given.uid = uid;
                }
                if gid != KEEP {
                    given.gid = gid;
                }
            }
        }
    }

    /// Takes one message; returns whether there may be more.
    pub(super) fn take_message(&mut self, socket: RawFd) -> bool {
        let mut bytes = [0u8; MESSAGE_BYTES_MAX];
        let Ok(length @ 1..) = sys::read(socket, &mut bytes) else { return false };
        let path = |bytes: &[u8]| TreePath::parse(bytes).ok();
        match parse(bytes.get(..length).unwrap_or_default()) {
            // The first is the cause of the others.
            Some(Message::Failed(failure)) => {
                self.failure.get_or_insert(failure);
            }
            Some(Message::NoProgram) => self.no_program = true,
            Some(Message::WrongMachine { machine, .. }) => {
                self.wrong_machine = u16::try_from(machine).ok();
            }
            Some(Message::Ended { status }) => self.status = Some(status),
            Some(Message::Owner { uid, gid, key, path: name }) => {
                self.give(key, path(name), uid, gid);
            }
            Some(Message::Device { mode, major, minor, path: name }) => {
                if let Some(path) = path(name)
                    && self.devices.insert(DeviceRequest { path, mode, major, minor })
                {
                    self.kept_bytes += name.len() + ENTRY_BYTES;
                }
            }
            Some(Message::Made { path: name, is_directory }) => {
                self.made.extend(path(name).map(|path| (path, is_directory)));
            }
            None => {}
        }
        true
    }

    /// Says what came of the program.
    pub(super) fn finished(self, program: &Program) -> Result<Finished, SandboxError> {
        let name = || {
            program
                .arguments
                .first()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        if let Some(failure) = self.failure {
            let error = io::Error::from_raw_os_error(failure.errno);
            return Err(match failure.step {
                Step::Execute => setup(&format!("{} {}", failure.step.text(), name()))(error),
                // The files of binfmt_misc belong to root of the sandbox, who is nobody's user there.
                step @ Step::Emulator if failure.errno == libc::EACCES => {
                    let place = self.place.unwrap_or_default();
                    let reason = "the kernel allows that for root only, and the program runs as another user";
                    setup(&format!("{} {place}", step.text()))(io::Error::other(reason))
                }
                Step::Mount => {
                    SandboxError::Mount { place: self.place.unwrap_or_default(), source: error }
                }
                step @ (Step::Source | Step::Emulator) => {
                    let place = self.place.unwrap_or_default();
                    setup(&format!("{} {place}", step.text()))(error)
                }
                step => explain(step, error),
            });
        }
        if self.is_too_much() {
            let error = io::Error::other(format!("it takes more than {KEPT_BYTES_MAX} bytes"));
            return Err(setup("remember whom files were given to")(error));
        }
        if self.no_program {
            return Err(SandboxError::NoProgram { program: name() });
        }
        if let Some(machine) = self.wrong_machine {
            let machine = emulator::machine_name(machine);
            return Err(SandboxError::WrongMachine { program: name(), machine });
        }
        let exit = match (self.cut, self.status) {
            (Some(cut), _) => cut,
            (None, Some(status)) if libc::WIFSIGNALED(status) => {
                Exit::Signal(libc::WTERMSIG(status))
            }
            (None, Some(status)) => Exit::Code(libc::WEXITSTATUS(status)),
            // The first process was killed, by who may: the system, for want of memory.
            (None, None) => Exit::Signal(libc::SIGKILL),
        };
        Ok(Finished { exit, devices: self.devices.into_iter().collect() })
    }
}
