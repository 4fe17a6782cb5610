// SPDX-License-Identifier: Apache-2.0
//! `ld.so.cache`: by hand, and byte for byte against the `ldconfig` of real packages.
//!
//! Packages come from the archive of this machine's apt sources and stay below Cargo's target
//! directory from one run to the next.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hardpan::finish::{FinishError, Report, ld_so_cache};
use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_testkit::deb;
use hardpan_tree::{
    Content, Contents, Digest, Elf, Facts, File, InlineContents, Kind, Metadata, Node, Origin,
    Tree, TreePath,
};

const EPOCH: i64 = 1_700_000_000;
const BANNER: &str = "GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\n";

fn put(tree: &mut Tree, path: &str, kind: Kind) {
    let path = TreePath::parse(path).unwrap();
    let metadata = Metadata::root(0o644, EPOCH);
    tree.make_directories(&path.parent().unwrap(), &metadata, Origin::Package(0)).unwrap();
    tree.insert(path, Node { metadata, kind, origin: Origin::Package(0) }).unwrap();
}

fn text(content: &str) -> Kind {
    Kind::File(File::inline(content.as_bytes()))
}

fn link(target: &str) -> Kind {
    Kind::Symlink(target.as_bytes().to_vec())
}

fn amd64(soname: &str) -> Elf {
    Elf {
        is_64_bit: true,
        machine: 62,
        file_type: 3,
        soname: Some(soname.to_owned()),
        is_dynamic: true,
        ..Elf::default()
    }
}

fn library(elf: Elf) -> Kind {
    let facts = Some(Arc::new(Facts::Elf(elf)));
    Kind::File(File { facts, ..File::inline(BANNER.as_bytes()) })
}

/// Makes a tree with a libc and merged `/usr`.
fn with_libc(elf: Elf, directory: &str) -> Tree {
    let mut tree = Tree::new();
    put(&mut tree, &format!("{directory}/libc.so.6"), library(elf));
    put(&mut tree, "/lib", link("usr/lib"));
    tree
}

fn finish(tree: &mut Tree) -> Result<Report, FinishError> {
    let mut report = Report::default();
    ld_so_cache::apply(tree, &InlineContents, EPOCH, None, &mut report)?;
    Ok(report)
}

/// One entry of a cache: soname, path, flags, capabilities.
type Entry = (String, String, u32, u64);

/// Reads the entries and the writer of a little-endian cache.
fn parse(bytes: &[u8]) -> (Vec<Entry>, String) {
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    let string = |at: u32| {
        let text = bytes[at as usize..].split(|&byte| byte == 0).next().unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    };
    assert!(bytes.starts_with(b"glibc-ld.so.cache1.1"));
    assert_eq!(word(28), 2);
    let entries = (0..word(20) as usize)
        .map(|index| 48 + 24 * index)
        .map(|at| {
            let hwcaps = u64::from(word(at + 16)) | u64::from(word(at + 20)) << 32;
            (string(word(at + 4)), string(word(at + 8)), word(at), hwcaps)
        })
        .collect();
    let extensions = word(32) as usize;
    assert_eq!(word(extensions), 0xeaa4_2174);
    let generator = word(extensions + 16) as usize;
    (entries, String::from_utf8(bytes[generator..].to_vec()).unwrap())
}

fn cache(tree: &Tree) -> Option<Vec<u8>> {
    match &tree.file(&TreePath::literal("/etc/ld.so.cache"))?.1.content {
        Content::Inline(bytes) => Some(bytes.to_vec()),
        _ => panic!("not inline"),
    }
}

fn paths(tree: &Tree) -> Vec<String> {
    parse(&cache(tree).unwrap()).0.into_iter().map(|(_, path, ..)| path).collect()
}

#[test]
fn without_a_libc_nothing_happens() {
    for mut tree in [Tree::new(), {
        let mut tree = Tree::new();
        put(&mut tree, "/usr/lib/libx.so.1", library(amd64("libx.so.1")));
        put(&mut tree, "/usr/lib/libc.so.6", text("no library"));
        tree
    }] {
        assert_eq!(finish(&mut tree).unwrap(), Report::default());
        assert_eq!(cache(&tree), None);
    }
    let unknown = Elf { machine: 4242, ..amd64("libc.so.6") };
    let mut tree = with_libc(unknown, "/usr/lib");
    assert_eq!(finish(&mut tree).unwrap().warnings.len(), 1);
    assert_eq!(cache(&tree), None);
}

#[test]
fn the_package_version_counts_if_libc_is_silent() {
    let silent = |version: Option<&str>| {
        let mut tree = Tree::new();
        let facts = Some(Arc::new(Facts::Elf(amd64("libc.so.6"))));
        let file = File { facts, ..File::inline(&b"GNU C Library"[..]) };
        put(&mut tree, "/usr/lib/x86_64-linux-gnu/libc.so.6", Kind::File(file));
        let mut report = Report::default();
        ld_so_cache::apply(&mut tree, &InlineContents, EPOCH, version, &mut report).unwrap();
        (cache(&tree).map(|bytes| parse(&bytes).1), report.warnings.len())
    };
    let expected = "ldconfig (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36";
    assert_eq!(silent(Some("2.36-9+deb12u14")), (Some(expected.to_owned()), 0));
    assert_eq!(silent(None), (None, 1));
}

#[test]
fn directories_come_in_the_order_of_the_configuration() {
    let mut tree = with_libc(amd64("libc.so.6"), "/usr/lib/x86_64-linux-gnu");
    put(
        &mut tree,
        "/usr/lib/libc.so.6",
        library(Elf { is_64_bit: false, machine: 3, ..amd64("libc.so.6") }),
    );
    for directory in ["a", "b", "c", "d", "e/sub"] {
        put(&mut tree, &format!("/opt/{directory}/libx.so.1"), library(amd64("libx.so.1")));
    }
    put(&mut tree, "/opt/f", link("a"));
    let main = "# /opt/c\n\
        \t include  /etc/ld.so.conf.d/*.conf /etc/missing.conf\n\
        include ld.so.conf.d/.hidden\n\
        include ../x\n\
        hwcap 1 x\nHWCAP\t2 y\n\
        /opt/f/// # comment\n/opt/b \n/nowhere\nrelative\n/opt/../etc\n/\n\n/opt/e/sub";
    put(&mut tree, "/etc/ld.so.conf", text(main));
    put(&mut tree, "/etc/ld.so.conf.d/b.conf", text("/opt/b\ninclude /etc/ld.so.conf"));
    put(&mut tree, "/etc/ld.so.conf.d/a.conf", text("include /etc/ld.so.conf.d/[!c-z].conf"));
    put(&mut tree, "/etc/ld.so.conf.d/.hidden", text("/opt/d"));
    put(&mut tree, "/etc/ld.so.conf.d/x.txt", text("/opt/c"));
    let report = finish(&mut tree).unwrap();
    assert_eq!(
        paths(&tree),
        [
            "/opt/b/libx.so.1",
            "/opt/d/libx.so.1",
            "/opt/f/libx.so.1",
            "/opt/e/sub/libx.so.1",
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib/libc.so.6",
        ]
    );
    let mut messages: Vec<&str> =
        report.warnings.iter().map(|warning| warning.message.as_str()).collect();
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(
        messages,
        [
            "a directory that is not an absolute path",
            "a file that includes itself",
            "an include that is not followed",
        ]
    );
}

#[test]
fn includes_have_limits() {
    let mut tree = with_libc(amd64("libc.so.6"), "/usr/lib/x86_64-linux-gnu");
    put(&mut tree, "/etc/ld.so.conf", text("include /c/0"));
    for number in 0..40 {
        let next = format!("include /c/{}", number + 1);
        put(&mut tree, &format!("/c/{number}"), text(&next));
    }
    assert!(matches!(finish(&mut tree), Err(FinishError::Limit { .. })));
    put(&mut tree, "/etc/ld.so.conf", text(&"include /d/*\n".repeat(64)));
    for number in 0..40 {
        put(&mut tree, &format!("/d/{number}"), text(""));
    }
    assert!(matches!(finish(&mut tree), Err(FinishError::Limit { .. })));
    for number in 0..10 {
        put(&mut tree, &format!("/m/{number}"), link("."));
    }
    put(&mut tree, "/etc/ld.so.conf", text("include /m/*/*/*/*/*/*/*/*/*/*/*/*"));
    assert!(matches!(finish(&mut tree), Err(FinishError::Limit { .. })));
    put(&mut tree, "/etc/ld.so.conf", text(&"#".repeat((1 << 20) + 1)));
    assert!(matches!(finish(&mut tree), Err(FinishError::Limit { .. })));
    assert_eq!(cache(&tree), None);
}

#[test]
fn links_are_made_and_removed_as_ldconfig_does() {
    let mut tree = with_libc(amd64("libc.so.6"), "/usr/lib/x86_64-linux-gnu");
    put(&mut tree, "/etc/ld.so.conf", text("/l"));
    put(&mut tree, "/l/libnew.so.1.2", library(amd64("libnew.so.1")));
    put(&mut tree, "/l/libnew.so.1.10", library(amd64("libnew.so.1")));
    put(&mut tree, "/l/libnew.so", link("libnew.so.1.2"));
    put(&mut tree, "/l/libold.so.1", link("libold.so.1.1"));
    put(&mut tree, "/l/libold.so.1.1", library(amd64("libold.so.1")));
    put(&mut tree, "/l/libold.so.1.2", library(amd64("libold.so.1")));
    put(&mut tree, "/l/libgone.so.1", link("libgone.so.1.1"));
    put(&mut tree, "/l/libgone.so", link("libgone.so.1.1"));
    put(&mut tree, "/l/libhard.so.1", library(amd64("libhard.so.1")));
    let hard = Kind::HardLink(TreePath::literal("/l/libhard.so.1"));
    put(&mut tree, "/l/libhard.so.1.1", hard);
    put(&mut tree, "/l/libfile.so.1", text("a file"));
    put(&mut tree, "/l/libfile.so.1.1", library(amd64("libfile.so.1")));
    put(&mut tree, "/l/libout.so.1", library(amd64("../../etc/x")));
    put(&mut tree, "/l/libup.so.1", library(amd64("..")));
    put(&mut tree, "/l/libdot.so.1", library(amd64(".")));
    put(&mut tree, "/l/libempty.so.1", library(amd64("")));
    put(&mut tree, "/l/ld-x.so.1", library(amd64("ld-y.so.1")));
    put(&mut tree, "/l/libexe.so.1", library(Elf { file_type: 2, ..amd64("libexe.so.1") }));
    put(&mut tree, "/l/libstatic.so.1", library(Elf { is_dynamic: false, ..amd64("x") }));
    put(&mut tree, "/l/libarm.so.1", library(Elf { machine: 183, ..amd64("libarm.so.1") }));
    put(&mut tree, "/l/libx32.so.1", library(Elf { is_64_bit: false, ..amd64("libx32.so.1") }));
    put(&mut tree, "/l/libtmp.so.1.dpkg-new", library(amd64("libtmp.so.1")));
    put(&mut tree, "/l/plugin.so", library(amd64("plugin.so")));
    let report = finish(&mut tree).unwrap();
    let links: Vec<(String, String)> = tree
        .children(&TreePath::literal("/l"))
        .filter_map(|(path, node)| match &node.kind {
            Kind::Symlink(target) => {
                Some((path.to_string(), String::from_utf8_lossy(target).into_owned()))
            }
            _ => None,
        })
        .collect();
    let links: Vec<(&str, &str)> =
        links.iter().map(|(path, target)| (path.as_str(), target.as_str())).collect();
    assert_eq!(
        links,
        [
            ("/l/libgone.so", "libgone.so.1.1"),
            ("/l/libnew.so", "libnew.so.1.2"),
            ("/l/libnew.so.1", "libnew.so.1.10"),
            ("/l/libold.so.1", "libold.so.1.2"),
        ]
    );
    assert!(!tree.contains(&TreePath::literal("/etc/x")));
    let flags: BTreeMap<String, u32> = parse(&cache(&tree).unwrap())
        .0
        .into_iter()
        .map(|(name, _, flags, _)| (name, flags))
        .collect();
    let expected = [
        "ld-y.so.1",
        "libc.so.6",
        "libfile.so.1",
        "libhard.so.1",
        "libnew.so",
        "libnew.so.1",
        "libold.so.1",
        "libx32.so.1",
    ];
    assert_eq!(flags.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!((flags["libnew.so.1"], flags["libx32.so.1"]), (0x303, 0x803));
    let after = tree.clone();
    assert_eq!(finish(&mut tree).unwrap().warnings, report.warnings);
    assert_eq!(tree, after, "a second time changes nothing");
}

#[test]
fn every_architecture_has_its_flags_and_directories() {
    for (machine, is_64_bit, flags, triplet, expected) in [
        (62, true, 0, "x86_64-linux-gnu", 0x303),
        (3, false, 0, "i386-linux-gnu", 0x3),
        (183, true, 0, "aarch64-linux-gnu", 0xa03),
        (40, false, 0x0500_0400, "arm-linux-gnueabihf", 0x903),
        (40, false, 0x0500_0200, "arm-linux-gnueabi", 0xb03),
        (243, true, 0x5, "riscv64-linux-gnu", 0x1003),
        (21, true, 0x2, "powerpc64le-linux-gnu", 0x503),
        (258, true, 0x43, "loongarch64-linux-gnu", 0x1203),
    ] {
        let elf = Elf { machine, is_64_bit, flags, ..amd64("libc.so.6") };
        let mut tree = with_libc(elf, &format!("/usr/lib/{triplet}"));
        finish(&mut tree).unwrap();
        let (entries, generator) = parse(&cache(&tree).unwrap());
        let path = format!("/lib/{triplet}/libc.so.6");
        assert_eq!(entries, [("libc.so.6".to_owned(), path, expected, 0)]);
        assert_eq!(generator, "ldconfig (Debian GLIBC 2.41-12) stable release version 2.41");
    }
}

/// Where packages stay.
fn downloads() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ld_so_cache");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Downloads packages of a release with an apt of its own; says why if it can't.
fn download(suite: &str, architecture: &str, names: &[&str]) -> Result<Vec<PathBuf>, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock();
    let root = downloads().join(format!("{suite}-{architecture}"));
    let find = |name: &str| {
        let prefix = format!("{name}_");
        let entries = fs::read_dir(&root).ok()?;
        entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            file.strip_suffix(".deb").is_some_and(|file| file.starts_with(&prefix))
        })
    };
    if names.iter().any(|name| find(name).is_none()) {
        let targets = run(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI)",
            "Created-By: Packages",
        ]))?;
        let archive = (targets.lines().map(|line| line.trim_end_matches('/')))
            .find(|line| line.ends_with("/debian"))
            .ok_or("apt has no Debian archive")?;
        for name in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(name)).map_err(|error| error.to_string())?;
        }
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!("deb [signed-by={keyring}] {archive} {suite} main\n");
        fs::write(root.join("sources.list"), source).map_err(|error| error.to_string())?;
        fs::write(root.join("status"), "").map_err(|error| error.to_string())?;
        let at = |name: &str| root.join(name).display().to_string();
        let configuration = format!(
            "Dir::State \"{}\"; Dir::Cache \"{}\"; Dir::State::status \"{}\";\n\
             Dir::Etc::sourcelist \"{}\"; Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::main \"/dev/null\"; Dir::Etc::parts \"/dev/null\";\n\
             APT::Architecture \"{architecture}\"; APT::Architectures:: \"{architecture}\";\n\
             Acquire::Languages \"none\"; Acquire::Retries \"3\"; APT::Sandbox::User \"root\";\n",
            at("state"),
            at("cache"),
            at("status"),
            at("sources.list"),
        );
        fs::write(root.join("apt.conf"), configuration).map_err(|error| error.to_string())?;
        let apt = || {
            let mut command = Command::new("apt-get");
            command.current_dir(&root).arg("-c").arg(root.join("apt.conf")).arg("-qq");
            command
        };
        run(apt().arg("update"))?;
        run(apt().arg("download").args(names))?;
    }
    names.iter().map(|name| find(name).ok_or_else(|| format!("no package {name}"))).collect()
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Files of trees whose segments are in memory.
struct Segments(BTreeMap<Digest, Vec<u8>>);

impl Contents for Segments {
    fn read(&self, file: &File) -> io::Result<Arc<[u8]>> {
        match &file.content {
            Content::Inline(bytes) => Ok(bytes.clone()),
            Content::Segment { segment, offset_bytes } => {
                let start = usize::try_from(*offset_bytes).unwrap();
                let length = usize::try_from(file.size_bytes).unwrap();
                Ok(self.0[segment][start..start + length].into())
            }
            Content::Blob => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Unpacks and merges packages in memory.
fn assemble(packages: &[PathBuf]) -> (Tree, Segments) {
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    let mut segments = BTreeMap::new();
    let mut all = Vec::new();
    for package in packages {
        let mut segment = Vec::new();
        let unpacked =
            unpack(&mut fs::File::open(package).unwrap(), &options, &mut segment).unwrap();
        let key = Digest::of(&segment);
        segments.insert(key, segment);
        all.push((unpacked, key));
    }
    let members: Vec<Member<'_>> =
        all.iter().map(|(unpacked, segment)| Member { unpacked, segment: *segment }).collect();
    (merge(&members).unwrap().tree, Segments(segments))
}

/// Makes a package with what real ones rarely have; libraries only if there is a compiler.
fn extras(directory: &Path) -> PathBuf {
    let mut package = deb("extras", "1")
        .file(
            "/etc/ld.so.conf.d/zz-extras.conf",
            "include /etc/extra/[a-m]?.cnf\n\n  /opt/two// # x\n",
        )
        .file("/etc/extra/a1.cnf", "/opt/one\n/lib\nhwcap 0 x\n/nowhere\n")
        .file("/etc/extra/z1.cnf", "/opt/never\n")
        .symlink("/opt/one/libdangling.so.1", "nowhere")
        .symlink("/opt/one/libdangling.so", "nowhere")
        .directory("/opt/one/glibc-hwcaps/unused");
    let library = |soname: &str, options: &[&str]| {
        fs::write(directory.join("x.c"), "int x(void) { return 1; }\n").unwrap();
        let output = directory.join("out.so");
        run(Command::new("gcc")
            .args(["-shared", "-fPIC", "-nostdlib", "-Wl,-soname"])
            .arg(format!("-Wl,{soname}"))
            .args(options)
            .arg("-o")
            .arg(&output)
            .arg(directory.join("x.c")))
        .ok()?;
        fs::read(output).ok()
    };
    if let (Some(one), Some(two), Some(fast)) = (
        library("libone.so.1", &[]),
        library("libtwo.so.010", &[]),
        library("libone.so.1", &["-march=x86-64-v3", "-mneeded"]),
    ) {
        package = package
            .file("/opt/one/libone.so.1.2", &one)
            .file("/opt/one/libone.so.1.10", &one)
            .symlink("/opt/one/libone.so", "libone.so.1.2")
            .file("/opt/one/libtwo.so.9.1", &two)
            .file("/opt/one/libone.so.1.3.dpkg-tmp", &one)
            .file("/opt/two/libone.so.1", &one)
            .hard_link("/opt/two/libone.so.1.0", "/opt/two/libone.so.1")
            .file("/opt/one/glibc-hwcaps/x86-64-v2/libone.so.1.2", &one)
            .file("/opt/one/glibc-hwcaps/x86-64-v3/libone.so.1.2", &fast)
            .symlink("/opt/one/glibc-hwcaps/x86-64-v3/libone.so.1", "libone.so.1.2");
    } else {
        eprintln!("skipped: libraries of our own because gcc is not installed");
    }
    let path = directory.join("extras_1_all.deb");
    fs::write(&path, package.build()).unwrap();
    path
}

/// Returns the links in the directories of a tree that libraries are in.
fn links_on_disk(root: &Path, tree: &Tree) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    for directory in [
        "/usr/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/opt/one",
        "/opt/two",
        "/opt/one/glibc-hwcaps/x86-64-v3",
    ] {
        let place = TreePath::parse(directory).unwrap();
        for (path, node) in tree.children(&place) {
            if let Kind::Symlink(target) = &node.kind {
                ours.insert(path.to_string(), String::from_utf8_lossy(target).into_owned());
            }
        }
        for entry in fs::read_dir(root.join(&directory[1..])).into_iter().flatten() {
            let entry = entry.unwrap();
            if let Ok(target) = fs::read_link(entry.path()) {
                let name = format!("{directory}/{}", entry.file_name().to_str().unwrap());
                theirs.insert(name, target.to_str().unwrap().to_owned());
            }
        }
    }
    (ours, theirs)
}

const PACKAGES: [&str; 6] =
    ["libc6", "libc-bin", "zlib1g", "libstdc++6", "libgcc-s1", "base-files"];

/// The cache and the links are those that the packages' own `ldconfig` makes.
fn compare(suite: &str, more: &[&str]) {
    if std::env::consts::ARCH != "x86_64" {
        eprintln!("skipped: {suite}'s ldconfig because it is a program for amd64");
        return;
    }
    let names: Vec<&str> = PACKAGES.iter().chain(more).copied().collect();
    let mut packages = match download(suite, "amd64", &names) {
        Ok(packages) => packages,
        Err(reason) => {
            eprintln!("skipped: {suite}'s ldconfig because of {reason}");
            return;
        }
    };
    let directory = tempfile::tempdir().unwrap();
    packages.push(extras(directory.path()));
    let root = directory.path().join("root");
    // As on a real system, the links of the merged /usr come first.
    for name in ["lib", "lib64", "bin", "sbin"] {
        fs::create_dir_all(root.join("usr").join(name)).unwrap();
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    for package in &packages {
        let mut archive = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(package)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let status = Command::new("tar")
            .args(["--extract", "--keep-directory-symlink", "--no-same-owner"])
            .arg("--directory")
            .arg(&root)
            .stdin(archive.stdout.take().unwrap())
            .status()
            .unwrap();
        assert!(archive.wait().unwrap().success() && status.success(), "{}", package.display());
    }
    let ldconfig = root.join("usr/sbin/ldconfig");
    run(Command::new(ldconfig).arg("-r").arg(&root)).unwrap();
    let expected = fs::read(root.join("etc/ld.so.cache")).unwrap();

    let (mut tree, contents) = assemble(&packages);
    for name in ["lib", "lib64"] {
        if !tree.contains(&TreePath::parse(name).unwrap()) {
            put(&mut tree, name, link(&format!("usr/{name}")));
        }
    }
    let mut report = Report::default();
    ld_so_cache::apply(&mut tree, &contents, EPOCH, None, &mut report).unwrap();
    let actual = cache(&tree).unwrap();
    assert_eq!(parse(&actual), parse(&expected), "{suite}");
    assert_eq!(actual, expected, "{suite}");
    let (ours, theirs) = links_on_disk(&root, &tree);
    assert_eq!(ours, theirs);
}

#[test]
fn the_cache_is_that_of_ldconfig_in_trixie() {
    compare("trixie", &["libssl3t64"]);
}

#[test]
fn the_cache_is_that_of_ldconfig_in_bookworm() {
    compare("bookworm", &["libssl3"]);
}

#[test]
fn a_cache_for_arm64_is_made_anywhere() {
    let names: Vec<&str> = PACKAGES.iter().chain(&["libssl3t64"]).copied().collect();
    let packages = match download("trixie", "arm64", &names) {
        Ok(packages) => packages,
        Err(reason) => {
            eprintln!("skipped: packages for arm64 because of {reason}");
            return;
        }
    };
    let (mut tree, contents) = assemble(&packages);
    let mut report = Report::default();
    ld_so_cache::apply(&mut tree, &contents, EPOCH, None, &mut report).unwrap();
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let bytes = cache(&tree).unwrap();
    let (entries, generator) = parse(&bytes);
    assert!(generator.starts_with("ldconfig (Debian GLIBC 2.41-"), "{generator}");
    assert!(entries.len() > 20);
    for (soname, path, flags, hwcaps) in &entries {
        // The dynamic linker stands in /lib, too.
        let directory =
            if *path == "/lib/ld-linux-aarch64.so.1" { "" } else { "aarch64-linux-gnu/" };
        assert_eq!(*path, format!("/lib/{directory}{soname}"));
        assert_eq!((*flags, *hwcaps), (0xa03, 0));
    }
    // What another architecture's ldconfig makes of it.
    let file = downloads().join("arm64.cache");
    fs::write(&file, &bytes).unwrap();
    match run(Command::new("/usr/sbin/ldconfig").arg("-p").arg("-C").arg(&file)) {
        Ok(listing) => {
            assert!(
                listing.contains("libc.so.6 (libc6,AArch64) => /lib/aarch64-linux-gnu/libc.so.6")
            );
            assert_eq!(listing.matches("(libc6,AArch64)").count(), entries.len());
        }
        Err(reason) => eprintln!("skipped: listing because of {reason}"),
    }
}
