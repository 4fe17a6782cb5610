// SPDX-License-Identifier: Apache-2.0
//! What the parent hears of a sandbox while a program runs in it.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::time::Duration;

use super::heard::Heard;
use super::identity::host_owner;
use super::plan::setup;
use super::run::{above, pipe};
use super::spawn::Running;
use super::sys::{self, Fresh};
use super::{Exit, SandboxError, Stream, Streams};

/// Descriptors that the parent listens to, and the ends that the child speaks into.
#[derive(Debug)]
pub(super) struct Ears {
    messages: OwnedFd,
    pub(super) child_messages: OwnedFd,
    /// Nothing to read, output, errors: the child's ends; `None` if it has the caller's own.
    pub(super) streams: Option<[OwnedFd; 3]>,
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
}

impl Ears {
    pub(super) fn new(is_captured: bool) -> Result<Self, SandboxError> {
        let [messages, child_messages] = sys::socket_pair().map_err(setup("make a socket"))?;
        let (messages, child_messages) = (above(messages)?, above(child_messages)?);
        if !is_captured {
            own_pipes();
            return Ok(Self {
                messages,
                child_messages,
                streams: None,
                output: None,
                errors: None,
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
        Ok(Self { messages, child_messages, streams, output: Some(output), errors: Some(errors) })
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
        let Self { messages, output, errors, .. } = self;
        Listening { messages, output, errors, timer: None }
    }
}

/// Lets the sandbox's user open the caller's own pipes again, as `/dev/stdout`. They have no name that
/// anybody else could open them by; other files of the caller stay whose they are.
fn own_pipes() {
    let Some((uid, gid)) = host_owner() else { return };
    let own = |number: &str, file: BorrowedFd<'_>| {
        let link = std::fs::read_link(Path::new("/proc/self/fd").join(number));
        if link.is_ok_and(|link| link.as_os_str().as_bytes().starts_with(b"pipe:")) {
            // Where this fails they can be written to all the same.
            let _ = fchown(file, Some(uid), Some(gid));
        }
    };
    own("0", std::io::stdin().as_fd());
    own("1", std::io::stdout().as_fd());
    own("2", std::io::stderr().as_fd());
}

/// What is left of [`Ears`] when the child has its ends.
#[derive(Debug)]
pub(super) struct Listening {
    messages: OwnedFd,
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
    timer: Option<OwnedFd>,
}

impl Listening {
    /// Lets the time of the program begin: how long it took to get ready is not its doing.
    pub(super) fn begin(&mut self, time: Option<Duration>) -> Result<(), SandboxError> {
        let timer = time.map(sys::timer).transpose().map_err(setup("make a timer"))?;
        self.timer = timer.map(Fresh::own);
        Ok(())
    }
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
            heard.cut(Exit::TimedOut);
            ears.timer = None;
            running.kill();
        }
        for (is_ready, stream, file) in
            [(output, Stream::Output, &mut ears.output), (errors, Stream::Error, &mut ears.errors)]
        {
            if is_ready && !pass_on(file, stream, streams, &mut output_left)? {
                heard.cut(Exit::TooMuchOutput);
                running.kill();
            }
        }
        let more = messages && heard.take_message(ears.messages.as_raw_fd());
        if heard.is_too_much() {
            running.kill();
        }
        if end && !has_ended {
            running.wait();
            has_ended = true;
        } else if has_ended && !more && !output && !errors {
            // Whoever else may still hold an end of these, by accident, has nothing to say.
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
