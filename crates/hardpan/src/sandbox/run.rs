// SPDX-License-Identifier: Apache-2.0
//! Running one program from beginning to end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use hardpan_tree::TreePath;
use rustix::fs::{CWD, FileType, Mode};

use super::cgroup::Cgroup;
use super::heard::Heard;
use super::identity::{Maps, maps};
use super::message::Step;
use super::plan::{self, DEVICES, Plan, RootPlan, Source, setup};
use super::root::State;
use super::spawn::{Running, spawn};
use super::supervise::{Ears, listen};
use super::sys::{self, Fresh};
use super::terminal::Terminal;
use super::{
    DeviceRequest, Exit, LayeredRoot, Network, Owner, Program, Root, Sandbox, SandboxError,
    Streams, changes, emulator, filter,
};

/// What came of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// The device nodes that it asked for, sorted, each once.
    pub devices: Vec<DeviceRequest>,
}

/// What container engines leave to root inside of a container by default, without what is of no use
/// here: no device nodes, no raw sockets, no new roots, no capabilities of files, no audit.
const CAPABILITIES: u64 = 1 << 0 // CAP_CHOWN
    | 1 << 1 // CAP_DAC_OVERRIDE
    | 1 << 3 // CAP_FOWNER
    | 1 << 4 // CAP_FSETID
    | 1 << 5 // CAP_KILL
    | 1 << 6 // CAP_SETGID
    | 1 << 7 // CAP_SETUID
    | 1 << 8 // CAP_SETPCAP
    | 1 << 10; // CAP_NET_BIND_SERVICE

impl Sandbox<'_> {
    /// Runs a program and waits until it and all that it started have ended.
    ///
    /// A program that fails is no error: see [`Finished::exit`].
    pub fn run(&self, program: &Program, streams: Streams<'_>) -> Result<Finished, SandboxError> {
        self.run_and_tell(program, streams, &mut |_| {})
    }

    /// Runs a program, and tells of its first process when that runs.
    pub(super) fn run_and_tell(
        &self,
        program: &Program,
        streams: Streams<'_>,
        started: &mut dyn FnMut(&Running),
    ) -> Result<Finished, SandboxError> {
        let mut streams = streams;
        let maps = maps(self.identity)?;
        let root = match &self.root {
            Root::Layered(root) => *root,
            Root::ReadOnly(path) => {
                let root = || Ok(RootPlan::ReadOnly { lower: Source::of(path)? });
                return self
                    .attempt(program, &mut streams, &maps, root, started)?
                    .finished(program);
            }
        };
        let mut state = root.state();
        root.prepare(&mut state).map_err(setup("prepare the scratch directory"))?;
        let mut before = self.files_before(root, &mut state)?;
        let mut heard =
            self.attempt(program, &mut streams, &maps, || root_plan(root, &mut state), started)?;
        if heard.failure.is_some_and(|failure| failure.step == Step::Overlay) && !state.is_copied {
            root.copy(&mut state).map_err(setup("copy the root file system"))?;
            before = before.map(|_| state.copied.clone());
            heard = self.attempt(
                program,
                &mut streams,
                &maps,
                || root_plan(root, &mut state),
                started,
            )?;
        }
        for (key, given) in std::mem::take(&mut heard.owners) {
            state.owners.give(key, &given);
        }
        remove_made(root, &state, &heard.made).map_err(setup("remove mount points"))?;
        if let Some(before) = before {
            let found = changes::new_files(root, &mut state);
            let mut new = found.map_err(setup("look for new files"))?;
            new.retain(|key| !before.contains(key));
            let owner = Owner { uid: self.identity.uid, gid: self.identity.gid };
            state.owners.give_new(new, owner);
        }
        heard.finished(program)
    }

    /// Returns the new files of earlier programs, if those of this one will belong to somebody else.
    fn files_before(
        &self,
        root: &LayeredRoot,
        state: &mut State,
    ) -> Result<Option<BTreeSet<Vec<u8>>>, SandboxError> {
        if self.identity.uid == 0 && self.identity.gid == 0 {
            return Ok(None);
        }
        let files = changes::new_files(root, state).map_err(setup("look for files"))?;
        // Looking may have widened modes.
        root.prepare(state).map_err(setup("prepare the scratch directory"))?;
        Ok(Some(files))
    }

    /// Runs a program in a root that is ready.
    ///
    /// Emulators may be refused: by kernels before 6.7, and for another user than root. That is a failure
    /// only for who needs one.
    pub(super) fn attempt(
        &self,
        program: &Program,
        streams: &mut Streams<'_>,
        maps: &Maps,
        mut root: impl FnMut() -> Result<RootPlan, SandboxError>,
        started: &mut dyn FnMut(&Running),
    ) -> Result<Heard, SandboxError> {
        let mut heard =
            self.attempt_with(&self.emulators, program, streams, maps, root()?, started)?;
        if !heard.failure.is_some_and(|failure| failure.step == Step::Emulator) {
            return Ok(heard);
        }
        let none = BTreeMap::new();
        let mut without = self.attempt_with(&none, program, streams, maps, root()?, started)?;
        // What the first one made the second one found.
        heard.made.append(&mut without.made);
        if without.wrong_machine.is_some() {
            return Ok(heard);
        }
        without.made = heard.made;
        Ok(without)
    }

    fn attempt_with(
        &self,
        emulators: &BTreeMap<u16, PathBuf>,
        program: &Program,
        streams: &mut Streams<'_>,
        maps: &Maps,
        root: RootPlan,
        started: &mut dyn FnMut(&Running),
    ) -> Result<Heard, SandboxError> {
        let cgroup = self.limits.memory_bytes.map(Cgroup::with_memory).transpose()?;
        let ears = Ears::new(matches!(streams, Streams::Captured(_)))?;
        let [go, ours] = pipe()?;
        let mut plan = self.plan(emulators, program, root, maps, &ears, &go)?;
        let terminal = ears.streams.is_none().then(Terminal::of_caller).flatten();
        plan.has_terminal = terminal.is_some();
        let is_network_own = self.network != Network::Host;
        let running = spawn(&plan, ours, is_network_own, maps, cgroup.as_ref())?;
        // The child has these now; what it has shall be seen to close.
        drop(go);
        let mut ears = ears.after_spawn();
        started(&running);
        ears.begin(self.limits.time)?;
        let mut heard = listen(running, ears, streams, self.limits.output_bytes)?;
        heard.place = heard.failure.and_then(|failure| plan.place(failure));
        drop(terminal);
        drop(cgroup);
        Ok(heard)
    }

    fn plan(
        &self,
        emulators: &BTreeMap<u16, PathBuf>,
        program: &Program,
        root: RootPlan,
        maps: &Maps,
        ears: &Ears,
        go: &OwnedFd,
    ) -> Result<Plan, SandboxError> {
        let network = plan::network_mounts(self.network);
        let mounts = network.iter().chain(&self.mounts).map(plan::mount);
        let devices = DEVICES
            .iter()
            .map(|name| Ok((Source::of(&Path::new("/dev").join(name))?, plan::text(*name)?)));
        let mut machines = vec![emulator::NATIVE];
        machines.extend(emulators.keys());
        let emulators = emulator::plans(emulators)?;
        let limits = &self.limits;
        let mut plan = Plan {
            own_arguments: plan::own_arguments()?,
            keep: Vec::new(),
            go: go.as_raw_fd(),
            messages: ears.child_messages.as_raw_fd(),
            streams: ears.child_streams(),
            has_terminal: false,
            uid: self.identity.uid,
            gid: self.identity.gid,
            drop_groups: maps.drop_groups,
            hostname: self.hostname.clone().into_bytes(),
            is_loopback_up: self.network == Network::Loopback,
            is_network_shared: self.network == Network::Host,
            root,
            devices: devices.collect::<Result<_, SandboxError>>()?,
            mounts: mounts.collect::<Result<_, _>>()?,
            emulators,
            machines,
            candidates: plan::candidates(program)?,
            arguments: plan::arguments(program)?,
            environment: plan::environment(program)?,
            work_dir: plan::way(&program.work_dir)?,
            limits: vec![
                // With 0 a program of the host may still be given the core.
                (libc::RLIMIT_CORE, 1),
                (libc::RLIMIT_NPROC, limits.processes),
                (libc::RLIMIT_FSIZE, limits.file_size_bytes),
                (libc::RLIMIT_NOFILE, limits.open_files),
            ],
            capabilities: CAPABILITIES,
            filter: filter::filter(self.identity),
        };
        plan.remember_descriptors();
        Ok(plan)
    }
}

/// Gets a layered root ready, and returns how it is put together.
fn root_plan(root: &LayeredRoot, state: &mut State) -> Result<RootPlan, SandboxError> {
    // A mount that was never unmounted keeps the next one away.
    root.prepare(state).map_err(setup("prepare the scratch directory"))?;
    let scratch = Source::of(root.scratch())?;
    Ok(if state.is_copied {
        RootPlan::Plain { scratch }
    } else {
        RootPlan::Overlay { lower: Source::of(root.lower())?, scratch }
    })
}

/// Removes the mount points that were made for a program, if it left nothing in them.
fn remove_made(root: &LayeredRoot, state: &State, made: &[(TreePath, bool)]) -> io::Result<()> {
    let on_disk = |path: &TreePath| PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()));
    let upper = root.upper(state);
    let mut removed = BTreeSet::new();
    for (path, is_directory) in made.iter().rev() {
        let place = upper.join(on_disk(path));
        let is_empty = |file: fs::Metadata| file.is_file() && file.len() == 0;
        // One that is in use stays.
        let is_removed = if *is_directory {
            fs::remove_dir(&place).is_ok()
        } else {
            place.symlink_metadata().is_ok_and(is_empty) && fs::remove_file(&place).is_ok()
        };
        if is_removed {
            removed.insert(path.clone());
        }
    }
    // What was removed before must not come back from below.
    for path in removed.iter().filter(|_| !state.is_copied) {
        let is_first = path.parent().is_none_or(|parent| !removed.contains(&parent));
        let path = on_disk(path);
        if is_first && root.lower().join(&path).symlink_metadata().is_ok() {
            let (kind, mode) = (FileType::CharacterDevice, Mode::empty());
            rustix::fs::mknodat(CWD, upper.join(path), kind, mode, rustix::fs::makedev(0, 0))?;
        }
    }
    Ok(())
}

/// Makes a pipe: the end to read from and the end to write to.
pub(super) fn pipe() -> Result<[OwnedFd; 2], SandboxError> {
    let [from, to] = sys::pipe().map_err(setup("make a pipe"))?;
    Ok([above(from)?, above(to)?])
}

/// Keeps a descriptor out of the way of the standard streams.
pub(super) fn above(descriptor: Fresh) -> Result<OwnedFd, SandboxError> {
    let descriptor = descriptor.own();
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    let above = sys::dup_above(descriptor.as_raw_fd(), 3).map_err(setup("make a pipe"))?;
    Ok(above.own())
}
