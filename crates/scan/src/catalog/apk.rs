// SPDX-License-Identifier: Apache-2.0
//! apk's database of installed packages: a letter, a colon and a value on each line.

use std::collections::BTreeSet;

use hardpan_tree::TreePath;

use super::{FormatError, Package, PackageId, PackageKind};

/// The most packages of a database; Alpine has 30,000.
const PACKAGES_MAX: usize = 200_000;
/// How long the paths of all files may be together, in bytes. A thousand packages have 12 MB.
const PATH_BYTES_MAX: usize = 256 << 20;
const FORMAT: &str = "the database of apk";

/// Reads a database.
pub(super) fn read(
    bytes: &[u8],
    path: &TreePath,
) -> Result<(Vec<Package>, Option<FormatError>), FormatError> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    let mut problem = None;
    let mut path_bytes = 0;
    let mut lines = text.split('\n').peekable();
    while lines.peek().is_some() {
        let stanza: Vec<&str> = lines.by_ref().take_while(|line| !line.trim().is_empty()).collect();
        if stanza.is_empty() {
            continue;
        }
        if packages.len() >= PACKAGES_MAX {
            return Err(FormatError::limit(FORMAT, "packages", PACKAGES_MAX));
        }
        let Some(mut package) = package(&stanza, path) else {
            problem = Some(FormatError::malformed(FORMAT, "a package without name or version"));
            continue;
        };
        package.files = files(&stanza, &mut path_bytes)?;
        packages.push(package);
    }
    Ok((packages, problem))
}

fn package(lines: &[&str], path: &TreePath) -> Option<Package> {
    let value = |letter: &str| {
        let values = lines.iter().filter_map(|line| line.strip_prefix(letter)?.strip_prefix(':'));
        values.map(str::trim).find(|value| !value.is_empty())
    };
    let owned = |letter| value(letter).map(str::to_owned);
    let words =
        |letter| value(letter).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let (name, version) = (value("P")?, value("V")?);
    let id = match value("A") {
        Some(architecture) => format!("apk/{name}/{architecture}"),
        None => format!("apk/{name}"),
    };
    let mut package = Package::bare(PackageId::new(id), PackageKind::Apk, name, path);
    package.version = Some(version.to_owned());
    package.architecture = owned("A");
    package.source = Some((value("o").unwrap_or(name).to_owned(), version.to_owned()));
    package.maintainer = owned("m");
    package.licenses = owned("L");
    package.homepage = owned("U");
    package.summary = owned("T");
    package.requires = words("D");
    package.provides = words("p");
    Some(package)
}

/// Reads the files: `F:` is a directory, `R:` a file in the last one.
fn files(lines: &[&str], path_bytes: &mut usize) -> Result<BTreeSet<TreePath>, FormatError> {
    let mut files = BTreeSet::new();
    let mut directory = "";
    for line in lines {
        if let Some(folder) = line.strip_prefix("F:") {
            directory = folder;
        } else if let Some(file) = line.strip_prefix("R:") {
            *path_bytes += directory.len() + file.len();
            if *path_bytes > PATH_BYTES_MAX {
                return Err(FormatError::limit(FORMAT, "bytes of paths", PATH_BYTES_MAX));
            }
            files.extend(TreePath::parse(format!("{directory}/{file}")));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases() {
        let path = TreePath::literal("lib/apk/db/installed");
        let text = "C:Q1x\nP:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\no:musl\nD:!x so:y\np:so:libc=1\n\
            F:lib\nR:ld-musl.so.1\na:0:0:777\nF:\nR:top\nR:../up\nF:usr/bin\nR:a b\n\n\
            P:b\nV:1-r0\nT:b: a thing\n\n\nP:c\n\n";
        let (packages, problem) = read(text.as_bytes(), &path).unwrap();
        assert_eq!(packages.len(), 2);
        assert!(problem.is_some());
        let musl = &packages[0];
        assert_eq!(musl.id.as_str(), "apk/musl/x86_64");
        assert_eq!(musl.requires, ["!x", "so:y"]);
        assert_eq!(musl.source, Some(("musl".to_owned(), "1.2.5-r9".to_owned())));
        let files: Vec<_> = musl.files.iter().map(ToString::to_string).collect();
        assert_eq!(files, ["/lib/ld-musl.so.1", "/top", "/usr/bin/a b"]);
        assert_eq!(packages[1].summary.as_deref(), Some("b: a thing"));
        assert_eq!(packages[1].id.as_str(), "apk/b");
        for text in ["", "\n\n\n", "P:a", "V:1", "P:\nV:1", "\0", "PV"] {
            assert_eq!(read(text.as_bytes(), &path).unwrap().0, [], "{text:?}");
        }
        assert_eq!(read(b"P:\xff\nV:1\n", &path).unwrap().0[0].name, "\u{fffd}");
        let long = format!("P:a\nV:1\nF:{}\n{}", "d/".repeat(2000), "R:a\n".repeat(70_000));
        assert!(matches!(read(long.as_bytes(), &path), Err(FormatError::Limit { .. })));
        let many = "P:a\nV:1\n\n".repeat(PACKAGES_MAX + 1);
        assert!(read(many.as_bytes(), &path).is_err());
    }
}
