// SPDX-License-Identifier: Apache-2.0
//! Shells, package managers, compilers, debuggers: found by what the files are.
//!
//! A tool is found by the name of a program or of a link to one, wherever it stands; by having the
//! same bytes as a tool found by name; and by texts that every build of a tool has in it, though in a
//! build not where a package vouches for a file's name. Package names play no part.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{Contents, Digest, File, Kind, Node, Origin, Tree, TreePath};

use super::ControlId;
use super::report::{Observation, Report};
use super::traits::ContentTraits;
use super::view::{self, Program, View};

/// The kinds of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Shell,
    PackageManager,
    LanguagePackageManager,
    Compiler,
    Debugger,
    NetworkTool,
}

impl Class {
    fn control(self) -> ControlId {
        match self {
            Self::Shell => ControlId::Shell,
            Self::PackageManager => ControlId::PackageManager,
            Self::LanguagePackageManager => ControlId::LanguagePackageManager,
            Self::Compiler => ControlId::Compiler,
            Self::Debugger => ControlId::Debugger,
            Self::NetworkTool => ControlId::NetworkTool,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Shell => "is a shell",
            Self::PackageManager => "is a package manager",
            Self::LanguagePackageManager => "is a package manager of a language",
            Self::Compiler => "is a compiler, assembler or linker",
            Self::Debugger => "is a debugger or tracer",
            Self::NetworkTool => "is a network client or scanner",
        }
    }

    /// Whether the names of the kind say enough outside of program directories too, where helpers of
    /// other programs stand: gcc's cc1, klibc's sh; but also apt's download method `ftp`.
    fn is_found_anywhere(self) -> bool {
        matches!(self, Self::Shell | Self::Compiler | Self::Debugger)
    }

    /// Whether one tool of the kind can't work without others, so that naming one asks for all.
    fn is_a_set(self) -> bool {
        matches!(self, Self::Compiler | Self::PackageManager)
    }
}

/// A tool in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tool {
    /// Names by which it was recognised: paths of links or hard links, or of the file itself.
    names: BTreeSet<TreePath>,
    /// The tool of which it is a copy.
    copy_of: Option<TreePath>,
    /// Whether it was recognised by its content alone.
    is_disguised: bool,
}

/// Tools by kind and by the path of the file itself.
type Tools = BTreeMap<(Class, TreePath), Tool>;

/// Reports the tools that the definition did not ask for, and returns all files that are shells.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) -> BTreeSet<TreePath> {
    let traits_of = |node: &Node, file: &File| view.traits_of(node, file);
    let tools = find(view.tree, &traits_of, &view.program_directories);
    let shells = tools.keys().filter(|(class, _)| *class == Class::Shell);
    let shells = shells.map(|(_, path)| path.clone()).collect();
    let asked: BTreeSet<&(Class, TreePath)> = tools
        .iter()
        .filter(|((_, file), tool)| {
            std::iter::once(file).chain(&tool.names).any(|path| is_asked_for(view, path))
        })
        .map(|(key, _)| key)
        .collect();
    let asked_classes: BTreeSet<Class> = asked.iter().map(|(class, _)| *class).collect();
    for (key, tool) in &tools {
        let (class, file) = key;
        let origin = view.tree.get(file).map(|node| node.origin);
        let is_packaged = matches!(origin, Some(Origin::Package(_)));
        let is_copy_of_asked = tool
            .copy_of
            .as_ref()
            .is_some_and(|original| asked.contains(&(*class, original.clone())));
        if asked.contains(key)
            || is_copy_of_asked
            || (class.is_a_set() && is_packaged && asked_classes.contains(class))
        {
            continue;
        }
        report.add(Observation {
            control: class.control(),
            path: Some(file.clone()),
            origin,
            text: describe(*class, file, tool),
            is_asked_for: false,
        });
    }
    shells
}

/// Whether a word of a command names a shell.
pub(super) fn is_shell_name(word: &str) -> bool {
    classify(word.rsplit('/').next().unwrap_or(word).as_bytes()) == Some(Class::Shell)
}

/// A package that the definition names brought the path, or the definition names the path and the
/// path says what it is: a shell called `runner` is not asked for by that name.
fn is_asked_for(view: &View<'_>, path: &TreePath) -> bool {
    let Some(node) = view.tree.get(path) else { return false };
    let speaks = classify(path.name()).is_some();
    (speaks && view.is_requested_path(path))
        || (matches!(node.origin, Origin::Package(_))
            && !view.is_requested_path(path)
            && view.is_requested(path, node.origin))
}

fn describe(class: Class, file: &TreePath, tool: &Tool) -> String {
    let title = class.title();
    if let Some(original) = &tool.copy_of {
        return format!("{title}: a copy of {original}");
    }
    if tool.is_disguised {
        return format!("{title} by its content");
    }
    if tool.names.contains(file) {
        return title.to_owned();
    }
    let alias = tool.names.first().map(ToString::to_string).unwrap_or_default();
    format!("{title}: {alias} leads to it")
}

/// Returns the paths of all tools, also of those that were asked for, by kind; each kind is there.
pub(super) fn by_kind(view: &View<'_>) -> BTreeMap<&'static str, Vec<TreePath>> {
    const KINDS: [(Class, &str); 6] = [
        (Class::Shell, "shell"),
        (Class::PackageManager, "packageManager"),
        (Class::LanguagePackageManager, "languagePackageManager"),
        (Class::Compiler, "compiler"),
        (Class::Debugger, "debugger"),
        (Class::NetworkTool, "networkTool"),
    ];
    let traits_of = |node: &Node, file: &File| view.traits_of(node, file);
    let tools = find(view.tree, &traits_of, &view.program_directories);
    let paths = |wanted| {
        tools.keys().filter(|(class, _)| *class == wanted).map(|(_, path)| path.clone()).collect()
    };
    KINDS.into_iter().map(|(class, name)| (name, paths(class))).collect()
}

/// Returns the paths of the tools for an image's labels.
pub(super) fn measure(tree: &Tree, contents: &dyn Contents) -> BTreeMap<&'static str, String> {
    let traits_of = |node: &Node, file: &File| view::read_traits(contents, node, file);
    let tools = find(tree, &traits_of, &view::program_directories(tree, ""));
    let paths = |wanted: Class| {
        let paths: Vec<String> = tools
            .keys()
            .filter(|(class, _)| *class == wanted)
            .map(|(_, path)| path.to_string())
            .collect();
        paths.join(",")
    };
    BTreeMap::from([
        ("shell", paths(Class::Shell)),
        ("package-manager", paths(Class::PackageManager)),
        ("compiler", paths(Class::Compiler)),
        ("debugger", paths(Class::Debugger)),
    ])
}

fn find(
    tree: &Tree,
    traits_of: &dyn Fn(&Node, &File) -> ContentTraits,
    directories: &BTreeSet<TreePath>,
) -> Tools {
    let mut tools = find_named(tree, directories);
    find_interpreters(tree, &mut tools);
    find_disguised(tree, traits_of, &mut tools);
    find_copies(tree, &mut tools);
    tools
}

/// Finds programs, and links to programs, that are called like a tool.
fn find_named(tree: &Tree, directories: &BTreeSet<TreePath>) -> Tools {
    let mut tools = Tools::new();
    for (path, node) in tree.walk() {
        let Some(class) = classify(path.name()) else { continue };
        let file = match &node.kind {
            Kind::Directory => continue,
            Kind::File(_) => path.clone(),
            Kind::HardLink(target) => target.clone(),
            Kind::Symlink(_) => match tree.resolve(path) {
                Ok(target) => target,
                // A link that leads nowhere is no tool.
                Err(_) => continue,
            },
        };
        let Some((node, content)) = tree.file(&file) else { continue };
        let is_tool = if !view::is_executable(node) {
            false
        } else if view::is_started(content) {
            // Modules of a shell, which it loads, may be called like one.
            let is_program = !matches!(view::program(content), None | Some(Program::Script(_)));
            (is_program && class.is_found_anywhere()) || is_program_directory(path, directories)
        } else {
            // A script called like a shell needs a shell; that one is found instead.
            matches!(view::program(content), Some(Program::Script(_)))
                && class != Class::Shell
                && is_program_directory(path, directories)
        };
        if is_tool {
            let tool = tools.entry((class, file)).or_insert_with(|| Tool {
                names: BTreeSet::new(),
                copy_of: None,
                is_disguised: false,
            });
            tool.names.insert(path.clone());
        }
    }
    tools
}

fn is_program_directory(path: &TreePath, directories: &BTreeSet<TreePath>) -> bool {
    path.parent().is_some_and(|parent| view::is_program_directory(&parent, directories))
}

/// What runs a script called `….sh` is a shell, whatever it is called, unless it is known as
/// something else.
fn find_interpreters(tree: &Tree, tools: &mut Tools) {
    for (path, node) in tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if !path.name().ends_with(b".sh") {
            continue;
        }
        let Some(Program::Script(line)) = view::program(file) else { continue };
        let Some((interpreter, None)) = view::interpreter_of(&line) else { continue };
        let Ok(interpreter) = TreePath::parse(interpreter) else { continue };
        let Ok(target) = tree.resolve(&interpreter) else { continue };
        let is_binary = tree
            .file(&target)
            .is_some_and(|(node, file)| view::is_executable(node) && view::is_started(file));
        let is_known = |path: &TreePath| is_other_interpreter(path.name());
        if is_binary && !is_known(&interpreter) && !is_known(&target) {
            tools.entry((Class::Shell, target)).or_insert_with(|| Tool {
                names: BTreeSet::new(),
                copy_of: None,
                is_disguised: true,
            });
        }
    }
}

/// Whether a program of this name runs what is written in a language.
pub(super) fn is_interpreter(name: &[u8]) -> bool {
    // sed and make run little of what an intruder writes, and no shell without one.
    let is_tool = name.starts_with(b"sed") || name.starts_with(b"make");
    classify(name) == Some(Class::Shell) || (is_other_interpreter(name) && !is_tool)
}

fn is_other_interpreter(name: &[u8]) -> bool {
    const STEMS: [&[u8]; 14] = [
        b"python", b"perl", b"ruby", b"node", b"php", b"lua", b"tclsh", b"wish", b"expect",
        b"mawk", b"gawk", b"awk", b"sed", b"make",
    ];
    STEMS.iter().any(|stem| name.starts_with(stem))
}

/// What the bytes of a program say of its kind.
const SIGNS: [(ContentTraits, Class); 5] = [
    (ContentTraits::SHELL, Class::Shell),
    (ContentTraits::PACKAGE_MANAGER, Class::PackageManager),
    (ContentTraits::COMPILER, Class::Compiler),
    (ContentTraits::DEBUGGER, Class::Debugger),
    (ContentTraits::NETWORK_TOOL, Class::NetworkTool),
];

/// Finds programs that have the texts of a tool in them, whatever they are called.
fn find_disguised(
    tree: &Tree,
    traits_of: &dyn Fn(&Node, &File) -> ContentTraits,
    tools: &mut Tools,
) {
    for (path, node) in tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if !view::is_executable(node) {
            continue;
        }
        if !view::is_started(file) {
            continue;
        }
        let is_program = matches!(view::program(file), Some(Program::Elf(_) | Program::OpaqueElf));
        let traits = traits_of(node, file);
        for (sign, class) in SIGNS {
            // Libraries of other tools have their texts, too; those of shells are shells, whatever they say that they are.
            let is_one = traits.has(sign) && (is_program || class == Class::Shell);
            let key = (class, path.clone());
            if is_one && !tools.contains_key(&key) {
                let names = BTreeSet::new();
                tools.insert(key, Tool { names, copy_of: None, is_disguised: true });
            }
        }
    }
}

/// Finds files that have the same bytes as a tool that was found otherwise.
fn find_copies(tree: &Tree, tools: &mut Tools) {
    let mut digests: BTreeMap<Digest, Vec<(Class, TreePath)>> = BTreeMap::new();
    for (class, path) in tools.keys() {
        // A link to a multi-call program makes it a tool of that kind under that name only.
        let is_itself = tools[&(*class, path.clone())].names.contains(path)
            || tools[&(*class, path.clone())].is_disguised;
        if let (true, Some((_, file))) = (is_itself, tree.file(path)) {
            // Scripts that only start something else are the same in many places.
            if !matches!(view::program(file), Some(Program::Script(_))) {
                digests.entry(file.digest).or_default().push((*class, path.clone()));
            }
        }
    }
    if digests.is_empty() {
        return;
    }
    for (path, node) in tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if !view::is_executable(node) {
            continue;
        }
        for (class, original) in digests.get(&file.digest).into_iter().flatten() {
            if original == path {
                continue;
            }
            tools.entry((*class, path.clone())).or_insert_with(|| Tool {
                names: BTreeSet::new(),
                copy_of: Some(original.clone()),
                is_disguised: false,
            });
        }
    }
}

/// Returns the kind of tool that goes by a name, with versions (`gcc-14`, `pip3.13`), target
/// machines (`x86_64-linux-gnu-ld`) and ways to link (`bash-static`) taken off.
fn classify(name: &[u8]) -> Option<Class> {
    let name = std::str::from_utf8(name).ok()?;
    if let Some(class) = classify_exactly(name) {
        return Some(class);
    }
    let mut name = name;
    for machine in ["-linux-gnu-", "-linux-gnueabihf-", "-linux-musl-"] {
        if let Some((_, tool)) = name.rsplit_once(machine) {
            name = tool;
        }
    }
    for linked in ["-static", ".static", ".distrib", "-multiarch"] {
        name = name.strip_suffix(linked).unwrap_or(name);
    }
    let unversioned =
        name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let unversioned = unversioned.strip_suffix('-').unwrap_or(unversioned);
    classify_exactly(name).or_else(|| classify_exactly(unversioned))
}

fn classify_exactly(name: &str) -> Option<Class> {
    Some(match name {
        "sh" | "bash" | "rbash" | "dash" | "ash" | "hush" | "busybox" | "busybox-extras"
        | "toybox" | "zsh" | "rzsh" | "ksh" | "ksh93" | "rksh" | "ksh2020" | "mksh" | "lksh"
        | "oksh" | "loksh" | "pdksh" | "posh" | "yash" | "sash" | "csh" | "bsd-csh" | "tcsh"
        | "fish" | "elvish" | "nu" | "osh" | "ysh" | "pwsh" | "xonsh" | "ion" | "murex"
        | "brush" => Class::Shell,
        "apt" | "apt-get" | "apt-cache" | "apt-mark" | "apt-cdrom" | "apt-config" | "apt-key"
        | "aptitude" | "dselect" | "synaptic" | "dpkg" | "dpkg-deb" | "dpkg-divert"
        | "dpkg-query" | "dpkg-split" | "dpkg-statoverride" | "dpkg-trigger" | "apk" | "rpm"
        | "rpm2cpio" | "dnf" | "dnf5" | "microdnf" | "tdnf" | "yum" | "zypper" | "pacman"
        | "opkg" | "ipkg" | "emerge" | "nix-env" | "nix-store" | "guix" | "brew" | "snap"
        | "flatpak" | "xbps-install" | "slackpkg" | "swupd" | "eopkg" => Class::PackageManager,
        "pip" | "pipx" | "pipenv" | "poetry" | "uv" | "easy_install" | "conda" | "mamba"
        | "micromamba" | "npm" | "npx" | "yarn" | "yarnpkg" | "pnpm" | "corepack" | "gem"
        | "bundle" | "bundler" | "composer" | "pecl" | "pear" | "cpan" | "cpanm" | "luarocks" => {
            Class::LanguagePackageManager
        }
        "gcc" | "cc" | "c++" | "g++" | "cpp" | "c89" | "c99" | "c89-gcc" | "c99-gcc" | "cc1"
        | "cc1plus" | "cc1obj" | "collect2" | "lto1" | "lto-wrapper" | "f951" | "gfortran"
        | "gnat" | "gnatmake" | "gdc" | "gccgo" | "gm2" | "d21" | "clang" | "clang++" | "flang"
        | "clang-cpp" | "llc" | "lli" | "tcc" | "as" | "ld" | "ld.bfd" | "ld.gold" | "ld.lld"
        | "gold" | "lld" | "mold" | "llvm-as" | "nasm" | "yasm" | "fasm" | "make" | "gmake"
        | "bmake" | "ninja" | "go" | "gofmt" | "rustc" | "cargo" | "zig" | "ghc" | "ocamlc"
        | "ocamlopt" | "dmd" | "ldc2" | "swiftc" | "fpc" | "nim" | "javac" | "kotlinc"
        | "scalac" => Class::Compiler,
        "gdb" | "gdbserver" | "gdbtui" | "lldb" | "lldb-server" | "dlv" | "rr" | "strace"
        | "ltrace" | "ptrace" | "perf" | "bpftrace" | "bpftool" | "valgrind" | "gcore" | "jdb"
        | "jhsdb" | "sysdig" | "uftrace" | "stap" | "radare2" | "r2" => Class::Debugger,
        "curl" | "wget" | "wget2" | "aria2c" | "nc" | "nc.openbsd" | "nc.traditional" | "ncat"
        | "netcat" | "socat" | "nmap" | "masscan" | "tcpdump" | "tshark" | "dumpcap" | "telnet"
        | "inetutils-telnet" | "ftp" | "tftp" | "ssh" | "scp" | "sftp" | "rsh" | "rlogin"
        | "rsync" | "dig" | "nslookup" => Class::NetworkTool,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_classified() {
        for (name, class) in [
            ("sh", Some(Class::Shell)),
            ("zsh5", Some(Class::Shell)),
            ("bash-static", Some(Class::Shell)),
            ("busybox.static", Some(Class::Shell)),
            ("busybox-extras", Some(Class::Shell)),
            ("bbsuid", None),
            ("apk", Some(Class::PackageManager)),
            ("apk.static", Some(Class::PackageManager)),
            ("libapk.so.3.0.0", None),
            ("ksh93", Some(Class::Shell)),
            ("x86_64-linux-gnu-gcc-14", Some(Class::Compiler)),
            ("clang++-19", Some(Class::Compiler)),
            ("aarch64-linux-gnu-ld.bfd", Some(Class::Compiler)),
            ("pip3.13", Some(Class::LanguagePackageManager)),
            ("dnf-3", Some(Class::PackageManager)),
            ("gdb-multiarch", Some(Class::Debugger)),
            ("libsh.so", None),
            ("ld.so", None),
            ("sh.py", None),
            ("git-shell", None),
            ("jshell", None),
            ("python3.13", None),
            ("tclsh8.6", None),
            ("ssh-keygen", None),
            ("ldd", None),
            ("ldconfig", None),
            ("makedb", None),
            ("", None),
            ("3.13", None),
        ] {
            assert_eq!(classify(name.as_bytes()), class, "{name}");
        }
    }
}
