// SPDX-License-Identifier: Apache-2.0
//! Which bytes packages say that their files have: dpkg's `md5sums` and conffiles, and apk's checksums.

use hardpan_package::apk::index::Checksum;
use hardpan_tree::TreePath;

use super::headers::paragraphs;

/// A database that has checksums of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SumList {
    /// Conffiles of all packages, or of the one of this file.
    Dpkg,
    /// The files of one package.
    DpkgPackage(String),
    /// The files of all packages.
    Apk,
}

/// The digest of a file, of the kind that its database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    Md5([u8; 16]),
    Sha1([u8; 20]),
    Sha256([u8; 32]),
}

impl SumList {
    /// Returns which list is at a path.
    pub(crate) fn at(path: &TreePath) -> Option<Self> {
        let text = std::str::from_utf8(path.as_bytes()).ok()?;
        let (directory, name) = text.rsplit_once('/')?;
        let is_in = |end: &str| {
            let rest = directory.strip_suffix(end);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let of_package = || {
            let package = name.strip_suffix(".md5sums")?;
            Some(package.split_once(':').map_or(package, |(package, _)| package).to_owned())
        };
        if is_in("dpkg/info") || is_in("dpkg/status.d") {
            return match of_package() {
                Some(package) => Some(Self::DpkgPackage(package)),
                None => is_in("dpkg/status.d").then_some(Self::Dpkg),
            };
        }
        match name {
            "status" if is_in("dpkg") => Some(Self::Dpkg),
            "installed" if is_in("apk/db") => Some(Self::Apk),
            _ => None,
        }
    }

    /// Tells of each file that it has: the package, the path, and the digest. What it does not understand it leaves out: such
    /// a file is then nobody's.
    pub(crate) fn read(&self, bytes: &[u8], tell: &mut dyn FnMut(&str, TreePath, Sum)) {
        match self {
            Self::Dpkg => conffiles(&String::from_utf8_lossy(bytes), tell),
            Self::DpkgPackage(package) => {
                for line in bytes.split(|&byte| byte == b'\n') {
                    let Some((sum, path)) = line.split_at_checked(32) else { continue };
                    let path = path.strip_prefix(b"  ").and_then(|path| TreePath::parse(path).ok());
                    if let (Some(sum), Some(path)) = (md5(sum), path) {
                        tell(package, path, sum);
                    }
                }
            }
            Self::Apk => apk(&String::from_utf8_lossy(bytes), tell),
        }
    }
}

fn conffiles(text: &str, tell: &mut dyn FnMut(&str, TreePath, Sum)) {
    for fields in paragraphs(text) {
        let Some(package) = fields.first_line("Package") else { continue };
        for line in fields.lines("Conffiles") {
            let mut words = line
                .rsplit(' ')
                .skip_while(|word| matches!(*word, "obsolete" | "remove-on-upgrade"));
            let Some(word) = words.next() else { continue };
            let Some(end) = line.rfind(word) else { continue };
            let path = TreePath::parse(line[..end].trim_end());
            if let (Some(sum), Ok(path)) = (md5(word.as_bytes()), path) {
                tell(package, path, sum);
            }
        }
    }
}

fn apk(text: &str, tell: &mut dyn FnMut(&str, TreePath, Sum)) {
    let (mut package, mut directory, mut file) = ("", "", None);
    for line in text.lines() {
        let (letter, value) = line.split_once(':').unwrap_or_default();
        match letter {
            "" => (package, directory, file) = ("", "", None),
            "P" => package = value,
            "F" => (directory, file) = (value, None),
            "R" => file = Some(value),
            "Z" => {
                let path = file
                    .take()
                    .and_then(|name| TreePath::parse(format!("{directory}/{name}")).ok());
                let sum = Checksum::parse(value).map(|sum| match sum {
                    Checksum::Sha1(sum) => Sum::Sha1(sum),
                    Checksum::Sha256(sum) => Sum::Sha256(sum),
                });
                if let (Some(path), Some(sum)) = (path, sum) {
                    tell(package, path, sum);
                }
            }
            _ => {}
        }
    }
}

fn md5(hex: &[u8]) -> Option<Sum> {
    let mut sum = [0; 16];
    if hex.len() != 32 {
        return None;
    }
    for (byte, pair) in sum.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(Sum::Md5(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (path, expected) in [
            ("var/lib/dpkg/status", Some(SumList::Dpkg)),
            ("var/lib/dpkg/status.d/base", Some(SumList::Dpkg)),
            ("var/lib/dpkg/status.d/base.md5sums", Some(SumList::DpkgPackage("base".to_owned()))),
            (
                "var/lib/dpkg/info/libc6:amd64.md5sums",
                Some(SumList::DpkgPackage("libc6".to_owned())),
            ),
            ("var/lib/dpkg/info/libc6:amd64.list", None),
            ("lib/apk/db/installed", Some(SumList::Apk)),
            ("usr/lib/apk/db/installed", Some(SumList::Apk)),
            ("xdpkg/status", None),
            ("dpkg/status", Some(SumList::Dpkg)),
            ("status", None),
            ("installed", None),
            ("var/lib/dpkg/status-old", None),
        ] {
            assert_eq!(SumList::at(&TreePath::literal(path)), expected, "{path}");
        }
    }

    fn read(list: &SumList, bytes: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        list.read(bytes, &mut |package, path, sum| {
            let digest = match sum {
                Sum::Md5(sum) => sum[0],
                Sum::Sha1(sum) => sum[0],
                Sum::Sha256(sum) => sum[0],
            };
            all.push(format!("{package} {path} {digest:02x}"));
        });
        all
    }

    #[test]
    fn what_is_said() {
        let sum = format!("ab{}", "0".repeat(30));
        let dpkg = SumList::DpkgPackage("a".to_owned());
        let text = format!(
            "{sum}  usr/bin/x y\n{sum} usr/one-space\nzz{sum}  usr/no\n{sum}  ../up\nshort\n\n\u{e4}\n"
        );
        assert_eq!(read(&dpkg, text.as_bytes()), ["a /usr/bin/x y ab"]);
        let text = format!(
            "Package: a\nConffiles:\n /etc/a b {sum}\n /etc/c {sum} obsolete\n /etc/d newconffile\n {sum}\nVersion: 1\n\n\
             Conffiles:\n /etc/nobody {sum}\n\nPackage: e\nConffiles:\n /etc/e {sum} obsolete remove-on-upgrade\n"
        );
        let expected = ["a /etc/a b ab", "a /etc/c ab", "e /etc/e ab"];
        let found = read(&SumList::Dpkg, text.as_bytes());
        // A line with nothing but a sum is the root's, which is no file.
        assert_eq!(found.iter().filter(|line| !line.contains(" / ")).collect::<Vec<_>>(), expected);
        let text = "P:m\nF:lib\nR:x\nZ:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\nR:y\nF:etc\nZ:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\nR:z\nZ:Q1xx\n\
            R:q\nZ:Q2qwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nR:lost\nZ:Q3qwAA\n:\u{0}";
        assert_eq!(read(&SumList::Apk, text.as_bytes()), ["m /lib/x 00", "m /etc/q ab"]);
        for list in [dpkg, SumList::Dpkg, SumList::Apk] {
            for nothing in [&b""[..], b"\n\n", b"\0\xff\xfe", b"Z:", b"Package:"] {
                assert!(read(&list, nothing).is_empty(), "{list:?} {nothing:?}");
            }
        }
    }
}
