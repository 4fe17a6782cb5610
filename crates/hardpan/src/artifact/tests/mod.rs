// SPDX-License-Identifier: Apache-2.0
//! Images from layouts and registries into trees.

mod hostile;
mod layers;
mod oracle;
mod placing;
mod pull;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::SystemTime;

use hardpan_definition::{ImageReference, Platform, Span, Spanned};
use hardpan_remote::{Client, Options};
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use hardpan_tree::{Digest, Metadata, Origin, TarKind, Tree, TreePath};

use super::{ImageTree, LockedArtifact};
use crate::config::Workspace;
use crate::contents::StoreContents;
use crate::error::{Error, Trouble};
use crate::observer::Silent;
use crate::session::{Mirrors, Session};
use crate::stage::StageOptions;
use crate::store::Store;

const ORIGIN: Origin = Origin::Stage(7);
const AMD64: Platform = Platform::LinuxAmd64;

/// What a session borrows.
struct Desk {
    folder: tempfile::TempDir,
    store: Store,
    workspace: Workspace,
    mirrors: Mirrors,
    client: Option<Client>,
    stages: StageOptions,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirror = "http://127.0.0.1:1/debian".to_owned();
        Self {
            store: Store::open(&folder.path().join("store")).unwrap(),
            workspace: Workspace::default(),
            mirrors: Mirrors { debian: mirror.clone(), debian_security: mirror, alpine: None },
            client: None,
            stages: StageOptions::default(),
            folder,
        }
    }

    fn online() -> Self {
        let delay = std::time::Duration::from_millis(1);
        let options = Options { retry_delay: delay, retry_delay_max: delay, ..Options::default() };
        Self { client: Some(Client::new(options).unwrap()), ..Self::new() }
    }

    /// Writes a layout that the session looks into, and returns its directory.
    fn add_layout(&mut self, image: &OciImage, name: &str) -> PathBuf {
        let number = self.stages.artifact_layouts.len();
        let directory = self.folder.path().join(format!("layout {number}"));
        image.write_layout(&directory, name);
        self.stages.artifact_layouts.push(directory.clone());
        directory
    }

    fn session(&self) -> Session<'_> {
        Session {
            store: &self.store,
            workspace: &self.workspace,
            mirrors: &self.mirrors,
            remote: self.client.as_ref(),
            now: SystemTime::UNIX_EPOCH,
            stages: &self.stages,
            threads: NonZeroUsize::new(3).unwrap(),
            observer: &Silent,
        }
    }

    fn pin(&self, name: &str, platform: Platform) -> Result<LockedArtifact, Error> {
        let pinned = self.session().pin_images(&[reference(name)], platform)?;
        Ok(pinned.into_iter().next().unwrap())
    }

    /// Goes all the way.
    fn pull(&self, name: &str) -> Result<ImageTree, Error> {
        let locked = self.pin(name, AMD64)?;
        self.session().fetch_images(std::slice::from_ref(&locked), AMD64)?;
        self.session().image_tree(&locked, ORIGIN)
    }

    fn bytes(&self, tree: &Tree, path: &TreePath) -> Vec<u8> {
        let (_, file) = tree.file(path).unwrap();
        let contents = StoreContents { store: &self.store };
        hardpan_tree::Contents::read(&contents, file).unwrap().to_vec()
    }

    fn text(&self, tree: &Tree, path: &str) -> String {
        String::from_utf8(self.bytes(tree, &path_of(path))).unwrap()
    }
}

fn path_of(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// Parses a name as a definition's reader does, with a place to point at.
fn reference(name: &str) -> Spanned<ImageReference> {
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.to_owned())),
        None => (name, None),
    };
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[slash..].split_once(':') {
        Some((last, tag)) => (&rest[..slash + last.len()], Some(tag.to_owned())),
        None => (rest, None),
    };
    let span = Span::new(0, 3..9);
    Spanned::new(ImageReference { name: name.to_owned(), tag, digest }, span)
}

/// Pulls an image of these archives from a layout, without a network.
fn stacked(archives: &[Vec<u8>]) -> Result<(Desk, ImageTree), Error> {
    let layers: Vec<Layer> = archives.iter().cloned().map(Layer::plain).collect();
    pulled(&OciImage::new("amd64", &layers, &[]))
}

/// Pulls an image from a layout, without a network.
fn pulled(image: &OciImage) -> Result<(Desk, ImageTree), Error> {
    let mut desk = Desk::new();
    desk.add_layout(image, "example/image:1");
    let tree = desk.pull(&format!("example/image@{}", image.digest()))?;
    Ok((desk, tree))
}

/// Returns an error with all its causes.
fn words(error: &Error) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
