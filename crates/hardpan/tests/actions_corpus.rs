// SPDX-License-Identifier: Apache-2.0
//! Every use of an action in the published catalog is understood: its name, its version, all of its inputs. And every
//! published image and package can be planned, for each of its platforms.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hardpan::action::{ACTION_DIRECTORY, Actions, Directories};
use hardpan::definition::{Definition, NoIncludes, Source, Step, parse};
use hardpan::{check_stages, summarize_stages};

/// Actions of published chart definitions that hardpan does not have: they build Helm charts.
const ABSENT: [&str; 5] =
    ["helm/cmd@v1", "helm/login@v1", "helm/package@v1", "helm/rudder@v1", "yq/patch@v1"];

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
                    assert!(path.starts_with("chart/"), "{path} needs {name}");
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

/// Published packages with a step that is to run with the tools of an image. They can be planned, and not yet built.
const WITH_TOOLS: [&str; 4] = [
    "package/apk/main/gradle/alpine-3.23/8.yaml",
    "package/apk/main/gradle/alpine-3.23/9.yaml",
    "package/apk/main/gradle/alpine-3.24/8.yaml",
    "package/apk/main/gradle/alpine-3.24/9.yaml",
];

#[test]
fn every_published_image_and_package_is_planned() {
    let Some(files) = corpus() else { return };
    let actions = Actions::built_in();
    let mut planned: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut definitions: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut with_tools: BTreeSet<&str> = BTreeSet::new();
    let mut failures: Vec<String> = Vec::new();
    for (path, text) in files.iter().filter(|(_, text)| text.starts_with("# syntax=")) {
        let kind = path.split('/').next().unwrap_or_default();
        if kind == "chart" {
            continue;
        }
        let parsed = parse(&Source::new(path.as_str(), text.as_str()), &NoIncludes);
        assert!(parsed.is_ok() && !parsed.platforms().is_empty(), "{path}");
        for (index, &platform) in parsed.platforms().iter().enumerate() {
            let definition = parsed.render(platform).expect("a published definition renders");
            let of = (kind, definition.syntax.distribution.is_alpine());
            *definitions.entry(of).or_default() += usize::from(index == 0);
            match summarize_stages(&definition, &actions) {
                Ok(summary) => {
                    let mut steps = summary.stages.iter().flat_map(|stage| &stage.steps);
                    let has_tools = steps.any(|step| step.tools.is_some());
                    if has_tools {
                        with_tools.insert(path);
                    }
                    // What can be planned can be built, as far as that can be told without looking anything up.
                    assert_eq!(
                        check_stages(&definition, &actions).is_empty(),
                        !has_tools,
                        "{path}"
                    );
                    *planned.entry(of).or_default() += 1;
                }
                Err(error) => failures.push(format!("{path}, {platform}: {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(with_tools.into_iter().collect::<Vec<_>>(), WITH_TOOLS);
    eprintln!("definitions {definitions:?}, plans {planned:?}");
    for (of, count) in [
        (("image", false), 1_500),
        (("image", true), 600),
        (("package", false), 600),
        (("package", true), 3_400),
    ] {
        assert!(definitions[&of] >= count, "{of:?} in {definitions:?}");
        assert!(planned[&of] > definitions[&of], "{planned:?}");
    }
}
