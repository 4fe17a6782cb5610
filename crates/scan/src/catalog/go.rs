// SPDX-License-Identifier: Apache-2.0
//! The build information of Go programs (`debug/buildinfo`).

use std::collections::BTreeSet;

use hardpan_tree::TreePath;

use super::elf::{Image, Tables};
use super::{FormatError, Package, PackageKind, go_crypto};

/// What it begins with.
pub(super) const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The longest text in it, in bytes. A program of 1,000 modules has 100 kB.
const TEXT_BYTES_MAX: u64 = 2 << 20;
/// The most modules of a program.
const MODULES_MAX: usize = 20_000;
const FORMAT: &str = "a program of Go";

/// What a Go program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoBuild {
    /// The toolchain's version, without `go` in front.
    pub(super) go_version: String,
    /// In the order of the program's text.
    pub(super) modules: Vec<Module>,
    /// What it was built with that is about FIPS 140.
    pub(super) settings: BTreeSet<String>,
}

/// A module, after replacements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) path: String,
    /// `None` for `(devel)` and folders.
    pub(super) version: Option<String>,
    pub(super) is_main: bool,
}

/// Reads build information that begins at an offset.
pub(super) fn read(image: &Image, tables: &Tables, at: u64) -> Result<GoBuild, FormatError> {
    let bad = |problem| FormatError::malformed(FORMAT, problem);
    let header = image.at(at, 32).ok_or(bad("its build information is cut short"))?;
    if !header.starts_with(MAGIC) {
        return Err(bad("no build information where it should be"));
    }
    let (pointer_bytes, flags) = (header[14], header[15]);
    let (version, modules) = if flags & 2 != 0 {
        // Since 1.18: two texts, each with its length in front.
        let bytes = image.from(at + 32, 2 * TEXT_BYTES_MAX + 20);
        let (version, rest) = prefixed(bytes).ok_or(bad("a text is cut short"))?;
        let (modules, _) = prefixed(rest).ok_or(bad("a text is cut short"))?;
        (version, modules)
    } else {
        if !matches!((pointer_bytes, tables.is_64), (8, true) | (4, false)) {
            return Err(bad("pointers of an odd size"));
        }
        let text = |place: usize| text_of(image, tables, header, place, pointer_bytes);
        let version = text(16).ok_or(bad("a text is nowhere"))?;
        (version, text(16 + usize::from(pointer_bytes)).ok_or(bad("a text is nowhere"))?)
    };
    let version = std::str::from_utf8(version).map_err(|_| bad("a text is not UTF-8"))?;
    if version.is_empty() || version.contains(char::is_control) {
        return Err(bad("no version"));
    }
    // There are 16 bytes around it, so that it is found in memory.
    let inner = (modules.len() >= 33 && modules[modules.len() - 17] == b'\n')
        .then(|| &modules[16..modules.len() - 16]);
    let modules = std::str::from_utf8(inner.unwrap_or_default());
    let lines = modules.map_err(|_| bad("a text is not UTF-8"))?;
    let modules = parse(lines)?;
    let settings = go_crypto::settings(version, lines);
    let version = version.split_whitespace().find(|word| *word != "devel").unwrap_or(version);
    let go_version = version.strip_prefix("go").unwrap_or(version).to_owned();
    Ok(GoBuild { go_version, modules, settings })
}

/// Takes a text with its length in front of it.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_u64;
    for (at, &byte) in bytes.iter().take(9).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let length = usize::try_from(length).ok().filter(|_| length <= TEXT_BYTES_MAX)?;
            return bytes[at + 1..].split_at_checked(length);
        }
    }
    None
}

/// Follows a pointer to a text's pointer and length.
fn text_of<'i>(
    image: &'i Image,
    tables: &Tables,
    header: &[u8],
    place: usize,
    pointer_bytes: u8,
) -> Option<&'i [u8]> {
    let each = usize::from(pointer_bytes);
    let address = tables.number(header, place, each)?;
    let text = image.at(tables.offset_of(address)?, 2 * u64::from(pointer_bytes))?;
    let (address, length) = (tables.number(text, 0, each)?, tables.number(text, each, each)?);
    match length {
        0 => Some(&[]),
        length if length > TEXT_BYTES_MAX => None,
        length => image.at(tables.offset_of(address)?, length),
    }
}

/// Reads the lines about modules.
fn parse(text: &str) -> Result<Vec<Module>, FormatError> {
    let mut modules: Vec<Module> = Vec::new();
    let bad = |problem| FormatError::malformed(FORMAT, problem);
    if text.contains('\0') {
        return Err(bad("a NUL in its list of modules"));
    }
    let mut package = None;
    for line in text.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        if kind == "path" {
            package = fields.next().filter(|path| !matches!(*path, "" | "command-line-arguments"));
        }
        if !matches!(kind, "mod" | "dep" | "=>") {
            continue;
        }
        let path = fields.next().filter(|path| !path.is_empty()).ok_or(bad("no module's name"))?;
        let version = fields.next().filter(|version| !matches!(*version, "" | "(devel)"));
        if kind == "=>" {
            let replaced = modules.last_mut().ok_or(bad("nothing is replaced"))?;
            // A folder in place of a module has no version, and the module's own says what it may be.
            if let Some(version) = version {
                path.clone_into(&mut replaced.path);
                replaced.version = Some(version.to_owned());
            }
            continue;
        }
        if modules.len() >= MODULES_MAX {
            return Err(FormatError::limit(FORMAT, "modules", MODULES_MAX));
        }
        let version = version.map(str::to_owned);
        modules.push(Module { path: path.to_owned(), version, is_main: kind == "mod" });
    }
    // The programs of Go itself belong to no module.
    if let Some(path) = package.filter(|_| !modules.iter().any(|module| module.is_main)) {
        let main = Module { path: path.to_owned(), version: None, is_main: true };
        modules.insert(0, main);
    }
    Ok(modules)
}

impl GoBuild {
    /// Returns a package for each module and the standard library. The first one is the program: it has the
    /// file, and needs the others.
    pub(super) fn packages(&self, path: &TreePath) -> Vec<Package> {
        let make = |name: &str, version: Option<&str>| {
            Package::found_at(PackageKind::Golang, name, version, path, None)
        };
        let mut packages = vec![make("stdlib", Some(&self.go_version))];
        let others = self.modules.iter().filter(|module| !module.is_main);
        packages.extend(others.map(|module| make(&module.path, module.version.as_deref())));
        if let Some(main) = self.modules.iter().find(|module| module.is_main) {
            let mut main = make(&main.path, main.version.as_deref());
            main.depends = packages.iter().map(|package| package.id.clone()).collect();
            packages.insert(0, main);
        }
        packages[0].files.insert(path.clone());
        packages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_modules() {
        for (text, expected) in [
            ("", Ok("")),
            ("path\tcmd/go\nbuild\t-compiler=gc\n", Ok("cmd/go@-!")),
            ("path\tcommand-line-arguments\ndep\ty\tv2.0.0\n", Ok("y@v2.0.0")),
            ("path\t\n", Ok("")),
            ("path\tx.y/z\nmod\tx.y/z\t(devel)\t\n", Ok("x.y/z@-!")),
            ("mod\tx\tv1.0.0\th1:a=\ndep\ty\tv2.0.0\th1:b=\n", Ok("x@v1.0.0! y@v2.0.0")),
            ("dep\ty\tv2.0.0\n=>\tz\tv3.0.0\th1:c=\n", Ok("z@v3.0.0")),
            ("dep\ty\tv2.0.0\n=>\t./local\t\t\n", Ok("y@v2.0.0")),
            ("dep\ty\n", Ok("y@-")),
            ("=>\tz\tv3.0.0\n", Err("nothing is replaced")),
            ("dep\n", Err("no module's name")),
            ("dep\t\tv1\n", Err("no module's name")),
        ] {
            let actual = parse(text).map(|modules| {
                let text = |module: &Module| {
                    let version = module.version.as_deref().unwrap_or("-");
                    format!("{}@{version}{}", module.path, if module.is_main { "!" } else { "" })
                };
                modules.iter().map(text).collect::<Vec<_>>().join(" ")
            });
            let expected = expected.map(str::to_owned);
            assert_eq!(actual, expected.map_err(|text| FormatError::malformed(FORMAT, text)));
        }
        let many = "dep\tx\tv1\n".repeat(MODULES_MAX + 1);
        assert!(matches!(parse(&many), Err(FormatError::Limit { .. })));
    }

    #[test]
    fn texts_with_their_length() {
        for (bytes, expected) in [
            (&b"\x02ab"[..], Some(&b"ab"[..])),
            (b"\x00", Some(b"")),
            (b"\x82\x00ab", Some(b"ab")),
            (b"", None),
            (b"\x03ab", None),
            (b"\x80", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xff\xff\xff\xff\x7fab", None),
        ] {
            assert_eq!(prefixed(bytes).map(|(text, _)| text), expected, "{bytes:?}");
        }
    }
}
