// SPDX-License-Identifier: Apache-2.0
//! A program that runs on while others ask it something.

use std::cell::RefCell;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::mpsc;
use std::thread;

use super::run::pipe;
use super::spawn::Running;
use super::sys::{self, Errno};
use super::{Finished, Program, Sandbox, SandboxError, Stream, Streams};

/// A program that runs in a sandbox.
#[derive(Debug)]
pub struct Service {
    place: RefCell<Place>,
    /// Another one, where the sandbox had to be made in another way.
    newer: mpsc::Receiver<Place>,
    has_ended: mpsc::Receiver<()>,
}

/// A sandbox, from outside.
#[derive(Debug)]
struct Place {
    first_process: OwnedFd,
    user: OwnedFd,
    network: OwnedFd,
}

impl Place {
    fn of(running: &Running) -> io::Result<Self> {
        let [user, network] = running.namespaces()?;
        let first_process = sys::dup_above(running.descriptor(), 3)?.own();
        Ok(Self { first_process, user, network })
    }
}

impl Service {
    /// Returns whether the program has ended by itself.
    pub fn has_ended(&self) -> bool {
        // The sender is dropped when it has.
        matches!(self.has_ended.try_recv(), Err(mpsc::TryRecvError::Disconnected))
    }

    fn look_for_newer(&self) {
        while let Ok(newer) = self.newer.try_recv() {
            self.place.replace(newer);
        }
    }

    /// Connects to a TCP port on the sandbox's own loopback. Nobody outside the sandbox can do that, so
    /// a child of this process goes in and makes the socket.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        self.look_for_newer();
        let [from, to] = pipe().map_err(io::Error::other)?;
        let place = self.place.borrow();
        let errand = Errand {
            user: place.user.as_raw_fd(),
            network: place.network.as_raw_fd(),
            port,
            to: to.as_raw_fd(),
        };
        // The table of descriptors is shared: what the child opens is open here.
        let flags = libc::CLONE_FILES.cast_unsigned().into();
        let before = sys::block_signals()?;
        let forked = sys::fork_with(flags, libc::SIGCHLD, &errand, run_errand);
        sys::set_signals(before)?;
        let (_, child) = forked?;
        let child = child.own();
        sys::wait_for(child.as_raw_fd())?;
        drop(to);
        let (mut socket, mut errno) = ([0u8; 4], [0u8; 4]);
        for part in [&mut socket, &mut errno] {
            if sys::read(from.as_raw_fd(), part)? != part.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        match i32::from_le_bytes(errno) {
            0 => Ok(TcpStream::from(sys::left_by_child(i32::from_le_bytes(socket)).own())),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// What a child is sent into a sandbox for.
struct Errand {
    user: RawFd,
    network: RawFd,
    port: u16,
    to: RawFd,
}

fn run_errand(errand: &Errand) -> ! {
    let made = sys::enter(errand.user, libc::CLONE_NEWUSER)
        .and_then(|()| sys::enter(errand.network, libc::CLONE_NEWNET))
        .and_then(|()| sys::connect(errand.port));
    let (socket, errno) = match made {
        Ok(socket) => (socket, 0),
        Err(Errno(errno)) => (-1, errno),
    };
    let mut answer = [0u8; 8];
    answer[..4].copy_from_slice(&socket.to_le_bytes());
    answer[4..].copy_from_slice(&errno.to_le_bytes());
    let _ = sys::write_all(errand.to, &answer);
    sys::exit(0)
}

impl Sandbox<'_> {
    /// Starts a program, does something while it runs, and then ends it with all that it started.
    ///
    /// `ask` is not called where the program can't be started at all; where it ends by itself meanwhile,
    /// [`Service::has_ended`] says so.
    pub fn run_beside<T>(
        &self,
        program: &Program,
        print: &mut (dyn FnMut(Stream, &[u8]) + Send),
        ask: impl FnOnce(&Service) -> T,
    ) -> Result<(T, Option<Finished>), SandboxError> {
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel::<Place>();
            let (alive, has_ended) = mpsc::channel::<()>();
            let runner = scope.spawn(move || {
                // Dropped when the program has ended.
                let _alive = alive;
                let mut started = |running: &Running| {
                    // Where that fails the program runs to its own end, and nobody asks it anything.
                    if let Ok(place) = Place::of(running) {
                        let _ = tell.send(place);
                    }
                };
                self.run_and_tell(program, Streams::Captured(print), &mut started)
            });
            let ended = |runner: thread::ScopedJoinHandle<'_, _>| {
                runner.join().unwrap_or_else(|_| Err(lost("look after the sandbox")))
            };
            let Ok(place) = told.recv() else {
                // It never ran, and the runner says why.
                return ended(runner).and(Err(lost("keep hold of the sandbox")));
            };
            let service = Service { place: RefCell::new(place), newer: told, has_ended };
            let answer = ask(&service);
            let was_over = service.has_ended();
            service.look_for_newer();
            // It may have ended by itself.
            let _ = sys::kill(service.place.borrow().first_process.as_raw_fd());
            let finished = ended(runner)?;
            Ok((answer, was_over.then_some(finished)))
        })
    }
}

fn lost(what: &str) -> SandboxError {
    let source = io::Error::other("its thread is gone");
    SandboxError::Setup { what: what.to_owned(), source }
}
