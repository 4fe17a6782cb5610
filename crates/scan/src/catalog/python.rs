// SPDX-License-Identifier: Apache-2.0
//! Installed Python distributions: `*.dist-info` and `*.egg-info`.

use hardpan_tree::TreePath;

use super::headers::paragraph;
use super::{FormatError, Package, PackageKind};

/// The most files of a distribution; the largest ones have 20,000.
const FILES_MAX: usize = 500_000;
/// How long their paths may be together, in bytes.
const PATH_BYTES_MAX: usize = 128 << 20;
const FORMAT: &str = "the metadata of a Python distribution";

/// Returns whether the file at a path is about a distribution.
pub(super) fn is_metadata(path: &TreePath) -> bool {
    let parent = path.parent().unwrap_or_default();
    match path.name() {
        b"METADATA" => parent.name().ends_with(b".dist-info"),
        b"PKG-INFO" => parent.name().ends_with(b".egg-info") || parent.name() == b"EGG-INFO",
        name => name.ends_with(b".egg-info"),
    }
}

/// Returns where a distribution's list of files is, and what its paths are relative to.
pub(super) fn record(metadata: &TreePath) -> Option<(TreePath, TreePath)> {
    let directory = metadata.parent()?;
    let (name, base) = if metadata.name() == b"METADATA" {
        ("RECORD", directory.parent()?)
    } else if metadata.name() == b"PKG-INFO" {
        ("installed-files.txt", directory.clone())
    } else {
        return None;
    };
    Some((directory.join(name).ok()?, base))
}

/// Returns the directory that modules are imported from.
pub(super) fn site(metadata: &TreePath) -> TreePath {
    let directory = metadata.parent().unwrap_or_default();
    if metadata.name().ends_with(b".egg-info") {
        return directory;
    }
    directory.parent().unwrap_or_default()
}

/// Reads metadata (packaging.python.org, "Core metadata specifications").
pub(super) fn read(bytes: &[u8], path: &TreePath) -> Result<Package, FormatError> {
    let text = String::from_utf8_lossy(bytes);
    let (fields, _) = paragraph(&text);
    let missing = FormatError::malformed(FORMAT, "no name or no version");
    let (Some(name), Some(version)) = (fields.first_line("Name"), fields.first_line("Version"))
    else {
        return Err(missing);
    };
    let mut package = Package::found_at(PackageKind::Pypi, name, Some(version), path, None);
    // Setuptools wrote UNKNOWN for what is not there.
    let get = |name| {
        let line = fields.first_line(name).filter(|line| !matches!(*line, "" | "UNKNOWN"));
        line.map(str::to_owned)
    };
    package.licenses = get("License-Expression").or_else(|| get("License"));
    if package.licenses.is_none() {
        let is_licence = |line: &&str| line.starts_with("License ::");
        package.licenses = fields.all("Classifier").find(is_licence).map(str::to_owned);
    }
    package.maintainer =
        ["Maintainer", "Maintainer-email", "Author", "Author-email"].into_iter().find_map(get);
    package.homepage = get("Home-page").or_else(|| {
        let home = |line: &str| {
            let (label, address) = line.split_once(',')?;
            label.trim().eq_ignore_ascii_case("homepage").then(|| address.trim().to_owned())
        };
        fields.all("Project-URL").find_map(home)
    });
    package.summary = get("Summary");
    package.requires = fields.all("Requires-Dist").map(str::to_owned).collect();
    Ok(package)
}

/// Reads `RECORD`, a table of paths, digests and sizes; or `installed-files.txt`, of paths.
pub(super) fn files(bytes: &[u8], base: &TreePath) -> Result<Vec<TreePath>, FormatError> {
    let text = String::from_utf8_lossy(bytes);
    let mut paths = Vec::new();
    let mut path_bytes = 0;
    for line in text.lines() {
        path_bytes += base.as_bytes().len() + line.len();
        if path_bytes > PATH_BYTES_MAX {
            let format = "the record of a Python distribution";
            return Err(FormatError::limit(format, "bytes of paths", PATH_BYTES_MAX));
        }
        if paths.len() >= FILES_MAX {
            let format = "the record of a Python distribution";
            return Err(FormatError::limit(format, "files", FILES_MAX));
        }
        let name = match line.strip_prefix('"') {
            None => line.split(',').next().unwrap_or_default().to_owned(),
            // A quote in a quoted name is doubled.
            Some(rest) => {
                rest.replace("\"\"", "\0").split('"').next().unwrap_or_default().replace('\0', "\"")
            }
        };
        paths.extend(relative(base, &name));
    }
    Ok(paths)
}

/// Goes from a directory along a path that may lead up.
fn relative(base: &TreePath, name: &str) -> Option<TreePath> {
    if name.trim().is_empty() {
        return None;
    }
    if name.starts_with('/') {
        return TreePath::parse(name).ok();
    }
    let mut path = base.clone();
    for part in name.split('/') {
        path = match part {
            "" | "." => path,
            ".." => path.parent()?,
            part => path.join(part).ok()?,
        };
    }
    Some(path)
}

/// Returns a name as all spellings of it compare (PEP 503).
pub(crate) fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Returns the name that a requirement asks for; nothing if it is only for an extra.
pub(super) fn required(requirement: &str) -> Option<String> {
    let (what, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = what.trim().split(|c| !is_part(c)).next().filter(|name| !name.is_empty())?;
    (!marker.contains("extra")).then(|| normal(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata() {
        let path = TreePath::literal("usr/lib/python3/dist-packages/Django-5.1.dist-info/METADATA");
        let text = "Metadata-Version: 2.1\nName: Django\nVersion: 5.1\nLicense: UNKNOWN\nAuthor: A\n\
            Project-URL: Homepage, example\nRequires-Dist: asgiref (>=3.3.2)\n\
            Classifier: X\nClassifier: License :: OSI Approved :: BSD License\n\nName: body\n";
        let package = read(text.as_bytes(), &path).unwrap();
        assert_eq!(
            package.id.as_str(),
            "pypi/Django@5.1:usr/lib/python3/dist-packages/Django-5.1.dist-info/METADATA"
        );
        assert_eq!(package.licenses.as_deref(), Some("License :: OSI Approved :: BSD License"));
        assert_eq!(package.maintainer.as_deref(), Some("A"));
        assert_eq!(package.homepage.as_deref(), Some("example"));
        assert_eq!(package.requires, ["asgiref (>=3.3.2)"]);
        for text in
            [&b""[..], b"Name: a\n", b"Version: 1\n", b"Name: a\n\nVersion: 1\n", b"\0", b"\xff"]
        {
            assert!(read(text, &path).is_err(), "{text:?}");
        }
    }

    #[test]
    fn records() {
        let base = TreePath::literal("usr/lib/python3/site-packages");
        let text =
            b"a/__init__.py,sha256=x,1\n../../../bin/a,,\n\"b,\"\"c.py\",,\n/etc/x,,\n\n,,\n\
            ../../../../../up,,\n./d.py\nx\0y,,\n";
        let found = files(text, &base).unwrap();
        let paths: Vec<_> = found.iter().map(ToString::to_string).collect();
        let site = "/usr/lib/python3/site-packages";
        let expected = [
            format!("{site}/a/__init__.py"),
            "/usr/bin/a".to_owned(),
            format!("{site}/b,\"c.py"),
            "/etc/x".to_owned(),
            format!("{site}/d.py"),
        ];
        assert_eq!(paths, expected);
        let deep = TreePath::parse("d/".repeat(1000)).unwrap();
        assert!(files("a\n".repeat(80_000).as_bytes(), &deep).is_err());
        assert!(files("a\n".repeat(FILES_MAX + 1).as_bytes(), &base).is_err());
    }

    #[test]
    fn requirements() {
        for (text, expected) in [
            ("Foo.Bar_baz>=1", Some("foo-bar-baz")),
            ("foo[x,y]==1; python_version < '3'", Some("foo")),
            ("foo (>=1)", Some("foo")),
            ("foo @ file:///x", Some("foo")),
            ("foo; extra == 'test'", None),
            ("", None),
            (">=1", None),
        ] {
            assert_eq!(required(text).as_deref(), expected, "{text}");
        }
    }
}
