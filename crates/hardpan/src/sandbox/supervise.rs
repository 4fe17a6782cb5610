// SPDX-License-Identifier: Apache-2.0
//! What the parent hears of a sandbox while a program runs in it.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::fchown;
use std::time::Duration;

use hardpan_tree::TreePath;

use super::forbidden::explain;
use super::identity::host_owner;
use super::message::{Failure, MESSAGE_BYTES_MAX, Message, Step, parse};
use super::plan::setup;
use super::run::{Finished, above, pipe};
use super::spawn::Running;
use super::sys::{self, Fresh};
use super::{DeviceRequest, Exit, Program, SandboxError, Stream, Streams, emulator};

/// Most messages that are kept of one program.
const MESSAGES_MAX: usize = 10_000_000;

/// Descriptors that the parent listens to, and the ends that the child speaks into.
#[derive(Debug)]
pub(super) struct Ears {
    messages: OwnedFd,
    pub(super) child_messages: OwnedFd,
    /// Nothing to read, output, errors: the child's ends; `None` if it has the caller's own.
    pub(super) streams: Option<[OwnedFd; 3]>,
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
    timer: Option<OwnedFd>,
}

impl Ears {
    pub(super) fn new(is_captured: bool, time: Option<Duration>) -> Result<Self, SandboxError> {
        let [messages, child_messages] = sys::socket_pair().map_err(setup("make a socket"))?;
        let (messages, child_messages) = (above(messages)?, above(child_messages)?);
        let timer = time.map(sys::timer).transpose().map_err(setup("make a timer"))?;
        let timer = timer.map(Fresh::own);
        if !is_captured {
            return Ok(Self {
                messages,
                child_messages,
                streams: None,
                output: None,
                errors: None,
                timer,
            });
        }
        let nothing = File::open("/dev/null").map_err(setup("open /dev/null"))?;
        let nothing = sys::dup_above(nothing.as_raw_fd(), 3).map_err(setup("open /dev/null"))?;
        let ([output, out], [errors, err]) = (pipe()?, pipe()?);
        if let Some((uid, gid)) = host_owner() {
            // So that /dev/stdout can be opened again.
            for end in [&out, &err] {
                fchown(end, Some(uid), Some(gid)).map_err(setup("make a pipe"))?;
            }
        }
        let streams = Some([nothing.own(), out, err]);
        Ok(Self {
            messages,
            child_messages,
            streams,
            output: Some(output),
            errors: Some(errors),
            timer,
        })
    }

    /// Returns the descriptors of the program's standard streams.
    pub(super) fn child_streams(&self) -> [RawFd; 3] {
        match &self.streams {
            Some(streams) => streams.each_ref().map(OwnedFd::as_raw_fd),
            None => [0, 1, 2],
        }
    }

    /// Closes the child's ends.
    pub(super) fn after_spawn(self) -> Listening {
        let Self { messages, output, errors, timer, .. } = self;
        Listening { messages, output, errors, timer }
    }
}

/// What is left of [`Ears`] when the child has its ends.
#[derive(Debug)]
pub(super) struct Listening {
    messages: OwnedFd,
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
    timer: Option<OwnedFd>,
}

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) failure: Option<Failure>,
    status: Option<i32>,
    cut: Option<Exit>,
    no_program: bool,
    wrong_machine: Option<u16>,
    /// Files that were given away: what names them, path, user and group.
    pub(super) owners: Vec<(Vec<u8>, TreePath, u32, u32)>,
    devices: Vec<DeviceRequest>,
    /// Mount points that were made, and whether they are directories.
    pub(super) made: Vec<(TreePath, bool)>,
    messages: usize,
}

/// Listens until all processes of a sandbox have ended.
pub(super) fn listen(
    mut running: Running,
    mut ears: Listening,
    streams: &mut Streams<'_>,
    output_bytes_max: u64,
) -> Result<Heard, SandboxError> {
    let mut heard = Heard::default();
    let mut output_left = output_bytes_max;
    let mut has_ended = false;
    loop {
        let wanted = [
            Some(ears.messages.as_raw_fd()),
            ears.output.as_ref().map(OwnedFd::as_raw_fd),
            ears.errors.as_ref().map(OwnedFd::as_raw_fd),
            ears.timer.as_ref().map(OwnedFd::as_raw_fd),
            (!has_ended).then(|| running.descriptor()),
        ];
        let mut files = wanted.map(|file| libc::pollfd {
            fd: file.unwrap_or(-1),
            events: libc::POLLIN,
            revents: 0,
        });
        // Once all have ended, what they left is there at once.
        sys::poll(&mut files, !has_ended).map_err(setup("wait for the sandbox"))?;
        let [messages, output, errors, timer, end] = files.map(|file| file.revents != 0);
        if timer && !has_ended {
            heard.cut = heard.cut.or(Some(Exit::TimedOut));
            ears.timer = None;
            running.kill();
        }
        for (is_ready, stream, file) in
            [(output, Stream::Output, &mut ears.output), (errors, Stream::Error, &mut ears.errors)]
        {
            if is_ready && !pass_on(file, stream, streams, &mut output_left)? {
                heard.cut = heard.cut.or(Some(Exit::TooMuchOutput));
                running.kill();
            }
        }
        let more = messages && heard.take_message(ears.messages.as_raw_fd());
        if heard.messages > MESSAGES_MAX {
            heard.cut = heard.cut.or(Some(Exit::TooMuchOutput));
            running.kill();
        }
        if end && !has_ended {
            running.wait();
            has_ended = true;
        } else if has_ended && !more && ears.output.is_none() && ears.errors.is_none() {
            return Ok(heard);
        }
    }
}

/// Passes on what was printed; returns whether that was still allowed.
fn pass_on(
    file: &mut Option<OwnedFd>,
    stream: Stream,
    streams: &mut Streams<'_>,
    left: &mut u64,
) -> Result<bool, SandboxError> {
    let Some(descriptor) = file.as_ref().map(OwnedFd::as_raw_fd) else { return Ok(true) };
    let mut bytes = [0u8; 16 * 1024];
    let length = match sys::read(descriptor, &mut bytes) {
        Ok(0) => {
            *file = None;
            return Ok(true);
        }
        Err(sys::Errno(libc::EINTR)) => return Ok(true),
        other => other.map_err(setup("read what the program prints"))?,
    };
    let room = usize::try_from(*left).unwrap_or(usize::MAX);
    let allowed = &bytes[..length.min(room)];
    *left -= allowed.len() as u64;
    if let Streams::Captured(print) = streams
        && !allowed.is_empty()
    {
        print(stream, allowed);
    }
    Ok(length <= room)
}

impl Heard {
    /// Takes one message; returns whether there may be more.
    fn take_message(&mut self, socket: RawFd) -> bool {
        let mut bytes = [0u8; MESSAGE_BYTES_MAX];
        let Ok(length @ 1..) = sys::read(socket, &mut bytes) else { return false };
        self.messages += 1;
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
                if let Some(path) = path(name) {
                    self.owners.push((key.to_vec(), path, uid, gid));
                }
            }
            Some(Message::Device { mode, major, minor, path: name }) => {
                if let Some(path) = path(name) {
                    self.devices.push(DeviceRequest { path, mode, major, minor });
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
    pub(super) fn finished(mut self, program: &Program) -> Result<Finished, SandboxError> {
        let name = || {
            program
                .arguments
                .first()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        if let Some(failure) = self.failure {
            let error = std::io::Error::from_raw_os_error(failure.errno);
            return Err(match failure.step {
                Step::Execute => setup(&format!("{} {}", failure.step.text(), name()))(error),
                Step::Mount => {
                    setup(&format!("{} number {}", failure.step.text(), failure.index + 1))(error)
                }
                step => explain(step, error),
            });
        }
        if self.no_program {
            return Err(SandboxError::NoProgram { program: name() });
        }
        if let Some(machine) = self.wrong_machine {
            let machine = emulator::machine_name(machine);
            return Err(SandboxError::WrongMachine { program: name(), machine });
        }
        self.devices.sort();
        self.devices.dedup();
        let exit = match (self.cut, self.status) {
            (Some(cut), _) => cut,
            (None, Some(status)) if libc::WIFSIGNALED(status) => {
                Exit::Signal(libc::WTERMSIG(status))
            }
            (None, Some(status)) => Exit::Code(libc::WEXITSTATUS(status)),
            // The first process was killed, by who may: the system, for want of memory.
            (None, None) => Exit::Signal(libc::SIGKILL),
        };
        Ok(Finished { exit, devices: self.devices })
    }
}
