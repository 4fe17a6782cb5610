// SPDX-License-Identifier: Apache-2.0
//! Which files are of interest, by their paths alone.

use hardpan_tree::TreePath;

use super::patterns::Scanner;

/// The largest database of packages, in bytes. Debian's has 1 kB for a package; all packages of trixie
/// together stay below this.
const DATABASE_BYTES_MAX: u64 = 128 << 20;
/// The largest list of a package's files, in bytes. The longest ones of Debian have 2 MB.
const LIST_BYTES_MAX: u64 = 32 << 20;
/// The largest description of one package, in bytes. Some of Python have their handbook in it.
const DESCRIPTION_BYTES_MAX: u64 = 4 << 20;
/// The largest SBOM that lies in an image, in bytes. Those of wheels and of actions have some 100 kB.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;
/// The largest file about the distribution, in bytes.
const RELEASE_BYTES_MAX: u64 = 64 << 10;
/// The largest Java archive that is looked into, in bytes: it is held in memory, as its directory is at
/// its end.
const JAR_BYTES_MAX: u64 = 256 << 20;

const DPKG: &str = "the database of dpkg";
const APK: &str = "the database of apk";
const DPKG_PACKAGE: &str = "a package of Debian";

/// What is wanted of a file.
#[derive(Debug)]
pub(super) enum Want {
    /// All its bytes, kept until the end.
    Text {
        /// What it is called in messages.
        format: &'static str,
        bytes_max: u64,
    },
    /// All its bytes, read at once.
    Jar { bytes_max: u64 },
    /// A look at its first bytes; and its versions, if its name is in the table.
    Probe(Option<Scanner>),
}

/// Returns whether a path is that of an SBOM: of our actions and of DHI's, of wheels, of Bitnami, and of whoever uses
/// the usual ends of names.
pub(super) fn is_document(path: &TreePath) -> bool {
    let name = path.name();
    let ends = |end: &str| name.len() > end.len() && name.ends_with(end.as_bytes());
    [".spdx.json", ".cdx.json"].iter().any(|end| ends(end))
        || (name.starts_with(b".spdx-") && ends(".spdx"))
        || (path.as_bytes().starts_with(b"opt/docker/sbom/") && ends(".json"))
}

/// Returns whether a path is that of a database of the distribution's packages, or of a part of one: without it nobody knows
/// what an image has.
pub(crate) fn is_package_database(path: &TreePath) -> bool {
    matches!(of(path), Want::Text { format: DPKG | APK | DPKG_PACKAGE, .. })
}

/// Says what is wanted of the file at a path. Only names at the end count, as a directory may be reached
/// through a link.
pub(super) fn of(path: &TreePath) -> Want {
    let text = path.as_bytes();
    let name = path.name();
    let ends = |end: &str| {
        text.strip_suffix(end.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
    };
    let directory = text.strip_suffix(name).and_then(|rest| rest.strip_suffix(b"/"));
    let directory = directory.unwrap_or_default();
    let in_directory = |end: &str| {
        let rest = directory.strip_suffix(end.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
    };
    let wanted = |format, bytes_max| Want::Text { format, bytes_max };
    if ends("dpkg/status") {
        return wanted(DPKG, DATABASE_BYTES_MAX);
    }
    if ends("apk/db/installed") {
        return wanted(APK, DATABASE_BYTES_MAX);
    }
    if in_directory("dpkg/status.d") {
        return wanted(DPKG_PACKAGE, DESCRIPTION_BYTES_MAX);
    }
    if in_directory("dpkg/info") && (name.ends_with(b".list") || name.ends_with(b".md5sums")) {
        return wanted("a list of files", LIST_BYTES_MAX);
    }
    if is_document(path) {
        return wanted("an SBOM", DOCUMENT_BYTES_MAX);
    }
    if name == b"copyright" && text.windows(11).any(|part| part == b"/share/doc/") {
        return wanted("a copyright file", DESCRIPTION_BYTES_MAX);
    }
    if ["os-release", "etc/debian_version", "etc/alpine-release"].iter().any(|end| ends(end))
        || name == b"release"
    {
        return wanted("a file about a release", RELEASE_BYTES_MAX);
    }
    if (directory.ends_with(b".dist-info") && name == b"METADATA")
        || (directory.ends_with(b".egg-info") && name == b"PKG-INFO")
        || name.ends_with(b".egg-info")
        || (directory.ends_with(b"EGG-INFO") && name == b"PKG-INFO")
    {
        return wanted("the metadata of a Python distribution", DESCRIPTION_BYTES_MAX);
    }
    if (directory.ends_with(b".dist-info") && name == b"RECORD")
        || (directory.ends_with(b".egg-info") && name == b"installed-files.txt")
    {
        return wanted("the record of a Python distribution", LIST_BYTES_MAX);
    }
    if name == b"package.json" && super::node::package_directory(path).is_some() {
        return wanted("a package of Node", DESCRIPTION_BYTES_MAX);
    }
    if is_jar(name) {
        return Want::Jar { bytes_max: JAR_BYTES_MAX };
    }
    Want::Probe(Scanner::of(name))
}

/// Returns whether a file is called as Java's archives are.
pub(super) fn is_jar(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else { return false };
    [&b"jar"[..], b"war", b"ear", b"jpi", b"hpi"]
        .iter()
        .any(|ending| name[dot + 1..].eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_wanted() {
        for (path, expected) in [
            ("var/lib/dpkg/status", "the database of dpkg"),
            ("opt/dpkg/status", "the database of dpkg"),
            ("var/lib/xdpkg/status", ""),
            ("var/lib/dpkg/status-old", ""),
            ("var/lib/dpkg/status.d/libc6", "a package of Debian"),
            ("var/lib/dpkg/status.d/libc6.md5sums", "a package of Debian"),
            ("var/lib/dpkg/status.d/x/libc6", ""),
            ("var/lib/dpkg/info/libc6:amd64.list", "a list of files"),
            ("var/lib/dpkg/info/libc6:amd64.postinst", ""),
            ("lib/apk/db/installed", "the database of apk"),
            ("usr/lib/apk/db/installed", "the database of apk"),
            ("usr/lib/apk/db/installed.old", ""),
            ("etc/os-release", "a file about a release"),
            ("etc/xos-release", ""),
            ("etc/debian_version", "a file about a release"),
            ("debian_version", ""),
            ("usr/share/doc/bash/copyright", "a copyright file"),
            ("usr/share/bash/copyright", ""),
            ("x/a.dist-info/METADATA", "the metadata of a Python distribution"),
            ("x/a.dist-info/RECORD", "the record of a Python distribution"),
            ("x/METADATA", ""),
            ("x/a.egg-info", "the metadata of a Python distribution"),
            ("x/node_modules/a/package.json", "a package of Node"),
            ("x/node_modules/@s/a/package.json", "a package of Node"),
            ("x/node_modules/a/b/package.json", ""),
            ("srv/app/package.json", ""),
            ("opt/docker/sbom/a/.spdx.a.json", "an SBOM"),
            ("opt/docker/sbom.json", ""),
            ("opt/app/sbom/a.json", ""),
            ("x/a.dist-info/sboms/a.cdx.json", "an SBOM"),
            ("opt/bitnami/redis/.spdx-redis.spdx", "an SBOM"),
            ("x/.spdx.json", ""),
            ("x/a.spdx", ""),
            ("opt/a.jar", "jar"),
            ("opt/a.WAR", "jar"),
            ("opt/ajar", ""),
            ("bin/ls", ""),
        ] {
            let actual = match of(&TreePath::parse(path).unwrap()) {
                Want::Text { format, .. } => format,
                Want::Jar { .. } => "jar",
                Want::Probe(_) => "",
            };
            assert_eq!(actual, expected, "{path}");
        }
    }
}
