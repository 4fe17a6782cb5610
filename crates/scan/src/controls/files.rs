// SPDX-License-Identifier: Apache-2.0
//! Modes, owners, and what should have been stripped.

use std::collections::BTreeMap;

use hardpan_tree::{Kind, Node, Origin, Tree, TreePath};

use super::identity::Account;
use super::places;
use super::report::{Observation, Report};
use super::view::View;
use super::{ControlId, Severity};

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
/// The extended attribute that holds a file's capabilities.
const CAPABILITY: &str = "security.capability";

/// Files from which a process that may write them makes itself root.
const SYSTEM_FILES: [&[u8]; 10] = [
    b"etc/passwd",
    b"etc/group",
    b"etc/shadow",
    b"etc/gshadow",
    b"etc/sudoers",
    b"etc/nsswitch.conf",
    b"etc/ld.so.conf",
    b"etc/ld.so.cache",
    b"etc/ld.so.preload",
    b"etc/login.defs",
];
/// Directories of which the same holds.
const SYSTEM_DIRECTORIES: [&[u8]; 4] =
    [b"etc/ld.so.conf.d/", b"etc/sudoers.d/", b"etc/pam.d/", b"etc/security/"];

/// Directories with such files, with programs that everybody starts, and with the system's libraries.
const SYSTEM_PLACES: [&[u8]; 13] = [
    b"bin",
    b"etc",
    b"etc/ld.so.conf.d",
    b"etc/pam.d",
    b"etc/sudoers.d",
    b"lib",
    b"lib64",
    b"sbin",
    b"usr",
    b"usr/bin",
    b"usr/lib",
    b"usr/lib64",
    b"usr/sbin",
];

/// Where package managers keep what they can fetch again.
const CACHES: [&str; 14] = [
    "var/cache/apt/",
    "var/lib/apt/lists/",
    "var/cache/debconf/",
    "var/cache/apk/",
    "etc/apk/cache/",
    "var/cache/dnf/",
    "var/cache/yum/",
    "var/cache/libdnf5/",
    "var/cache/zypp/",
    "var/cache/pacman/",
    "var/cache/apt-cacher-ng/",
    "var/lib/dnf/repos/",
    "opt/conda/pkgs/",
    "go/pkg/mod/cache/",
];
/// Where package managers of languages do, below whoever's home.
const CACHES_OF_LANGUAGES: [&str; 12] = [
    "/.cache/pip/",
    "/.cache/uv/",
    "/.cache/pypoetry/",
    "/.cache/yarn/",
    "/.cache/go-build/",
    "/.cache/composer/",
    "/.composer/cache/",
    "/.npm/_cacache/",
    "/.local/share/pnpm/store/",
    // In two parts, for nobody reads it as a folder of theirs.
    concat!("/.cargo", "/registry/"),
    "/.gradle/caches/",
    "/usr/local/share/.cache/yarn/",
];
const CACHE_OF_LANGUAGE: &str = "is a cache of a package manager of a language";
const LEFT_PACKAGE: &str = "is a package that was left after its installation";
/// How the files are called that package managers install.
const PACKAGES: [&str; 3] = [".deb", ".rpm", ".pkg.tar.zst"];

/// Checks every node by itself.
pub(super) fn check(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    for (path, node) in view.tree.walk() {
        // A link's own mode means nothing; a hard link's file is seen under its own path.
        match node.kind {
            Kind::File(_) => check_file(view, report, path, node),
            Kind::Directory => check_directory(view, account, report, path, node),
            Kind::Symlink(_) | Kind::HardLink(_) => {}
        }
        // Links in these directories are left to the check for links: a package's whole directory of
        // licences may be one.
        if matches!(node.kind, Kind::File(_) | Kind::HardLink(_)) {
            check_stripped(view, report, path, node);
        }
    }
    for path in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
        let path = TreePath::literal(path);
        // The empty file is what a first boot fills.
        if view.tree.file(&path).is_some_and(|(_, file)| file.size_bytes > 0) {
            report.path(ControlId::MachineId, &path, "is the identity of one machine");
        }
    }
}

/// How many files there are of what kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Setuid and setgid files.
    pub(crate) setuid: u64,
    /// Files with capabilities.
    pub(crate) capable: u64,
    /// Files that everybody may write, and such directories without the sticky bit.
    pub(crate) writable: u64,
    files: u64,
    size_bytes: u64,
}

/// Counts, hard links not twice.
pub(crate) fn counts(tree: &Tree) -> Counts {
    let mut counts = Counts::default();
    for (_, node) in tree.walk() {
        let mode = node.metadata.mode;
        match &node.kind {
            Kind::File(file) => {
                counts.files += 1;
                counts.size_bytes = counts.size_bytes.saturating_add(file.size_bytes);
                counts.setuid += u64::from(mode & (SETUID | SETGID) != 0);
                counts.capable += u64::from(node.metadata.xattrs.contains_key(CAPABILITY));
                counts.writable += u64::from(mode & OTHER_WRITE != 0);
            }
            Kind::Directory => {
                counts.writable += u64::from(mode & OTHER_WRITE != 0 && mode & STICKY == 0);
            }
            Kind::Symlink(_) | Kind::HardLink(_) => {}
        }
    }
    counts
}

/// Counts what the labels tell.
pub(super) fn measure(tree: &Tree) -> BTreeMap<&'static str, String> {
    let Counts { setuid, capable, writable, files, size_bytes } = counts(tree);
    BTreeMap::from([
        ("setuid-files", setuid.to_string()),
        ("capability-files", capable.to_string()),
        ("world-writable", writable.to_string()),
        ("files", files.to_string()),
        ("size-bytes", size_bytes.to_string()),
    ])
}

fn check_file(view: &View<'_>, report: &mut Report<'_>, path: &TreePath, node: &Node) {
    let mode = node.metadata.mode;
    if mode & SETUID != 0 {
        report.path(ControlId::SetuidFile, path, format!("is setuid {}", node.metadata.uid));
    }
    // Without execute permission for the group the bit once meant mandatory locks; it is stripped too.
    if mode & SETGID != 0 {
        report.path(ControlId::SetuidFile, path, format!("is setgid {}", node.metadata.gid));
    }
    if node.metadata.xattrs.contains_key(CAPABILITY) {
        report.path(ControlId::FileCapability, path, "has file capabilities");
    }
    if is_system_file(path) && (mode & (GROUP_WRITE | OTHER_WRITE) != 0 || node.metadata.uid != 0) {
        let owner = format!("{}:{}", node.metadata.uid, node.metadata.gid);
        let text = format!("can be written by others than root ({mode:04o}, {owner})");
        report.path(ControlId::WritableSystemFile, path, text);
    } else if mode & OTHER_WRITE != 0 {
        writable(view, report, path, node, ControlId::WorldWritableFile);
    }
}

fn check_directory(
    view: &View<'_>,
    account: &Account,
    report: &mut Report<'_>,
    path: &TreePath,
    node: &Node,
) {
    let mode = node.metadata.mode;
    if mode & OTHER_WRITE != 0 && mode & STICKY == 0 {
        // A volume is another's directory.
        let is_volume = view.config().is_ok_and(|config| {
            config.volumes.iter().any(|volume| places::resolved(view.tree, volume) == *path)
        });
        if !is_volume {
            writable(view, report, path, node, ControlId::WorldWritableDirectory);
        }
    } else if SYSTEM_PLACES.contains(&path.as_bytes()) {
        // Who writes the directory replaces the files in it. That root's group may is another matter.
        let by_group = mode & GROUP_WRITE != 0 && node.metadata.gid != 0;
        let by_user = !account.is_root() && account.may(&node.metadata, 2);
        if node.metadata.uid != 0 || by_group || by_user || mode & OTHER_WRITE != 0 {
            let owner = format!("{}:{}", node.metadata.uid, node.metadata.gid);
            report.add(Observation {
                control: ControlId::WritableSystemFile,
                path: Some(path.clone()),
                origin: Some(node.origin),
                text: format!("can be written by others than root ({mode:04o}, {owner})"),
                // While an image is built: whoever gives a directory of the system away by its definition is warned.
                is_asked_for: matches!(node.origin, Origin::Definition | Origin::Stage(_)),
            });
        }
    }
}

fn writable(
    view: &View<'_>,
    report: &mut Report<'_>,
    path: &TreePath,
    node: &Node,
    control: ControlId,
) {
    report.add(Observation {
        control,
        path: Some(path.clone()),
        origin: Some(node.origin),
        text: format!("can be written by everybody ({:04o})", node.metadata.mode),
        is_asked_for: view.is_requested_path(path),
    });
}

fn is_system_file(path: &TreePath) -> bool {
    let bytes = path.as_bytes();
    SYSTEM_FILES.contains(&bytes)
        || SYSTEM_DIRECTORIES.iter().any(|directory| bytes.starts_with(directory))
}

/// Reports what the strip rules take away by default.
fn check_stripped(view: &View<'_>, report: &mut Report<'_>, path: &TreePath, node: &Node) {
    let Some((control, text)) = stripped(path) else { return };
    // The package `locales` was named for its locales, and a path for itself.
    let is_asked_for = view.is_requested_path(path)
        || (control == ControlId::Locale && view.is_requested(path, node.origin));
    if !is_asked_for {
        let most = if text == CACHE_OF_LANGUAGE || text == LEFT_PACKAGE {
            // What build stages leave does not end builds that went on before.
            if view.input.image.is_some() { Severity::Fail } else { Severity::Warn }
        } else {
            Severity::Fail
        };
        report.path_at_most(control, path, text, most);
    }
}

fn stripped(path: &TreePath) -> Option<(ControlId, &'static str)> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let name = text.rsplit('/').next().unwrap_or_default();
    if let Some(rest) = text.strip_prefix("usr/share/").or(text.strip_prefix("usr/local/share/")) {
        let (directory, below) = rest.split_once('/')?;
        return match directory {
            "man" => Some((ControlId::Documentation, "is a manual page")),
            "info" => Some((ControlId::Documentation, "is an info page")),
            "doc" | "gtk-doc" | "help" if !is_licence(name) => {
                Some((ControlId::Documentation, "is documentation"))
            }
            "lintian" | "linda" if below.starts_with("overrides/") => {
                Some((ControlId::Documentation, "only serves package checks"))
            }
            "locale" if below.contains("/LC_") => Some((ControlId::Locale, "is a translation")),
            "i18n" => Some((ControlId::Locale, "is the source of a locale")),
            _ => None,
        };
    }
    if let Some(below) = text.strip_prefix("usr/lib/locale/") {
        let locale = below.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let is_c = matches!(locale.as_str(), "c.utf8" | "c.utf-8");
        return (!is_c).then_some((ControlId::Locale, "is a locale"));
    }
    // apt's lock files are empty and belong to the package.
    if CACHES.iter().any(|cache| text.starts_with(cache)) && name != "lock" {
        return Some((ControlId::PackageCache, "is a cache of a package manager"));
    }
    if CACHES_OF_LANGUAGES.iter().any(|cache| has_directory(text, cache)) {
        return Some((ControlId::PackageCache, CACHE_OF_LANGUAGE));
    }
    PACKAGES
        .iter()
        .any(|ending| name.len() > ending.len() && name.ends_with(ending))
        .then_some((ControlId::PackageCache, LEFT_PACKAGE))
}

/// Whether a path has some directories in it, which are given with slashes around them.
fn has_directory(path: &str, directories: &str) -> bool {
    path.contains(directories) || path.starts_with(&directories[1..])
}

fn is_licence(name: &str) -> bool {
    const STEMS: [&str; 7] =
        ["copyright", "licen", "notice", "copying", "authors", "patents", "unlicense"];
    let name = name.to_ascii_lowercase();
    STEMS.iter().any(|stem| name.starts_with(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strip_rules_take() {
        for (path, control) in [
            ("/usr/share/man/man1/ls.1.gz", Some(ControlId::Documentation)),
            ("/usr/share/info/dir", Some(ControlId::Documentation)),
            ("/usr/share/doc/curl/changelog.gz", Some(ControlId::Documentation)),
            ("/usr/share/doc/curl/copyright", None),
            ("/usr/share/doc/openjdk/LICENSE.txt", None),
            ("/usr/share/lintian/overrides/curl", Some(ControlId::Documentation)),
            ("/usr/share/locale/de/LC_MESSAGES/x.mo", Some(ControlId::Locale)),
            ("/usr/share/locale/locale.alias", None),
            ("/usr/lib/locale/de_DE.utf8/LC_CTYPE", Some(ControlId::Locale)),
            ("/usr/lib/locale/C.utf8/LC_CTYPE", None),
            ("/var/cache/apt/pkgcache.bin", Some(ControlId::PackageCache)),
            ("/var/lib/apt/lists/x_InRelease", Some(ControlId::PackageCache)),
            ("/var/lib/apt/lists/lock", None),
            ("/var/lib/dpkg/status", None),
            ("/var/cache/apk/APKINDEX.0b22a1c5.tar.gz", Some(ControlId::PackageCache)),
            ("/etc/apk/cache/musl-1.2.5-r10.apk", Some(ControlId::PackageCache)),
            ("/lib/apk/db/installed", None),
            ("/usr/lib/apk/db/scripts.tar", None),
            ("/etc/apk/repositories", None),
            ("/root/.cache/pip/http/a/b", Some(ControlId::PackageCache)),
            ("/home/node/.npm/_cacache/index-v5/a", Some(ControlId::PackageCache)),
            ("/opt/install/curl_8_amd64.deb", Some(ControlId::PackageCache)),
            ("/var/cache/libdnf5/x/repomd.xml", Some(ControlId::PackageCache)),
            ("/app/.npmrc", None),
            ("/app/cache/pip/x", None),
            ("/app/notes.debian", None),
            ("/app/.deb", None),
            ("/usr/share/manifest", None),
            ("/usr/lib/python3/dist-packages/man/x.py", None),
        ] {
            let found = stripped(&TreePath::literal(path)).map(|(control, _)| control);
            assert_eq!(found, control, "{path}");
        }
    }
}
