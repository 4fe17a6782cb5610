// SPDX-License-Identifier: Apache-2.0
//! Modes, owners, and what should have been stripped.

use std::collections::BTreeMap;

use hardpan_tree::{Kind, Node, Tree, TreePath};

use super::ControlId;
use super::report::{Observation, Report};
use super::view::View;

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

/// Where package managers keep what they can fetch again.
const CACHES: [&str; 7] = [
    "var/cache/apt/",
    "var/lib/apt/lists/",
    "var/cache/debconf/",
    "var/cache/apk/",
    "etc/apk/cache/",
    "var/cache/dnf/",
    "var/cache/yum/",
];

/// Checks every node by itself.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    for (path, node) in view.tree.walk() {
        // A link's own mode means nothing; a hard link's file is seen under its own path.
        match node.kind {
            Kind::File(_) => check_file(view, report, path, node),
            Kind::Directory => check_directory(view, report, path, node),
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

/// Counts what the labels tell.
pub(super) fn measure(tree: &Tree) -> BTreeMap<&'static str, String> {
    let (mut setuid, mut capable, mut writable, mut files, mut size_bytes) = (0u64, 0, 0, 0, 0u64);
    for (_, node) in tree.walk() {
        let mode = node.metadata.mode;
        match &node.kind {
            Kind::File(file) => {
                files += 1u64;
                size_bytes = size_bytes.saturating_add(file.size_bytes);
                setuid += u64::from(mode & (SETUID | SETGID) != 0);
                capable += u64::from(node.metadata.xattrs.contains_key(CAPABILITY));
                writable += u64::from(mode & OTHER_WRITE != 0);
            }
            Kind::Directory => {
                writable += u64::from(mode & OTHER_WRITE != 0 && mode & STICKY == 0);
            }
            Kind::Symlink(_) | Kind::HardLink(_) => {}
        }
    }
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

fn check_directory(view: &View<'_>, report: &mut Report<'_>, path: &TreePath, node: &Node) {
    if node.metadata.mode & OTHER_WRITE != 0 && node.metadata.mode & STICKY == 0 {
        writable(view, report, path, node, ControlId::WorldWritableDirectory);
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
        report.path(control, path, text);
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
    (CACHES.iter().any(|cache| text.starts_with(cache)) && name != "lock")
        .then_some((ControlId::PackageCache, "is a cache of a package manager"))
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
            ("/usr/share/manifest", None),
            ("/usr/lib/python3/dist-packages/man/x.py", None),
        ] {
            let found = stripped(&TreePath::literal(path)).map(|(control, _)| control);
            assert_eq!(found, control, "{path}");
        }
    }
}
