// SPDX-License-Identifier: Apache-2.0
//! Finding the program and becoming it.
#![expect(unsafe_code, reason = "the lists of arguments are C's")]

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::super::message::{At as _, Failure, Message, Step, send};
use super::super::plan::Plan;
use super::super::sys::{self, Errno};

/// How much of a file says what it is: as much as the kernel looks at.
const HEAD_BYTES: usize = 256;
/// Scripts whose interpreters are scripts, as the kernel allows them.
const INTERPRETERS_MAX: usize = 5;
const CAPABILITIES: u64 = 64;
/// How often a program is tried that is still open for writing, and how long it is waited in between.
const BUSY_TRIES: u32 = 100;
const BUSY_STEP_NS: i64 = 10_000_000;

/// Finds the program: the first candidate that could be run.
pub(super) fn find(plan: &Plan) -> Result<usize, Message<'static>> {
    if let Some(directory) = plan.work_dir.last() {
        // Whether it is there was seen before.
        let _ = sys::chdir(directory);
    }
    for (index, path) in plan.candidates.iter().enumerate() {
        let Ok(head) = Head::of(path) else { continue };
        if let Err(machine) = head.check(&plan.machines, INTERPRETERS_MAX) {
            let candidate = u32::try_from(index).unwrap_or(u32::MAX);
            return Err(Message::WrongMachine { candidate, machine: machine.into() });
        }
        let _ = sys::chdir(c"/");
        return Ok(index);
    }
    Err(Message::NoProgram)
}

/// The first bytes of a file that can be executed.
struct Head {
    bytes: [u8; HEAD_BYTES],
    length: usize,
}

impl Head {
    fn of(path: &CStr) -> Result<Self, Errno> {
        let file = sys::openat2(libc::AT_FDCWD, path, libc::O_RDONLY | libc::O_NONBLOCK, 0)?;
        let mut head = Self { bytes: [0; HEAD_BYTES], length: 0 };
        let status = sys::statx(file, c"", libc::AT_EMPTY_PATH)?;
        let mode = u32::from(status.stx_mode);
        if mode & libc::S_IFMT != libc::S_IFREG || mode & 0o111 == 0 {
            sys::close(file);
            return Err(Errno(libc::EACCES));
        }
        head.length = sys::pread(file, &mut head.bytes, 0)?;
        sys::close(file);
        Ok(head)
    }

    fn known(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Checks that this can run; else returns whose machine it is for.
    fn check(&self, machines: &[u16], depth: usize) -> Result<(), u16> {
        if let Some(machine) = self.elf_machine() {
            return if machines.contains(&machine) { Ok(()) } else { Err(machine) };
        }
        let mut interpreter = [0u8; HEAD_BYTES];
        let Some(path) = self.interpreter(&mut interpreter) else { return Ok(()) };
        match Self::of(path) {
            Ok(head) if depth > 0 => head.check(machines, depth - 1),
            // The kernel says what is wrong with it.
            _ => Ok(()),
        }
    }

    fn elf_machine(&self) -> Option<u16> {
        let bytes = self.known();
        if !bytes.starts_with(b"\x7fELF") {
            return None;
        }
        let machine: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
        // Byte 5 tells the order of bytes.
        Some(if bytes.get(5) == Some(&2) {
            u16::from_be_bytes(machine)
        } else {
            u16::from_le_bytes(machine)
        })
    }

    fn interpreter<'a>(&self, to: &'a mut [u8; HEAD_BYTES]) -> Option<&'a CStr> {
        let line = self.known().strip_prefix(b"#!")?;
        let line = line.split(|&byte| byte == b'\n').next()?.trim_ascii_start();
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0);
        let path = line.split(is_end).next().filter(|path| !path.is_empty())?;
        to.get_mut(..path.len())?.copy_from_slice(path);
        *to.get_mut(path.len())? = 0;
        CStr::from_bytes_until_nul(to).ok()
    }
}

struct Start<'a> {
    plan: &'a Plan,
    candidate: usize,
    /// Where the number of the listener goes.
    ready: RawFd,
}

/// Starts the program; returns its process and what hears of its questions.
pub(super) fn start(plan: &Plan, candidate: usize) -> Result<(i32, RawFd), Failure> {
    let [from, ready] = sys::pipe().at(Step::Process)?;
    let start = Start { plan, candidate, ready: ready.raw() };
    // The table of descriptors is shared until the program has its own, so that the listener is here
    // without being sent.
    let flags = libc::CLONE_FILES.cast_unsigned().into();
    let forked = sys::fork_with(flags, libc::SIGCHLD, &start, become_program);
    let (process, _) = forked.at(Step::Process)?;
    let mut listener = [0u8; 4];
    match sys::read(from.raw(), &mut listener) {
        Ok(4) => Ok((process, RawFd::from_le_bytes(listener))),
        // The child has said what was wrong, and the parent believes the first that speaks.
        _ => Err(Failure { step: Step::Process, errno: libc::ECHILD, index: 0 }),
    }
}

fn become_program(start: &Start<'_>) -> ! {
    if let Err(failure) = try_become(start) {
        send(start.plan.messages, &Message::Failed(failure));
        // Wakes the first process where it still waits for a listener.
        let _ = sys::write_all(start.ready, b"x");
    }
    sys::exit(127)
}

fn try_become(start: &Start<'_>) -> Result<(), Failure> {
    let plan = start.plan;
    if plan.has_terminal {
        let group = sys::own_group().at(Step::Streams)?;
        sys::take_terminal(plan.streams[0], group).at(Step::Streams)?;
        // Nobody would be there to continue it.
        sys::ignore_signal(libc::SIGTSTP).at(Step::Streams)?;
    } else {
        sys::setsid().at(Step::Streams)?;
    }
    drop_capabilities(plan).at(Step::Capabilities)?;
    if let Some(directory) = plan.work_dir.last() {
        sys::chdir(directory).at(Step::WorkDir)?;
    }
    sys::umask(0o022);
    if plan.is_network_shared {
        sys::leave_abstract_sockets().at(Step::Filter)?;
    }
    let listener = sys::install_filter(&plan.filter).at(Step::Filter)?;
    sys::write_all(start.ready, &listener.to_le_bytes()).at(Step::Filter)?;
    let flags = libc::CLOSE_RANGE_UNSHARE | libc::CLOSE_RANGE_CLOEXEC;
    sys::close_range(3, u32::MAX, flags).at(Step::Streams)?;
    for (to, from) in (0..).zip(plan.streams) {
        sys::dup2(from, to).at(Step::Streams)?;
    }
    // Only now is nothing more opened than the program will have.
    for &(resource, value) in &plan.limits {
        sys::set_limit(resource, value).at(Step::Limits)?;
    }
    sys::set_signals(0).at(Step::Execute)?;
    let (arguments, environment) = (plan.arguments.pointers(), plan.environment.pointers());
    let Some(path) = plan.candidates.get(start.candidate) else { return Ok(()) };
    // SAFETY: a `TextList` holds texts that end with NUL and a null pointer at its end.
    let execute = || unsafe { sys::execve(path, arguments, environment) };
    let mut errno = execute();
    // Who wrote it has closed it, but a process that another thread was just starting may have it for a moment more.
    for _ in 0..BUSY_TRIES {
        if errno != Errno(libc::ETXTBSY) {
            break;
        }
        sys::sleep(BUSY_STEP_NS);
        errno = execute();
    }
    Err(errno).at_index(Step::Execute, start.candidate)
}

/// Sees whether the filter can be had. This process can't do much after it.
pub(super) fn try_filter(plan: &Plan) -> Result<(), Errno> {
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    sys::install_filter(&plan.filter).map(drop)
}

/// Drops what the program may not do even inside.
fn drop_capabilities(plan: &Plan) -> Result<(), Errno> {
    for capability in 0..CAPABILITIES {
        if plan.capabilities & (1 << capability) == 0 {
            match sys::prctl(libc::PR_CAPBSET_DROP, capability) {
                // Kernels have fewer than there could be.
                Ok(()) | Err(Errno(libc::EINVAL)) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    let own = if plan.uid == 0 { plan.capabilities } else { 0 };
    sys::capset(own, own, 0)?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}
