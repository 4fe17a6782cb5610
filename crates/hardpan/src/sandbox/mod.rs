// SPDX-License-Identifier: Apache-2.0
//! The sandbox: programs of others, run in namespaces without network, keys or the host's files.
//!
//! This is the only place of hardpan with processes, system calls and `unsafe`, which is why files are
//! mapped here, too. It knows nothing of definitions, stages or images: it is given directories and says
//! what came of a program.
//!
//! A program sees a root directory of its own, itself as the user that it was told to be, `/proc`, a
//! minimal `/dev`, a private `/tmp`, and no network unless it was given one. Outside, it is one
//! unprivileged user: the caller, or, where the caller is root, a user that owns nothing else. What it
//! asks of ownership, setuid bits and device nodes beyond that is recorded and not performed.
//!
//! Where the kernel or its administrator forbids what this needs, running is an error that says what
//! is missing. There is no second, weaker way.

mod beside;
mod cgroup;
mod changes;
mod check;
mod copy;
pub mod credential_helper;
mod emulator;
mod filter;
mod forbidden;
mod heard;
mod identity;
mod inside;
pub mod key_plugin;
pub(crate) mod mapped;
mod message;
mod owners;
mod peer;
mod plan;
mod root;
mod run;
mod spawn;
mod stop;
mod supervise;
mod sys;
mod syscalls;
mod terminal;
mod user_program;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use hardpan_tree::TreePath;

pub use beside::Service;
pub use check::check;
pub use identity::host_owner;
pub use peer::Peer;
pub use root::{Change, ChangeKind, DeviceRequest, LayeredRoot, Owner};
pub use run::Finished;
pub use stop::StopSignals;
pub use user_program::UserEnvironment;

/// Where a program runs.
#[derive(Debug)]
pub struct Sandbox<'a> {
    /// What it sees as `/`.
    pub root: Root<'a>,
    /// What is mounted into that, in this order. Mount points that are missing are made, if the root
    /// can be changed.
    pub mounts: Vec<Mount>,
    /// The user that it sees itself as.
    pub identity: Identity,
    /// Whether it has the network.
    pub network: Network,
    /// What it may use up.
    pub limits: Limits,
    /// The emulator (a static `qemu-user`) that runs programs of another machine, by the ELF machine
    /// number of these.
    pub emulators: BTreeMap<u16, PathBuf>,
    /// The name of the host that it sees.
    pub hostname: String,
}

/// A root directory for programs.
#[derive(Debug)]
pub enum Root<'a> {
    /// Its changes are kept apart.
    Layered(&'a LayeredRoot),
    /// It can't be changed.
    ReadOnly(PathBuf),
}

/// Something that is mounted into a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where; links in the root are followed inside the root only.
    pub target: TreePath,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A directory or file of the host.
    Bind {
        /// Which.
        source: PathBuf,
        /// Whether the program may not change it.
        is_read_only: bool,
    },
    /// An empty file system in memory.
    Temporary {
        /// Mode of its root.
        mode: u32,
        /// How much it may hold.
        size_bytes: u64,
    },
    /// A file in memory that nobody else can read, and that is never written to a disk.
    Secret(Vec<u8>),
}

impl std::fmt::Debug for MountKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind { source, is_read_only } => f
                .debug_struct("Bind")
                .field("source", source)
                .field("is_read_only", is_read_only)
                .finish(),
            Self::Temporary { mode, size_bytes } => f
                .debug_struct("Temporary")
                .field("mode", mode)
                .field("size_bytes", size_bytes)
                .finish(),
            Self::Secret(_) => f.write_str("Secret"),
        }
    }
}

/// The user that a program sees itself as. Every file that nobody's ownership was recorded for looks
/// as if it were this user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Which network a program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Its own, with a loopback that is down.
    #[default]
    None,
    /// Its own, with a loopback that is up.
    Loopback,
    /// The host's.
    Host,
}

/// What a program may use up before it is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time on the wall.
    pub time: Option<Duration>,
    /// Memory of all processes together; needs a cgroup that hardpan may make.
    pub memory_bytes: Option<u64>,
    /// Processes and threads at a time.
    pub processes: u64,
    /// Length of one file.
    pub file_size_bytes: u64,
    /// Files that a process has open.
    pub open_files: u64,
    /// What it may print.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: None,
            memory_bytes: None,
            processes: 4_096,
            file_size_bytes: 64 << 30,
            open_files: 16_384,
            output_bytes: 64 << 20,
        }
    }
}

/// A program with all that it is given. It has nothing else: no variable, no open file.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments. A name without a slash is looked up on the `PATH` of
    /// `environment`, in the root.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// Where it starts; made if it is missing and the root can be changed.
    pub work_dir: TreePath,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_struct("Program")
            .field("arguments", &self.arguments)
            .field("environment", &self.environment.keys())
            .field("work_dir", &self.work_dir)
            .finish()
    }
}

/// Where a program reads from and prints to.
#[expect(missing_debug_implementations, reason = "a closure has none")]
pub enum Streams<'a> {
    /// Nothing to read; what it prints goes here as it comes, in pieces, until the limit.
    Captured(&'a mut dyn FnMut(Stream, &[u8])),
    /// The caller's own, terminal and all.
    Inherited,
}

/// Which stream something was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed, since it ran longer than it might.
    TimedOut,
    /// It was killed, since it printed more than it might.
    TooMuchOutput,
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The kernel, or who looks after it, forbids what the sandbox needs.
    #[error("this machine does not allow the sandbox: {what}")]
    Forbidden {
        /// What was not allowed.
        what: String,
        /// What to change.
        help: String,
    },
    /// A step of setting the sandbox up failed.
    #[error("can't set up the sandbox: {what}")]
    Setup {
        /// The step.
        what: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Something could not be mounted.
    #[error("can't set up the sandbox: mount {place}")]
    Mount {
        /// What, by where it lies, or else where.
        place: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The program is not in the root.
    #[error("there is no program {program} in the root file system")]
    NoProgram {
        /// As it was asked for.
        program: String,
    },
    /// The program is for another machine and there is no emulator for that.
    #[error("{program} is a program for {machine}, and this machine can't run it")]
    WrongMachine {
        /// The program.
        program: String,
        /// Its machine.
        machine: String,
    },
    /// A limit was asked for that this machine can't enforce.
    #[error("this machine can't limit {what}")]
    NoLimit {
        /// What was to be limited.
        what: &'static str,
    },
}
