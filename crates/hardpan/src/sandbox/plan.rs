// SPDX-License-Identifier: Apache-2.0
//! All that the first process of a sandbox needs, made before it is: it can't allocate.

use std::cell::Cell;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::ptr;

use hardpan_tree::TreePath;
use libc::c_char;

use super::message::{Failure, Step};
use super::sys::{self, Errno, Fresh};
use super::{Mount, MountKind, Network, Program, SandboxError};

/// The device nodes of the host that a sandbox sees.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Where a name without a slash is looked for when the environment has no `PATH`.
const PATH_DEFAULT: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Something of the host that is mounted.
#[derive(Debug)]
pub(super) struct Source {
    path: CString,
    /// A copy of its mount that the parent made, who may read more than the sandbox's user.
    taken: Option<OwnedFd>,
    /// What the sandbox uses.
    mount: Cell<RawFd>,
}

impl Source {
    /// Takes something of the host.
    pub(super) fn of(path: &Path) -> Result<Self, SandboxError> {
        let path = text(std::path::absolute(path).map_err(setup("find what is mounted"))?)?;
        // Who may not mount has to leave it to the child; it is the same user then.
        let taken = sys::open_tree(&path, true).ok().map(Fresh::own);
        let mount = Cell::new(taken.as_ref().map_or(-1, OwnedFd::as_raw_fd));
        Ok(Self { path, taken, mount })
    }

    /// Returns what has to stay open.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.taken.as_ref().map(OwnedFd::as_raw_fd)
    }

    /// Takes it in the child, before that becomes somebody else, unless the parent did.
    pub(super) fn open(&self) -> Result<(), Errno> {
        if self.taken.is_none() {
            self.mount.set(sys::open_tree(&self.path, true)?.raw());
        }
        Ok(())
    }

    /// Returns the mount, which is attached nowhere yet.
    pub(super) fn mount(&self) -> RawFd {
        self.mount.get()
    }
}

/// What becomes the root.
#[derive(Debug)]
pub(super) enum RootPlan {
    /// An overlay: a directory with `upper` and `work` above another one, and with `tmp`.
    Overlay { lower: Source, scratch: Source },
    /// A directory with `root`, which is changed itself, and with `tmp`.
    Plain { scratch: Source },
    /// A directory that can't be changed.
    ReadOnly { lower: Source },
    /// Nothing at all, to see whether there could be something; no program is started.
    Empty,
}

/// Something that is mounted into the root.
pub(super) struct MountPlan {
    /// Each directory on the way, and the target as the last.
    pub(super) way: Vec<CString>,
    pub(super) kind: MountKindPlan,
}

pub(super) enum MountKindPlan {
    Bind { source: Source, is_read_only: bool, is_directory: bool },
    Temporary { mode: CString, size: CString },
    Secret(Vec<u8>),
}

/// A list of texts as C has them.
pub(super) struct TextList {
    // The pointers lead here.
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl TextList {
    fn new(texts: Vec<CString>) -> Self {
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { _texts: texts, pointers }
    }

    /// Returns pointers to texts that end with NUL, and a null pointer at the end.
    pub(super) fn pointers(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// An emulator of another machine.
#[derive(Debug)]
pub(super) struct EmulatorPlan {
    pub(super) source: Source,
    /// Its name where mounts are put together.
    pub(super) name: CString,
    /// The line that registers it.
    pub(super) line: Vec<u8>,
}

/// All that the first process needs. Secrets are in it, so nothing prints it.
pub(super) struct Plan {
    /// Where the parent's own arguments are in memory, and their length.
    pub(super) own_arguments: (u64, usize),
    /// Descriptors that stay open, in order.
    pub(super) keep: Vec<RawFd>,
    /// Readable once the parent has mapped the user; closed when it has died.
    pub(super) go: RawFd,
    /// Where messages go.
    pub(super) messages: RawFd,
    /// The program's standard streams.
    pub(super) streams: [RawFd; 3],
    /// Whether standard input is a terminal of the caller's.
    pub(super) has_terminal: bool,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) drop_groups: bool,
    pub(super) hostname: Vec<u8>,
    pub(super) is_loopback_up: bool,
    pub(super) is_network_shared: bool,
    pub(super) root: RootPlan,
    pub(super) devices: Vec<(Source, CString)>,
    pub(super) mounts: Vec<MountPlan>,
    pub(super) emulators: Vec<EmulatorPlan>,
    /// ELF machine numbers that can run.
    pub(super) machines: Vec<u16>,
    /// Where the program may be.
    pub(super) candidates: Vec<CString>,
    pub(super) arguments: TextList,
    pub(super) environment: TextList,
    /// Each directory on the way to where the program starts.
    pub(super) work_dir: Vec<CString>,
    /// Resources and their limits.
    pub(super) limits: Vec<(u32, u64)>,
    /// Capabilities that stay, as a set of bits.
    pub(super) capabilities: u64,
    pub(super) filter: Vec<libc::sock_filter>,
}

impl Plan {
    /// Returns all that is mounted from the host.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        let root: [Option<&Source>; 2] = match &self.root {
            RootPlan::Overlay { lower, scratch } => [Some(lower), Some(scratch)],
            RootPlan::Plain { scratch } => [Some(scratch), None],
            RootPlan::ReadOnly { lower } => [Some(lower), None],
            RootPlan::Empty => [None, None],
        };
        let mounts = self.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKindPlan::Bind { source, .. } => Some(source),
            _ => None,
        });
        let devices = self.devices.iter().map(|(source, _)| source);
        let emulators = self.emulators.iter().map(|emulator| &emulator.source);
        root.into_iter().flatten().chain(devices).chain(mounts).chain(emulators)
    }

    /// Returns what it is that could not be mounted.
    pub(super) fn place(&self, failure: Failure) -> Option<String> {
        let index = usize::try_from(failure.index).ok()?;
        let text = match failure.step {
            Step::Source => &self.sources().nth(index)?.path,
            Step::Emulator => &self.emulators.get(index)?.source.path,
            Step::Mount => self.mounts.get(index)?.way.last()?,
            _ => return None,
        };
        let root = if failure.step == Step::Mount { "/" } else { "" };
        Some(format!("{root}{}", text.to_string_lossy()))
    }

    /// Lists all descriptors that have to stay open.
    pub(super) fn remember_descriptors(&mut self) {
        let mut keep = vec![self.go, self.messages];
        keep.extend(self.streams);
        keep.extend(self.sources().filter_map(Source::descriptor));
        keep.sort_unstable();
        keep.dedup();
        self.keep = keep;
    }
}

/// Returns where this process's arguments are in its memory, and their length.
pub(super) fn own_arguments() -> Result<(u64, usize), SandboxError> {
    let status =
        std::fs::read_to_string("/proc/self/stat").map_err(setup("read /proc/self/stat"))?;
    // The name of the program is in parentheses and may have any character. Of the fields after it,
    // which begin with the third, these are the 48th and 49th.
    let fields = status.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = fields.split_ascii_whitespace().skip(45).map(str::parse::<u64>);
    let (Some(Ok(start)), Some(Ok(end))) = (fields.next(), fields.next()) else {
        return Err(setup("understand /proc/self/stat")(io::Error::from(
            io::ErrorKind::InvalidData,
        )));
    };
    Ok((start, usize::try_from(end.saturating_sub(start)).unwrap_or(0)))
}

/// Plans a mount.
pub(super) fn mount(mount: &Mount) -> Result<MountPlan, SandboxError> {
    let kind = match &mount.kind {
        MountKind::Bind { source, is_read_only } => {
            let metadata = std::fs::metadata(source).map_err(|error| SandboxError::Mount {
                place: source.display().to_string(),
                source: error,
            })?;
            MountKindPlan::Bind {
                source: Source::of(source)?,
                is_read_only: *is_read_only,
                is_directory: metadata.is_dir(),
            }
        }
        MountKind::Temporary { mode, size_bytes } => MountKindPlan::Temporary {
            mode: text(format!("{:o}", mode & 0o7777))?,
            size: text(size_bytes.to_string())?,
        },
        MountKind::Secret(bytes) => MountKindPlan::Secret(bytes.clone()),
    };
    if mount.target.is_root() {
        return Err(SandboxError::Mount {
            place: "something as the root".to_owned(),
            source: io::ErrorKind::InvalidInput.into(),
        });
    }
    Ok(MountPlan { way: way(&mount.target)?, kind })
}

/// What the host's network needs beside itself.
pub(super) fn network_mounts(network: Network) -> Vec<Mount> {
    if network != Network::Host {
        return Vec::new();
    }
    ["/etc/resolv.conf", "/etc/hosts"]
        .into_iter()
        .filter(|path| Path::new(path).exists())
        .map(|path| Mount {
            target: TreePath::literal(path),
            kind: MountKind::Bind { source: PathBuf::from(path), is_read_only: true },
        })
        .collect()
}

/// Returns each directory on the way to a path and the path itself, relative to the root.
pub(super) fn way(path: &TreePath) -> Result<Vec<CString>, SandboxError> {
    let mut way: Vec<TreePath> = path.ancestors().filter(|path| !path.is_root()).collect();
    way.reverse();
    if !path.is_root() {
        way.push(path.clone());
    }
    way.iter().map(|path| text(OsStr::from_bytes(path.as_bytes()))).collect()
}

/// Returns where a program may be, in the order in which it is looked for.
pub(super) fn candidates(program: &Program) -> Result<Vec<CString>, SandboxError> {
    let Some(name) = program.arguments.first().filter(|name| !name.is_empty()) else {
        return Err(SandboxError::NoProgram { program: String::new() });
    };
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![text(name)?]);
    }
    let path = program.environment.get(OsStr::new("PATH"));
    let path = path.map_or(PATH_DEFAULT, |path| path.as_bytes());
    // An empty entry means the current directory, which no step of ours may rely on.
    path.split(|&byte| byte == b':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| text(Path::new(OsStr::from_bytes(directory)).join(name)))
        .collect()
}

pub(super) fn arguments(program: &Program) -> Result<TextList, SandboxError> {
    program.arguments.iter().map(text).collect::<Result<_, _>>().map(TextList::new)
}

pub(super) fn environment(program: &Program) -> Result<TextList, SandboxError> {
    program
        .environment
        .iter()
        .map(|(name, value)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            text(pair)
        })
        .collect::<Result<_, _>>()
        .map(TextList::new)
}

/// Makes a text for the kernel.
pub(super) fn text(text: impl Into<OsString>) -> Result<CString, SandboxError> {
    CString::new(text.into().into_vec()).map_err(|_| SandboxError::Setup {
        what: "pass a text with a NUL byte".to_owned(),
        source: io::ErrorKind::InvalidInput.into(),
    })
}

/// Makes an error of setting up.
pub(super) fn setup<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> SandboxError {
    let what = what.to_owned();
    move |error| SandboxError::Setup { what, source: error.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn program(name: &str, path: Option<&str>) -> Program {
        let path = path.map(|path| ("PATH".into(), path.into()));
        Program {
            arguments: vec![name.into()],
            environment: path.into_iter().collect::<BTreeMap<_, _>>(),
            work_dir: TreePath::root(),
        }
    }

    #[test]
    fn where_programs_are_looked_for() {
        let cases: [(&str, Option<&str>, &[&str]); 6] = [
            ("/bin/x", Some("/a"), &["/bin/x"]),
            ("./x", Some("/a"), &["./x"]),
            ("x", Some("/a:/b/"), &["/a/x", "/b/x"]),
            ("x", Some(":/a::"), &["/a/x"]),
            ("x", Some(""), &[]),
            (
                "x",
                None,
                &[
                    "/usr/local/sbin/x",
                    "/usr/local/bin/x",
                    "/usr/sbin/x",
                    "/usr/bin/x",
                    "/sbin/x",
                    "/bin/x",
                ],
            ),
        ];
        for (name, path, expected) in cases {
            let found = candidates(&program(name, path)).unwrap();
            let found: Vec<&str> = found.iter().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(found, expected, "{name} {path:?}");
        }
        let mut nothing = program("x", None);
        nothing.arguments.clear();
        for program in [program("", None), nothing] {
            assert!(matches!(candidates(&program), Err(SandboxError::NoProgram { .. })));
        }
        assert!(candidates(&program("a\0b", Some("/a"))).is_err());
    }

    #[test]
    fn ways() {
        for (path, expected) in
            [("", [].as_slice()), ("a", &["a"]), ("a/b/c", &["a", "a/b", "a/b/c"])]
        {
            let way = way(&TreePath::parse(path).unwrap()).unwrap();
            let way: Vec<&str> = way.iter().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(way, expected, "{path}");
        }
    }

    #[test]
    fn arguments_in_memory() {
        let (start, length) = own_arguments().unwrap();
        let lengths: usize = std::env::args_os().map(|argument| argument.len() + 1).sum();
        assert_eq!(length, lengths);
        assert!(start > 0);
    }
}
