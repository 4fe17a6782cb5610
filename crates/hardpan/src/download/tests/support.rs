// SPDX-License-Identifier: Apache-2.0
//! What the tests of downloads work with.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, SystemTime};

use hardpan_definition::{Checksum, FileSource, Span, Spanned};
use hardpan_remote::{Client, Options};
use hardpan_testkit::server::Server;
use hardpan_tree::{Contents, Digest, Kind, Origin, Tree, TreePath};

use super::super::{LockedFile, PlacedFile};
use crate::config::Workspace;
use crate::contents::StoreContents;
use crate::error::Error;
use crate::observer::Silent;
use crate::project::CatalogRoot;
use crate::session::{Mirrors, Session};
use crate::stage::{Secret, StageOptions};
use crate::store::Store;

pub(super) const EPOCH: i64 = 1_800_000_000;

/// A store, a catalog, a server, and a client.
pub(super) struct Case {
    pub directory: tempfile::TempDir,
    pub server: Server,
    pub store: Store,
    pub workspace: Workspace,
    pub stages: StageOptions,
    pub client: Client,
    pub is_offline: bool,
}

impl Case {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = directory.path().join("catalog");
        std::fs::create_dir(&catalog).unwrap();
        std::fs::write(catalog.join("hardpan.toml"), "").unwrap();
        let options = Options {
            retry_delay: Duration::from_millis(1),
            read_timeout: Duration::from_secs(5),
            ..Options::default()
        };
        Self {
            store: Store::open(&directory.path().join("store")).unwrap(),
            server: Server::start(BTreeMap::new()),
            workspace: Workspace::default(),
            stages: StageOptions::default(),
            client: Client::new(options).unwrap(),
            is_offline: false,
            directory,
        }
    }

    pub(super) fn serve(&self, path: &str, bytes: &[u8]) -> String {
        self.server.set_file(path, bytes.to_vec());
        self.server.url(path)
    }

    pub(super) fn secret(&mut self, id: &str, value: &[u8]) {
        self.stages.secrets.insert(id.to_owned(), Secret(value.to_vec()));
    }

    pub(super) fn catalog(&self) -> CatalogRoot {
        CatalogRoot::of(&self.directory.path().join("catalog/x.yaml"))
    }

    pub(super) fn catalog_path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("catalog").join(name)
    }

    fn with<R>(&self, run: impl FnOnce(&Session<'_>) -> R) -> R {
        let (debian, debian_security) = (String::new(), String::new());
        let mirrors = Mirrors { debian, debian_security, alpine: None };
        run(&Session {
            store: &self.store,
            workspace: &self.workspace,
            mirrors: &mirrors,
            remote: (!self.is_offline).then_some(&self.client),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000),
            stages: &self.stages,
            threads: NonZeroUsize::MIN.saturating_add(1),
            observer: &Silent,
        })
    }

    pub(super) fn pin(&self, files: &[Spanned<FileSource>]) -> Result<Vec<LockedFile>, Error> {
        self.with(|session| session.pin_files(&self.catalog(), files))
    }

    pub(super) fn fetch(
        &self,
        files: &[Spanned<FileSource>],
        locked: &[LockedFile],
    ) -> Result<(), Error> {
        self.with(|session| session.fetch_files(&self.catalog(), files, locked))
    }

    pub(super) fn place_in(
        &self,
        tree: &mut Tree,
        files: &[Spanned<FileSource>],
        locked: &[LockedFile],
        origin: Origin,
    ) -> Result<Vec<PlacedFile>, Error> {
        let directories =
            |path: &str| TreePath::parse(path.replace("${source.dir}", "/work/source").as_bytes());
        self.with(|session| session.place_files(tree, files, locked, &directories, EPOCH, origin))
    }

    /// Pins, fetches and places in an empty tree.
    pub(super) fn all(&self, files: &[Spanned<FileSource>]) -> Result<Tree, Error> {
        let locked = self.pin(files)?;
        for locked in &locked {
            assert_eq!(locked.check(), Ok(()));
        }
        self.fetch(files, &locked)?;
        let mut tree = Tree::new();
        self.place_in(&mut tree, files, &locked, Origin::Stage(0))?;
        Ok(tree)
    }

    /// Returns one line for each node below a directory.
    pub(super) fn dump(&self, tree: &Tree, below: &str) -> Vec<String> {
        let below = TreePath::parse(below).unwrap();
        let contents = StoreContents { store: &self.store };
        let line = |path: &TreePath, node: &hardpan_tree::Node| {
            let metadata = &node.metadata;
            let what = match &node.kind {
                Kind::Directory => "directory".to_owned(),
                Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
                Kind::HardLink(target) => format!("= {target}"),
                Kind::File(file) => {
                    let bytes = contents.read(file).unwrap();
                    assert_eq!(Digest::of(&bytes), file.digest);
                    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(20)]))
                }
            };
            let (mode, uid, gid) = (metadata.mode, metadata.uid, metadata.gid);
            format!("{path} {mode:o} {uid}:{gid} {} {what}", metadata.mtime)
        };
        let nodes = tree.walk_below(&below).filter(|(path, _)| **path != below);
        nodes.map(|(path, node)| line(path, node)).collect()
    }
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::new(0, 3..5))
}

/// A download without anything but what has to be there.
pub(super) fn file(url: &str, path: &str) -> Spanned<FileSource> {
    spanned(FileSource {
        url: spanned(url.to_owned()),
        checksum: None,
        path: spanned(path.to_owned()),
        includes: Vec::new(),
        excludes: Vec::new(),
        spdx: None,
        uid: 0,
        gid: 0,
        mode: None,
        secret_id: None,
    })
}

pub(super) fn checked(url: &str, path: &str, checksum: Checksum) -> Spanned<FileSource> {
    let mut file = file(url, path);
    file.value.checksum = Some(spanned(checksum));
    file
}

pub(super) fn globs(patterns: &[&str]) -> Vec<Spanned<String>> {
    patterns.iter().map(|pattern| spanned((*pattern).to_owned())).collect()
}

pub(super) fn sha256(bytes: &[u8]) -> Checksum {
    Checksum::Sha256(Digest::of(bytes).to_hex())
}

/// The error's text with all of its causes.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(super) fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
