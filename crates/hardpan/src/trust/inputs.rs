// SPDX-License-Identifier: Apache-2.0
//! Which inputs of a build the paths are of that differ in an image that was built again.

use std::collections::BTreeMap;

use hardpan_attest::predicate::provenance::RebuildFile;
use hardpan_attest::sbom::{Component, ComponentKind, Sbom};
use hardpan_tree::{Difference, Digest};
use serde::Serialize;

use super::RebuildPlan;
use crate::build::BuildSettings;
use crate::built::Built;
use crate::lock::Lock;
use crate::sbom::path_text;

/// An image that was built again, with what it was built from.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilt<'r> {
    /// What provenance says.
    pub plan: &'r RebuildPlan,
    /// What came of it.
    pub built: &'r Built,
    /// The lock that it was built with.
    pub lock: &'r Lock,
    /// How.
    pub settings: &'r BuildSettings,
}

/// Something that went into a build, and the paths that differ because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DifferentInput {
    /// What it is: `package app 1.0-1`, `the definition`, `the file files/app.conf`.
    pub input: String,
    /// The digest that it has in the lock of what was built again, if it has one there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// The paths of it that differ.
    pub paths: Vec<String>,
}

/// The definition itself, as an input.
const DEFINITION: &str = "the definition";

/// Returns the inputs that brought some paths, most paths first. What hardpan makes of the others is only named where
/// nothing else differs. Each path is looked for in the SBOMs in turn: what was removed is only in the older image.
/// A `changed` path that the definition puts in is of one of its `files` if it has the same bytes.
pub(super) fn inputs_of(
    found: &Difference,
    sboms: &[&Sbom],
    files: &BTreeMap<String, RebuildFile>,
) -> Vec<DifferentInput> {
    let paths = (found.changed.iter().map(|path| (path, true)))
        .chain(found.added.iter().chain(&found.removed).map(|path| (path, false)));
    let mut of_inputs: BTreeMap<(bool, String, Option<Digest>), Vec<String>> = BTreeMap::new();
    for (path, is_changed) in paths {
        let name = path_text(path);
        let owned = sboms.iter().find_map(|sbom| {
            let file = sbom.files.get(&name)?;
            let id = file.owner.as_ref()?;
            Some((id, sbom.components.get(id)?, file.sha256))
        });
        // Directories and links are of whoever brought what is in them.
        let Some((id, component, content)) = owned else { continue };
        let (is_made, mut input) = described(id, component);
        if is_changed
            && input == DEFINITION
            && let Some((source, _)) = files.iter().find(|(_, file)| file.digest == content)
        {
            input = format!("the file {source}");
        }
        of_inputs.entry((is_made, input, component.sha256)).or_default().push(path.to_string());
    }
    let has_more = of_inputs.keys().any(|(is_made, ..)| !is_made);
    let mut inputs: Vec<DifferentInput> = (of_inputs.into_iter())
        .filter(|((is_made, ..), _)| !(*is_made && has_more))
        .map(|((_, input, sha256), paths)| DifferentInput { input, sha256, paths })
        .collect();
    inputs.sort_by_key(|input| std::cmp::Reverse(input.paths.len()));
    inputs
}

/// Names the definition among the inputs.
pub(super) fn add_definition(inputs: &mut Vec<DifferentInput>) {
    if inputs.iter().all(|input| input.input != DEFINITION) {
        let input = DEFINITION.to_owned();
        inputs.push(DifferentInput { input, sha256: None, paths: Vec::new() });
    }
}

/// Returns whether hardpan makes something of other inputs, and what an input is called.
fn described(id: &str, component: &Component) -> (bool, String) {
    let version = component.version.as_deref().map(|version| format!(" {version}"));
    let full = format!("{}{}", component.name, version.unwrap_or_default());
    match component.kind {
        ComponentKind::Build => match id {
            "build/definition" => (false, DEFINITION.to_owned()),
            "build/finishers" => (true, "what hardpan made of the packages".to_owned()),
            _ => (false, format!("build stage {}", component.name)),
        },
        ComponentKind::Deb | ComponentKind::Apk => (false, format!("package {full}")),
        ComponentKind::Download => {
            let from = component.download_location.as_deref().unwrap_or(&component.name);
            (false, format!("download {from}"))
        }
        ComponentKind::Oci => (false, format!("image {full}")),
        _ => (false, full),
    }
}

#[cfg(test)]
mod tests {
    use hardpan_attest::predicate::provenance::FileRole;
    use hardpan_attest::sbom::{SbomFile, SbomSubject};

    use hardpan_tree::TreePath;

    use super::*;

    fn sbom(files: &[(&str, Option<&str>)]) -> Sbom {
        let component = |kind, name: &str, version: Option<&str>| {
            let mut component = Component::new(kind, name.to_owned());
            component.version = version.map(str::to_owned);
            component
        };
        let mut package = component(ComponentKind::Deb, "app", Some("1.0-1"));
        package.sha256 = Some(Digest::of(b"app"));
        let components = [
            ("deb/app/amd64", package),
            ("build/definition", component(ComponentKind::Build, "definition", Some("sha256:0"))),
            ("build/finishers", component(ComponentKind::Build, "finishers", Some("sha256:0"))),
            ("build/stage/make", component(ComponentKind::Build, "make", Some("sha256:0"))),
            ("oci/x/y:1", component(ComponentKind::Oci, "x/y", Some("1"))),
        ];
        let file = |path: &str, owner: Option<&str>| SbomFile {
            sha256: Digest::of(path.as_bytes()),
            sha1: [0; 20],
            size_bytes: 0,
            owner: owner.map(str::to_owned),
        };
        let subject = SbomSubject {
            name: "x".to_owned(),
            version: None,
            digest: None,
            purl: None,
            platform: None,
        };
        Sbom {
            subject,
            epoch: 0,
            tool: (String::new(), String::new()),
            supplier: None,
            components: components.map(|(id, it)| (id.to_owned(), it)).into(),
            files: files
                .iter()
                .map(|(path, owner)| ((*path).to_owned(), file(path, *owner)))
                .collect(),
        }
    }

    fn changed(paths: &[&'static str]) -> Difference {
        let changed = paths.iter().map(|path| TreePath::literal(path)).collect();
        Difference { changed, ..Difference::default() }
    }

    #[test]
    fn paths_are_of_what_brought_them() {
        let new = sbom(&[
            ("usr/bin/app", Some("deb/app/amd64")),
            ("usr/bin/more", Some("deb/app/amd64")),
            ("etc/motd", Some("build/definition")),
            ("etc/app.conf", Some("build/definition")),
            ("etc/ld.so.cache", Some("build/finishers")),
            ("opt/made", Some("build/stage/make")),
            ("opt/nobody", None),
            ("opt/lost", Some("deb/gone/amd64")),
        ]);
        // A file of the definition that is in the image as it is.
        let file = RebuildFile {
            role: FileRole::Local,
            digest: Digest::of(b"etc/app.conf"),
            is_executable: false,
            text: None,
        };
        let files = BTreeMap::from([("files/app.conf".to_owned(), file)]);
        let old = sbom(&[("opt/taken", Some("oci/x/y:1")), ("usr/bin/app", None)]);
        let read = |paths: &[&'static str]| -> Vec<(String, usize)> {
            let inputs = inputs_of(&changed(paths), &[&new, &old], &files);
            inputs.into_iter().map(|input| (input.input, input.paths.len())).collect()
        };
        let one = |text: &str, count| (text.to_owned(), count);
        assert_eq!(
            read(&["etc/motd", "usr/bin/app", "usr/bin/more", "etc/ld.so.cache", "usr/bin"]),
            [one("package app 1.0-1", 2), one("the definition", 1)]
        );
        assert_eq!(read(&["etc/app.conf"]), [one("the file files/app.conf", 1)]);
        // A file that is somewhere else is there because the definition says so.
        let mut moved = changed(&["etc/app.conf"]);
        moved.added = std::mem::take(&mut moved.changed);
        assert_eq!(inputs_of(&moved, &[&new], &files)[0].input, DEFINITION);
        assert_eq!(read(&["etc/ld.so.cache"]), [one("what hardpan made of the packages", 1)]);
        assert_eq!(
            read(&["opt/made", "opt/taken"]),
            [one("build stage make", 1), one("image x/y 1", 1)]
        );
        assert_eq!(read(&["opt/nobody", "opt/lost", "opt/missing"]), []);
    }

    #[test]
    fn the_lock_s_digest_is_said() {
        let sbom = sbom(&[("usr/bin/app", Some("deb/app/amd64"))]);
        let mut inputs = inputs_of(&changed(&["usr/bin/app"]), &[&sbom], &BTreeMap::new());
        assert_eq!(inputs[0].sha256, Some(Digest::of(b"app")));
        assert_eq!(inputs[0].paths, ["/usr/bin/app"]);
        add_definition(&mut inputs);
        add_definition(&mut inputs);
        assert_eq!(inputs.len(), 2);
    }
}
