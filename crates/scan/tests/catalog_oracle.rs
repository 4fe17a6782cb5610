// SPDX-License-Identifier: Apache-2.0
//! Our catalog beside what another program finds in the same root file systems.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

#[path = "../../package/tests/scripts_support/mod.rs"]
mod scripts_support;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogOptions, PackageKind};
use hardpan_testkit::archive::gzip;
use hardpan_testkit::elf::elf;
use hardpan_tree::{Metadata, TarEntry, TarEntryKind, TreePath};
use scripts_support::Apt;

/// Kind, name and version.
type Found = BTreeSet<(String, String, String)>;

/// Returns the other program, or says that there is none.
fn syft() -> Option<OsString> {
    let syft = std::env::var_os("HARDPAN_TEST_SYFT");
    if syft.is_none() {
        eprintln!("skipped: nothing to compare with, because HARDPAN_TEST_SYFT does not name syft");
    }
    syft
}

/// Returns what the other program finds.
fn theirs(syft: &OsString, root: &Path) -> Found {
    let output = Command::new(syft)
        .arg(format!("dir:{}", root.display()))
        // What is installed, not what lock files ask for.
        .args(["--override-default-catalogers", "image", "-o", "json", "-q"])
        .env("SYFT_CHECK_FOR_APP_UPDATE", "false")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let artifacts = json["artifacts"].as_array().unwrap();
    artifacts
        .iter()
        .filter_map(|artifact| {
            let text = |name: &str| artifact[name].as_str().unwrap().to_owned();
            let kind = match text("type").as_str() {
                "deb" => "deb",
                "apk" => "apk",
                "go-module" => "golang",
                "rust-crate" => "cargo",
                "python" => "pypi",
                "npm" => "npm",
                "java-archive" => "maven",
                "binary" => "generic",
                // Other kinds are not read by us.
                _ => return None,
            };
            let version = match text("version").as_str() {
                "UNKNOWN" | "(devel)" => String::new(),
                version => version.to_owned(),
            };
            Some((kind.to_owned(), text("name"), version))
        })
        .collect()
}

/// Returns what we find, without what only we look for.
fn ours(catalog: &Catalog) -> Found {
    let packages = catalog.packages.iter();
    packages
        .filter(|package| package.kind != PackageKind::Elf)
        .map(|package| {
            let name = package.name.rsplit(':').next().unwrap_or_default();
            let version = package.version.clone().unwrap_or_default();
            // They write Go's own version as Go does.
            let go = if name == "stdlib" { "go" } else { "" };
            (package.kind.word().to_owned(), name.to_owned(), format!("{go}{version}"))
        })
        .collect()
}

/// Walks a folder as a root file system.
fn walk(root: &Path) -> Catalog {
    let mut builder = CatalogBuilder::new(CatalogOptions::default());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let place = item.unwrap().path();
            let path = place.strip_prefix(root).unwrap().as_os_str().as_bytes();
            let about = place.symlink_metadata().unwrap();
            let mut data: Box<dyn io::Read> = Box::new(io::empty());
            let kind = if about.is_symlink() {
                let target = fs::read_link(&place).unwrap();
                TarEntryKind::Symlink(target.as_os_str().as_bytes().to_vec())
            } else if about.is_dir() {
                folders.push(place.clone());
                TarEntryKind::Directory
            } else {
                data = Box::new(File::open(&place).unwrap());
                TarEntryKind::File(about.len())
            };
            let path = TreePath::parse(path).unwrap();
            let entry = TarEntry { path, metadata: Metadata::root(0o644, 0), kind };
            builder.entry(entry, &mut data).unwrap();
        }
    }
    builder.finish().unwrap()
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let place = root.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
}

fn empty(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir_all(&root).unwrap();
    root
}

/// Installs Debian with some Python for real, unless that was done before; returns the archive.
fn debian(apt: &Apt) -> Result<PathBuf, String> {
    let tar = apt.root.join("root.tar");
    if tar.exists() {
        return Ok(tar);
    }
    let made = apt.root.join("root.new.tar");
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let output = Command::new("mmdebstrap")
        .arg(if is_root { "--mode=root" } else { "--mode=unshare" })
        .args([
            "--variant=essential",
            "--architectures=amd64",
            "--include=python3-requests,node-semver",
        ])
        .arg("trixie")
        .arg(&made)
        .arg(&apt.sources)
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("there is no mmdebstrap: {error}"))?;
    if !output.status.success() {
        return Err(format!("mmdebstrap: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::rename(&made, &tar).map_err(|error| error.to_string())?;
    Ok(tar)
}

#[test]
fn an_installed_debian() {
    let Some(syft) = syft() else { return };
    let tar = match Apt::new("catalog-oracle").and_then(|apt| debian(&apt)) {
        Ok(tar) => tar,
        Err(reason) => {
            eprintln!("skipped: no Debian to look into, because {reason}");
            return;
        }
    };
    let root = empty("catalog-oracle-root");
    let status = Command::new("tar")
        .args(["--no-same-owner", "--exclude=./dev", "-xf"])
        .arg(&tar)
        .arg("-C")
        .arg(&root)
        .status();
    assert!(status.unwrap().success());
    let mut builder = CatalogBuilder::new(CatalogOptions::default());
    builder.layer(File::open(&tar).unwrap()).unwrap();
    let catalog = builder.finish().unwrap();
    assert_eq!(catalog.problems, []);
    let found = ours(&catalog);
    assert_eq!(found, theirs(&syft, &root));
    for kind in ["deb", "pypi", "npm"] {
        assert!(found.iter().any(|(own, ..)| own == kind), "{kind}");
    }
    // All that is not Debian's own is part of one of its packages.
    for package in &catalog.packages {
        let is_distribution = package.kind == PackageKind::Deb;
        assert_eq!(package.owned_by.is_none(), is_distribution, "{}", package.id);
    }
}

/// A root with what no package brought.
fn root_of_everything() -> PathBuf {
    let root = empty("catalog-oracle-mixed");
    write(&root, "etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n");
    write(
        &root,
        "var/lib/dpkg/status.d/libc6",
        "Package: libc6\nSource: glibc\nVersion: 2.41-12\nArchitecture: amd64\nMaintainer: M <m@example.test>\n",
    );
    write(
        &root,
        "var/lib/dpkg/status.d/libc6.md5sums",
        "d41d8cd98f00b204e9800998ecf8427e  usr/lib/x\n",
    );
    // A real environment of Python, with pip in it; it needs no network.
    let status = Command::new("python3")
        .args(["-m", "venv", "--copies"])
        .arg(root.join("opt/venv"))
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: pip, because python3 can't make an environment");
    }
    let node = |name: &str| format!(r#"{{"name":"{name}","version":"1.2.3","license":"MIT"}}"#);
    write(&root, "app/node_modules/a/package.json", node("a"));
    write(&root, "app/node_modules/@s/b/package.json", node("@s/b"));
    write(&root, "app/node_modules/a/node_modules/c/package.json", node("c"));
    // This test itself, as if it had been built with its list of crates in it.
    let json = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},{"name":"serde","version":"1.0.200","source":"crates.io"},{"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}]}"#;
    let list = root.join("list");
    fs::write(&list, zlib(json.as_bytes())).unwrap();
    let status = Command::new("objcopy")
        .arg(format!("--add-section=.dep-v0={}", list.display()))
        .arg(std::env::current_exe().unwrap())
        .arg(root.join("app/program"))
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a program of Rust, because there is no objcopy");
    }
    fs::remove_file(list).unwrap();
    let busybox = elf().section("x", b"\0BusyBox v1.37.0 (2025-01-01 00:00:00 UTC)\0").build();
    write(&root, "opt/bin/busybox", busybox);
    for java in [
        "/usr/share/ca-certificates-java/ca-certificates-java.jar",
        "/usr/share/java/java-atk-wrapper.jar",
    ] {
        if let Ok(bytes) = fs::read(java) {
            write(&root, &format!("opt/java/{}", java.rsplit('/').next().unwrap()), bytes);
        }
    }
    root
}

/// Wraps deflated bytes as zlib does; made from gzip's, which have the same inside.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let gzip = gzip(bytes);
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    [b"\x78\x9c", &gzip[10..gzip.len() - 8], &(b << 16 | a).to_be_bytes()].concat()
}

#[test]
fn what_no_package_brought() {
    let Some(syft) = syft() else { return };
    let root = root_of_everything();
    let catalog = walk(&root);
    assert_eq!(catalog.problems, []);
    let found = ours(&catalog);
    assert_eq!(found, theirs(&syft, &root));
    for kind in ["deb", "npm", "generic"] {
        assert!(found.iter().any(|(own, ..)| own == kind), "{kind}");
    }
}

#[test]
fn an_alpine_database() {
    let Some(syft) = syft() else { return };
    let root = empty("catalog-oracle-alpine");
    write(&root, "etc/os-release", "ID=alpine\nVERSION_ID=3.22.1\n");
    write(&root, "etc/alpine-release", "3.22.1\n");
    let mut database = String::new();
    for (name, version) in
        [("musl", "1.2.5-r9"), ("busybox", "1.37.0-r12"), ("ssl_client", "1.37.0-r12")]
    {
        write!(database,

            "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:2\nT:text\nU:u\nL:MIT\n\
             o:{name}\nm:M <m@example.test>\nt:1700000000\nc:0123456789abcdef\nD:so:libc.musl-x86_64.so.1\n\
             F:usr/lib\nR:{name}.so\na:0:0:755\nZ:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\n\n"
        ).unwrap();
    }
    write(&root, "lib/apk/db/installed", &database);
    write(&root, "usr/lib/musl.so", "x");
    let catalog = walk(&root);
    assert_eq!(catalog.problems, []);
    assert_eq!(ours(&catalog), theirs(&syft, &root));
    assert_eq!(catalog.packages.len(), 3);
}
