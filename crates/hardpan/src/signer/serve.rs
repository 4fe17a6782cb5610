// SPDX-License-Identifier: Apache-2.0
//! The service's socket: who is let in, how many at once, for how long.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hardpan_attest::key::Signer;
use hardpan_attest::key::service::Rules;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::ServeError;
use super::answer::{Desk, Record};
use super::layout::Roots;
use crate::sandbox::Peer;

/// The most connections at once. Each can hold a statement of 40 MiB, parsed.
const CONNECTIONS_MAX: usize = 8;
/// How long a question may take, from the connection to the answer.
const TIME_MAX: Duration = Duration::from_mins(1);
/// How often the ages of connections are looked at, while there are any.
const TICK: Duration = Duration::from_millis(100);

/// What a service is told.
#[derive(Debug, Clone, Default)]
pub struct ServiceOptions {
    /// The socket's path.
    pub socket: PathBuf,
    /// Users that are let in beside this process's own.
    pub allowed_uids: Vec<u32>,
    /// Directories with OCI layouts: with any, only images in them are signed.
    pub layout_roots: Vec<PathBuf>,
    /// What provenance is held to.
    pub rules: Rules,
}

/// A service that listens. Its socket goes away with it.
#[derive(Debug)]
pub struct Service {
    listener: UnixListener,
    socket: PathBuf,
    /// Device and inode of the socket: whose name was taken over by another one is not ours to remove.
    identity: (u64, u64),
    uids: Vec<u32>,
    rules: Rules,
    roots: Roots,
    time_max: Duration,
}

impl Service {
    /// Begins to listen. Nobody is answered before [`Service::serve`].
    pub fn listen(options: ServiceOptions) -> Result<Self, ServeError> {
        let ServiceOptions { socket, allowed_uids, layout_roots, rules } = options;
        let roots = Roots::open(&layout_roots)?;
        let own = rustix::process::geteuid().as_raw();
        let is_shared = allowed_uids.iter().any(|uid| *uid != own);
        let mut uids = allowed_uids;
        uids.push(own);
        let (listener, identity) = bind(&socket, if is_shared { 0o660 } else { 0o600 })?;
        Ok(Self { listener, socket, identity, uids, rules, roots, time_max: TIME_MAX })
    }

    /// Returns the socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    #[cfg(test)]
    pub(super) fn with_time_max(mut self, time_max: Duration) -> Self {
        self.time_max = time_max;
        self
    }

    /// Keeps the memory of this process, a key's too, from debuggers and core dumps. To be called before there is a key.
    pub fn protect_memory() -> Result<(), ServeError> {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| ServeError::System {
            action: "protect this process's memory",
            source: error.into(),
        })
    }

    /// Answers until `stop` is readable. Each signature and each refusal is given to `record` first.
    pub fn serve(
        &self,
        signer: &(dyn Signer + Sync),
        stop: &impl AsFd,
        record: &Record<'_>,
    ) -> Result<(), ServeError> {
        let (uids, rules, roots) = (&self.uids, &self.rules, &self.roots);
        let desk = Desk { signer, uids, rules, roots, record };
        let open = Connections::default();
        thread::scope(|scope| {
            let result = self.accept(stop, &open, |id, peer, mut stream| {
                let (desk, open) = (&desk, &open);
                let spawned = thread::Builder::new().spawn_scoped(scope, move || {
                    desk.answer(peer, &mut stream);
                    open.remove(id);
                });
                if spawned.is_err() {
                    open.remove(id);
                }
            });
            // What is still being asked is not waited for; what is being signed is.
            open.end(|_| true, Shutdown::Read);
            result
        })
    }

    fn accept(
        &self,
        stop: &impl AsFd,
        open: &Connections,
        mut take: impl FnMut(u64, Peer, UnixStream),
    ) -> Result<(), ServeError> {
        let system = |action| move |source: io::Error| ServeError::System { action, source };
        let ticks = timer(TICK).map_err(system("make a timer"))?;
        let ages_max = self.time_max.as_millis() / TICK.as_millis();
        for id in 0.. {
            let mut ready = [false; 3];
            while !ready[2] {
                let count = open.count();
                let wanted = |is_wanted| if is_wanted { PollFlags::IN } else { PollFlags::empty() };
                let mut files = [
                    PollFd::new(stop, PollFlags::IN),
                    PollFd::new(&ticks, wanted(count > 0)),
                    PollFd::new(&self.listener, wanted(count < CONNECTIONS_MAX)),
                ];
                match poll(&mut files, None::<&Timespec>) {
                    Err(rustix::io::Errno::INTR) => continue,
                    other => other.map_err(|error| system("wait")(error.into()))?,
                };
                ready = files.map(|file| file.revents().intersects(PollFlags::IN));
                if ready[0] {
                    return Ok(());
                }
                if ready[1] {
                    let mut expirations = [0; 8];
                    let _ = rustix::io::read(&ticks, &mut expirations);
                    open.end(|age| u128::from(age) > ages_max, Shutdown::Both);
                }
            }
            // Whoever has gone away again, and too many open files, are no reason to stop.
            let Ok((stream, _)) = self.listener.accept() else { continue };
            let Ok(peer) = Peer::of(&stream) else { continue };
            let Ok(second) = stream.try_clone() else { continue };
            if stream.set_nonblocking(false).is_ok() {
                open.add(id, second);
                take(id, peer, stream);
            }
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if identity(&self.socket).is_ok_and(|identity| identity == self.identity) {
            // Where this fails the next service finds that nobody listens.
            let _ = fs::remove_file(&self.socket);
        }
    }
}

/// Connections and their ages in ticks.
#[derive(Debug, Default)]
struct Connections(Mutex<BTreeMap<u64, (UnixStream, u64)>>);

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, (UnixStream, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.lock().len()
    }

    fn add(&self, id: u64, stream: UnixStream) {
        self.lock().insert(id, (stream, 0));
    }

    fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Makes all a tick older, and ends those that are too old.
    fn end(&self, is_too_old: impl Fn(u64) -> bool, how: Shutdown) {
        for (stream, age) in self.lock().values_mut() {
            *age += 1;
            if is_too_old(*age) {
                // It is gone already if this fails.
                let _ = stream.shutdown(how);
            }
        }
    }
}

/// Listens on a path. What is left of a service that was killed is replaced.
fn bind(socket: &Path, mode: u32) -> Result<(UnixListener, (u64, u64)), ServeError> {
    let wrap =
        |action| move |source| ServeError::Socket { action, path: socket.to_owned(), source };
    match fs::symlink_metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrap("look at")(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ServeError::NotASocket(socket.to_owned()));
        }
        Ok(_) => match UnixStream::connect(socket) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(wrap("look at")(error)),
            Ok(_) => return Err(ServeError::InUse(socket.to_owned())),
        },
    }
    // Under its own name it is there only with its mode.
    let mut temporary = socket.to_owned().into_os_string();
    temporary.push(format!(".{}", rustix::process::getpid().as_raw_pid()));
    let temporary = PathBuf::from(temporary);
    let listener = UnixListener::bind(&temporary).map_err(wrap("make"))?;
    let place = || {
        fs::set_permissions(&temporary, Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        let identity = identity(&temporary)?;
        fs::rename(&temporary, socket)?;
        Ok(identity)
    };
    match place() {
        Ok(identity) => Ok((listener, identity)),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(wrap("make")(error))
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Returns a descriptor that is readable again and again.
fn timer(every: Duration) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let nanoseconds = i64::from(every.subsec_nanos());
    let every = Timespec { tv_sec: every.as_secs().cast_signed(), tv_nsec: nanoseconds };
    let setting = Itimerspec { it_interval: every, it_value: every };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting)?;
    Ok(timer)
}
