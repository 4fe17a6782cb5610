// SPDX-License-Identifier: Apache-2.0
//! A whole tiny world for tests of the facade and the command: signed archives of Debian or Alpine on the
//! loopback, a catalog with a workspace file that points at them, one definition.

mod alpine;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::apk;
use crate::archive::{Archive, Files};
use crate::deb::{Deb, deb};
use crate::pgp::Key;
use crate::server::Server;

pub use alpine::{ALPINE_ARCHITECTURES, alpine_archives, alpine_packages};

/// The definition's path in the catalog.
pub const DEFINITION: &str = "app/debian-13/1.yaml";
/// The architectures and their names in paths.
pub const ARCHITECTURES: [(&str, &str); 2] =
    [("amd64", "x86_64-linux-gnu"), ("arm64", "aarch64-linux-gnu")];
/// The seed of the key that signs the archives.
const KEY_SEED: u8 = 13;

/// The definition's text: `app` for both platforms.
pub const DEFINITION_TEXT: &str = "\
# syntax=dhi.io/build:2-debian13

name: App
image: example/app
variant: runtime
tags:
  - '1'
  - 1-debian13
platforms:
  - linux/amd64
  - linux/arm64
contents:
  packages:
    - base-files
    - app
accounts:
  run-as: nonroot
  users:
    - name: nonroot
      uid: 65532
      gid: 65532
  groups:
    - name: nonroot
      gid: 65532
      members:
        - nonroot
os-release:
  name: hardpan (Debian)
  id: debian
  version-id: '13'
  version-codename: trixie
  pretty-name: hardpan on Debian GNU/Linux 13 (trixie)
entrypoint:
  - /usr/bin/app
";

/// A catalog and its archives. All of it goes away when it is dropped.
#[derive(Debug)]
pub struct Fixture {
    folder: tempfile::TempDir,
    /// The definition's path in the catalog.
    definition: &'static str,
    /// Serves `debian/…` and `debian-security/…`, or `alpine/…`.
    pub server: Server,
    /// Signs Debian's archives; its public half is the workspace's keyring.
    pub key: Key,
    /// Signs Alpine's archives; its public half is the workspace's keyring.
    pub alpine_key: apk::Key,
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

impl Fixture {
    /// Makes a world with [`packages`].
    pub fn new() -> Self {
        Self::with(&packages())
    }

    /// Makes a world with these packages in the main suite.
    pub fn with(packages: &[Deb]) -> Self {
        let key = Key::new(KEY_SEED);
        let fixture = Self::of(archives(packages, &key), key, DEFINITION);
        fixture.write("catalog/keys/debian.asc", fixture.key.public_armoured());
        fixture.write("catalog/hardpan.toml", fixture.workspace_text(&fixture.server.url("")));
        fixture.write(&format!("catalog/{DEFINITION}"), DEFINITION_TEXT);
        fixture
    }

    /// Makes a world without a catalog, whose server has these files.
    fn of(files: Files, key: Key, definition: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix("hardpan-test-").tempdir();
        let folder = folder.expect("there is a place for temporary files");
        // Other users look at it, too.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("a new folder is ours");
        let server = Server::start(files);
        let fixture = Self { folder, definition, server, key, alpine_key: apk::Key::new(1) };
        for folder in ["home", "work"] {
            fs::create_dir(fixture.path(folder)).expect("a new folder can be made in ours");
        }
        fixture
    }

    /// Returns a workspace file for archives below a URL.
    pub fn workspace_text(&self, url: &str) -> String {
        let url = url.trim_end_matches('/');
        format!(
            "[archives.debian]\nmirror = \"{url}/debian\"\nsecurity-mirror = \
             \"{url}/debian-security\"\n\n[keyrings]\ndebian = \"keys/debian.asc\"\n"
        )
    }

    /// Returns a path in the temporary folder.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file in the temporary folder.
    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(relative);
        let parent = path.parent().expect("a file has a folder");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, bytes))
            .expect("a disk with space");
    }

    /// Returns the definition's path.
    pub fn definition(&self) -> PathBuf {
        self.path("catalog").join(self.definition)
    }

    /// Returns the path of the definition's lock.
    pub fn lock(&self) -> PathBuf {
        self.path("catalog").join(format!("{}.lock", self.definition))
    }

    /// Replaces a text in the definition, which must be there.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.definition()).expect("the definition is there");
        assert!(text.contains(from), "the definition has no {from:?}:\n{text}");
        self.write(&format!("catalog/{}", self.definition), text.replace(from, to));
    }

    /// Puts other packages into the main suite.
    pub fn publish(&self, packages: &[Deb]) {
        self.serve(archives(packages, &self.key));
    }

    /// Serves files, in place of those that are there already.
    pub fn serve(&self, files: Files) {
        for (path, bytes) in files {
            self.server.set_file(&path, bytes);
        }
    }
}

/// Returns all files of the three suites that a definition asks by default.
pub fn archives(packages: &[Deb], key: &Key) -> Files {
    let mut files = suite(&main_suite(packages), "debian", key);
    files.extend(suite(&Archive::new("trixie-updates"), "debian", key));
    files.extend(suite(&Archive::new("trixie-security"), "debian-security", key));
    files
}

/// Returns the main suite.
pub fn main_suite(packages: &[Deb]) -> Archive {
    packages
        .iter()
        .fold(Archive::new("trixie"), |archive, deb| archive.package(deb.build(), &deb.control()))
}

/// Returns a suite's files below a folder.
pub fn suite(archive: &Archive, folder: &str, key: &Key) -> Files {
    let files = archive.build(&[key]);
    files.into_iter().map(|(path, bytes)| (format!("{folder}/{path}"), bytes)).collect()
}

/// The packages of the tiny distribution: a base, a library, and a program with its data.
pub fn packages() -> Vec<Deb> {
    let mut packages = vec![app_data()];
    for (architecture, triplet) in ARCHITECTURES {
        packages.extend([base_files(architecture), libc(architecture, triplet), app(architecture)]);
    }
    packages
}

/// The base.
pub fn base_files(architecture: &str) -> Deb {
    deb("base-files", "13.8")
        .architecture(architecture)
        .file("/etc/debian_version", "13.1\n")
        .file("/usr/lib/os-release", "ID=debian\n")
        .symlink("/etc/os-release", "../usr/lib/os-release")
        .directory("/var/lib/misc")
        .file("/usr/share/doc/base-files/copyright", "do what you like\n")
}

/// The library.
pub fn libc(architecture: &str, triplet: &str) -> Deb {
    deb("libc6", "2.41-12")
        .architecture(architecture)
        .field("Source", "glibc")
        .file(&format!("/usr/lib/{triplet}/libc.so.6"), noise(4, 150_000))
        .mode(0o755)
        .file("/usr/share/doc/libc6/copyright", "the library's licence\n")
}

/// The program.
pub fn app(architecture: &str) -> Deb {
    app_with(architecture, "the program for")
}

/// The program with another text in it.
pub fn app_with(architecture: &str, text: &str) -> Deb {
    deb("app", "1.0-1")
        .architecture(architecture)
        .depends("libc6 (>= 2.36), app-data (= 1.0-1)")
        .timestamp(1_710_000_000)
        .file("/usr/bin/app", format!("{text} {architecture}\n"))
        .mode(0o755)
        .symlink("/usr/bin/app-link", "app")
        .file("/etc/app.conf", "colour = blue\n")
        .conffile()
}

/// The program's data, with names of all kinds.
pub fn app_data() -> Deb {
    deb("app-data", "1.0-1")
        .field("Source", "app")
        .file("/usr/share/app/data.bin", noise(7, 60_000))
        .hard_link("/usr/share/app/data-again.bin", "/usr/share/app/data.bin")
        .file("/usr/share/app/text.txt", "some text\n".repeat(500))
        .directory("/usr/share/app/empty")
}

/// Bytes that do not compress, always the same for a seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
