// SPDX-License-Identifier: Apache-2.0
//! The first process of a sandbox.
//!
//! It is a copy of the parent with one thread, so nothing here may allocate, take a lock or panic:
//! another thread of the parent may have held the allocator's lock when the copy was made. It also has
//! a copy of the parent's memory with all its secrets. So it can't be traced or looked into by the
//! program (it is not dumpable, and its memory belongs to the parent's user namespace), and has closed
//! what the parent had open.
//!
//! It mounts, leaves the host's files, starts the program, buries orphans, answers the program's calls
//! about ownership, and ends when the program ends. With it the kernel ends all that is left.

mod answer;
mod mounts;
mod program;

use std::os::fd::RawFd;

use super::message::{At as _, Failure, Message, Step, send};
use super::plan::{Plan, RootPlan};
use super::sys::{self, Errno};

/// What the first process keeps.
#[derive(Debug, Clone, Copy)]
struct World {
    /// The root's directory of changes; -1 where there is none.
    upper: RawFd,
    /// Its `/proc`.
    proc: RawFd,
    /// Which mount the root is.
    root_mount: u64,
}

/// Runs as the first process.
pub(super) fn first_process(plan: &Plan) -> ! {
    if let Err(failure) = whole_life(plan) {
        send(plan.messages, &Message::Failed(failure));
        sys::exit(1);
    }
    sys::exit(0)
}

fn whole_life(plan: &Plan) -> Result<(), Failure> {
    prepare(plan).at(Step::Process)?;
    for (index, source) in plan.sources().enumerate() {
        source.open().at_index(Step::Source, index)?;
    }
    become_mapped(plan).at(Step::User)?;
    let world = mounts::make(plan)?;
    sys::sethostname(&plan.hostname).at(Step::HostName)?;
    if plan.is_loopback_up {
        sys::loopback_up().at(Step::Loopback)?;
    }
    if matches!(plan.root, RootPlan::Empty) {
        program::try_filter(plan).at(Step::Filter)?;
        send(plan.messages, &Message::Ended { status: 0 });
        return Ok(());
    }
    let candidate = match program::find(plan) {
        Ok(candidate) => candidate,
        Err(message) => {
            send(plan.messages, &message);
            return Ok(());
        }
    };
    let events = sys::child_events().at(Step::Process)?;
    let (program, listener) = program::start(plan, candidate)?;
    serve(plan, &world, events, listener, program).at(Step::Process)
}

/// Becomes independent of the parent but for what it was given.
fn prepare(plan: &Plan) -> Result<(), Errno> {
    // Everybody may read a process's arguments. These are the parent's.
    let (start, length) = plan.own_arguments;
    sys::forget_memory(start, length)?;
    sys::set_name(c"init")?;
    die_with_parent()?;
    sys::default_signals();
    let mut next = 0u32;
    for &keep in &plan.keep {
        let keep = keep.cast_unsigned();
        if keep > next {
            sys::close_range(next, keep - 1, 0)?;
        }
        next = keep.saturating_add(1);
    }
    sys::close_range(next, u32::MAX, 0)?;
    sys::leave_keyring();
    sys::umask(0);
    Ok(())
}

fn die_with_parent() -> Result<(), Errno> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.cast_unsigned().into())
}

/// Waits for the parent to map the user, and becomes it.
fn become_mapped(plan: &Plan) -> Result<(), Errno> {
    let mut byte = [0u8; 1];
    if sys::read(plan.go, &mut byte)? == 0 {
        return Err(Errno(libc::ESRCH));
    }
    sys::become_user(plan.uid, plan.gid, plan.drop_groups)?;
    // Not before: the parent can map nobody in what is not its own. The kernel forgets the second
    // when the user changes.
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    die_with_parent()?;
    let mut parent = [libc::pollfd { fd: plan.go, events: libc::POLLIN, revents: 0 }];
    sys::poll(&mut parent, false)?;
    if parent.iter().any(|parent| parent.revents != 0) {
        return Err(Errno(libc::ESRCH));
    }
    Ok(())
}

/// Answers and buries until the program has ended.
fn serve(
    plan: &Plan,
    world: &World,
    events: RawFd,
    listener: RawFd,
    program: i32,
) -> Result<(), Errno> {
    let mut files = [
        libc::pollfd { fd: events, events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: listener, events: libc::POLLIN, revents: 0 },
    ];
    loop {
        sys::poll(&mut files, true)?;
        let [events, questions] = &mut files;
        if questions.revents & libc::POLLIN != 0 {
            answer::next(plan, world, questions.fd)?;
        } else if questions.revents != 0 {
            // Nobody is left who could ask.
            questions.fd = -1;
        }
        if events.revents != 0 {
            let mut event = [0u8; 128];
            while sys::read(events.fd, &mut event).is_ok() {}
            while let Ok(Some((process, status))) = sys::reap() {
                if process == program {
                    send(plan.messages, &Message::Ended { status });
                    return Ok(());
                }
            }
        }
    }
}
