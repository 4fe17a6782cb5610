// SPDX-License-Identifier: Apache-2.0
//! Actions of the user's own, with a static busybox of this machine as the only program.

use std::fs;

use hardpan_testkit::fixture::Fixture;

use crate::stages;
use crate::support::{build, image};

/// An action that greets, by way of an input.
const GREET: &str = "\
name: own/greet
version: v1
description: Greets.
inputs:
  whom: {type: string, required: true, description: Who is greeted.}
files:
  word: hello
steps:
  - name: greet
    runs: |
      set -eu
      echo \"$(cat \"$ACTION_DIR/word\") $INPUT_WHOM\" >greeting
      echo \"greeted $INPUT_WHOM\"
";

/// An action that has the network unless it is told not to.
const FETCH: &str = "\
name: own/fetch
version: v2
description: Fetches.
inputs:
  offline: {type: bool, default: false, description: Whether to do without network.}
steps:
  - name: fetch
    privileged: '!inputs.offline'
    runs: echo fetched >greeting
";

/// A stage with one step that uses an action.
fn uses(step: &str) -> String {
    format!(
        "    - name: make\n      contents: {{packages: [busybox]}}\n      pipeline:\n        - {step}\n      outputs: [{{source: greeting, target: /greeting}}]\n"
    )
}

/// A fixture with a folder of actions and a stage that uses one.
fn fixture(test: &str, actions: &[(&str, &str)], step: &str) -> Option<Fixture> {
    let fixture = stages::fixture(test, &uses(step))?;
    let workspace = fs::read_to_string(fixture.path("catalog/hardpan.toml")).unwrap();
    let workspace = format!("{workspace}\n[actions]\npaths = [\"actions\"]\n");
    fixture.write("catalog/hardpan.toml", workspace);
    for (name, text) in actions {
        fixture.write(&format!("catalog/actions/{name}.yaml"), text);
    }
    Some(fixture)
}

const BY_INPUT: &str = "{uses: own/greet@v1, with: {whom: 'the $(world)'}}";

#[test]
fn an_action_of_ones_own_runs_again_when_it_changes() {
    let test = "an_action_of_ones_own_runs_again_when_it_changes";
    let Some(fixture) = fixture(test, &[("greet", GREET)], BY_INPUT) else { return };
    let first = build(&fixture, &["--verbose"]).expect(0, &["│ greeted the $(world)"]);
    let size = "hello the $(world)\n".len();
    stages::has(&image(&fixture), &[&format!("/greeting file 0644 0:0 {size} ")]);
    // Nothing changed, or something that is not used: nothing to do.
    let again = build(&fixture, &["--verbose"]).expect(0, &["unchanged"]);
    assert_eq!(again.digest(), first.digest());
    fixture.write("catalog/actions/fetch.yaml", FETCH);
    let again = build(&fixture, &["--verbose"]).expect(0, &["unchanged"]);
    assert!(!again.stderr.contains("│ greeted"), "{again}");
    // Its file for scripts, its script, and a file of another name: each is another action.
    let change = |from: &str, to: &str| {
        fixture.write("catalog/actions/greet.yaml", GREET.replace(from, to));
        build(&fixture, &["--verbose", "--locked", "--offline"])
    };
    let other = change("word: hello", "word: good morning").expect(0, &["│ greeted"]);
    assert_ne!(other.digest(), first.digest());
    let size = "good morning the $(world)\n".len();
    stages::has(&image(&fixture), &[&format!("/greeting file 0644 0:0 {size} ")]);
    change("echo \"greeted", "echo \"waved at").expect(0, &["│ waved at the $(world)"]);
    // As it was: the stage's result is known.
    let back = change("", "").expect(0, &[]);
    assert_eq!(back.digest(), first.digest());
    assert!(!back.stderr.contains("│ greeted"), "{back}");
}

#[test]
fn an_action_of_ones_own_takes_a_built_in_ones_place() {
    let own = GREET.replace("own/greet", "patch").replace("whom:", "dir:").replace("_WHOM", "_DIR");
    let step = "{uses: patch@v1, with: {dir: x}}";
    let test = "an_action_of_ones_own_takes_a_built_in_ones_place";
    let Some(fixture) = fixture(test, &[("mine", &own)], step) else { return };
    build(&fixture, &["--verbose"]).expect(0, &["│ greeted x"]);
}

#[test]
fn a_fetching_action_is_refused_by_its_name() {
    let test = "a_fetching_action_is_refused_by_its_name";
    let step = "{name: get, uses: own/fetch@v2}";
    let Some(fixture) = fixture(test, &[("fetch", FETCH)], step) else { return };
    let refused = ["stage make, step get has the network (the action own/fetch@v2 fetches)"];
    build(&fixture, &["--no-network"]).expect(1, &refused);
    assert!(!fixture.path("out").exists() && !fixture.lock().exists());
    let built = build(&fixture, &[]).expect(0, &["warning: step make/get had the network"]);
    // Refused as well when there is nothing to do.
    build(&fixture, &[]).expect(0, &["unchanged"]);
    build(&fixture, &["--no-network"]).expect(1, &refused);
    // A known result needs no network, another stage would.
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--offline"]).digest(), built.digest());
    fixture.write("catalog/actions/fetch.yaml", FETCH.replace("fetched", "again"));
    let offline = "stage make, step get needs the network (the action own/fetch@v2 fetches)";
    build(&fixture, &["--offline"]).expect(3, &[offline]);
    fixture.edit("own/fetch@v2}", "own/fetch@v2, with: {offline: true}}");
    build(&fixture, &["--offline", "--no-network"]).expect(0, &["built"]);
    fixture.edit("own/fetch@v2,", "own/fetch@v2, privileged: true,");
    let refused = "stage make, step get has the network (`privileged: true`)";
    build(&fixture, &["--no-network"]).expect(1, &[refused]);
}

#[test]
fn actions_that_can_not_be_used() {
    let twice = [("one", GREET), ("two", GREET)];
    let broken = GREET.replace("inputs:", "input:");
    let broken = [("greet", broken.as_str())];
    let good = [("greet", GREET)];
    for (summary, actions, step, expected) in [
        ("twice", &twice[..], BY_INPUT, &["own/greet@v1", "two.yaml"][..]),
        ("broken", &broken, BY_INPUT, &["greet.yaml", "input"]),
        ("near", &good, "{uses: own/great@v1}", &["own/great", "did you mean `own/greet@v1`"]),
        ("version", &good, "{uses: own/greet@v2}", &["has no version `v2`", "known are v1"]),
        ("missing", &good, "{uses: own/greet@v1}", &["whom"]),
        ("unknown", &good, "{uses: own/greet@v1, with: {whom: x, wham: y}}", &["wham"]),
    ] {
        let Some(fixture) = fixture("actions_that_can_not_be_used", actions, step) else { return };
        build(&fixture, &[]).expect(2, expected);
        assert!(!fixture.path("out").exists(), "{summary}");
    }
    let Some(fixture) = fixture("actions_that_can_not_be_used", &good, BY_INPUT) else { return };
    fs::rename(fixture.path("catalog/actions"), fixture.path("catalog/other")).unwrap();
    let ran = build(&fixture, &[]);
    assert!(ran.code != 0 && ran.stderr.contains("actions"), "{ran}");
}
