// SPDX-License-Identifier: Apache-2.0
//! Every published definition parses, validates and renders; broken copies of some are diagnosed.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hardpan_definition::{Code, NoIncludes, Platform, Source, parse, parse_info};

const THREADS: usize = 2;

/// What went wrong in one file; `None` for a good one. Counts renderings.
fn check(path: &str, text: &str, renderings: &AtomicUsize) -> Option<String> {
    let source = Source::new(path, text);
    let (sources, diagnostics) = if path.ends_with("/info.yaml") {
        let (info, diagnostics) = parse_info(&source);
        if info.is_some() {
            return None;
        }
        (vec![source], diagnostics)
    } else {
        let parsed = parse(&source, &NoIncludes);
        if parsed.is_ok() {
            for &platform in parsed.platforms() {
                let definition = parsed.render(platform).expect("a good definition renders");
                assert_eq!(definition.platform, platform);
                assert!(!definition.canonical_json().is_empty());
                renderings.fetch_add(1, Ordering::Relaxed);
            }
            return None;
        }
        (parsed.sources().to_vec(), parsed.diagnostics().to_vec())
    };
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let lines: Vec<String> = errors.map(|error| error.render_plain(&sources)).collect();
    Some(lines.join("\n"))
}

#[test]
fn every_published_file_is_good() {
    let Some(files) = common::corpus() else {
        return;
    };
    let files: Vec<(String, String)> = files
        .into_iter()
        .filter(|(path, text)| path.ends_with("/info.yaml") || text.starts_with("# syntax="))
        .collect();
    let renderings = AtomicUsize::new(0);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (files, renderings) = (&files, &renderings);
                scope.spawn(move || -> Vec<String> {
                    let own = files.iter().skip(worker).step_by(THREADS);
                    own.filter_map(|(path, text)| check(path, text, renderings)).collect()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {} files failed:\n{}",
        failures.len(),
        files.len(),
        failures.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(files.len() > 6900, "only {} files", files.len());
    assert!(renderings.load(Ordering::Relaxed) > 12_000);
}

#[test]
fn published_values_are_understood() {
    let Some(files) = common::corpus() else {
        return;
    };
    let render = |path: &str, platform: Platform| {
        let parsed = parse(&Source::new(path, files[path].as_str()), &NoIncludes);
        parsed.render(platform).expect("renders")
    };
    let python = render("image/python/debian-13/3.13.yaml", Platform::LinuxArm64);
    assert_eq!(python.image.value, "dhi.io/python");
    assert_eq!(python.accounts.run_as_ids().map(|user| user.uid), Some(65532));
    let pinned = python.contents.packages.iter().find(|request| request.version.is_some());
    assert_eq!(pinned.map(ToString::to_string).as_deref(), Some("libpython-3.13-dev=3.13.15-0"));
    let nginx = render("image/nginx/debian-13/mainline.yaml", Platform::LinuxAmd64);
    let excluded = nginx.contents.packages.iter().filter(|request| request.excluded).count();
    assert_eq!(excluded, 3);
    assert!(nginx.contents.builds[0].outputs[0].diff);
}

/// A change of a published text, and what must be said about it.
struct Break {
    path: &'static str,
    from: &'static str,
    to: &'static str,
    code: Code,
    /// The part of the changed text that the diagnostic points at.
    at: &'static str,
}

const PYTHON: &str = "image/python/debian-13/3.13.yaml";
const NGINX: &str = "image/nginx/debian-13/mainline.yaml";

#[rustfmt::skip]
const BREAKS: &[Break] = &[
    Break { path: PYTHON, from: "debian13\n\nname", to: "debian9\n\nname", code: Code::BadSyntaxLine, at: "debian9" },
    Break { path: PYTHON, from: "contents:", to: "content:", code: Code::UnknownKey, at: "content:" },
    Break { path: PYTHON, from: "  packages:", to: "  packges:", code: Code::UnknownKey, at: "packges" },
    Break { path: PYTHON, from: "variant: runtime", to: "variant: runtine", code: Code::UnknownValue, at: "runtine" },
    Break { path: PYTHON, from: "linux/arm64", to: "linux/arm46", code: Code::BadPlatform, at: "linux/arm46" },
    Break { path: PYTHON, from: "2024-10-07", to: "2024-10-37", code: Code::BadDate, at: "\"2024-10-37\"" },
    Break { path: PYTHON, from: "libpython-3.13=3.13.15-0", to: "libpython-3.13=v3", code: Code::BadPackageVersion, at: "libpython-3.13=v3" },
    Break { path: PYTHON, from: "- tzdata", to: "- TZdata", code: Code::BadPackage, at: "TZdata" },
    Break { path: PYTHON, from: "run-as: nonroot", to: "run-as: nonrot", code: Code::UnknownUser, at: "nonrot\n" },
    Break { path: PYTHON, from: "uid: 65532", to: "uid: 4294967295", code: Code::BadId, at: "4294967295" },
    Break { path: PYTHON, from: "cmd:\n  - python3", to: "cmd: python3", code: Code::WrongType, at: "python3\n" },
    Break { path: NGINX, from: "- 8080/tcp", to: "- 88080/tcp", code: Code::BadPort, at: "88080" },
    Break { path: NGINX, from: "runs: |", to: "run: |", code: Code::UnknownKey, at: "run: |" },
    Break { path: NGINX, from: "target: /\n", to: "target: usr\n", code: Code::BadPath, at: "usr\n" },
    Break { path: NGINX, from: "diff: true", to: "diff: yes", code: Code::WrongType, at: "yes\n" },
    Break { path: NGINX, from: "https://dhi.io/keyring", to: "ftp://dhi.io/keyring", code: Code::BadUrl, at: "ftp://" },
];

#[test]
fn broken_copies_are_diagnosed() {
    let Some(files) = common::corpus() else {
        return;
    };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for case in BREAKS {
        let original = &files[case.path];
        assert!(original.contains(case.from), "{} has no {:?}", case.path, case.from);
        let text = original.replacen(case.from, case.to, 1);
        let parsed = parse(&Source::new(case.path, text.as_str()), &NoIncludes);
        let start = text.find(case.at).expect("the place is there");
        let found: Vec<String> = parsed
            .diagnostics()
            .iter()
            .map(|diagnostic| diagnostic.render_plain(parsed.sources()))
            .collect();
        let hit = parsed.diagnostics().iter().any(|diagnostic| {
            diagnostic.code == case.code
                && diagnostic.span().is_some_and(|span| span.start as usize == start)
        });
        assert!(
            hit,
            "{:?}: expected {} at {:?}, found {found:#?}",
            case.to,
            case.code,
            text[..start].lines().count()
        );
        *seen.entry(case.code.name()).or_default() += 1;
    }
    assert!(seen.len() > 10);
}
