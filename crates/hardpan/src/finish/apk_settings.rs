// SPDX-License-Identifier: Apache-2.0
//! What apk needs to work in an image: what was asked for, archives and their keys, the architecture.
//!
//! Only an image for people, or one with apk, gets it. What packages or the definition bring is kept.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{PackageRequest, Platform};
use hardpan_package::apk::dependency::{parse_provides, parse_request};
use hardpan_package::apk::version::VersionRef;
use hardpan_tree::{Tree, TreePath};

use super::{Editor, FinishError, Inputs, Report, Warning, paths};

/// The finisher's name.
pub const NAME: &str = "apk";

/// The packages with an apk.
const PACKAGES: [&str; 2] = ["apk-tools", "apk-tools-static"];

/// Returns whether an image gets all that apk needs.
pub(super) fn is_wanted(inputs: &Inputs<'_>) -> bool {
    inputs.is_complete() || PACKAGES.iter().any(|name| inputs.has(name))
}

/// Returns apk's name of a platform's architecture.
pub fn architecture(platform: Platform) -> &'static str {
    match platform.architecture() {
        "arm64" => "aarch64",
        _ => "x86_64",
    }
}

/// Writes the files.
///
/// # Errors
/// If one can't be put where it belongs.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    if inputs.packages.is_empty() || !is_wanted(inputs) {
        return Ok(());
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let architecture = architecture(inputs.definition.platform);
    files.insert("arch".to_owned(), format!("{architecture}\n").into_bytes());
    files.insert("world".to_owned(), world(inputs).into_bytes());
    let urls: Vec<&str> =
        inputs.archives.urls.iter().flat_map(|url| [url.as_str(), "\n"]).collect();
    if urls.is_empty() {
        let message = "no archive is known, so apk will find no packages".to_owned();
        report.warnings.push(warning(message));
    } else {
        files.insert("repositories".to_owned(), urls.concat().into_bytes());
    }
    for (name, key) in &inputs.archives.keys {
        files.insert(format!("keys/{name}"), key.to_vec());
    }
    let root = TreePath::literal("etc/apk");
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for (name, bytes) in files {
        let Ok(path) = root.join(&name) else {
            report.warnings.push(warning(format!("{name:?} can't be a file's name")));
            continue;
        };
        if !editor.exists(&path) && !paths::is_decided(inputs.definition, &path) {
            let metadata = editor.metadata(0o644);
            editor.file(&path, bytes, metadata)?;
        }
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

fn warning(message: String) -> Warning {
    Warning { finisher: NAME, package: None, file: None, lines: None, message }
}

/// Returns the text of `world`: what the definition asks for, sorted, each once. The strictest form of what stands there
/// more than once is the one with a version.
///
/// What the definition excludes is not there: it may be what others depend on, and apk would then refuse all work. For the
/// same reason what no package of the image is or provides is not there: the workspace may have put another one in its place.
fn world(inputs: &Inputs<'_>) -> String {
    let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let requests = inputs.definition.contents.packages.iter().map(|request| &request.value);
    for request in requests.filter(|request| !request.excluded && is_answered(request, inputs)) {
        wanted.entry(&request.name).or_default().insert(entry(request, inputs));
    }
    let mut text = String::new();
    for (name, mut forms) in wanted {
        if forms.len() > 1 {
            forms.remove(name);
        }
        for form in forms {
            text.push_str(&form);
            text.push('\n');
        }
    }
    text
}

/// Returns whether a package of the image has the name that is asked for, or provides it.
fn is_answered(request: &PackageRequest, inputs: &Inputs<'_>) -> bool {
    let name = request.name.split_once('@').map_or(request.name.as_str(), |(name, _)| name);
    inputs.has(name)
        || inputs.packages.iter().any(|package| {
            let provides = package.field("provides").unwrap_or_default();
            let provides = parse_provides(&provides).unwrap_or_default();
            provides.iter().any(|provide| provide.name == name)
        })
}

/// Returns a request as apk accepts it. Definitions may leave a version's end open (`=1.2` for `1.2-r3`), which apk
/// writes `~1.2`; a version that the installed one is not at all would make every use of apk fail.
fn entry(request: &PackageRequest, inputs: &Inputs<'_>) -> String {
    let text = request.to_string();
    let Some(package) = inputs.package(&request.name) else { return text };
    let open = request.version.as_ref().map(|version| format!("{}~{version}", request.name));
    let admits = |text: &String| {
        let version = VersionRef::of_package(&package.version).ok();
        parse_request(text).is_ok_and(|request| request.admits(version.as_ref()))
    };
    [Some(text), open].into_iter().flatten().find(admits).unwrap_or_else(|| request.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, apk, dump, tree};

    const YAML: &str = "contents:\n  packages:\n    - zlib\n    - musl=1.2.5-r10\n    - musl\n    \
                        - ca-certificates-bundle=2026\n    - busybox=1.36\n    - bash>=5\n    - cmd:x\n    \
                        - '!openssl'\n    - '!zlib'\n";

    fn fixture(yaml: &str) -> Fixture {
        let mut fixture = Fixture::default();
        fixture.alpine(yaml);
        fixture.install_apks(
            &[
                ("musl", "1.2.5-r10"),
                ("ca-certificates-bundle", "2026-r0"),
                ("busybox", "1.37.0-r20"),
                ("zlib", "1.3-r0"),
            ]
            .map(|(name, version)| {
                let provides = if name == "zlib" { "provides = cmd:x=1.3-r0\n" } else { "" };
                apk(name, version, provides)
            }),
        );
        fixture.archives.urls = vec!["https://example.org/v3.24/main".to_owned()];
        fixture.archives.keys.insert("a@b-1.rsa.pub".to_owned(), b"key"[..].into());
        fixture
    }

    #[test]
    fn an_image_with_apk_gets_what_it_needs() {
        let fixture = fixture(&format!("variant: dev\n{YAML}"));
        let mut root = tree(&["etc/apk/keys/other"]);
        let mut report = Report::default();
        apply(&mut root, &fixture.inputs(), &mut report).unwrap();
        assert_eq!(
            fixture.text(&root, "etc/apk/world"),
            // No package is bash, so the workspace has put another one in its place.
            "busybox\nca-certificates-bundle~2026\ncmd:x\nmusl=1.2.5-r10\nzlib\n"
        );
        for (path, text) in [
            ("etc/apk/arch", "x86_64\n"),
            ("etc/apk/repositories", "https://example.org/v3.24/main\n"),
            ("etc/apk/keys/a@b-1.rsa.pub", "key"),
        ] {
            assert_eq!(fixture.text(&root, path), text, "{path}");
        }
        assert_eq!(report.warnings, []);
        assert_eq!(report.actions[0].paths.len(), 4);
    }

    #[test]
    fn others_get_nothing_and_files_of_packages_stay() {
        let fixture = fixture(YAML);
        let mut root = tree(&[]);
        apply(&mut root, &fixture.inputs(), &mut Report::default()).unwrap();
        assert_eq!(dump(&root), dump(&tree(&[])));

        let mut fixture = self::fixture(&format!("variant: dev\n{YAML}"));
        fixture.archives.urls.clear();
        fixture.archives.keys.insert("../../passwd".to_owned(), b"x"[..].into());
        let mut root = tree(&["etc/apk/keys/a@b-1.rsa.pub", "etc/apk/arch"]);
        let mut report = Report::default();
        apply(&mut root, &fixture.inputs(), &mut report).unwrap();
        assert_eq!(fixture.text(&root, "etc/apk/arch"), "etc/apk/arch");
        assert!(fixture.text(&root, "etc/apk/keys/a@b-1.rsa.pub").starts_with("etc/"));
        assert!(!dump(&root).contains("passwd"), "{}", dump(&root));
        assert_eq!(report.warnings.len(), 2);
    }
}
