// SPDX-License-Identifier: Apache-2.0
//! An archive of Alpine with packages that work, since none of Alpine's own can be reached where tests run: musl and
//! busybox as they are in Debian's packages on this machine, and for what musl has no program here, Debian's own programs
//! with the C library that they are made for. All are said to be for every architecture, so that both platforms can be
//! resolved; their programs are those of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardpan_testkit::apk::{Apk, Archive, Key, apk};

use super::tools::attempt;

/// The branches that definitions of the tests are for.
const BRANCHES: [&str; 2] = ["v3.23", "v3.24"];
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
/// Debian's packages by the names that Alpine has for them.
const FROM_DEBIAN: [(&str, &str); 15] = [
    ("bash", "bash"),
    ("bzip2", "bzip2"),
    ("coreutils", "coreutils"),
    ("curl", "curl"),
    ("findutils", "findutils"),
    ("gawk", "gawk"),
    ("grep", "grep"),
    ("gzip", "gzip"),
    ("less", "less"),
    ("sed", "sed"),
    ("tar", "tar"),
    ("tzdata", "tzdata"),
    ("which", "debianutils"),
    ("xz", "xz-utils"),
    ("ca-certificates", "ca-certificates"),
];

/// Writes the archive below `folder/alpine`, with its key in `folder/keys/alpine`, and returns the workspace file's lines
/// for it.
pub(crate) fn write_archive(folder: &Path, more: &[Apk]) -> String {
    let key = Key::new(1);
    let mut packages = vec![base(), certificates(), musl(), busybox(), tools_of_apk()];
    packages.extend(repackaged());
    packages.extend_from_slice(more);
    let archive = packages.iter().fold(Archive::new(), Archive::package);
    let empty = Archive::new();
    for (repository, files) in
        [("main", archive.build(&[&key])), ("community", empty.build(&[&key]))]
    {
        for (branch, (path, bytes)) in
            BRANCHES.iter().flat_map(|branch| files.iter().map(move |file| (branch, file)))
        {
            let path = folder.join(format!("alpine/{branch}/{repository}")).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let keys = folder.join("keys/alpine");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join(key.name()), key.public_pem()).unwrap();
    let mirror = folder.join("alpine");
    format!(
        "[archives.alpine]\nmirror = \"file://{}\"\n[keyrings]\nalpine = \"keys/alpine\"\n",
        mirror.display()
    )
}

fn base() -> Apk {
    apk("alpine-baselayout-data", "3.7.1-r8")
        .origin("alpine-baselayout")
        .file("/etc/passwd", PASSWD)
        .file("/etc/group", "root:x:0:root\nshadow:x:42:\nnobody:x:65534:\n")
        .file("/etc/shadow", "root:*::0:::::\nnobody:!::0:::::\n")
        .mode(0o640)
        .owner(0, 42)
}

fn certificates() -> Apk {
    let bundle = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap();
    apk("ca-certificates-bundle", "20260611-r0").file("/etc/ssl/certs/ca-certificates.crt", bundle)
}

/// musl's loader, which is its C library, too.
fn musl() -> Apk {
    let loader = fs::read("/lib/x86_64-linux-musl/libc.so").unwrap();
    apk("musl", "1.2.3-r0")
        .provides("so:libc.musl=1")
        .file("/lib/ld-musl-x86_64.so.1", loader)
        .mode(0o755)
        .symlink("/lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
}

/// busybox with the scripts that Alpine's has: its applets are made when it is installed.
fn busybox() -> Apk {
    let program = fs::read("/bin/busybox").unwrap();
    let install = "#!/bin/busybox sh\n/bin/busybox --install -s\n";
    apk("busybox", "1.35.0-r0")
        .depends("so:libc.musl")
        .provides("cmd:busybox=1.35.0-r0 cmd:sh=1.35.0-r0 /bin/sh")
        .file("/bin/busybox", program)
        .mode(0o755)
        .symlink("/bin/sh", "/bin/busybox")
        .script("post-install", install)
        .script("trigger", install)
        .triggers("/bin /usr/bin /sbin /usr/sbin")
}

/// Debian has no apk. A package of that name stands in, without a program.
fn tools_of_apk() -> Apk {
    apk("apk-tools", "3.0.0-r0").file("/usr/share/apk/README", "not the program\n")
}

/// A program that is linked to musl, with what it is made from.
pub(crate) fn hello(folder: &Path) -> Apk {
    let (source, program) = (folder.join("hello.c"), folder.join("hello"));
    let text = "#include <stdio.h>\n#include <unistd.h>\n\
        int main(void) { printf(\"hello from musl as %d\\n\", (int)getuid()); return 0; }\n";
    fs::write(&source, text).unwrap();
    attempt(Command::new("musl-gcc").args(["-O1", "-s", "-o"]).arg(&program).arg(&source)).ok();
    apk("hello", "1.0-r0")
        .depends("so:libc.musl")
        .file("/usr/bin/hello", fs::read(&program).unwrap())
        .mode(0o755)
}

/// Repackages Debian's packages and all that they depend on.
fn repackaged() -> Vec<Apk> {
    let names: BTreeMap<&str, &str> =
        FROM_DEBIAN.iter().map(|(own, debian)| (*debian, *own)).collect();
    let mut todo: Vec<String> = names.keys().map(|name| (*name).to_owned()).collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut packages = Vec::new();
    while let Some(debian) = todo.pop() {
        if !seen.insert(debian.clone()) {
            continue;
        }
        let needs = dependencies(&debian);
        let name = |debian: &str| {
            names.get(debian).map_or_else(|| debian.to_owned(), |own| (*own).to_owned())
        };
        let depends: Vec<String> = needs.iter().map(|debian| name(debian)).collect();
        let package = apk(&name(&debian), "1-r0").depends(&depends.join(" "));
        packages.push(with_files(package, &debian));
        todo.extend(needs);
    }
    packages
}

/// Returns what an installed package of Debian depends on: the first alternative that is installed.
fn dependencies(debian: &str) -> Vec<String> {
    let format = "-f=${Pre-Depends}, ${Depends}";
    let text = attempt(Command::new("dpkg-query").args(["-W", format, debian])).ok();
    let mut names: Vec<String> = Vec::new();
    for clause in text.split(',') {
        let alternatives =
            clause.split('|').filter_map(|one| one.trim().split([' ', ':', '(']).next());
        // What only helps with the installation.
        let known = alternatives
            .filter(|name| !["", "debconf", "debconf-2.0", "dpkg", "openssl"].contains(name));
        names.extend(known.filter(|name| is_installed(name)).take(1).map(str::to_owned));
    }
    names.sort();
    names.dedup();
    names
}

fn is_installed(debian: &str) -> bool {
    let status = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", debian]).output();
    status.is_ok_and(|output| output.stdout == b"installed")
}

/// Adds an installed package's files, but documentation.
fn with_files(mut package: Apk, debian: &str) -> Apk {
    let list = attempt(Command::new("dpkg-query").args(["-L", debian])).ok();
    for path in list.lines().filter(|line| line.starts_with('/')) {
        let is_left_out =
            ["/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/lintian"];
        if is_left_out.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let place = PathBuf::from(path);
        let Ok(metadata) = fs::symlink_metadata(&place) else { continue };
        if metadata.is_file() {
            let mode = metadata.permissions().mode() & 0o777;
            package = package.file(path, fs::read(&place).unwrap()).mode(mode);
        } else if metadata.is_symlink() && !is_of_merged_usr(path) {
            let target = fs::read_link(&place).unwrap();
            package = package.symlink(path, target.to_str().unwrap());
        }
    }
    package
}

/// Returns whether a path is one of the links of this machine's merged `/usr`.
fn is_of_merged_usr(path: &str) -> bool {
    matches!(path, "/bin" | "/sbin" | "/lib" | "/lib32" | "/lib64" | "/libx32")
}
