// SPDX-License-Identifier: Apache-2.0
//! A catalog of definitions that are written at test time, built with the command that users call.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use hardpan_image::{Compression, Layout, decompress};
use hardpan_tree::{Contents as _, InlineContents, Origin, TarLimits, Tree, TreePath};

#[path = "../../../package/tests/scripts_support/mod.rs"]
mod scripts_support;

use scripts_support::Apt;

/// The store of all tests that use the real archive: the packages are the same.
const STORE: &str = "runs-store";

/// A catalog of one definition.
pub(crate) struct Catalog {
    root: PathBuf,
    started: SystemTime,
}

/// What a run of hardpan came to.
#[derive(Debug)]
pub(crate) struct Ran {
    code: Option<i32>,
    text: String,
}

impl Ran {
    /// Checks the exit code and that all of this was said.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, fragments: &[&str]) -> String {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for fragment in fragments {
            assert!(self.text.contains(fragment), "{fragment:?} is not in\n{}", self.text);
        }
        self.text
    }
}

/// A finished image.
pub(crate) struct Image {
    tree: Tree,
}

impl Image {
    /// Returns a file's text.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    /// Returns what is in a file.
    #[track_caller]
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let place = self.tree.resolve(&TreePath::parse(path).unwrap());
        let file = place.ok().and_then(|place| self.tree.file(&place).map(|found| found.1.clone()));
        let file = file.unwrap_or_else(|| panic!("no file {path} in\n{}", self.tree.dump()));
        InlineContents.read(&file).unwrap().to_vec()
    }

    /// Returns the image as text, a line for each path.
    pub(crate) fn dump(&self) -> String {
        self.tree.dump()
    }
}

impl Catalog {
    /// Makes a catalog; `None` with a note on standard error where no image can be built.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            skip(test, "the images are built for x86-64");
            return None;
        }
        if let Err(reason) = Apt::new("actions-apt") {
            skip(test, &reason);
            return None;
        }
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("builds_with_actions").join(test);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let catalog = Self { root, started: SystemTime::now() };
        catalog.write("hardpan.toml", "");
        Some(catalog)
    }

    /// Writes a file of the catalog.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes the definition: an image of these packages and these stages. Results of stages are remembered; a step
    /// of this run's own makes them run again.
    pub(crate) fn define(&self, packages: &str, builds: &str) {
        let head = format!(
            "# syntax=dhi.io/build:2-debian13\nimage: example/app\nvariant: runtime\ntags: ['1']\nplatforms: [linux/amd64]\naccounts: {{run-as: '65532'}}\ncontents:\n  packages: [{packages}]\n  builds:\n"
        );
        let own = format!(
            "      pipeline:\n        - {{name: run, runs: ': {} {}'}}\n",
            std::process::id(),
            self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
        );
        let builds = builds.replace("      pipeline:\n", &own);
        self.write("app/image.yaml", format!("{head}{builds}"));
    }

    /// Runs hardpan with the definition.
    pub(crate) fn hardpan(&self, command: &str, options: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_hardpan"))
            .args([command, "--store"])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(STORE))
            .arg("--output")
            .arg(self.root.join("out"))
            .arg(self.root.join("app/image.yaml"))
            .args(options)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        Ran { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// Builds without network for any step.
    pub(crate) fn build(&self) -> Ran {
        self.hardpan("build", &["--verbose", "--no-network"])
    }

    /// Builds and reads the image.
    #[track_caller]
    pub(crate) fn image(&self) -> Image {
        self.build().expect(0, &[]);
        let layout = Layout::open(&self.root.join("out")).unwrap();
        let images = layout.images().unwrap();
        let mut tar = Vec::new();
        for layer in &images[0].manifest.value().layers {
            let file = std::io::BufReader::new(layout.open_blob(layer).unwrap());
            let mut raw = Vec::new();
            let mut reader = decompress(file, Compression::Gzip).unwrap();
            std::io::Read::read_to_end(&mut reader, &mut raw).unwrap();
            tar.extend_from_slice(&raw[..raw.len() - 1024]);
        }
        tar.extend([0; 1024]);
        let tree = Tree::from_tar(&tar[..], TarLimits::default(), Origin::Definition).unwrap();
        Image { tree }
    }

    /// Runs a program of the image; returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let options = [&["--locked", "--quiet", "--"], arguments].concat();
        self.hardpan("run", &options).expect(0, &[])
    }
}

/// Says why a test did not run.
#[expect(clippy::print_stderr, reason = "who runs the tests must see what did not run")]
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test} because {reason}");
}

/// Returns names and bytes of the files of a Debian source package, which are kept below the build directory.
pub(crate) fn source_package(test: &str, name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let apt = Apt::new("actions-apt").unwrap();
    let folder = apt.root.join(format!("source-of-{name}"));
    if !folder.exists() {
        let sources = apt.root.join("sources-of-sources.list");
        let binary = fs::read_to_string(&apt.sources).unwrap();
        fs::write(&sources, binary.replace("deb [", "deb-src [")).unwrap();
        let fresh = folder.with_extension("new");
        fs::create_dir_all(fresh.join("lists/partial")).unwrap();
        for arguments in [vec!["update"], vec!["source", "--download-only", name]] {
            let output = Command::new("apt-get")
                .arg("-q")
                .args(["-o", &format!("Dir::Etc::sourcelist={}", sources.display())])
                .args(["-o", &format!("Dir::State::Lists={}", fresh.join("lists").display())])
                .args(&arguments)
                .env("APT_CONFIG", apt.root.join("apt.conf"))
                .current_dir(&fresh)
                .output()
                .unwrap();
            if !output.status.success() {
                skip(test, &format!("apt-get says {}", String::from_utf8_lossy(&output.stderr)));
                return None;
            }
        }
        fs::remove_dir_all(fresh.join("lists")).unwrap();
        fs::rename(fresh, &folder).unwrap();
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap())
    });
    Some(named.collect())
}
