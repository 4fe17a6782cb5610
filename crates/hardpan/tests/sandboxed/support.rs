// SPDX-License-Identifier: Apache-2.0
//! Worlds with real packages beside made-up ones, and builds in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Read as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use hardpan::definition::Platform;
use hardpan::sandbox::SandboxError;
use hardpan::store::Store;
use hardpan::{
    BuildRequest, BuildSettings, Built, Client, ClientOptions, Error, Event, Mirrors, Observer,
    Project, SandboxedError, Session, StageOptions, read_workspace,
};
use hardpan_image::{Compression, Layout, decompress};
use hardpan_testkit::archive::{Archive, Files};
use hardpan_testkit::deb::Deb;
use hardpan_testkit::fixture::{DEFINITION, Fixture, suite};
use hardpan_tree::{Content, Digest, Kind, Node, Origin, TarLimits, Tree, TreePath};

use crate::scripts_support::Apt;

/// Says why a test can't run here.
pub(crate) fn skip(test: &str, reason: &str) {
    println!("skipped: {test}, because {reason}");
}

/// Counts programs that ran.
#[derive(Default)]
struct Runs(AtomicUsize);

impl Observer for Runs {
    fn event(&self, event: Event<'_>) {
        if matches!(event, Event::Run { .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How to build.
pub(crate) struct How {
    /// The store's directory.
    pub(crate) store: &'static str,
    pub(crate) threads: usize,
    pub(crate) platforms: Vec<Platform>,
}

impl Default for How {
    fn default() -> Self {
        Self { store: "store", threads: 2, platforms: Vec::new() }
    }
}

/// What came of a build.
pub(crate) struct Done {
    pub(crate) built: Built,
    /// How many programs ran.
    pub(crate) runs: usize,
    /// The trees of its platforms.
    pub(crate) trees: Vec<Tree>,
    /// Digests of the layers of its first platform.
    pub(crate) layers: Vec<Digest>,
}

/// A world with real packages, for tests that run them.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
}

/// Returns real packages and all that they depend on, or says why there are none.
pub(crate) fn real(packages: &[&str]) -> Result<Vec<(Vec<u8>, String)>, String> {
    let apt = Apt::new("sandboxed-apt")?;
    let names = apt.closure(packages)?;
    let files = apt.fetch(&names)?;
    let one = |path: &std::path::PathBuf| {
        let output = Command::new("dpkg-deb").arg("-f").arg(path).output();
        let output = output.map_err(|error| error.to_string())?;
        let stanza = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((fs::read(path).map_err(|error| error.to_string())?, stanza))
    };
    files.values().map(one).collect()
}

impl World {
    /// Makes a world with a definition: `head` are its keys beside those that all have, `packages` what it
    /// asks for.
    pub(crate) fn new(
        head: &str,
        packages: &[&str],
        real: &[(Vec<u8>, String)],
        made: &[Deb],
    ) -> Self {
        let fixture = Fixture::with(&[]);
        let mut archive = Archive::new("trixie");
        for (bytes, stanza) in real {
            archive = archive.package(bytes.clone(), stanza);
        }
        for deb in made {
            archive = archive.package(deb.build(), &deb.control());
        }
        let files: Files = suite(&archive, "debian", &fixture.key);
        fixture.serve(files);
        let list = packages.join("\n    - ");
        let text = format!(
            "# syntax=dhi.io/build:2-debian13\n\nname: Test\nimage: example/test\ntags: ['1']\n\
             accounts:\n  run-as: nonroot\n  users: [{{name: nonroot, uid: 65532, gid: 65532}}]\n  \
             groups: [{{name: nonroot, gid: 65532}}]\n{head}contents:\n  packages:\n    - {list}\n"
        );
        fixture.write(&format!("catalog/{DEFINITION}"), text);
        Self { fixture }
    }

    /// Adds to the workspace file.
    pub(crate) fn workspace(&self, more: &str) {
        let text = self.fixture.workspace_text(&self.fixture.server.url(""));
        self.fixture.write("catalog/hardpan.toml", format!("{text}\n{more}"));
    }

    /// Builds into an empty layout.
    pub(crate) fn build(&self, how: &How) -> Result<Done, Error> {
        let layout = tempfile::tempdir_in(self.fixture.path("work")).unwrap();
        let project = Project::open(&self.fixture.definition(), &[]).unwrap();
        let (workspace, _) = read_workspace(&project.root).unwrap();
        let mirrors = Mirrors {
            debian: self.fixture.server.url("debian"),
            debian_security: self.fixture.server.url("debian-security"),
            alpine: None,
        };
        let store = Store::open(&self.fixture.path(how.store)).unwrap();
        let client = Client::new(ClientOptions::default()).unwrap();
        let runs = Runs::default();
        let session = Session {
            store: &store,
            workspace: &workspace,
            mirrors: &mirrors,
            remote: Some(&client),
            now: SystemTime::now(),
            stages: &StageOptions::default(),
            threads: NonZeroUsize::new(how.threads).unwrap(),
            observer: &runs,
        };
        let settings = BuildSettings::of(project.any_definition(), &workspace);
        let (lock, _) = session.fitting_lock(&project, &settings, false)?;
        let request = BuildRequest {
            platforms: how.platforms.clone(),
            layout: Some(layout.path().join("out")),
            ..BuildRequest::default()
        };
        let built = session.build(&project, &lock, &settings, &request)?;
        let layout = Layout::open(&layout.path().join("out")).unwrap();
        let first = layout.images().unwrap().swap_remove(0);
        let layers = first.manifest.value().layers.iter().map(|layer| layer.digest).collect();
        Ok(Done { built, runs: runs.0.into_inner(), trees: trees(&layout), layers })
    }

    /// Builds; `None`, with a word, where this machine does not allow a sandbox.
    pub(crate) fn try_build(&self, test: &str, how: &How) -> Option<Done> {
        match self.build(how) {
            Ok(done) => Some(done),
            Err(Error::Sandboxed(SandboxedError::Sandbox {
                source: SandboxError::Forbidden { what, .. },
                ..
            })) => {
                skip(test, &what);
                None
            }
            Err(error) => {
                panic!("{error}: {:?} {:?}", std::error::Error::source(&error), error.hints())
            }
        }
    }
}

/// Returns the images of a layout as trees.
fn trees(layout: &Layout) -> Vec<Tree> {
    let images = layout.images().unwrap();
    images
        .iter()
        .map(|image| {
            let mut all = Vec::new();
            for layer in &image.manifest.value().layers {
                let mut raw = Vec::new();
                let file = BufReader::new(layout.open_blob(layer).unwrap());
                decompress(file, Compression::Gzip).unwrap().read_to_end(&mut raw).unwrap();
                // Without the end of the archive.
                all.extend_from_slice(&raw[..raw.len() - 1024]);
            }
            all.extend([0; 1024]);
            Tree::from_tar(&all[..], TarLimits::default(), Origin::Definition).unwrap()
        })
        .collect()
}

/// Returns a file's node and bytes.
#[track_caller]
pub(crate) fn file(tree: &Tree, path: &str) -> (Node, Vec<u8>) {
    let path = TreePath::parse(path).unwrap();
    let (node, file) = tree.file(&path).unwrap_or_else(|| panic!("{path} is missing"));
    let Content::Inline(bytes) = &file.content else { panic!("{path} is not inline") };
    (node.clone(), bytes.to_vec())
}

/// Returns all paths below a directory whose name ends so.
pub(crate) fn ending(tree: &Tree, suffix: &str) -> BTreeSet<String> {
    let paths = tree.walk().filter(|(path, _)| path.name().ends_with(suffix.as_bytes()));
    paths.map(|(path, _)| path.to_string()).collect()
}

/// Writes a tree into a directory, for programs that are run in it.
pub(crate) fn write_tree(tree: &Tree, directory: &Path) {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let place = |path: &TreePath| directory.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
    let mut links = BTreeMap::new();
    for (path, node) in tree.walk().filter(|(path, _)| !path.is_root()) {
        match &node.kind {
            Kind::Directory => fs::create_dir_all(place(path)).unwrap(),
            Kind::Symlink(target) => {
                symlink(std::ffi::OsStr::from_bytes(target), place(path)).unwrap();
            }
            Kind::File(file) => {
                let Content::Inline(bytes) = &file.content else { panic!("{path}") };
                fs::write(place(path), bytes).unwrap();
                let mode = fs::Permissions::from_mode(node.metadata.mode | 0o444);
                fs::set_permissions(place(path), mode).unwrap();
            }
            Kind::HardLink(target) => drop(links.insert(path.clone(), target.clone())),
        }
    }
    for (path, target) in links {
        fs::hard_link(place(&target), place(&path)).unwrap();
    }
}
