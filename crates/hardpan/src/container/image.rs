// SPDX-License-Identifier: Apache-2.0
//! An image of a layout, with its root file system on the disk.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hardpan_image::{ContainerConfig, Layout, Platform, StoredImage, media_type};
use hardpan_tree::{Digest, File, Kind, Metadata, Node, Origin, Tree, TreePath};

use super::account::{self, Account, AccountError};
use super::{ContainerError, PATH_DEFAULT, TEMPORARY_MODE, inside, path_of};
use crate::contents::StoreContents;
use crate::error::Error;
use crate::image_tree::{ImageFiles, LayerInput, files_of_layers};
use crate::materialize::materialize;
use crate::sandbox::host_owner;
use crate::sbom::docker;
use crate::session::Session;
use crate::shelf::Location;
use crate::store::{Scratch, StoreError};

/// Changes with what is made of a tree for containers.
const FORMAT: &str = "container root 1";
/// The largest passwd or group file that is read, in bytes.
const ACCOUNTS_BYTES_MAX: u64 = 4 << 20;
/// How often a root is made again because a segment was damaged.
const HEALS_MAX: usize = 8;
/// Directories that a container needs to be there.
const MOUNT_POINTS: [(&str, u32); 5] =
    [("proc", 0o555), ("dev", 0o755), ("etc", 0o755), ("run", 0o755), ("tmp", 0o1777)];
/// Files that a container gets from outside.
const MOUNT_FILES: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];
/// Where the mount points come from.
const ORIGIN: Origin = Origin::Finisher("container");

/// An image whose programs can be run.
#[derive(Debug, Clone)]
pub struct ContainerImage {
    name: String,
    platform: String,
    manifest: Digest,
    config: ContainerConfig,
    layout: PathBuf,
    root: PathBuf,
}

impl ContainerImage {
    /// Returns the image's name, or where its layout is if it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its platform.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// Returns the digest of its manifest.
    pub fn manifest(&self) -> Digest {
        self.manifest
    }

    /// Returns how it runs.
    pub fn config(&self) -> &ContainerConfig {
        &self.config
    }

    /// Returns its files. They are shared: nobody may change them.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns whether a program is there.
    pub(crate) fn has_program(&self, path: &'static str) -> bool {
        inside::is_program(&self.root, &TreePath::literal(path))
    }

    /// Checks that the program, the user and the working directory that the image names are there.
    /// Returns whether it names a program.
    pub(crate) fn check_configuration(&self) -> Result<bool, ContainerError> {
        self.account(&self.config.user)?;
        let work_dir = path_of("working directory", &self.config.working_dir)?;
        if inside::mode(&self.root, &work_dir).is_none() {
            return Err(ContainerError::NoWorkDir { path: self.config.working_dir.clone() });
        }
        let Some(program) = self.config.entrypoint.iter().chain(&self.config.cmd).next() else {
            return Ok(false);
        };
        let path = self.config.env.iter().find_map(|variable| variable.strip_prefix("PATH="));
        let path = path.unwrap_or(PATH_DEFAULT);
        let is_there = |directory: &str| {
            let path = TreePath::parse(directory).and_then(|directory| directory.join(program));
            path.is_ok_and(|path| inside::is_program(&self.root, &path))
        };
        let found = if program.starts_with('/') {
            is_there("/")
        } else if program.contains('/') {
            is_there(&self.config.working_dir)
        } else {
            path.split(':').any(is_there)
        };
        if found { Ok(true) } else { Err(self.unknown_program(program, path)) }
    }

    /// Looks a user of the image up.
    pub(super) fn account(&self, user: &str) -> Result<Account, AccountError> {
        let [passwd, group] = ["etc/passwd", "etc/group"].map(|path| {
            inside::read_text(&self.root, &TreePath::literal(path), ACCOUNTS_BYTES_MAX)
        });
        account::find(user, &passwd, &group)
    }

    /// Says that a program is not there.
    pub(super) fn unknown_program(&self, program: &str, path: &str) -> ContainerError {
        let names = self.programs(path);
        let near = hardpan_definition::nearest(program, names.iter().map(String::as_str));
        let near = near.map(str::to_owned);
        ContainerError::UnknownProgram { program: program.to_owned(), near }
    }

    /// Makes a directory that containers of the image can write to, one after the other, with the mode
    /// of the image's own directory at a path.
    pub(crate) fn writable_directory(
        &self,
        session: &Session<'_>,
        path: &str,
    ) -> Result<Scratch, Error> {
        let mode = inside::mode(&self.root, &path_of("writable path", path)?);
        let scratch = session.store.scratch_directory()?;
        let place = scratch.path();
        let permissions = fs::Permissions::from_mode(mode.unwrap_or(TEMPORARY_MODE));
        let prepare = || {
            if let Some((uid, gid)) = host_owner() {
                std::os::unix::fs::chown(place, Some(uid), Some(gid))?;
            }
            fs::set_permissions(place, permissions)
        };
        prepare().map_err(|error| StoreError::io("prepare", place, error))?;
        Ok(scratch)
    }

    /// Returns the names of all programs on a `PATH`.
    pub(crate) fn programs(&self, path: &str) -> Vec<String> {
        path.split(':')
            .filter_map(|directory| TreePath::parse(directory).ok())
            .flat_map(|directory| inside::programs(&self.root, &directory))
            .collect()
    }
}

/// An image of an archive, as a layout that goes when this is dropped.
#[derive(Debug)]
pub struct UnpackedArchive {
    layout: PathBuf,
    _directory: tempfile::TempDir,
}

impl UnpackedArchive {
    /// Returns where the layout is.
    pub fn layout(&self) -> &Path {
        &self.layout
    }
}

impl Session<'_> {
    /// Unpacks an archive of one image: of a layout, or one that `docker save` or `podman save` wrote.
    pub fn unpack_archive(&self, archive: &Path) -> Result<UnpackedArchive, Error> {
        let directory = self.store.temporary_directory()?;
        let layout = directory.path().join("layout");
        if let Some(image) = docker::open(archive, None)? {
            image.write_layout(&layout)?;
        } else {
            let from = Location::Archive(archive.to_owned());
            self.copy(&from, &Location::Layout(layout.clone()))?;
        }
        Ok(UnpackedArchive { layout, _directory: directory })
    }

    /// Opens an image of a layout. Without a platform it is the one for `machine`, or else the only one.
    pub fn open_image(
        &self,
        layout: &Path,
        platform: Option<hardpan_definition::Platform>,
        machine: Option<hardpan_definition::Platform>,
    ) -> Result<ContainerImage, Error> {
        let opened = Layout::open(layout)?;
        let [platform, machine] = [platform, machine]
            .map(|platform| platform.map(|known| Platform::linux(known.architecture())));
        let stored = choose(layout, opened.images()?, platform.as_ref(), machine.as_ref())?;
        // `choose` takes only images that have one.
        let Some(config) = &stored.config else { return Err(ContainerError::NoProgram.into()) };
        let config = config.value();
        let diff_ids = &config.rootfs.diff_ids;
        let mut key = format!("{FORMAT}\n{:?}\n", host_owner());
        key.extend(diff_ids.iter().map(|diff_id| format!("{diff_id}\n")));
        let mut heals = 0;
        let root = loop {
            match self.container_root(&Digest::of(key.as_bytes()), &opened, &stored, diff_ids) {
                Err(error) if heals < HEALS_MAX => match error.damaged_segment() {
                    // Layers are in the layout still.
                    Some(damaged) => self.store.remove_segment(&damaged)?,
                    None => return Err(error),
                },
                result => break result?,
            }
            heals += 1;
        };
        Ok(ContainerImage {
            name: name_in(&opened).unwrap_or_else(|| layout.display().to_string()),
            platform: config.platform().to_string(),
            manifest: stored.descriptor.digest,
            config: config.config.clone(),
            layout: layout.to_owned(),
            root,
        })
    }

    /// Returns the files of an image as its layers have them, owners included: without what containers get from outside.
    pub(crate) fn container_files(&self, image: &ContainerImage) -> Result<ImageFiles, Error> {
        let opened = Layout::open(&image.layout)?;
        let is_it = |stored: &StoredImage| stored.descriptor.digest == image.manifest;
        let stored = opened.images()?.into_iter().find(is_it);
        let stored = stored.ok_or_else(|| ContainerError::NoImage {
            layout: image.layout.clone(),
            platform: image.platform.clone(),
            known: Vec::new(),
        })?;
        let config = stored.config.as_ref().ok_or(ContainerError::NoProgram)?;
        self.layers_of(&opened, &stored, &config.value().rootfs.diff_ids)
    }

    fn layers_of(
        &self,
        layout: &Layout,
        stored: &StoredImage,
        diff_ids: &[Digest],
    ) -> Result<ImageFiles, Error> {
        let layers = &stored.manifest.value().layers;
        let openers: Vec<_> = layers
            .iter()
            .map(|descriptor| {
                move || -> io::Result<Box<dyn Read + '_>> {
                    let file = layout.open_blob(descriptor).map_err(io::Error::other)?;
                    Ok(Box::new(io::BufReader::with_capacity(1 << 16, file)))
                }
            })
            .collect();
        let inputs =
            layers.iter().zip(diff_ids).zip(&openers).map(|((descriptor, diff_id), open)| {
                LayerInput { descriptor, diff_id: *diff_id, open }
            });
        Ok(files_of_layers(self.store, inputs, Origin::Definition)?)
    }

    fn container_root(
        &self,
        key: &Digest,
        layout: &Layout,
        stored: &StoredImage,
        diff_ids: &[Digest],
    ) -> Result<PathBuf, Error> {
        let make = |directory: &Path| {
            let mut tree = self.layers_of(layout, stored, diff_ids)?.tree;
            add_mount_points(&mut tree);
            let contents = StoreContents { store: self.store };
            materialize(&tree, contents, directory, host_owner(), self.threads)?;
            Ok::<_, Error>(())
        };
        // The store's own function knows only its own errors.
        let mut failed = None;
        let made = self.store.root_file_system(key, self.now, |directory| {
            make(directory).map_err(|error| {
                failed = Some(error);
                StoreError::io("make", directory, io::Error::other("a root file system"))
            })
        });
        match (made, failed) {
            (Ok(root), _) => Ok(root),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(error.into()),
        }
    }
}

/// Chooses an image that can be run.
fn choose(
    layout: &Path,
    images: Vec<StoredImage>,
    platform: Option<&Platform>,
    machine: Option<&Platform>,
) -> Result<StoredImage, ContainerError> {
    let of = |image: &StoredImage| image.config.as_ref().map(|config| config.value().platform());
    let mut images: Vec<StoredImage> = images
        .into_iter()
        .filter(|image| image.config.is_some() && image.manifest.value().artifact_type.is_none())
        // What builders attach to images calls itself an image for no platform at all.
        .filter(|image| of(image).is_some_and(|platform| platform.os == "linux"))
        .collect();
    let wanted = platform.or(machine);
    let found = wanted.and_then(|wanted| {
        images.iter().position(|image| of(image).is_some_and(|own| own.matches(wanted)))
    });
    let found = found.or((platform.is_none() && images.len() == 1).then_some(0));
    match found {
        Some(found) => Ok(images.swap_remove(found)),
        None => Err(ContainerError::NoImage {
            layout: layout.to_owned(),
            platform: wanted.map_or_else(|| "this machine".to_owned(), ToString::to_string),
            known: images.iter().filter_map(of).map(|platform| platform.to_string()).collect(),
        }),
    }
}

/// Returns the first name that a layout gives to what is in it. What others write there may be a tag alone.
fn name_in(layout: &Layout) -> Option<String> {
    let named = &layout.index().value().manifests;
    [media_type::ANNOTATION_REF_NAME, media_type::ANNOTATION_CONTAINERD_NAME]
        .into_iter()
        .flat_map(|key| named.iter().filter_map(move |manifest| manifest.annotations.get(key)))
        .find(|name| name.contains(['/', ':']))
        .cloned()
}

/// Makes places for what is mounted: a root that can't be changed has to have them.
fn add_mount_points(tree: &mut Tree) {
    for (path, mode) in MOUNT_POINTS {
        let path = TreePath::literal(path);
        if tree.resolve(&path).is_err() {
            tree.remove(&path);
            let node =
                Node { metadata: Metadata::root(mode, 0), kind: Kind::Directory, origin: ORIGIN };
            // Its parent is the root.
            let _ = tree.insert(path, node);
        }
    }
    for path in MOUNT_FILES {
        let path = TreePath::literal(path);
        if tree.file(&path).is_none() {
            let node = Node {
                metadata: Metadata::root(0o644, 0),
                kind: Kind::File(File::inline(Vec::new())),
                origin: ORIGIN,
            };
            // A link that leads nowhere, or to what only a running system has, makes room. Where `/etc`
            // is no directory or something else is there, the sandbox says what it can't mount.
            if tree.get(&path).is_none_or(|node| matches!(node.kind, Kind::Symlink(_))) {
                let _ = tree.insert(path, node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut ContainerConfig);

    fn image(change: impl FnOnce(&mut ContainerConfig)) -> (tempfile::TempDir, ContainerImage) {
        let root = tempfile::tempdir().unwrap();
        for directory in ["bin", "etc", "srv"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("etc/passwd"), "app:x:7:7::/srv:\n").unwrap();
        fs::write(root.path().join("bin/app"), "").unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(root.path().join("bin/app"), executable).unwrap();
        let mut config = ContainerConfig {
            user: "app".to_owned(),
            env: vec!["PATH=/none:/bin".to_owned()],
            entrypoint: vec!["app".to_owned()],
            working_dir: "/srv".to_owned(),
            ..ContainerConfig::default()
        };
        change(&mut config);
        let image = ContainerImage {
            name: "app".to_owned(),
            platform: "linux/amd64".to_owned(),
            manifest: Digest::of(b""),
            config,
            layout: PathBuf::new(),
            root: root.path().to_owned(),
        };
        (root, image)
    }

    #[test]
    fn configurations_that_fit() {
        let fits =
            |change: fn(&mut ContainerConfig)| image(change).1.check_configuration().unwrap();
        assert!(fits(|_| {}));
        assert!(fits(|config| config.entrypoint[0] = "/bin/app".to_owned()));
        assert!(fits(|config| config.cmd = std::mem::take(&mut config.entrypoint)));
        assert!(fits(|config| config.user = "1000:1000".to_owned()));
        assert!(fits(|config| config.working_dir = String::new()));
        assert!(!fits(|config| config.entrypoint.clear()));
    }

    #[test]
    fn configurations_that_do_not() {
        let cases: [(Change, &str); 7] = [
            (|config| config.entrypoint[0] = "ap".to_owned(), "no program \"ap\""),
            (|config| config.entrypoint[0] = "/srv/app".to_owned(), "no program \"/srv/app\""),
            (|config| config.entrypoint[0] = "./app".to_owned(), "no program \"./app\""),
            (|config| config.env.clear(), "no program \"app\""),
            (|config| config.user = "nobody".to_owned(), "no user \"nobody\""),
            (|config| config.working_dir = "/none".to_owned(), "no directory \"/none\""),
            (|config| config.working_dir = "/srv/..".to_owned(), "working directory"),
        ];
        for (number, (change, expected)) in cases.into_iter().enumerate() {
            let (root, image) = image(change);
            if number == 3 {
                // Nowhere on the usual path.
                fs::rename(root.path().join("bin"), root.path().join("opt")).unwrap();
            }
            let error = image.check_configuration().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
