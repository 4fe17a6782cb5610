// SPDX-License-Identifier: Apache-2.0
//! Containers: programs of an image, run in the sandbox as a container runtime would run them.
//!
//! An image comes from a layout of any origin. Its files are written once into the store, all programs
//! of all its containers share them, and what a container changes is gone when it ends.

mod account;
mod image;
mod inside;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use hardpan_tree::{PathError, TreePath};

use crate::error::{Error, Trouble};
use crate::sandbox::{
    Exit, Identity, LayeredRoot, Limits, Mount, MountKind, Network, Program, Root, Sandbox,
    SandboxError, Service, Stream, Streams,
};
use crate::session::Session;
use crate::store::{Scratch, StoreError};

pub use account::AccountError;
pub use image::{ContainerImage, UnpackedArchive};

/// The name of the host that containers see.
const HOSTNAME: &str = "hardpan";
/// Where programs are looked for in an image that does not say so itself.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much a file system in memory may hold, in bytes: enough for what programs put into `/tmp`, and
/// less than the memory of a small machine.
const TEMPORARY_BYTES_MAX: u64 = 512 << 20;
/// How many directories of an image's `/run` are kept in the empty one.
const RUN_DIRECTORIES_MAX: usize = 64;
/// Modes of file systems in memory over directories that the image does not have.
const TEMPORARY_MODE: u32 = 0o755;
const TMP_MODE: u32 = 0o1777;

/// How a container differs from what its image says.
#[derive(Debug, Clone, Default)]
pub struct ContainerOptions {
    /// `uid`, `uid:gid`, or names of the image.
    pub user: Option<String>,
    /// Variables beside the image's, which they may replace.
    pub environment: BTreeMap<String, String>,
    /// Where the program starts.
    pub work_dir: Option<String>,
    /// The network.
    pub network: Network,
    /// What of the host is mounted.
    pub mounts: Vec<ContainerMount>,
    /// Empty file systems in memory.
    pub temporary: Vec<String>,
    /// Whether files of the image can be changed; the changes go with the container.
    pub is_writable: bool,
    /// Whether volumes have what the image has in them, as any directory; otherwise they are empty and in memory.
    pub keeps_volumes: bool,
    /// What to run in place of the image's entrypoint; the image's arguments then do not count.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments in place of the image's; none for those.
    pub command: Vec<String>,
    /// What it may use up.
    pub limits: Limits,
}

/// A directory or file of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMount {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where the container sees it.
    pub target: String,
    /// Whether the container may not change it.
    pub is_read_only: bool,
}

/// Why there is no container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The layout has no image for the platform.
    #[error("{layout} has no image for {platform}", layout = layout.display())]
    NoImage {
        /// The layout.
        layout: PathBuf,
        /// The platform.
        platform: String,
        /// What it has images for.
        known: Vec<String>,
    },
    /// There is nothing to run.
    #[error("the image names no program, and none is given")]
    NoProgram,
    /// The program is not in the image.
    #[error("the image has no program {program:?}")]
    UnknownProgram {
        /// The program.
        program: String,
        /// A name that may have been meant.
        near: Option<String>,
    },
    /// The working directory is not in the image.
    #[error("the image has no directory {path:?} to work in")]
    NoWorkDir {
        /// The path.
        path: String,
    },
    /// The user.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A path inside the container.
    #[error("{what} {path:?}")]
    Path {
        /// What it is for.
        what: &'static str,
        /// The path.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// Something that can't be mounted.
    #[error("can't mount {place}: {reason}")]
    Mount {
        /// What, by where it lies, or else where.
        place: String,
        /// The system's words.
        reason: std::io::Error,
    },
    /// A variable of the image or the caller that is none.
    #[error("{0:?} is not an environment variable")]
    Variable(String),
}

impl ContainerError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        Trouble::Usage
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        let near = match self {
            Self::NoImage { known, .. } if !known.is_empty() => {
                return vec![format!("it has images for {}", known.join(", "))];
            }
            Self::NoProgram => return vec!["say what to run after `--`".to_owned()],
            Self::UnknownProgram { near, .. }
            | Self::Account(
                AccountError::NoUser { near, .. } | AccountError::NoGroup { near, .. },
            ) => near,
            _ => &None,
        };
        near.iter().map(|near| format!("did you mean {near}?")).collect()
    }
}

impl Session<'_> {
    /// Runs a container to its end.
    pub fn run_container(
        &self,
        image: &ContainerImage,
        options: &ContainerOptions,
        streams: Streams<'_>,
    ) -> Result<Exit, Error> {
        let prepared = self.prepare_container(image, options)?;
        let layered = prepared.layered(image);
        let sandbox = self.sandbox(image, &prepared, layered.as_ref(), options);
        let finished = sandbox.run(&prepared.program, streams);
        Ok(finished.map_err(|error| prepared.explain(image, error))?.exit)
    }

    /// Runs a container to its end whose changes of files stay, for those that run after it in the same root.
    pub(crate) fn run_container_in(
        &self,
        image: &ContainerImage,
        root: &ChangedRoot,
        options: &ContainerOptions,
        streams: Streams<'_>,
    ) -> Result<Exit, Error> {
        let prepared = self.prepare_container(image, options)?;
        let sandbox = self.sandbox(image, &prepared, Some(&root.layered), options);
        let finished = sandbox.run(&prepared.program, streams);
        Ok(finished.map_err(|error| prepared.explain(image, error))?.exit)
    }

    /// Makes a root that several containers change one after the other.
    pub(crate) fn changed_root(&self, image: &ContainerImage) -> Result<ChangedRoot, Error> {
        let scratch = self.store.scratch_directory()?;
        let layered = LayeredRoot::new(image.root(), scratch.path());
        Ok(ChangedRoot { layered, _scratch: scratch })
    }

    /// Starts a container, does something while it runs, and ends it. Also returns how it ended, if it
    /// did so before.
    pub(crate) fn run_container_beside<T>(
        &self,
        image: &ContainerImage,
        options: &ContainerOptions,
        print: &mut (dyn FnMut(Stream, &[u8]) + Send),
        ask: impl FnOnce(&Service) -> T,
    ) -> Result<(T, Option<Exit>), Error> {
        let prepared = self.prepare_container(image, options)?;
        let layered = prepared.layered(image);
        let sandbox = self.sandbox(image, &prepared, layered.as_ref(), options);
        let asked = sandbox.run_beside(&prepared.program, print, ask);
        let (answer, ended) = asked.map_err(|error| prepared.explain(image, error))?;
        Ok((answer, ended.map(|finished| finished.exit)))
    }

    fn sandbox<'p>(
        &self,
        image: &ContainerImage,
        prepared: &Prepared,
        layered: Option<&'p LayeredRoot>,
        options: &ContainerOptions,
    ) -> Sandbox<'p> {
        Sandbox {
            root: match layered {
                Some(layered) => Root::Layered(layered),
                None => Root::ReadOnly(image.root().to_owned()),
            },
            mounts: prepared.mounts.clone(),
            identity: prepared.identity,
            network: options.network,
            limits: options.limits.clone(),
            emulators: self.stages.emulators.clone(),
            hostname: HOSTNAME.to_owned(),
        }
    }

    fn prepare_container(
        &self,
        image: &ContainerImage,
        options: &ContainerOptions,
    ) -> Result<Prepared, Error> {
        let config = image.config();
        let user = options.user.as_deref().unwrap_or(&config.user);
        let account = image.account(user).map_err(ContainerError::from)?;
        let work_dir = options.work_dir.as_deref().unwrap_or(&config.working_dir);
        let files = self.store.scratch_directory()?;
        let changes = options.is_writable.then(|| self.store.scratch_directory()).transpose()?;
        let mut mounts = Vec::new();
        if options.network != Network::Host {
            mounts.push(hosts_file(&files)?);
        }
        mounts.extend(temporary_mounts(image, options)?);
        for mount in &options.mounts {
            mounts.push(Mount {
                target: path_of("mount at", &mount.target)?,
                kind: MountKind::Bind {
                    source: mount.source.clone(),
                    is_read_only: mount.is_read_only,
                },
            });
        }
        Ok(Prepared {
            program: Program {
                arguments: arguments(image, options)?,
                environment: environment(image, options, &account.home)?,
                work_dir: path_of("working directory", work_dir)?,
            },
            identity: Identity { uid: account.uid, gid: account.gid },
            mounts,
            changes,
            _files: files,
        })
    }
}

/// An image's files with changes on top, which go when this is dropped.
pub(crate) struct ChangedRoot {
    layered: LayeredRoot,
    _scratch: Scratch,
}

/// All that a container needs, and what goes with it.
struct Prepared {
    program: Program,
    identity: Identity,
    mounts: Vec<Mount>,
    /// Where changes go, if there may be any.
    changes: Option<Scratch>,
    /// Files that are mounted.
    _files: Scratch,
}

impl Prepared {
    fn layered(&self, image: &ContainerImage) -> Option<LayeredRoot> {
        let scratch = self.changes.as_ref()?;
        Some(LayeredRoot::new(image.root(), scratch.path()))
    }

    /// Says more of a program that is not there. What can't be mounted is the caller's mistake, not this machine's.
    fn explain(&self, image: &ContainerImage, error: SandboxError) -> Error {
        let program = match error {
            SandboxError::NoProgram { program } => program,
            SandboxError::Mount { place, source: reason } => {
                return ContainerError::Mount { place, reason }.into();
            }
            error => return error.into(),
        };
        let path = self.program.environment.get(&OsString::from("PATH"));
        let path = path.map(|path| path.to_string_lossy().into_owned());
        image.unknown_program(&program, path.as_deref().unwrap_or(PATH_DEFAULT)).into()
    }
}

fn path_of(what: &'static str, path: &str) -> Result<TreePath, ContainerError> {
    TreePath::parse(path).map_err(|source| ContainerError::Path {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Returns the program with its arguments, as runtimes put them together.
fn arguments(
    image: &ContainerImage,
    options: &ContainerOptions,
) -> Result<Vec<OsString>, ContainerError> {
    let config = image.config();
    let entrypoint = options.entrypoint.as_ref().unwrap_or(&config.entrypoint);
    let command = match (&options.entrypoint, options.command.is_empty()) {
        (None, true) => &config.cmd,
        _ => &options.command,
    };
    let arguments: Vec<OsString> = entrypoint.iter().chain(command).map(OsString::from).collect();
    if arguments.is_empty() { Err(ContainerError::NoProgram) } else { Ok(arguments) }
}

/// Returns the image's environment with the caller's on top.
fn environment(
    image: &ContainerImage,
    options: &ContainerOptions,
    home: &str,
) -> Result<BTreeMap<OsString, OsString>, ContainerError> {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), PATH_DEFAULT.to_owned()),
        ("HOME".to_owned(), home.to_owned()),
    ]);
    for variable in &image.config().env {
        match variable.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                environment.insert(name.to_owned(), value.to_owned());
            }
            _ => return Err(ContainerError::Variable(variable.clone())),
        }
    }
    environment.extend(options.environment.clone());
    let bad = |(name, value): &(&String, &String)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
    };
    if let Some((name, _)) = environment.iter().find(bad) {
        return Err(ContainerError::Variable(name.clone()));
    }
    Ok(environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// Makes the `/etc/hosts` of a container without the host's network. Without it `localhost` is unknown.
fn hosts_file(files: &Scratch) -> Result<Mount, StoreError> {
    let path = files.path().join("hosts");
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost {HOSTNAME}");
    fs::write(&path, text)
        .and_then(|()| open_to_all(&path))
        .and_then(|()| open_to_all(files.path()))
        .map_err(|error| StoreError::io("write", &path, error))?;
    let kind = MountKind::Bind { source: path, is_read_only: true };
    Ok(Mount { target: TreePath::literal("etc/hosts"), kind })
}

/// Where hardpan is root's, the program is somebody else.
fn open_to_all(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Returns the file systems in memory: in an image that can't be changed `/tmp` and `/run`, then the
/// image's volumes and what the caller asks for. Directories of the image's own `/run` stay, but empty.
fn temporary_mounts(
    image: &ContainerImage,
    options: &ContainerOptions,
) -> Result<Vec<Mount>, ContainerError> {
    let mut paths: Vec<TreePath> = Vec::new();
    if !options.is_writable {
        let run = TreePath::literal("run");
        paths.push(TreePath::literal("tmp"));
        paths.push(run.clone());
        paths.extend(inside::directories(image.root(), &run, RUN_DIRECTORIES_MAX));
    }
    if !options.keeps_volumes {
        for volume in &image.config().volumes {
            paths.push(path_of("volume", volume)?);
        }
    }
    for path in &options.temporary {
        paths.push(path_of("file system in memory at", path)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    let mounts = paths.into_iter().filter(|path| seen.insert(path.clone())).map(|path| {
        let default = if path == TreePath::literal("tmp") { TMP_MODE } else { TEMPORARY_MODE };
        let mode = inside::mode(image.root(), &path).unwrap_or(default);
        let kind = MountKind::Temporary { mode, size_bytes: TEMPORARY_BYTES_MAX };
        Mount { target: path, kind }
    });
    Ok(mounts.collect())
}
