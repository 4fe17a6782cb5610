// SPDX-License-Identifier: Apache-2.0
//! A root with busybox in it, and how programs are run in that.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use hardpan::sandbox::{
    Change, ChangeKind, DeviceRequest, Exit, Identity, LayeredRoot, Limits, Network, Program, Root,
    Sandbox, SandboxError, Stream, Streams, host_owner,
};
use hardpan_tree::TreePath;
use tempfile::TempDir;

const BUSYBOX: &str = "/bin/busybox";

/// Says why a test can't run here.
pub(crate) fn skip(test: &str, reason: &str) {
    println!("skipped: {test}, because {reason}");
}

/// A place with a root file system and scratch directories.
pub(crate) struct Place {
    directory: TempDir,
}

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) devices: Vec<DeviceRequest>,
}

impl Ran {
    /// Returns what it printed, if it ended well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.exit, Exit::Code(0), "{}{}", self.output, self.errors);
        self.output
    }
}

impl Place {
    /// Makes a place; `None` where there is no busybox.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            skip(test, "busybox-static is not installed");
            return None;
        }
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Self { directory };
        let lower = place.lower();
        for name in ["bin", "etc", "proc", "dev", "tmp", "data/deep", "home"] {
            fs::create_dir_all(lower.join(name)).unwrap();
        }
        fs::copy(BUSYBOX, lower.join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", lower.join("bin/sh")).unwrap();
        fs::write(lower.join("etc/file"), "below\n").unwrap();
        fs::write(lower.join("data/one"), "one\n").unwrap();
        fs::write(lower.join("data/deep/two"), "two\n").unwrap();
        place.own();
        Some(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn lower(&self) -> PathBuf {
        self.path("lower")
    }

    /// Gives the root to whom sandboxes run as.
    pub(crate) fn own(&self) {
        let Some((uid, gid)) = host_owner() else { return };
        let mut left = vec![self.lower()];
        while let Some(path) = left.pop() {
            lchown(&path, Some(uid), Some(gid)).unwrap();
            if path.symlink_metadata().unwrap().is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    /// Adds the program that makes system calls; `false` where there is no C compiler.
    pub(crate) fn add_calls(&self, test: &str) -> bool {
        static COMPILED: OnceLock<Option<Vec<u8>>> = OnceLock::new();
        let compile = || {
            // A copy of the tests that another user runs brings the program with it.
            let beside = std::env::current_exe().ok()?.with_extension("calls");
            if let Ok(bytes) = fs::read(beside) {
                return Some(bytes);
            }
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/calls.c");
            let program = self.path("calls");
            let arguments = ["-static", "-O1", "-o", program.to_str()?, source];
            let done = Command::new("gcc").args(arguments).output().ok()?;
            done.status.success().then(|| fs::read(program).unwrap())
        };
        let Some(bytes) = COMPILED.get_or_init(compile) else {
            skip(test, "there is no gcc with a static libc");
            return false;
        };
        let path = self.lower().join("bin/calls");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        self.own();
        true
    }

    pub(crate) fn layered(&self, name: &str) -> LayeredRoot {
        let scratch = self.path(name);
        fs::create_dir(&scratch).unwrap();
        LayeredRoot::new(&self.lower(), &scratch)
    }
}

pub(crate) fn sandbox(root: Root<'_>) -> Sandbox<'_> {
    Sandbox {
        root,
        mounts: Vec::new(),
        identity: Identity::default(),
        network: Network::None,
        limits: Limits { time: Some(Duration::from_mins(1)), ..Limits::default() },
        emulators: BTreeMap::new(),
        hostname: "sandbox".to_owned(),
    }
}

pub(crate) fn program(arguments: &[&str]) -> Program {
    Program {
        arguments: arguments.iter().map(Into::into).collect(),
        environment: BTreeMap::from([("PATH".into(), "/bin".into())]),
        work_dir: TreePath::root(),
    }
}

pub(crate) fn script(text: &str) -> Program {
    // Applets of busybox need no links.
    program(&["sh", "-c", text])
}

pub(crate) fn run(sandbox: &Sandbox<'_>, program: &Program) -> Result<Ran, SandboxError> {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let finished = sandbox.run(
        program,
        Streams::Captured(&mut |stream, bytes| match stream {
            Stream::Output => output.extend_from_slice(bytes),
            Stream::Error => errors.extend_from_slice(bytes),
        }),
    )?;
    Ok(Ran {
        exit: finished.exit,
        output: String::from_utf8_lossy(&output).into_owned(),
        errors: String::from_utf8_lossy(&errors).into_owned(),
        devices: finished.devices,
    })
}

/// Runs a script in a layered root.
#[track_caller]
pub(crate) fn in_root(root: &LayeredRoot, text: &str) -> Ran {
    run(&sandbox(Root::Layered(root)), &script(text)).unwrap()
}

/// Runs the program that makes system calls, and returns what it says of each.
#[track_caller]
pub(crate) fn calls(sandbox: &Sandbox<'_>, arguments: &[&str]) -> BTreeMap<String, String> {
    let arguments = [&["calls"], arguments].concat();
    let output = run(sandbox, &program(&arguments)).unwrap().good();
    let split = |line: &str| line.rsplit_once(' ').map(|(name, word)| (name.into(), word.into()));
    output.lines().filter_map(split).collect()
}

/// Returns whether a process whose arguments have this text is there.
pub(crate) fn has_process(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|entry| {
        let path = entry.unwrap().path().join("cmdline");
        fs::read(path)
            .is_ok_and(|line| line.windows(text.len()).any(|window| window == text.as_bytes()))
    })
}

/// Returns changes as lines.
pub(crate) fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(line).collect()
}

fn line(change: &Change) -> String {
    let path = String::from_utf8_lossy(change.path.as_bytes()).into_owned();
    let owned = |owner: &Option<hardpan::sandbox::Owner>| {
        owner.map_or_else(|| "-".to_owned(), |owner| format!("{}:{}", owner.uid, owner.gid))
    };
    match &change.kind {
        ChangeKind::Removed => format!("{path} removed"),
        ChangeKind::Directory { mode, owner, is_opaque, .. } => {
            let opaque = if *is_opaque { " opaque" } else { "" };
            format!("{path}/ {mode:04o} {}{opaque}", owned(owner))
        }
        ChangeKind::File { mode, owner, size_bytes, content, .. } => {
            assert_eq!(fs::read(content).unwrap().len() as u64, *size_bytes, "{path}");
            format!("{path} {mode:04o} {} {size_bytes}", owned(owner))
        }
        ChangeKind::Symlink { target, owner, .. } => {
            format!("{path} -> {} {}", String::from_utf8_lossy(target), owned(owner))
        }
        ChangeKind::Special => format!("{path} special"),
    }
}
