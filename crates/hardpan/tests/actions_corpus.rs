// SPDX-License-Identifier: Apache-2.0
//! Every use of an action in the published catalog is understood: its name, its version, all of its inputs.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hardpan::action::{ACTION_DIRECTORY, Actions, Directories};
use hardpan::definition::{Definition, NoIncludes, Source, Step, parse};

/// Actions of published package and chart definitions that hardpan does not have: they build Alpine packages and
/// Helm charts.
const ABSENT: [&str; 12] = [
    "abuild/apk@v1",
    "abuild/build@v1",
    "abuild/bump@v1",
    "abuild/disable@v1",
    "abuild/setup@v1",
    "abuild/source@v1",
    "abuild/upload@v1",
    "helm/cmd@v1",
    "helm/login@v1",
    "helm/package@v1",
    "helm/rudder@v1",
    "yq/patch@v1",
];

const DIRECTORIES: Directories<'static> =
    Directories { source: "/work/source", target: "/work/target", action: ACTION_DIRECTORY };

/// All YAML files of the corpus by path; `None` with a note on standard error if it is absent.
fn corpus() -> Option<BTreeMap<String, String>> {
    let shared = std::env::var_os("HARDPAN_SHARED").map(PathBuf::from).or_else(|| {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        above.map(|folder| folder.join("shared")).find(|path| path.join("dhi").is_dir())
    });
    let path = shared.map(|folder| folder.join("dhi/definitions.tar.xz"));
    let Some(path) = path.filter(|path| path.is_file()) else {
        eprintln!("skipped: the uses of actions, because shared/dhi/definitions.tar.xz is absent");
        return None;
    };
    let file = File::open(path).expect("archive opens");
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

fn steps(definition: &Definition) -> impl Iterator<Item = &Step> {
    let stages = definition.contents.builds.iter();
    stages.flat_map(|stage| stage.pipeline.iter().map(|step| &step.value))
}

#[test]
fn every_published_use_expands() {
    let Some(files) = corpus() else { return };
    let actions = Actions::built_in();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    let mut absent: BTreeSet<String> = BTreeSet::new();
    let mut failures: Vec<String> = Vec::new();
    for (path, text) in files.iter().filter(|(_, text)| text.starts_with("# syntax=")) {
        if !text.contains("uses:") {
            continue;
        }
        let parsed = parse(&Source::new(path.as_str(), text.as_str()), &NoIncludes);
        for &platform in parsed.platforms() {
            let definition = parsed.render(platform).expect("a published definition renders");
            for step in steps(&definition) {
                let Some(reference) = step.action() else { continue };
                let name = reference.to_string();
                if ABSENT.contains(&name.as_str()) {
                    assert!(!path.starts_with("image/"), "{path} needs {name}");
                    absent.insert(name);
                    continue;
                }
                for found in actions.check(step) {
                    failures.push(found.render_plain(parsed.sources()));
                }
                let distribution = definition.syntax.distribution;
                match actions.expand(step, distribution, &DIRECTORIES) {
                    Ok(expanded) => assert!(!expanded.expect("an action").steps.is_empty()),
                    Err(error) => failures.push(format!("{path}: {error}")),
                }
                *used.entry(name).or_default() += 1;
            }
        }
    }
    failures.dedup();
    let shown: Vec<String> = failures.iter().take(40).cloned().collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), shown.join("\n"));
    assert_eq!(absent.len(), ABSENT.len(), "some are used no more; used are {absent:?}");
    let unused: Vec<String> = (actions.iter())
        .map(|known| known.action.reference())
        .filter(|reference| !used.contains_key(reference))
        .collect();
    assert!(unused.is_empty(), "nothing published uses {unused:?}");
    assert!(used.values().sum::<usize>() > 5_000, "{used:?}");
}
