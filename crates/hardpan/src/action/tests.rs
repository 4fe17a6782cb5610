// SPDX-License-Identifier: Apache-2.0

use hardpan_definition::{Distribution, NoIncludes, Platform, parse};

use super::*;

const DEBIAN: Distribution = Distribution::Debian { release: 13 };
const DIRECTORIES: Directories<'static> =
    Directories { source: "/s", target: "/t", action: "/run/action" };

const OWN: &str = "\
name: own/thing
version: v1
description: x
packages:
  - command: tool
    debian: [tool-deb]
  - command: rare
    debian: [rare]
    if: inputs.rare
inputs:
  name: {type: string, default: \"${target.dir}\", description: x}
  list: {type: list, description: x}
  map: {type: map, description: x}
  any: {type: json, description: x}
  rare: {type: bool, default: false, description: x}
environment: {A: action, B: action, C: \"${source.dir}\"}
files: {x.awk: y}
steps:
  - {runs: one, environment: {B: script}}
  - {name: second, if: inputs.rare, privileged: inputs.rare, work-dir: \"${target.dir}/w\", runs: \"echo ${source.dir} $INPUT_NAME\"}
";

fn step(text: &str) -> Step {
    let text = format!(
        "# syntax=dhi.io/build:2-debian13\nimage: example.org/x\ncontents:\n  builds:\n    - name: x\n      pipeline:\n        - {text}\n"
    );
    let parsed = parse(&Source::new("step.yaml", text), &NoIncludes);
    let definition = parsed.render(Platform::LinuxAmd64).unwrap();
    definition.contents.builds[0].pipeline[0].value.clone()
}

/// A catalog with these action files, in folders `a` and `b`.
fn catalog(files: &[(&str, &str)]) -> (tempfile::TempDir, CatalogRoot) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hardpan.toml"), "").unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = CatalogRoot::of(&folder.path().join("x.yaml"));
    (folder, root)
}

fn own() -> Actions {
    let (_folder, root) = catalog(&[("a/own.yaml", OWN), ("a/README.md", "no action")]);
    Actions::load(&root, &["a".to_owned()]).unwrap()
}

#[test]
fn built_in_actions_have_no_errors() {
    for (name, text) in built_in::FILES {
        let source = Source::new(*name, *text);
        let (action, diagnostics) = parse_action(&source);
        let found: Vec<String> = (diagnostics.iter())
            .map(|found| found.render_plain(std::slice::from_ref(&source)))
            .collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        let action = action.unwrap();
        let expected = format!("{}-{}.yaml", action.name.replace('/', "-"), action.version);
        assert_eq!(*name, expected);
        for step in &action.steps {
            assert!(step.runs.contains("set -eu"), "{name}: a script that goes on after an error");
            assert!(step.name.is_some(), "{name}: a script without a name");
        }
    }
}

#[test]
fn files_that_actions_share_are_the_same() {
    let actions = Actions::built_in();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for known in actions.iter() {
        for (name, text) in &known.action.files {
            if ["go.sh", "bump.sh"].contains(&name.as_str()) {
                assert_eq!(*seen.entry(name).or_insert(text), text, "{}", known.action.reference());
            }
        }
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn steps_become_scripts() {
    let step = step(
        "{uses: 'own/thing@v1', work-dir: /w, environment: {A: step, INPUT_NAME: evil}, with: {list: [a, '$(x)'], map: {k: v, a: b}, any: {z: 1.0, b: [true]}, rare: true}}",
    );
    let expanded = own().expand(&step, DEBIAN, &DIRECTORIES).unwrap().unwrap();
    assert_eq!(expanded.action, "own/thing@v1");
    assert_eq!(expanded.digest, Digest::of(OWN.as_bytes()));
    let files: Vec<(&str, &str)> =
        expanded.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        files,
        [
            ("files/x.awk", "y"),
            ("inputs/any", "{\"b\":[true],\"z\":\"1.0\"}\n"),
            ("inputs/list", "a\n$(x)\n"),
            ("inputs/map", "a=b\nk=v\n"),
        ]
    );
    let [first, second] = &expanded.steps[..] else { panic!("{:?}", expanded.steps) };
    assert_eq!((first.name.as_str(), first.runs.as_str()), ("own/thing@v1: step 1", "one\n"));
    assert_eq!((first.work_dir.as_deref(), first.privileged), (Some("/w"), false));
    let environment: Vec<String> =
        first.environment.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(
        environment,
        [
            "A=step",
            "ACTION_DIR=/run/action/files",
            "B=script",
            "C=/s",
            "INPUT_ANY=/run/action/inputs/any",
            "INPUT_LIST=/run/action/inputs/list",
            "INPUT_MAP=/run/action/inputs/map",
            "INPUT_NAME=/t",
            "INPUT_RARE=true",
            "SOURCE_DIR=/s",
            "TARGET_DIR=/t",
        ]
    );
    // A script is the action's text, whatever the inputs are.
    assert_eq!(second.runs, "echo ${source.dir} $INPUT_NAME\n");
    assert_eq!(second.work_dir.as_deref(), Some("/t/w"));
    assert!(second.privileged && second.privileged_by_action);
    let commands: Vec<&str> = expanded.packages.iter().map(|need| need.command.as_str()).collect();
    assert_eq!(commands, ["cat", "grep", "sed", "sh", "tool", "rare"]);
}

#[test]
fn conditions_and_permissions_of_the_step() {
    let step = step("{uses: 'own/thing:v1', privileged: true}");
    let expanded = own().expand(&step, DEBIAN, &DIRECTORIES).unwrap().unwrap();
    assert_eq!(expanded.steps.len(), 1);
    assert!(expanded.steps[0].privileged && !expanded.steps[0].privileged_by_action);
    assert!(!expanded.steps[0].environment.contains_key("INPUT_LIST"));
    assert_eq!(expanded.packages.len(), 5);
    let scripted = self::step("{runs: true, uses: own/thing@v1}");
    assert!(own().expand(&scripted, DEBIAN, &DIRECTORIES).unwrap().is_none());
    assert!(own().check(&scripted).is_empty());
}

#[test]
fn uses_that_are_wrong() {
    let actions = own();
    for (uses, said, help) in [
        ("go/biuld@v1", "no action `go/biuld`", "did you mean `go/build@v1`?"),
        ("go/frobnicate@v1", "no action `go/frobnicate`", "near it are go/build, go/bump"),
        ("go/bump@v3", "no version `v3`", "known are v1, v2"),
        ("go/bump", "needs a version", "known are v1, v2"),
        ("own/thing@", "needs a version", "known are v1"),
        ("xyzzy@v1", "no action `xyzzy`", "known are abuild/apk"),
    ] {
        let step = step(&format!("{{uses: '{uses}'}}"));
        let found = actions.check(&step);
        assert_eq!(found.len(), 1, "{uses}");
        assert!(found[0].message.contains(said), "{uses}: {}", found[0].message);
        let hint = found[0].help.as_deref().unwrap_or_default();
        assert!(hint.starts_with(help), "{uses}: {hint}");
        let error = actions.expand(&step, DEBIAN, &DIRECTORIES).unwrap_err();
        assert_eq!(error.spans(), [step.uses.as_ref().unwrap().span]);
        assert_eq!(error.hints().len(), 1);
    }
    let step = step("{uses: go/build@v1, with: {outptu: x, tidy: maybe}}");
    assert_eq!(actions.check(&step).len(), 3);
    let alpine = Distribution::Alpine { major: 3, minor: 23 };
    let step = self::step("{uses: own/thing@v1}");
    let error = actions.expand(&step, alpine, &DIRECTORIES).unwrap_err();
    assert_eq!(error.to_string(), "own/thing@v1 has no package with tool for alpine3.23");
}

#[test]
fn folders_of_actions() {
    let other = OWN.replace("description: x\npackages", "description: other\npackages");
    let go = OWN.replace("own/thing", "go/build");
    let many = ["a".to_owned(), "b".to_owned()];
    let (_folder, root) = catalog(&[("a/1.yaml", OWN), ("b/2.yml", &go)]);
    let actions = Actions::load(&root, &many).unwrap();
    let step = step("{uses: go/build@v1}");
    let found = actions.find(&step).unwrap().unwrap();
    assert!(found.path.as_ref().is_some_and(|path| path.ends_with("b/2.yml")), "takes the place");
    for (files, folders, said) in [
        (vec![("a/1.yaml", OWN), ("b/2.yaml", &other)], &many[..], "has own/thing@v1 again"),
        (vec![("a/1.yaml", "name: x\n")], &many[..1], "is not an action"),
        (vec![], &many[..1], "can't read the actions of"),
        (vec![("a", "a file")], &many[..1], "can't read the actions of"),
    ] {
        let (_folder, root) = catalog(&files);
        let error = Actions::load(&root, folders).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.spans().is_empty());
    }
    let (folder, root) = catalog(&[]);
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("a")).unwrap();
    for path in ["a", "../x", "/etc"] {
        let error = Actions::load(&root, &[path.to_owned()]).unwrap_err();
        assert!(matches!(error, ActionError::Folder { .. }), "{path}: {error}");
    }
}
