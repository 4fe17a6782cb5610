// SPDX-License-Identifier: Apache-2.0
//! `hardpan init`

use std::fs;

use hardpan_testkit::fixture::Fixture;

use crate::support::{clean, hardpan, run};

#[test]
fn a_workspace_file_for_this_machine() {
    let fixture = Fixture::new();
    let mut command = hardpan(&fixture, &["init"]);
    command.env("HARDPAN_DEBIAN_MIRROR", "http://mirror.example/debian/");
    let ran = run(command).expect(0, &["wrote hardpan.toml"]);
    assert_eq!(ran.stderr, "");
    let text = fs::read_to_string(fixture.path("work/hardpan.toml")).unwrap();
    assert!(text.contains("# mirror = \"http://mirror.example/debian/\""), "{text}");
    assert!(
        text.contains("# security-mirror = \"http://mirror.example/debian-security\""),
        "{text}"
    );
    // What it suggests works when the comment marks go.
    let active = text.replace("# mirror", "mirror").replace("# security-mirror", "security-mirror");
    fs::write(fixture.path("work/hardpan.toml"), active).unwrap();
    run(hardpan(&fixture, &["store", "path"])).expect(0, &[]);
}

#[test]
fn it_overwrites_only_when_told() {
    let fixture = Fixture::new();
    fixture.write("work/hardpan.toml", "# mine\n");
    run(hardpan(&fixture, &["init"])).expect(2, &["hardpan.toml exists", "--force"]);
    assert_eq!(fs::read_to_string(fixture.path("work/hardpan.toml")).unwrap(), "# mine\n");
    run(hardpan(&fixture, &["init", "--force"])).expect(0, &["wrote"]);
    assert_ne!(fs::read_to_string(fixture.path("work/hardpan.toml")).unwrap(), "# mine\n");
    run(hardpan(&fixture, &["init", "nowhere/hardpan.toml"]))
        .expect(3, &["can't write nowhere/hardpan.toml"]);
}

#[test]
fn mistakes_in_it_are_pointed_at() {
    let fixture = Fixture::new();
    fixture.write("catalog/hardpan.toml", "[build]\nkeep = [\"manuals\"]\n");
    let mut command = hardpan(&fixture, &["build"]);
    command.arg(fixture.definition());
    run(command)
        .expect(2, &["no strip rule \"manuals\"", "hardpan.toml:2:", "keep = [\"manuals\"]"]);
    fixture.write("catalog/hardpan.toml", "[archives.debian]\nmirrors = 1\n");
    let mut command = hardpan(&fixture, &["build", "--json"]);
    command.arg(fixture.definition());
    let ran = run(command).expect(2, &["unknown field `mirrors`"]);
    assert_eq!(ran.json()["error"]["exit-code"], 2);
}

#[test]
fn the_store_is_where_it_is_said_to_be() {
    let fixture = Fixture::new();
    let path = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = clean(env!("CARGO_BIN_EXE_hardpan"), &fixture);
        command.args(["store", "path"]).args(arguments).env_remove("HARDPAN_STORE");
        command.env_remove("HOME").envs(variables.iter().copied());
        run(command)
    };
    path(&[("HOME", "/h")], &[]).expect(0, &["/h/.cache/hardpan\n"]);
    path(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], &[]).expect(0, &["/c/hardpan\n"]);
    path(&[("HOME", "/h"), ("HARDPAN_STORE", "/s")], &[]).expect(0, &["/s\n"]);
    path(&[("HARDPAN_STORE", "/s")], &["--store", "/t"]).expect(0, &["/t\n"]);
    path(&[], &[]).expect(2, &["there is no HOME", "--store"]);
    fixture.write("work/hardpan.toml", "[store]\npath = \"there\"\n");
    path(&[("HOME", "/h")], &[]).expect(0, &["/work/there\n"]);
    // A place where nobody can make directories, root neither.
    let mut command = hardpan(&fixture, &["build", "--store", "/proc/hardpan"]);
    command.arg(fixture.definition());
    run(command).expect(3, &["can't create /proc/hardpan"]);
}
