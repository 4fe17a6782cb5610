// SPDX-License-Identifier: Apache-2.0
//! What several tests need: the corpus, if it is there, and a definition to break.
#![allow(dead_code, unreachable_pub, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hardpan_definition::{Includes, Parsed, Platform, Source, parse};

/// `$HARDPAN_SHARED`, or a folder `shared` beside the repository.
pub fn shared() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("HARDPAN_SHARED") {
        return Some(PathBuf::from(path));
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared"))
        .find(|path| path.join("dhi").is_dir())
}

/// A file of the shared data; `None` with a note on standard error if it is absent.
pub fn shared_file(name: &str) -> Option<PathBuf> {
    let path = shared().map(|folder| folder.join(name)).filter(|path| path.is_file());
    if path.is_none() {
        eprintln!("skipped: a part of this test, because shared/{name} is absent");
    }
    path
}

/// All YAML files of the corpus by path.
pub fn corpus() -> Option<BTreeMap<String, String>> {
    let file = File::open(shared_file("dhi/definitions.tar.xz")?).expect("archive opens");
    let mut archive = tar::Archive::new(liblzma::read::XzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("archive reads") {
        let mut entry = entry.expect("member reads");
        let path = entry.path().expect("member has a path").to_string_lossy().into_owned();
        if entry.header().entry_type().is_file()
            && Path::new(&path).extension().is_some_and(|kind| kind == "yaml")
        {
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("member is text");
            files.insert(path.trim_start_matches("./").to_owned(), text);
        }
    }
    Some(files)
}

/// Parses a text on its own.
pub fn parse_text(text: &str) -> Parsed {
    parse(&Source::new("test.yaml", text), &hardpan_definition::NoIncludes)
}

/// Parses a text with includes.
pub fn parse_with(text: &str, includes: &dyn Includes) -> Parsed {
    parse(&Source::new("test.yaml", text), includes)
}

/// Renders a text that must be right.
pub fn rendered(text: &str, platform: Platform) -> std::sync::Arc<hardpan_definition::Definition> {
    let parsed = parse_text(text);
    parsed.render(platform).unwrap_or_else(|_| {
        let lines: Vec<String> = parsed
            .diagnostics()
            .iter()
            .map(|diagnostic| diagnostic.render_plain(parsed.sources()))
            .collect();
        panic!("{}", lines.join("\n"))
    })
}

/// A definition that uses every part of the format; the tests break copies of it.
pub const GOOD: &str = include_str!("../fixtures/complete.yaml");
