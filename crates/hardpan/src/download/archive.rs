// SPDX-License-Identifier: Apache-2.0
//! What is an archive and what becomes of it: only names decide.

use super::decompress::Method;

/// What a download is, by the name in its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Archive {
    Tar(Method),
    Zip,
    /// One compressed file.
    File(Method),
}

/// The endings of archives. Others that are archives inside (`.jar`, `.whl`, `.gem`, `.deb`) are files
/// to those who download them.
const ENDINGS: [(&str, Archive); 15] = [
    (".tar", Archive::Tar(Method::None)),
    (".tar.gz", Archive::Tar(Method::Gzip)),
    (".tgz", Archive::Tar(Method::Gzip)),
    (".tar.xz", Archive::Tar(Method::Xz)),
    (".txz", Archive::Tar(Method::Xz)),
    (".tar.zst", Archive::Tar(Method::Zstd)),
    (".tzst", Archive::Tar(Method::Zstd)),
    (".tar.bz2", Archive::Tar(Method::Bzip2)),
    (".tbz2", Archive::Tar(Method::Bzip2)),
    (".tbz", Archive::Tar(Method::Bzip2)),
    (".zip", Archive::Zip),
    (".gz", Archive::File(Method::Gzip)),
    (".xz", Archive::File(Method::Xz)),
    (".zst", Archive::File(Method::Zstd)),
    (".bz2", Archive::File(Method::Bzip2)),
];

/// Returns what a name says about a file; `None` if it is no archive.
pub(super) fn by_name(name: &str) -> Option<Archive> {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, archive)| *archive)
}

/// Returns what to unpack: an archive whose path has no archive's ending. With one it stays as it is.
pub(super) fn to_unpack(file_name: &str, path: &str) -> Option<Archive> {
    if by_name(path).is_some() { None } else { by_name(file_name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide() {
        let gzip = Some(Archive::Tar(Method::Gzip));
        for (name, path, archive) in [
            ("x.tar.gz", "${source.dir}/x.tar.gz", None),
            ("x.tar.gz", "${source.dir}/x.tgz", None),
            ("x.tar.gz", "${source.dir}/x", gzip),
            ("x.tar.gz", "${source.dir}/", gzip),
            ("x.TGZ", "/x", gzip),
            ("x.tar.xz", "/x", Some(Archive::Tar(Method::Xz))),
            ("x.zip", "/x", Some(Archive::Zip)),
            ("x.zip", "/x.zip", None),
            ("argo.gz", "/usr/local/bin/argo", Some(Archive::File(Method::Gzip))),
            ("man.1.gz", "/usr/share/man/man1/man.1.gz", None),
            ("x.jar", "/x", None),
            ("x.jar", "/x.jar", None),
            ("tool", "/tool", None),
            ("x", "/x.zip", None),
        ] {
            assert_eq!(to_unpack(name, path), archive, "{name} {path}");
        }
    }
}
