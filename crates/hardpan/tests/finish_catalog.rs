// SPDX-License-Identifier: Apache-2.0
//! The packages behind our own catalog, finished: nothing that their scripts would have done may be missing
//! without a word.
//!
//! apt says what belongs to each definition; exclusions are taken away afterwards, so the sets are at least as
//! large as those that are built.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

#[path = "../../package/tests/scripts_support/mod.rs"]
mod scripts_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardpan::definition::{Definition, IncludeError, Includes, Platform, Source, Variant, parse};
use hardpan::finish::{ArchiveSettings, Inputs, run_all};
use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_tree::{Content, Contents, Digest, InlineContents};
use scripts_support::Apt;

/// Images for people whose packages are finished too; the others have the same packages and many more.
const DEV: &[&str] = &["base/debian-13/13-dev.yaml", "postgres/debian-13/17-dev.yaml"];

/// Reads files from segments on disk: the sets are too large to be held in memory.
#[derive(Default)]
struct Packages(BTreeMap<Digest, PathBuf>);

fn options() -> UnpackOptions {
    UnpackOptions { strip: StripPolicy::default(), ..UnpackOptions::default() }
}

impl Contents for Packages {
    fn read(&self, file: &hardpan_tree::File) -> io::Result<Arc<[u8]>> {
        let Content::Segment { segment, offset_bytes } = &file.content else {
            return InlineContents.read(file);
        };
        let start = usize::try_from(*offset_bytes).unwrap();
        let end = start + usize::try_from(file.size_bytes).unwrap();
        let bytes = fs::read(&self.0[segment])?;
        Ok(bytes[start..end].into())
    }
}

/// Reads what definitions include from the catalog.
struct Catalog(PathBuf);

impl Includes for Catalog {
    fn load(&self, path: &str) -> Result<Source, IncludeError> {
        let text = fs::read_to_string(self.0.join(path)).map_err(|_| IncludeError::NotFound)?;
        Ok(Source::new(path, text))
    }
}

fn definitions() -> Vec<(PathBuf, Arc<Definition>)> {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let mut found = Vec::new();
    let includes = Catalog(catalog.clone());
    let mut folders = vec![catalog.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                // What is in "common" is only ever included.
                folders.extend((path != catalog.join("common")).then_some(path));
            } else if path.extension().is_some_and(|end| end == "yaml")
                && path.file_name().is_some_and(|name| name != "info.yaml")
            {
                let text = fs::read_to_string(&path).unwrap();
                let parsed = parse(&Source::new(path.display().to_string(), text), &includes);
                found.push((path, parsed.render(Platform::LinuxAmd64).unwrap()));
            }
        }
    }
    found.retain(|(path, definition)| {
        // apt has no other packages.
        definition.syntax.distribution.is_debian()
            && (definition.variant == Variant::Runtime || DEV.iter().any(|end| path.ends_with(end)))
    });
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

/// Returns the packages of a definition, as far as apt and the exclusions say.
fn packages(apt: &Apt, definition: &Definition) -> Result<BTreeSet<String>, String> {
    let names = |excluded: bool| {
        let requests = definition.contents.packages.iter();
        let requests = requests.filter(move |request| request.value.excluded == excluded);
        requests.map(|request| request.value.name.clone()).collect::<BTreeSet<String>>()
    };
    let wanted = names(false);
    let arguments: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut closure = apt.closure(&arguments)?;
    closure.retain(|name| wanted.contains(name) || !names(true).contains(name));
    Ok(closure)
}

/// Finishes a definition's packages; returns the warnings.
fn finish(
    definition: &Definition,
    debs: &BTreeMap<String, PathBuf>,
    segments: &Path,
) -> Vec<String> {
    let mut contents = Packages::default();
    let mut unpacked: Vec<Arc<Unpacked>> = Vec::new();
    for (name, deb) in debs {
        let path = segments.join(name);
        let mut segment = File::create(&path).unwrap();
        let mut reader = BufReader::new(File::open(deb).unwrap());
        let package = unpack(&mut reader, &options(), &mut segment).unwrap();
        contents.0.insert(package.segment_digest, path);
        unpacked.push(Arc::new(package));
    }
    let members: Vec<Member<'_>> = unpacked
        .iter()
        .map(|unpacked| Member { unpacked, segment: unpacked.segment_digest })
        .collect();
    let mut tree = merge(&members).unwrap().tree;
    let inputs = Inputs {
        definition,
        packages: &unpacked,
        contents: &contents,
        epoch: 1_750_000_000,
        catalog: &|path| Err(io::Error::new(io::ErrorKind::NotFound, path)),
        aliases: &[],
        strip: &options().strip,
        archives: &ArchiveSettings::default(),
        exact: false,
    };
    let finished = run_all(&mut tree, &inputs).unwrap();
    let text = |warning: &hardpan::finish::Warning| {
        let package = warning.package.as_deref().unwrap_or("-");
        let file = warning.file.as_deref().unwrap_or("-");
        format!("{}: {package} {file} {:?}: {}", warning.finisher, warning.lines, warning.message)
    };
    finished.warnings.iter().map(text).collect()
}

#[test]
fn the_catalog_has_no_warnings() {
    let apt = match Apt::new("scripts-apt") {
        Ok(apt) => apt,
        Err(reason) => {
            eprintln!("skipped: finishing the catalog, because {reason}");
            return;
        }
    };
    let segments = apt.root.join("segments");
    fs::create_dir_all(&segments).unwrap();
    let mut wrong = Vec::new();
    for (path, definition) in definitions() {
        let found = packages(&apt, &definition).and_then(|names| apt.fetch(&names));
        let debs = match found {
            Ok(debs) => debs,
            Err(reason) => {
                eprintln!("skipped: {}, because {reason}", path.display());
                continue;
            }
        };
        let warnings = finish(&definition, &debs, &segments);
        eprintln!("{}: {} packages, {} warnings", path.display(), debs.len(), warnings.len());
        wrong.extend(warnings.into_iter().map(|warning| format!("{}: {warning}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
