// SPDX-License-Identifier: Apache-2.0
//! A real registry, filled by a real client, and a real unpacker.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hardpan_tree::Kind;

use super::*;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a registry at any port, and returns its name.
fn start_registry(folder: &std::path::Path) -> Option<(Process, String)> {
    let config = folder.join("registry.yaml");
    let text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: 127.0.0.1:0\n",
        folder.join("registry").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let mut lines = BufReader::new(child.stderr.take()?).lines();
    let process = Process(child);
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("listening on ")?;
        Some(rest.split(['"', ' ']).next()?.to_owned())
    })?;
    // Whoever writes to a pipe that nobody reads waits for ever.
    std::thread::spawn(move || lines.for_each(drop));
    Some((process, address))
}

#[test]
fn a_real_registry_gives_what_skopeo_put_there() {
    let mut desk = Desk::online();
    let has_skopeo = Command::new("skopeo").arg("--version").output().is_ok();
    let registry = start_registry(desk.folder.path());
    let (Some((_process, address)), true) = (registry, has_skopeo) else {
        eprintln!("skipped: because docker-registry or skopeo is not installed");
        return;
    };
    let tar = Tar::default()
        .file("etc/motd", b"hello")
        .hard_link("etc/motd2", "etc/motd")
        .file("usr/share/big", &vec![b'x'; 3_000_000]);
    let layers =
        [Layer::gzip(&tar.end()), Layer::gzip(&Tar::default().file("etc/.wh.motd", b"").end())];
    let image = OciImage::new("amd64", &layers, &["A=b"]);
    let other = OciImage::new("arm64", &layers[..1], &[]);
    let index = OciImage::index(&[("linux/amd64", &image), ("linux/arm64", &other)]);
    let layout = desk.add_layout(&index, "app");
    desk.stages.artifact_layouts.clear();
    for (format, tag) in [("oci", "oci"), ("v2s2", "docker")] {
        let to = format!("docker://{address}/team/app:{tag}");
        let output = Command::new("skopeo")
            .args([
                "copy",
                "--insecure-policy",
                "--all",
                "--dest-tls-verify=false",
                "--format",
                format,
            ])
            .arg(format!("oci:{}:app", layout.display()))
            .arg(&to)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = format!("{address}/team/app:{tag}");
        let locked = desk.pin(&name, AMD64).unwrap();
        if format == "oci" {
            assert_eq!((locked.manifest, locked.index), (image.digest(), Some(index.digest())));
        }
        let tree = desk.pull(&name).unwrap().tree;
        let paths: Vec<String> = tree.walk().map(|(path, _)| path.to_string()).collect();
        let expected = ["/", "/etc", "/etc/motd2", "/usr", "/usr/share", "/usr/share/big"];
        assert_eq!(paths, expected, "{format}");
        assert_eq!(desk.text(&tree, "etc/motd2"), "hello");
    }
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Makes a layer of files, directories, links and whiteouts, in directories that may be below or not.
fn any_layer(dice: &mut Dice, is_first: bool) -> Vec<u8> {
    let mut tar = Tar::default();
    let mut taken = std::collections::BTreeSet::new();
    let mut files: Vec<String> = Vec::new();
    for directory in ["d0", "d0/d1", "d0/d1/d2", "d3"] {
        let is_there = is_first || dice.roll(2) == 0;
        if !is_there
            || directory.contains('/') && !taken.contains(&directory[..directory.len() - 3])
        {
            continue;
        }
        let mode = [0o755, 0o700, 0o1777][usize::try_from(dice.roll(3)).unwrap()];
        tar = tar.entry(directory, &Metadata::root(mode, 0), TarKind::Directory, b"");
        taken.insert(directory.to_owned());
        if !is_first && dice.roll(4) == 0 {
            tar = tar.file(&format!("{directory}/.wh..wh..opq"), b"");
        }
        for _ in 0..dice.roll(5) {
            let number = dice.roll(4);
            let (name, hidden) =
                (format!("{directory}/f{number}"), format!("{directory}/.wh.f{number}"));
            // Nothing both hidden and brought: unpackers that go by the archive's order disagree on it.
            if !taken.insert(name.clone()) || taken.contains(&hidden) {
                continue;
            }
            match dice.roll(6) {
                0 | 1 => {
                    tar = tar.file(&name, &dice.roll(1 << 40).to_le_bytes());
                    files.push(name);
                }
                2 => tar = tar.symlink(&name, "../d3/f1"),
                3 => tar = tar.directory(&name),
                4 if !files.is_empty() => tar = tar.hard_link(&name, &files[0]),
                _ if !is_first => tar = tar.file(&hidden, b""),
                _ => {}
            }
        }
    }
    tar.end()
}

/// What stands at each path: its kind, its content and other names, its mode.
type Listing = BTreeMap<String, String>;

fn listing_of_tree(desk: &Desk, tree: &Tree) -> Listing {
    let nodes = tree.walk().filter(|(path, _)| !path.is_root());
    let lines = nodes.map(|(path, node)| {
        let file = |name: &str| {
            let (node, _) = tree.file(path).unwrap();
            format!("file {:o} {name} {:?}", node.metadata.mode, desk.bytes(tree, path))
        };
        let line = match &node.kind {
            Kind::Directory => format!("directory {:o}", node.metadata.mode),
            Kind::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
            Kind::File(_) => file(&path.to_string()),
            Kind::HardLink(first) => file(&first.to_string()),
        };
        (path.to_string(), line)
    });
    lines.collect()
}

fn listing_of_folder(root: &Path, folder: &Path, names: &mut BTreeMap<u64, String>) -> Listing {
    let mut listing = Listing::new();
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let name = format!("/{}", path.strip_prefix(root).unwrap().display());
        let mode = metadata.mode() & 0o7777;
        let line = if metadata.is_symlink() {
            format!("link {}", std::fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            listing.extend(listing_of_folder(root, &path, names));
            format!("directory {mode:o}")
        } else {
            let first = names.entry(metadata.ino()).or_insert_with(|| name.clone());
            format!("file {mode:o} {first} {:?}", std::fs::read(&path).unwrap())
        };
        listing.insert(name, line);
    }
    listing
}

#[test]
fn umoci_unpacks_the_same() {
    if Command::new("umoci").arg("--version").output().is_err() {
        eprintln!("skipped: umoci_unpacks_the_same because umoci is not installed");
        return;
    }
    for seed in 1..=24_u64 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
        let layers: Vec<Layer> =
            (0..4).map(|number| Layer::gzip(&any_layer(&mut dice, number == 0))).collect();
        let image = OciImage::new("amd64", &layers, &[]);
        let mut desk = Desk::new();
        let layout = desk.add_layout(&image, "app");
        let bundle = desk.folder.path().join("bundle");
        let output = Command::new("umoci")
            .args(["unpack", "--rootless", "--image"])
            .arg(format!("{}:app", layout.display()))
            .arg(&bundle)
            .output()
            .unwrap();
        assert!(output.status.success(), "{seed}: {}", String::from_utf8_lossy(&output.stderr));
        let tree = desk.pull(&format!("app@{}", image.digest())).unwrap().tree;
        let root = bundle.join("rootfs");
        let theirs = listing_of_folder(&root, &root, &mut BTreeMap::new());
        assert!(theirs.len() > 3, "{seed}");
        assert_eq!(listing_of_tree(&desk, &tree), theirs, "{seed}");
    }
}
