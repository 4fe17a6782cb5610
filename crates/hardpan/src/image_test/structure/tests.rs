// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::fs;

use hardpan_image::ContainerConfig;
use hardpan_tree::{File, Metadata, Node, Origin, Special, Tree, TreePath};

use super::*;
use crate::image_tree::SpecialFile;
use crate::store::Store;

fn compiled(text: &str) -> Result<Vec<TestCase>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tests.yaml");
    fs::write(&path, text).unwrap();
    let variable = |name: &str| (name == "CALLER").then(|| "its value".to_owned());
    StructureFile::open(&path, &variable).map(|file| file.cases().to_vec())
}

fn check(case: &TestCase) -> &StructureCase {
    match &case.kind {
        TestKind::Structure(case) => case,
        TestKind::Container(_) => panic!("{case:?} is of a definition"),
    }
}

fn node(kind: hardpan_tree::Kind, mode: u32, uid: u32, gid: u32) -> Node {
    let metadata = Metadata { uid, gid, ..Metadata::root(mode, 0) };
    Node { metadata, kind, origin: Origin::Definition }
}

/// Files of [`tree`], devices and pipes.
fn image(tree: Tree) -> ImageFiles {
    let special = |(path, kind, mode)| {
        let metadata = Metadata { gid: 5, ..Metadata::root(mode, 0) };
        (TreePath::literal(path), SpecialFile { metadata, kind })
    };
    let specials = [
        ("tmp/null", Special::CharacterDevice, 0o666),
        ("tmp/disk", Special::BlockDevice, 0o1660),
        ("tmp/pipe", Special::Fifo, 0o2644),
    ];
    ImageFiles { tree, specials: specials.map(special).into() }
}

fn tree() -> Tree {
    use hardpan_tree::Kind::{Directory, File as Plain, HardLink, Symlink};
    let file = |text: &[u8]| Plain(File::inline(text.to_vec()));
    let mut tree = Tree::new();
    for (path, kind, mode, uid, gid) in [
        ("etc", Directory, 0o755, 0, 0),
        ("etc/multi", file(b"first\nsecond\nthird\n"), 0o640, 7, 8),
        ("etc/bytes", file(b"\xff\xfe\0abc\n"), 0o644, 0, 0),
        ("tmp", Directory, 0o1777, 0, 0),
        ("usr", Directory, 0o755, 0, 0),
        ("usr/bin", Directory, 0o755, 0, 0),
        ("usr/bin/tool", file(b"x"), 0o755, 0, 0),
        ("usr/bin/suid", file(b"x"), 0o4711, 0, 0),
        ("usr/bin/odd", file(b"x"), 0o6644, 0, 0),
        ("usr/bin/group", file(b"x"), 0o610, 0, 0),
        ("usr/bin/link", Symlink(b"tool".to_vec()), 0o777, 0, 0),
        ("usr/bin/second", HardLink(TreePath::literal("usr/bin/tool")), 0, 5, 5),
        ("bin", Symlink(b"usr/bin".to_vec()), 0o777, 0, 0),
        ("absolute", Symlink(b"/usr/bin/tool".to_vec()), 0o777, 0, 0),
        ("dangling", Symlink(b"/nothing".to_vec()), 0o777, 0, 0),
        ("circle", Symlink(b"circle".to_vec()), 0o777, 0, 0),
        ("usr/share", Directory, 0o755, 0, 0),
        ("usr/share/doc", Directory, 0o755, 0, 0),
        ("usr/share/doc/good", Directory, 0o755, 0, 0),
        ("usr/share/doc/good/copyright", file(b"MIT"), 0o644, 0, 0),
        ("usr/share/doc/libgnutls30", Directory, 0o755, 0, 0),
        ("usr/share/doc/linked", Symlink(b"good".to_vec()), 0o777, 0, 0),
        ("usr/share/doc/readme", file(b"AGPL"), 0o644, 0, 0),
    ] {
        tree.insert(TreePath::literal(path), node(kind, mode, uid, gid)).unwrap();
    }
    tree
}

/// Runs the file tests of a file, and returns what is wrong with each.
fn files(text: &str, image: &ImageFiles) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let environment = BTreeMap::from([("BIN".to_owned(), "usr/bin".to_owned())]);
    let run = |case: &TestCase| {
        let case = check(case);
        let contents = StoreContents { store: &store };
        let files = Files { image, contents, environment: &environment, is_new: case.is_new };
        let wrong = match &case.check {
            Check::Existence(test) => files.existence(test),
            Check::Contents { path, patterns } => Ok(files.contents(path, patterns)),
            Check::Licenses(test) => files.licenses(test),
            other => panic!("{other:?} needs no files"),
        };
        match wrong {
            Ok(wrong) => wrong.join("; "),
            Err(Stop::Failed(reason)) => reason,
            Err(Stop::Error(error)) => panic!("{error}"),
        }
    };
    compiled(text).unwrap().iter().map(run).collect()
}

/// One test of a list, and what is wrong with the image: empty where nothing is.
#[track_caller]
fn expect_files(list: &str, cases: &[(&str, &str)]) {
    let image = image(tree());
    for (test, expected) in cases {
        let text = format!("schemaVersion: 2.0.0\n{list}:\n- {{name: a, {test}}}\n");
        let wrong = files(&text, &image);
        assert_eq!(wrong, [*expected], "{test}");
    }
}

#[test]
fn files_are_there_as_they_should_be() {
    expect_files(
        "fileExistenceTests",
        &[
            ("path: /etc/multi", ""),
            ("path: etc/multi", ""),
            ("path: /etc/../etc/./multi/", ""),
            ("path: /../etc/multi", ""),
            ("path: /", ""),
            ("path: /bin/tool, permissions: '-rwxr-xr-x'", ""),
            ("path: /$BIN/tool", ""),
            ("path: '/${BIN}/tool'", ""),
            ("path: /usr/bin/link, permissions: Lrwxrwxrwx", ""),
            ("path: /usr/bin/link, permissions: lrwxrwxrwx", ""),
            ("path: /usr/bin/second, permissions: '-rwxr-xr-x', uid: 0", ""),
            ("path: /dangling", ""),
            ("path: /tmp, permissions: dtrwxrwxrwx", ""),
            ("path: /tmp, permissions: drwxrwxrwt", ""),
            ("path: /usr/bin/suid, permissions: urwx--x--x", ""),
            ("path: /usr/bin/suid, permissions: '-rws--x--x'", ""),
            ("path: /usr/bin/odd, permissions: ugrw-r--r--", ""),
            ("path: /usr/bin/odd, permissions: '-rwSr-Sr--'", ""),
            ("path: /etc/multi, uid: 7, gid: 8", ""),
            ("path: /usr/bin/tool, isExecutableBy: other", ""),
            ("path: /usr/bin/group, isExecutableBy: group", ""),
            ("path: /usr/bin/group, isExecutableBy: any", ""),
            ("path: /bin/sh, shouldExist: false", ""),
            ("path: /nothing/at/all, shouldExist: false", ""),
            ("path: /dangling/x, shouldExist: false", ""),
            // Made when a container starts; the image does not have it.
            ("path: /proc, shouldExist: false", ""),
            // As Go and as ls write them.
            ("path: /tmp/null, permissions: Dcrw-rw-rw-, uid: 0, gid: 5", ""),
            ("path: /tmp/null, permissions: crw-rw-rw-", ""),
            ("path: /tmp/disk, permissions: Dtrw-rw----", ""),
            ("path: /tmp/disk, permissions: brw-rw---T", ""),
            ("path: /tmp/pipe, permissions: pgrw-r--r--", ""),
            ("path: /tmp/pipe, permissions: prw-r-Sr--", ""),
        ],
    );
}

#[test]
fn files_are_not_as_they_should_be() {
    expect_files(
        "fileExistenceTests",
        &[
            ("path: /bin/sh", "/bin/sh is not there"),
            ("path: /etc/multi/x", "/etc/multi/x is not there"),
            ("path: /circle/x", "/circle/x is not there"),
            ("path: /tmp/null, shouldExist: false", "/tmp/null is there"),
            ("path: /tmp/pipe, shouldExist: false", "/tmp/pipe is there"),
            ("path: /tmp/null/x", "/tmp/null/x is not there"),
            (
                "path: /tmp/null, permissions: '-rw-rw-rw-'",
                "/tmp/null is Dcrw-rw-rw-, not -rw-rw-rw-",
            ),
            ("path: /$NOPE/tool", "//tool is not there"),
            ("path: /etc/hosts", "/etc/hosts is not there"),
            ("path: /bin/tool, shouldExist: false", "/bin/tool is there"),
            ("path: /dangling, shouldExist: false", "/dangling is there"),
            (
                "path: /etc/multi, permissions: '-rw-r--r--'",
                "/etc/multi is -rw-r-----, not -rw-r--r--",
            ),
            (
                "path: /absolute, permissions: '-rwxr-xr-x'",
                "/absolute is Lrwxrwxrwx, not -rwxr-xr-x",
            ),
            ("path: /tmp, permissions: drwxrwxrwx", "/tmp is dtrwxrwxrwx, not drwxrwxrwx"),
            ("path: /etc/multi, uid: 0", "/etc/multi belongs to the user 7, not 0"),
            (
                "path: /etc/multi, uid: 8, gid: 7",
                "/etc/multi belongs to the user 7, not 8; /etc/multi belongs to the group 8, not 7",
            ),
            (
                "path: /usr/bin/group, isExecutableBy: owner",
                "/usr/bin/group is -rw---x---: its owner can't execute it",
            ),
            (
                "path: /usr/bin/suid, isExecutableBy: other, permissions: '-rwx--x--x'",
                "/usr/bin/suid is urwx--x--x, not -rwx--x--x",
            ),
            (
                "path: /etc/multi, isExecutableBy: any",
                "/etc/multi is -rw-r-----: anybody can't execute it",
            ),
        ],
    );
}

#[test]
fn contents_are_as_they_should_be_or_not() {
    let has = |pattern: &str| format!("/etc/multi has nothing that {pattern:?} matches");
    let (line, dot, end) = (has("^second$"), has("first.second"), has("third$"));
    expect_files(
        "fileContentTests",
        &[
            ("path: /etc/multi, expectedContents: ['(?m)^second$', 'first\\nsecond']", ""),
            ("path: /etc/multi, excludedContents: ['fourth', '^second']", ""),
            ("path: /etc/multi", ""),
            ("path: /absolute, expectedContents: ['^x$']", ""),
            ("path: /usr/bin/second, expectedContents: ['^x$']", ""),
            ("path: /etc/bytes, expectedContents: ['^..\\x00abc$|^..\\x00abc\\n$']", ""),
            // Go's expressions are about the whole text, unless they say otherwise.
            ("path: /etc/multi, expectedContents: ['^second$']", &line),
            ("path: /etc/multi, expectedContents: ['first.second']", &dot),
            ("path: /etc/multi, expectedContents: ['third$']", &end),
            (
                "path: /etc/multi, expectedContents: [fourth], excludedContents: [first]",
                "/etc/multi has nothing that \"fourth\" matches; /etc/multi has something that \"first\" matches",
            ),
            ("path: /etc", "/etc can't be read: it is no file"),
            ("path: /tmp/null", "/tmp/null can't be read: it is no file"),
            ("path: /tmp/pipe", "/tmp/pipe can't be read: it is no file"),
            ("path: /nope", "/nope can't be read: it is not there"),
            ("path: /dangling", "/dangling can't be read: it is not there"),
            ("path: /circle", "/circle can't be read: it is not there"),
            // As in the original.
            ("path: /$BIN/tool", "/$BIN/tool can't be read: it is not there"),
        ],
    );
}

#[test]
fn licences_are_looked_at() {
    let mut tree = tree();
    let run = |tree: &Tree, version: &str, test: &str| {
        let text = format!("schemaVersion: {version}\nlicenseTests: [{{{test}}}]\n");
        files(&text, &image(tree.clone()))
    };
    assert_eq!(run(&tree, "2.0.0", "debian: true"), [""]);
    let missing = "/usr/share/doc/libgnutls30/copyright can't be read: it is not there";
    assert_eq!(run(&tree, "1.0.0", "debian: true"), [missing]);
    let forbidden = "/usr/share/doc/readme names a licence that is forbidden: AGPL";
    assert_eq!(run(&tree, "2.0.0", "files: [/usr/share/doc/readme, /etc/multi]"), [forbidden]);
    let absent = "/nope can't be read: it is not there";
    assert_eq!(run(&tree, "2.0.0", "debian: true, files: [/nope]"), [absent]);
    let bad = node(hardpan_tree::Kind::File(File::inline(b"the wtfpl".to_vec())), 0o644, 0, 0);
    tree.insert(TreePath::literal("usr/share/doc/good/copyright"), bad).unwrap();
    let forbidden = "/usr/share/doc/good/copyright names a licence that is forbidden: WTFPL";
    assert_eq!(run(&tree, "2.0.0", "debian: true"), [forbidden]);
    let none = "/usr/share/doc is not there";
    assert_eq!(run(&Tree::new(), "2.0.0", "debian: true"), [none]);
    // Where no package is, nothing was looked at.
    let mut empty = Tree::new();
    for path in ["usr", "usr/share", "usr/share/doc"] {
        let directory = node(hardpan_tree::Kind::Directory, 0o755, 0, 0);
        empty.insert(TreePath::literal(path), directory).unwrap();
    }
    let plain = node(hardpan_tree::Kind::File(File::inline(b"MIT".to_vec())), 0o644, 0, 0);
    empty.insert(TreePath::literal("usr/share/doc/copyright"), plain).unwrap();
    let nobody = "/usr/share/doc has no folder of a package: no licence is there";
    assert_eq!(run(&empty, "2.0.0", "debian: true"), [nobody]);
    assert_eq!(run(&empty, "1.0.0", "debian: true, files: [/usr/share/doc/copyright]"), [nobody]);
}

#[test]
fn the_configuration_is_looked_at() {
    let config = ContainerConfig {
        user: "app".to_owned(),
        working_dir: "/srv".to_owned(),
        entrypoint: vec!["/usr/bin/tool".to_owned()],
        cmd: vec!["x".to_owned(), "y".to_owned()],
        exposed_ports: ["8080/tcp", "53/udp"].map(str::to_owned).into(),
        volumes: ["/data".to_owned()].into(),
        labels: [("l".to_owned(), "v".to_owned())].into(),
        ..ContainerConfig::default()
    };
    let environment: BTreeMap<String, String> =
        [("A", "b"), ("E", "")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    for (test, expected) in [
        (
            "envVars: [{key: A, value: b}, {key: E, value: ''}, {key: A, value: ^b$, isRegex: true}]",
            "",
        ),
        ("unboundEnvVars: [{key: NOPE}]", ""),
        ("labels: [{key: l, value: '[a-z]', isRegex: true}]", ""),
        ("entrypoint: [/usr/bin/tool], cmd: [x, 'y'], workdir: /srv, user: app", ""),
        ("exposedPorts: [8080, 8080/tcp, '53', 53/udp], unexposedPorts: [22, 53/tcp, 80]", ""),
        ("volumes: [/data], unmountedVolumes: [/srv]", ""),
        ("envVars: [{key: A, value: B}]", "the variable A is \"b\", not \"B\""),
        (
            "envVars: [{key: A, value: ^$, isRegex: true}]",
            "the variable A is \"b\", which \"^$\" does not match",
        ),
        ("envVars: [{key: NOPE, value: ''}]", "the variable NOPE is not set"),
        ("unboundEnvVars: [{key: E}]", "the variable E is set, to \"\""),
        ("labels: [{key: l, value: w}]", "the label l is \"v\", not \"w\""),
        ("labels: [{key: L, value: v}]", "the label L is not set"),
        ("entrypoint: []", "entrypoint is [\"/usr/bin/tool\"], not []"),
        ("cmd: [x]", "cmd is [\"x\", \"y\"], not [\"x\"]"),
        ("cmd: ['y', x]", "cmd is [\"x\", \"y\"], not [\"y\", \"x\"]"),
        ("workdir: /srv/", "workdir is \"/srv\", not \"/srv/\""),
        ("user: root", "user is \"app\", not \"root\""),
        ("exposedPorts: [9]", "the image does not name the port 9"),
        ("exposedPorts: [53/tcp]", "the image does not name the port 53/tcp"),
        ("unexposedPorts: ['53']", "the image names the port 53"),
        ("unexposedPorts: [8080/tcp]", "the image names the port 8080/tcp"),
        ("volumes: [/data/]", "the image does not name the volume /data/"),
        ("unmountedVolumes: [/data]", "the image names the volume /data"),
    ] {
        let cases = compiled(&format!("schemaVersion: 2.0.0\nmetadataTest: {{{test}}}\n")).unwrap();
        let Check::Metadata(case) = &check(&cases[0]).check else { panic!("{cases:?}") };
        assert_eq!(case.check(&config, &environment).join("; "), expected, "{test}");
    }
}

#[test]
fn tests_have_names_and_the_order_of_the_original() {
    let cases = compiled(
        "schemaVersion: 2.0.0\nmetadataTest: {user: a}\nlicenseTests: [{debian: true}]\n\
         fileExistenceTests: [{name: a, path: /}]\nfileContentTests: [{name: b, path: /}]\n\
         commandTests: [{name: c, command: d}, {name: e, command: f}]\n",
    )
    .unwrap();
    let names: Vec<&str> = cases.iter().map(TestCase::name).collect();
    let expected = [
        "command: c",
        "command: e",
        "file content: b",
        "file existence: a",
        "licenses",
        "metadata",
    ];
    assert_eq!(names, expected);
    assert!(cases.iter().all(|case| case.file.as_deref().unwrap().ends_with("tests.yaml")));
}

#[test]
fn expressions_are_compiled_where_they_stand() {
    let text = "schemaVersion: 2.0.0\ncommandTests:\n- name: a\n  command: b\n  expectedOutput:\n  - (\n\
                \x20 excludedError: ['(?=x)']\nmetadataTest:\n  labels: [{key: a, value: '[', isRegex: true}]\n";
    let Err(Error::Project(ProjectError::Diagnostics { diagnostics, sources, .. })) =
        compiled(text)
    else {
        panic!("it is compiled");
    };
    let mut said: Vec<(usize, String)> = diagnostics
        .iter()
        .map(|found| (found.locate(&sources).unwrap().1, found.message.clone()))
        .collect();
    said.sort();
    let lines: Vec<usize> = said.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [6, 7, 9], "{said:?}");
    assert!(said[1].1.contains("looking ahead"), "{said:?}");
    assert!(diagnostics.iter().all(|found| found.code == Code::BadRegex));
}

#[test]
fn callers_variables_are_given_or_refused() {
    let run = |options: &str| {
        compiled(&format!(
            "schemaVersion: 2.0.0\ncontainerRunOptions: {{{options}}}\n\
             commandTests: [{{name: a, command: b}}]\n"
        ))
    };
    let cases = run("envVars: [CALLER]").unwrap();
    let Check::Command(command) = &check(&cases[0]).check else { panic!("{cases:?}") };
    assert_eq!(command.shared.given["CALLER"], "its value");
    let error = run("envVars: [NOPE]").unwrap_err();
    let Error::Project(ProjectError::Diagnostics { diagnostics, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(diagnostics[0].code, Code::UndefinedVariable);
    assert!(matches!(
        run("envFile: /no/such/file"),
        Err(Error::Project(ProjectError::Read { .. }))
    ));
}

#[test]
fn files_with_variables_are_read_as_docker_does() {
    let variable = |name: &str| (name == "CALLER").then(|| "its value".to_owned());
    let good = "# remark\n\nA=b\nQ=\"a b\" \n  E=\nCALLER\nA=c=d\n";
    let found = env_file("file", good, &variable).unwrap();
    let expected = [("A", "c=d"), ("CALLER", "its value"), ("E", ""), ("Q", "\"a b\" ")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found, BTreeMap::from(expected));
    for (text, line) in [("A=b\n=c", 2), ("a b=c", 1), ("NOPE", 1), ("\nA=\0", 2)] {
        let error = env_file("file", text, &variable).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line} of file")), "{text:?}: {error}");
    }
}

#[test]
fn bytes_that_are_no_text_stand_for_one_character_each() {
    assert_eq!(lossy(b"a\xff\xfeb\xe2\x82c\xc3\xa4"), "a\u{fffd}\u{fffd}b\u{fffd}\u{fffd}c\u{e4}");
}
