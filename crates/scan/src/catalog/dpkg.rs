// SPDX-License-Identifier: Apache-2.0
//! dpkg's database: `status`, and `status.d` of images without dpkg.

use hardpan_tree::TreePath;

use super::headers::{Fields, paragraphs};
use super::{FormatError, Package, PackageId, PackageKind};

/// The most packages of a database; trixie has 68,000.
const PACKAGES_MAX: usize = 200_000;
/// The most files of a package.
const FILES_MAX: usize = 1_000_000;
const FORMAT: &str = "the database of dpkg";

/// Reads a database, or the file of one package. Packages of which dpkg only remembers the configuration
/// are left out.
pub(super) fn read(
    bytes: &[u8],
    path: &TreePath,
) -> Result<(Vec<Package>, Option<FormatError>), FormatError> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    let mut problem = None;
    let mut is_any = text.trim().is_empty();
    for fields in paragraphs(&text) {
        is_any = true;
        if packages.len() >= PACKAGES_MAX {
            return Err(FormatError::limit(FORMAT, "packages", PACKAGES_MAX));
        }
        if !is_installed(&fields) {
            continue;
        }
        match package(&fields, path) {
            Some(package) => packages.push(package),
            None => {
                problem = Some(FormatError::malformed(FORMAT, "a package without name or version"));
            }
        }
    }
    if !is_any {
        return Err(FormatError::malformed(FORMAT, "nothing in it is a field"));
    }
    Ok((packages, problem))
}

/// Looks at the last word of `Status`, which says what is; the first only says what is wanted.
fn is_installed(fields: &Fields<'_>) -> bool {
    let Some(status) = fields.get("Status") else { return true };
    !matches!(status.split_whitespace().last(), Some("config-files" | "not-installed"))
}

fn package(fields: &Fields<'_>, path: &TreePath) -> Option<Package> {
    let name = fields.first_line("Package")?;
    let version = fields.first_line("Version")?;
    let architecture = fields.first_line("Architecture");
    let id = match architecture {
        Some(architecture) => format!("deb/{name}/{architecture}"),
        None => format!("deb/{name}"),
    };
    let owned = |name| fields.get(name).map(std::borrow::Cow::into_owned);
    let list = |names: &[&str]| {
        let values = names.iter().filter_map(|name| fields.get(name));
        let mut all = Vec::new();
        for value in values {
            let clauses = value.split(',').map(str::trim).filter(|clause| !clause.is_empty());
            all.extend(clauses.map(str::to_owned));
        }
        all
    };
    let mut package = Package::bare(PackageId::new(id), PackageKind::Deb, name, path);
    package.version = Some(version.to_owned());
    package.architecture = architecture.map(str::to_owned);
    package.source = Some(source(fields.get("Source").as_deref(), name, version));
    package.maintainer = owned("Maintainer");
    package.licenses = owned("License");
    package.homepage = owned("Homepage");
    package.summary = fields.first_line("Description").map(str::to_owned);
    package.requires = list(&["Pre-Depends", "Depends"]);
    package.provides = list(&["Provides"]);
    package.files.extend(conffiles(fields));
    Some(package)
}

/// Reads `Conffiles`, a path and its checksum a line. They are in no list of checksums.
fn conffiles(fields: &Fields<'_>) -> impl Iterator<Item = TreePath> {
    let paths = fields.lines("Conffiles").filter_map(|line| {
        let line = line.strip_suffix(" remove-on-upgrade").unwrap_or(line);
        let (path, sum) = line.strip_suffix(" obsolete").unwrap_or(line).rsplit_once(' ')?;
        // One that was never installed, or is to go.
        (sum.len() == 32).then_some(path)
    });
    paths.filter_map(|path| TreePath::parse(path).ok())
}

/// Reads `Source: NAME (VERSION)`, of which everything may be missing.
fn source(field: Option<&str>, name: &str, version: &str) -> (String, String) {
    let field = field.unwrap_or_default();
    let (source, rest) = field.split_once([' ', '(']).unwrap_or((field, ""));
    let own = rest.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
    (or(source.trim(), name), or(own, version))
}

/// Reads a package's list of files (`info/NAME.list`), one path a line.
pub(super) fn list(bytes: &[u8]) -> Result<Vec<TreePath>, FormatError> {
    paths(bytes.split(|&byte| byte == b'\n'))
}

/// Reads a package's check sums (`NAME.md5sums`).
pub(super) fn md5sums(bytes: &[u8]) -> Result<Vec<TreePath>, FormatError> {
    paths(bytes.split(|&byte| byte == b'\n').filter_map(|line| line.get(32..)))
}

fn paths<'b>(lines: impl Iterator<Item = &'b [u8]>) -> Result<Vec<TreePath>, FormatError> {
    let mut paths = Vec::new();
    for line in lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        if paths.len() >= FILES_MAX {
            return Err(FormatError::limit("a list of files", "files", FILES_MAX));
        }
        // What is no path is nobody's file.
        paths.extend(TreePath::parse(line));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_files_are_the_packages() {
        let sum = "0".repeat(32);
        for (text, expected) in [
            (format!("Conffiles:\n /etc/a {sum}\n /etc/b c {sum}\n"), "/etc/a /etc/b c"),
            (format!("Conffiles:\n /etc/a {sum} obsolete\n"), "/etc/a"),
            (format!("Conffiles:\n /etc/a {sum} obsolete remove-on-upgrade\n"), "/etc/a"),
            ("Conffiles:\n /etc/a newconffile\n /etc/b\n".to_owned(), ""),
            (format!("Conffiles:\n /../etc {sum}\n {sum}\n"), ""),
            (format!("Conffiles: {sum}\n"), ""),
            ("Conffiles:\n".to_owned(), ""),
        ] {
            let text = format!("Package: a\nVersion: 1\n{text}");
            let path = TreePath::literal("var/lib/dpkg/status");
            let (packages, problem) = read(text.as_bytes(), &path).unwrap();
            assert!(problem.is_none(), "{text}");
            let files: Vec<String> = packages[0].files.iter().map(ToString::to_string).collect();
            assert_eq!(files.join(" "), expected, "{text}");
        }
    }

    fn names(text: &[u8]) -> (Vec<String>, bool) {
        let (packages, problem) = read(text, &TreePath::literal("var/lib/dpkg/status")).unwrap();
        let name = |package: &Package| {
            let (source, version) = package.source.clone().unwrap();
            format!("{} {} {source} {version}", package.id, package.version.as_deref().unwrap())
        };
        (packages.iter().map(name).collect(), problem.is_some())
    }

    #[test]
    fn databases() {
        for (text, expected, has_problem) in [
            ("Package: a\nVersion: 1\nArchitecture: all\n", "deb/a/all 1 a 1", false),
            (
                "Package: a\nVersion: 1+b2\nSource: s (1)\nArchitecture: x\n",
                "deb/a/x 1+b2 s 1",
                false,
            ),
            ("Package: a\nVersion: 1:2-3\nSource: s\n", "deb/a 1:2-3 s 1:2-3", false),
            ("Package: a\nVersion: 1\nSource: s(0.9)\n", "deb/a 1 s 0.9", false),
            ("Package: a\nVersion: 1\nSource: (2)\n", "deb/a 1 a 2", false),
            ("Package: a\nVersion: 1\nSource: s (\n", "deb/a 1 s 1", false),
            // Duplicates end other readers.
            ("Package: a\nVersion: 1\nSection: x\nSection: x\n", "deb/a 1 a 1", false),
            ("Package: a\nStatus: install ok installed\nVersion: 1\n", "deb/a 1 a 1", false),
            ("Package: a\nStatus: deinstall ok config-files\nVersion: 1\n", "", false),
            ("Package: a\nStatus: purge ok not-installed\n", "", false),
            // Marked to be removed, but not yet removed.
            ("Package: a\nStatus: deinstall ok installed\nVersion: 1\n", "deb/a 1 a 1", false),
            ("Package: a\nStatus: install ok half-configured\nVersion: 1\n", "deb/a 1 a 1", false),
            ("Package: a\n", "", true),
            ("Version: 1\n", "", true),
            ("Package: a\n\nPackage: b\nVersion: 2\n", "deb/b 2 b 2", true),
            ("", "", false),
            ("\n \n", "", false),
        ] {
            let (names, problem) = names(text.as_bytes());
            assert_eq!((names.join(" "), problem), (expected.to_owned(), has_problem), "{text}");
        }
        let (names, _) = names(b"Package: a\nMaintainer: J\xf6rg\nVersion: 1\n");
        assert_eq!(names, ["deb/a 1 a 1"]);
        for text in ["\0\0\0", "no field here", "\n\nPackage a\nVersion 1\n"] {
            let problem = read(text.as_bytes(), &TreePath::root()).unwrap_err();
            assert_eq!(problem.to_string(), "not the database of dpkg: nothing in it is a field");
        }
        let many = "Package: a\nVersion: 1\n\n".repeat(PACKAGES_MAX + 1);
        assert!(read(many.as_bytes(), &TreePath::root()).is_err());
    }

    #[test]
    fn lists_of_files() {
        let text = |paths: Vec<TreePath>| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        let listed = list(b"/.\n/usr\n/usr/bin/a b\n/../etc\n\n/x\0y\n/\xff\n").unwrap();
        assert_eq!(text(listed), ["/", "/usr", "/usr/bin/a b", "/\u{fffd}"]);
        let sums = md5sums(b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/a b\nshort\n\n").unwrap();
        assert_eq!(text(sums), ["/usr/bin/a b"]);
        assert!(list("/a\n".repeat(FILES_MAX + 1).as_bytes()).is_err());
    }
}
