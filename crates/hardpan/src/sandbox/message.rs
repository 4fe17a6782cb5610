// SPDX-License-Identifier: Apache-2.0
//! What the first process of a sandbox tells its parent. One message is one packet of a socket.

use super::sys::{self, Errno, HANDLE_BYTES_MAX};
use std::os::fd::RawFd;

/// Longest path that a program can name.
pub(super) const PATH_BYTES_MAX: usize = 4_096;
/// Kind, four numbers, length of the key, key, path.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 6 + HANDLE_BYTES_MAX + PATH_BYTES_MAX;

/// A step of setting up, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Step {
    /// Before anything.
    Process,
    /// Becoming the mapped user.
    User,
    /// Taking what is mounted from the host.
    Source,
    /// A place for mounts.
    Staging,
    /// The overlay.
    Overlay,
    /// The root.
    Root,
    /// `/proc`.
    Proc,
    /// `/dev`.
    Dev,
    /// `/tmp`.
    Tmp,
    /// What the caller wants mounted.
    Mount,
    /// Leaving the host's files.
    Pivot,
    /// Name of the host.
    HostName,
    /// The loopback.
    Loopback,
    /// Emulators.
    Emulator,
    /// The directory to start in.
    WorkDir,
    /// Limits.
    Limits,
    /// Capabilities.
    Capabilities,
    /// The filter of system calls.
    Filter,
    /// Standard streams.
    Streams,
    /// Starting the program.
    Execute,
}

impl Step {
    const ALL: [Self; 20] = [
        Self::Process,
        Self::User,
        Self::Source,
        Self::Staging,
        Self::Overlay,
        Self::Root,
        Self::Proc,
        Self::Dev,
        Self::Tmp,
        Self::Mount,
        Self::Pivot,
        Self::HostName,
        Self::Loopback,
        Self::Emulator,
        Self::WorkDir,
        Self::Limits,
        Self::Capabilities,
        Self::Filter,
        Self::Streams,
        Self::Execute,
    ];

    /// Returns the step in words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Process => "prepare the process",
            Self::User => "become the mapped user",
            Self::Source => "open what is to be mounted",
            Self::Staging => "make a place for mounts",
            Self::Overlay => "mount the overlay",
            Self::Root => "mount the root",
            Self::Proc => "mount /proc",
            Self::Dev => "mount /dev",
            Self::Tmp => "mount /tmp",
            Self::Mount => "mount",
            Self::Pivot => "leave the host's files",
            Self::HostName => "set the host name",
            Self::Loopback => "bring the loopback up",
            Self::Emulator => "register the emulator",
            Self::WorkDir => "enter the working directory",
            Self::Limits => "set limits",
            Self::Capabilities => "drop capabilities",
            Self::Filter => "install the system call filter",
            Self::Streams => "connect the streams",
            Self::Execute => "start the program",
        }
    }
}

/// A step that failed. `index` says which mount or emulator it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: i32,
    pub(super) index: u32,
}

/// Turns an error of a call into a failure of a step.
pub(super) trait At<T> {
    fn at(self, step: Step) -> Result<T, Failure>;
    fn at_index(self, step: Step, index: usize) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.at_index(step, 0)
    }

    fn at_index(self, step: Step, index: usize) -> Result<T, Failure> {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.map_err(|Errno(errno)| Failure { step, errno, index })
    }
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// Setting up failed.
    Failed(Failure),
    /// No candidate is a program.
    NoProgram,
    /// The candidate with this index, or its interpreter, is for another machine.
    WrongMachine { candidate: u32, machine: u32 },
    /// The program ended with this status, as `wait` gives it.
    Ended { status: i32 },
    /// A file is to belong to somebody. `u32::MAX` keeps a part.
    Owner { uid: u32, gid: u32, key: &'a [u8], path: &'a [u8] },
    /// A device node is wanted.
    Device { mode: u32, major: u32, minor: u32, path: &'a [u8] },
    /// A mount point was made.
    Made { path: &'a [u8], is_directory: bool },
}

/// Sends a message. Nothing can be done where that fails: the parent has gone then.
pub(super) fn send(socket: RawFd, message: &Message<'_>) {
    let mut bytes = [0u8; MESSAGE_BYTES_MAX];
    let (numbers, key, path): ([u32; 5], &[u8], &[u8]) = match *message {
        Message::Failed(failure) => {
            ([0, failure.step as u32, failure.errno.cast_unsigned(), failure.index, 0], &[], &[])
        }
        Message::NoProgram => ([1, 0, 0, 0, 0], &[], &[]),
        Message::WrongMachine { candidate, machine } => ([2, candidate, machine, 0, 0], &[], &[]),
        Message::Ended { status } => ([3, status.cast_unsigned(), 0, 0, 0], &[], &[]),
        Message::Owner { uid, gid, key, path } => ([4, uid, gid, 0, 0], key, path),
        Message::Device { mode, major, minor, path } => ([5, mode, major, minor, 0], &[], path),
        Message::Made { path, is_directory } => ([6, u32::from(is_directory), 0, 0, 0], &[], path),
    };
    let mut length = 0;
    let mut put = |part: &[u8]| {
        if let Some(room) = bytes.get_mut(length..length + part.len()) {
            room.copy_from_slice(part);
            length += part.len();
        }
    };
    for number in numbers {
        put(&number.to_le_bytes());
    }
    // Keys are shorter than HANDLE_BYTES_MAX.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    put(&(key.len() as u32).to_le_bytes());
    put(key);
    put(path);
    let _ = sys::send(socket, bytes.get(..length).unwrap_or_default());
}

/// Reads a message; `None` if it is none.
pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let number = |at: usize| {
        let part = bytes.get(at * 4..at * 4 + 4)?;
        Some(u32::from_le_bytes(part.try_into().ok()?))
    };
    let key_length = usize::try_from(number(5)?).ok()?;
    let key = bytes.get(24..24usize.checked_add(key_length)?)?;
    let path = bytes.get(24 + key_length..)?;
    Some(match number(0)? {
        0 => Message::Failed(Failure {
            step: *Step::ALL.get(usize::try_from(number(1)?).ok()?)?,
            errno: number(2)?.cast_signed(),
            index: number(3)?,
        }),
        1 => Message::NoProgram,
        2 => Message::WrongMachine { candidate: number(1)?, machine: number(2)? },
        3 => Message::Ended { status: number(1)?.cast_signed() },
        4 => Message::Owner { uid: number(1)?, gid: number(2)?, key, path },
        5 => Message::Device { mode: number(1)?, major: number(2)?, minor: number(3)?, path },
        6 => Message::Made { path, is_directory: number(1)? != 0 },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::super::sys;
    use super::*;

    #[test]
    fn there_and_back() {
        let failure = Failure { step: Step::Execute, errno: libc::ENOENT, index: 7 };
        let long = [b'x'; PATH_BYTES_MAX];
        let messages = [
            Message::Failed(failure),
            Message::NoProgram,
            Message::WrongMachine { candidate: 3, machine: 183 },
            Message::Ended { status: -1 },
            Message::Owner { uid: u32::MAX, gid: 5, key: &[1; HANDLE_BYTES_MAX], path: &long },
            Message::Owner { uid: 0, gid: 0, key: &[], path: b"" },
            Message::Device { mode: 0o020_666, major: 1, minor: 3, path: b"/dev/null" },
            Message::Made { path: b"/a\nb", is_directory: true },
        ];
        for message in messages {
            let [from, to] = sys::socket_pair().unwrap();
            let (from, to) = (from.own(), to.own());
            send(to.as_raw_fd(), &message);
            let mut bytes = [0; MESSAGE_BYTES_MAX + 1];
            let length = sys::read(from.as_raw_fd(), &mut bytes).unwrap();
            assert_eq!(parse(&bytes[..length]), Some(message));
        }
        for (step, index) in Step::ALL.into_iter().zip(0..) {
            assert_eq!(step as u32, index, "{step:?}");
        }
    }

    #[test]
    fn what_is_no_message() {
        let number = |number: u32| number.to_le_bytes();
        let cases = [
            ("nothing", vec![]),
            ("too short", vec![0; 23]),
            ("no kind", [number(99), [0; 4], [0; 4], [0; 4], [0; 4], [0; 4]].concat()),
            ("no step", [number(0), number(20), [0; 4], [0; 4], [0; 4], [0; 4]].concat()),
            ("a key that is cut", [number(4), [0; 4], [0; 4], [0; 4], [0; 4], number(1)].concat()),
            ("a long key", [number(4), [0; 4], [0; 4], [0; 4], [0; 4], number(u32::MAX)].concat()),
        ];
        for (summary, bytes) in cases {
            assert_eq!(parse(&bytes), None, "{summary}");
        }
    }
}
