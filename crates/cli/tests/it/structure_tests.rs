// SPDX-License-Identifier: Apache-2.0
//! `hardpan test --config`: files of container-structure-test, with a real busybox in the sandbox, and beside the real
//! program where `HARDPAN_TEST_SBOM_TOOLS` has it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hardpan_testkit::fixture::Fixture;
use serde_json::Value;

use crate::containers::{fixture, with_definition};
use crate::keys::{build_signed, signing};
use crate::sboms::docker_archives;
use crate::support::{Ran, hardpan, run, skip};

/// Tests that pass, of both versions.
const COMMANDS: &str = r#"
schemaVersion: 2.0.0
globalEnvVars:
- {key: WORD, value: "a:$PATH:"}
commandTests:
- name: says
  command: busybox-app
  args: [echo, 'two  words']
  expectedOutput: ['^two  words\n$', 'two']
  excludedOutput: [three]
  excludedError: ['.']
- name: streams and exit code
  command: busybox-app
  args: [sh, -c, 'echo out; echo err >&2; exit 3']
  exitCode: 3
  expectedOutput: ['^out\n$']
  excludedOutput: [err]
  expectedError: ['^err\n$']
  excludedError: [out]
- name: one root
  setup:
  - [busybox-app, touch, /tmp/new]
  - [busybox-app, sh, -c, 'echo $WORD $OWN > /tmp/said']
  command: busybox-app
  envVars: [{key: OWN, value: 'own:$PATH'}]
  args: [cat, /tmp/said, /tmp/new]
  expectedOutput: ['^a:/usr\S*: own:/usr\S*\n$']
  teardown:
  - [busybox-app, rm, /tmp/new]
- name: another root
  command: busybox-app
  args: [ls, /tmp/new]
  exitCode: 1
  expectedError: [No such file]
- name: substitution
  command: busybox-app
  args: [echo, '$WORD', '[$NOPE]', '${OWN}|', $]
  expectedOutput: ['^a:/usr\S*: \[\] \| \$\n$']
- name: variables
  command: busybox-app
  args: [env]
  envVars: [{key: WORD, value: other}]
  expectedOutput: ['(?m)^WORD=other$', '(?m)^PATH=/usr']
- name: user
  command: busybox-app
  args: [id]
  expectedOutput: ['uid=65532\(nonroot\)']
- name: setup that fails
  setup: [[busybox-app, 'false']]
  command: busybox-app
  args: ['true']
  teardown: [[nothing-such]]
"#;

const OLDER: &str = r#"{
  "schemaVersion": "1.0.0",
  "commandTests": [
    {"name": "older", "command": ["busybox-app", "echo", "$PATH"], "expectedOutput": ["^/usr"]}
  ],
  "fileExistenceTests": [{"name": "older file", "path": "/srv/page"}]
}"#;

fn configured(fixture: &Fixture, texts: &[&str], arguments: &[&str]) -> Ran {
    let mut all: Vec<String> = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let name = format!("tests{number}.yaml");
        fixture.write(&format!("work/{name}"), text);
        all.extend(["--config".to_owned(), name]);
    }
    let all: Vec<&str> = all.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    with_definition(fixture, "test", &all)
}

#[test]
fn files_of_both_versions_pass() {
    let Some(fixture) = fixture("files_of_both_versions_pass") else { return };
    let files = r#"
schemaVersion: 2.0.0
commandTests:
- name: signal
  setup: [[busybox-app, sh, -c, 'echo "kill -9 \$\$" > /srv/kill']]
  command: busybox-app
  args: [sh, /srv/kill]
  exitCode: 137
fileExistenceTests:
- {name: page, path: /srv/page, permissions: '-rw-r--r--', uid: 0, gid: 0}
- {name: program, path: /usr/bin/busybox-app, isExecutableBy: any}
- {name: shell, path: /bin/sh, shouldExist: false}
- {name: what containers get, path: /proc/self, shouldExist: false}
fileContentTests:
- {name: page, path: /srv/page, expectedContents: ['^the page\n$'], excludedContents: [secret]}
metadataTest:
  entrypoint: [busybox-app]
  cmd: [httpd, -f, -p, '8080', -h, /srv]
  unexposedPorts: [22]
  unboundEnvVars: [{key: SECRET}]
"#;
    let ran = configured(&fixture, &[COMMANDS, OLDER, files], &["--junit", "results.xml"]);
    let ran = ran.expect(0, &["passed   command: says", "passed   file content: page"]);
    let ran =
        ran.expect(0, &["passed   metadata", "passed   command: older", "18 passed, 0 failed"]);
    // What the original says nothing of.
    let ran = ran.expect(
        0,
        &["the setup `busybox-app false` ended with exit code 1; the teardown failed: "],
    );
    assert_eq!(ran.stderr, "");
    let xml = std::fs::read_to_string(fixture.path("work/results.xml")).unwrap();
    assert!(xml.contains("tests=\"18\" failures=\"0\""), "{xml}");
    assert!(xml.contains("name=\"command: one root\" classname=\"tests0.yaml\""), "{xml}");
    let json = configured(&fixture, &[COMMANDS, OLDER, files], &["--json"]).json();
    assert_eq!(json["results"]["tests"][1]["suite"][2], "tests0.yaml");
    let ran = configured(&fixture, &[COMMANDS], &["--filter", "one root"]);
    ran.expect(0, &["2 passed, 0 failed"]);
}

/// What of a command test makes it fail, in both programs, and what ours says.
const FAILING: &[(&str, &str)] = &[
    ("args: ['false']", "`busybox-app false` ended with exit code 1, not with exit code 0"),
    ("args: ['true'], exitCode: 1", "ended with exit code 0, not with exit code 1"),
    ("args: [echo, a], expectedOutput: [b]", "standard output has nothing that \"b\" matches"),
    ("args: [echo, a], excludedOutput: [a]", "standard output has something that \"a\" matches"),
    ("args: [echo, a], expectedError: [a]", "standard error has nothing that \"a\" matches"),
    ("args: [ls, /x], exitCode: 1, excludedError: [No]", "standard error has something"),
    ("args: [echo, 'a$'], expectedOutput: ['a$']", "standard output has nothing"),
    ("setup: [[nothing-such]], args: ['true']", "the image has no program \"nothing-such\""),
    ("setup: [['sh -c true']], args: ['true']", "the image has no program \"sh -c true\""),
    (
        "setup: [[busybox-app, 'false']], args: ['false']",
        "; the setup `busybox-app false` ended with exit code 1",
    ),
    ("args: [nc, -w, 1, 192.0.2.1, 80]", "ended with exit code 1"),
];

/// The same for what takes too long in the other program, or depends on who is process 1.
const FAILING_HERE: &[(&str, &str)] = &[
    (
        "args: ['yes']",
        "`busybox-app yes` printed more than 4194304 bytes and was stopped, where exit code 0 is expected",
    ),
    (
        "args: [sh, /srv/k], setup: [[busybox-app, sh, -c, 'echo \"kill -9 \\$\\$\" > /srv/k']]",
        "was killed by signal 9, where exit code 0 is expected",
    ),
];

fn commands(cases: &[(&str, &str)]) -> String {
    let test = |(number, (test, _)): (usize, &(&str, &str))| {
        format!("- {{name: case {number:02}, command: busybox-app, {test}}}\n")
    };
    let tests: String = cases.iter().enumerate().map(test).collect();
    format!(
        "schemaVersion: 2.0.0\ncommandTests:\n{tests}- {{name: none, command: bash, exitCode: 127}}\n"
    )
}

#[test]
fn commands_that_fail_say_why() {
    let cases = [FAILING, FAILING_HERE].concat();
    let Some(fixture) = fixture("commands_that_fail_say_why") else { return };
    let text = commands(&cases);
    let ran = configured(&fixture, &[&text], &["--json"]);
    assert_eq!(ran.code, 1, "{ran}");
    let document = ran.json();
    let results = document["results"]["tests"].as_array().unwrap();
    let none = [("command: bash", "the image has no program \"bash\"")];
    for (number, (test, expected)) in cases.iter().chain(&none).enumerate() {
        let result = &results[number + 1];
        let message = result["message"].as_str().unwrap_or_default();
        assert_eq!(result["status"], "failed", "{test}: {result}");
        assert!(message.contains(expected), "{test}: {message}");
    }
    assert_eq!(document["results"]["summary"]["failed"], cases.len() + 1);
}

#[test]
fn containers_get_what_can_be_given() {
    let Some(fixture) = fixture("containers_get_what_can_be_given") else { return };
    fixture.write("work/variables", "# of the file\nA=file\nB=file\n");
    fixture.write("shared/word", "of the host\n");
    let folder = fixture.path("shared");
    let given = format!(
        "schemaVersion: 2.0.0
containerRunOptions:
  user: '0:0'
  envFile: variables
  envVars: [FROM_CALLER]
  bindMounts: ['{}:/srv/shared']
globalEnvVars: [{{key: B, value: global}}]
commandTests:
- {{name: user, command: busybox-app, args: [id, -u], expectedOutput: ['^0\\n$']}}
- name: variables
  command: busybox-app
  args: [env]
  expectedOutput: ['(?m)^A=file$', '(?m)^B=global$', '(?m)^FROM_CALLER=its value$']
- {{name: mount, command: busybox-app, args: [cat, /srv/shared/word], expectedOutput: [of the host]}}
- name: for reading only
  command: busybox-app
  args: [touch, /srv/shared/new]
  exitCode: 1
  expectedError: [Read-only]
",
        folder.display()
    );
    fixture.write("work/tests.yaml", given);
    let definition = fixture.definition();
    let arguments = ["test", definition.to_str().unwrap(), "--config", "tests.yaml"];
    let mut command = hardpan(&fixture, &arguments);
    command.env("FROM_CALLER", "its value");
    run(command).expect(0, &["5 passed, 0 failed"]);
    assert!(!folder.join("new").exists());
    run(hardpan(&fixture, &arguments))
        .expect(2, &["the environment has no variable `FROM_CALLER`", "tests.yaml:5"]);
    for (options, expected) in [
        ("privileged: true", "asks for `privileged`, which the sandbox does not give"),
        ("allocateTty: true", "asks for `allocateTty`"),
        ("capabilities: [NET_BIND_SERVICE]", "asks for `capabilities`"),
        ("user: nobody-such", "the image has no user \"nobody-such\""),
        (
            "bindMounts: ['/no/such/place:/x']",
            "`/no/such/place:/x` of `bindMounts` (tests0.yaml:2): can't mount /no/such/place: No such file",
        ),
        (
            "bindMounts: ['/etc:/usr/bin/busybox-app']",
            "`/etc:/usr/bin/busybox-app` of `bindMounts`",
        ),
    ] {
        let text = format!(
            "schemaVersion: 2.0.0\ncontainerRunOptions: {{{options}}}\n\
             commandTests: [{{name: a, command: busybox-app, args: ['true']}}]\n\
             fileExistenceTests: [{{name: b, path: /srv}}]\n"
        );
        let ran = configured(&fixture, &[&text], &[]);
        assert_eq!(ran.code, 1, "{options}: {ran}");
        ran_has(&ran, options, expected);
        // The others run all the same.
        ran_has(&ran, options, "file existence: b");
    }
}

#[track_caller]
fn ran_has(ran: &Ran, what: &str, expected: &str) {
    let both = format!("{}{}", ran.stdout, ran.stderr);
    assert!(both.contains(expected), "{what}: {ran}");
}

#[test]
fn files_that_are_wrong_are_refused_before_anything_runs() {
    let Some(fixture) = fixture("files_that_are_wrong") else { return };
    let commands = |rest: &str| format!("schemaVersion: 2.0.0\ncommandTests:\n- {rest}\n");
    for (text, expected) in [
        (commands("{name: a, command: b, expectedOuput: [c]}"), "did you mean `expectedOutput`?"),
        (commands("{name: a, command: b, expectedOutput: ['(']}"), "the expression can't be used"),
        ("schemaVersion: 2.0.0\n".to_owned(), "the file has no test"),
        ("commandTests: []\n".to_owned(), "has no `schemaVersion`"),
    ] {
        let ran = configured(&fixture, &[COMMANDS, &text], &[]);
        let ran = ran.expect(2, &[expected, "tests1.yaml:"]);
        assert!(!ran.stdout.contains("passed"), "{ran}");
    }
    with_definition(&fixture, "test", &["--config", "none.yaml"]).expect(2, &["none.yaml"]);
}

#[test]
fn layouts_and_archives_are_tested_and_results_signed() {
    let Some(fixture) = fixture("layouts_and_archives") else { return };
    build_signed(&fixture, &[]).expect(0, &[]);
    fixture.write("work/tests.yaml", COMMANDS);
    let out = fixture.path("out");
    let arguments = ["test", out.to_str().unwrap(), "--config", "tests.yaml"];
    let ran = run(hardpan(&fixture, &arguments)).expect(0, &["9 passed, 0 failed"]);
    assert!(!ran.stderr.contains("no tests"), "{ran}");
    let sign = [&arguments[..], &["--sign", "--key", "k.key"]].concat();
    run(signing(&fixture, &sign)).expect(0, &["signed the results are attached"]);
    let get = ["attest", "get", out.to_str().unwrap(), "--type", "test-result", "--key", "k.pub"];
    let result = run(hardpan(&fixture, &[&get[..], &["--statement"]].concat())).json();
    assert_eq!(result["predicate"]["configuration"][0]["name"], "tests.yaml");
    assert_eq!(result["predicate"]["result"], "PASSED");
    with_definition(&fixture, "build", &["--docker-archive", "app.tar"]).expect(0, &[]);
    let archive = ["test", "app.tar", "--config", "tests.yaml"];
    run(hardpan(&fixture, &archive)).expect(0, &["9 passed, 0 failed"]);
    let sign = [&archive[..], &["--sign", "--key", "k.key"]].concat();
    run(signing(&fixture, &sign)).expect(2, &["this is an archive"]);
    fixture.write("work/bad.tar", "no archive");
    let bad = run(hardpan(&fixture, &["test", "bad.tar", "--config", "tests.yaml"]));
    assert!(matches!(bad.code, 2..=4), "{bad}");
}

/// Tests for both programs: what each says of them must be the same. What the real one can't do without a daemon is left
/// out (owners, commands), and what it says differently on purpose: it never finds a port with a protocol.
const FOR_BOTH: &str = r"
fileExistenceTests:
- {name: e01, path: /srv/page}
- {name: e02, path: /srv/none}
- {name: e03, path: /srv/none, shouldExist: false}
- {name: e04, path: /srv/page, shouldExist: false}
- {name: e05, path: /srv/page, permissions: '-rw-r--r--'}
- {name: e06, path: /srv/page, permissions: '-rw-r-----'}
- {name: e07, path: /usr/bin/busybox-app, isExecutableBy: any}
- {name: e08, path: /usr/bin/busybox-app, isExecutableBy: owner}
- {name: e09, path: /srv/page, isExecutableBy: other}
- {name: e10, path: /bin, permissions: Lrwxrwxrwx}
- {name: e11, path: /bin/busybox-app}
- {name: e12, path: /tmp, permissions: dtrwxrwxrwx}
- {name: e13, path: /srv/data, permissions: drwxr-xr-x}
- {name: e14, path: srv/page}
- {name: e15, path: /srv/../srv/page}
- {name: e16, path: '/${NOPE}srv/page'}
- {name: e17, path: /etc/hosts}
- {name: e18, path: /}
fileContentTests:
- {name: c01, path: /srv/page, expectedContents: ['the page']}
- {name: c02, path: /srv/page, expectedContents: ['^the page\n$']}
- {name: c03, path: /srv/page, expectedContents: ['page$']}
- {name: c04, path: /srv/page, expectedContents: ['(?m)page$']}
- {name: c05, path: /srv/page, excludedContents: ['page']}
- {name: c06, path: /srv/page, excludedContents: ['^page']}
- {name: c07, path: /srv/none, expectedContents: ['a']}
- {name: c08, path: /srv/data, expectedContents: ['a']}
- {name: c09, path: /etc/passwd, expectedContents: ['(?m)^nonroot:x:65532:\d+:']}
- {name: c10, path: /etc/passwd, expectedContents: ['root.*\n.*nonroot']}
- {name: c11, path: /etc/passwd, expectedContents: ['\bnonroot\b', '[[:alpha:]]{4}', '(?i)NONROOT']}
- {name: c12, path: /bin/busybox-app, expectedContents: ['BusyBox']}
- {name: c13, path: '/$PATH', expectedContents: ['a']}
- {name: c14, path: /srv/page, expectedContents: ['\Qthe page\E', 'x{,3}']}
- {name: c15, path: /usr/bin/busybox-app, expectedContents: ['^.ELF.{12}']}
licenseTests:
- files: [/srv/page]
- files: [/srv/none]
";

/// Metadata: each is a file of its own, as there is one such test in a file.
const METADATA: [&str; 22] = [
    "entrypoint: [busybox-app]",
    "entrypoint: []",
    "entrypoint: [busybox-app, x]",
    "cmd: [httpd, -f, -p, '8080', -h, /srv]",
    "cmd: [httpd]",
    "user: nonroot",
    "user: '65532'",
    "user: '65532:65532'",
    "user: '0'",
    "workdir: /",
    "workdir: /srv",
    "envVars: [{key: NOPE, value: ''}]",
    "envVars: [{key: PATH, value: '^/usr', isRegex: true}]",
    "envVars: [{key: PATH, value: '^/bin', isRegex: true}]",
    "unboundEnvVars: [{key: NOPE}]",
    "unboundEnvVars: [{key: PATH}]",
    "exposedPorts: ['8080']",
    "unexposedPorts: ['8080']",
    "volumes: [/srv]",
    "unmountedVolumes: [/srv]",
    "labels: [{key: nope, value: a}]",
    "labels: [{key: org.opencontainers.image.created, value: '^\\d{4}-', isRegex: true}]",
];

#[test]
fn the_real_program_says_the_same() {
    let test = "the_real_program_says_the_same";
    let Some(fixture) = fixture(test) else { return };
    let Some(program) = real_program(test) else { return };
    with_definition(&fixture, "build", &["--docker-archive", "app.tar"]).expect(0, &[]);
    let mut names: Vec<String> = vec!["files.yaml".to_owned()];
    fixture.write("work/files.yaml", format!("schemaVersion: 2.0.0\n{FOR_BOTH}"));
    for (number, metadata) in METADATA.iter().enumerate() {
        let name = format!("metadata{number:02}.yaml");
        let text = format!("schemaVersion: 2.0.0\nmetadataTest: {{{metadata}}}\n");
        fixture.write(&format!("work/{name}"), text);
        names.push(name);
    }
    let configs: Vec<&str> = names.iter().flat_map(|name| ["--config", name.as_str()]).collect();
    let mut command = Command::new(program);
    command.args(["test", "--driver", "tar", "--output", "json", "--image", "app.tar"]);
    command.args(&configs);
    let counts = compare(&fixture, &configs, command);
    assert_eq!(counts.values().sum::<usize>(), 35 + METADATA.len());
    assert!(counts.values().all(|&count| count >= 15), "{counts:?}");
}

fn real_program(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("HARDPAN_TEST_SBOM_TOOLS").map(PathBuf::from);
    let program = folder.map(|folder| folder.join("container-structure-test"));
    let program = program.filter(|program| program.exists());
    if program.is_none() {
        skip(test, "container-structure-test is not there: HARDPAN_TEST_SBOM_TOOLS");
    }
    program
}

/// Compares what both programs say of `app.tar`, test by test. Returns how often they say what.
fn compare(fixture: &Fixture, configs: &[&str], mut command: Command) -> BTreeMap<bool, usize> {
    let ours = [&["test", "app.tar", "--json"], configs].concat();
    let ours = run(hardpan(fixture, &ours)).json();
    let ours = ours["results"]["tests"].as_array().unwrap()[1..].to_vec();
    let output = command.current_dir(fixture.path("work")).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", Ran::from(output.clone())));
    let theirs = said["Results"].as_array().unwrap();
    assert_eq!(theirs.len(), ours.len(), "{said:#}");
    let mut counts: BTreeMap<bool, usize> = BTreeMap::new();
    for (their, our) in theirs.iter().zip(ours) {
        let passed = our["status"] == "passed";
        assert_eq!(their["Pass"], passed, "{their:#}\n{our:#}");
        *counts.entry(passed).or_default() += 1;
    }
    counts
}

/// A podman that answers as docker does, with all of its state in a folder.
struct Daemon {
    folder: PathBuf,
    service: Option<Child>,
}

impl Daemon {
    /// Starts one with an image, and returns what that is called there; or says why it is of no use here.
    fn start(test: &str, fixture: &Fixture) -> Option<(Self, String)> {
        let folder = fixture.path("podman");
        // Small machines: no network, and limits that need no privilege.
        let settings = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
                        netns = \"none\"\n[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\n\
                        events_logger = \"none\"\nlock_type = \"file\"\n";
        fixture.write("podman/containers.conf", settings);
        let mut daemon = Self { folder, service: None };
        let archive = fixture.path("work/app.tar");
        let mut loaded = daemon.podman(&["load", "--quiet", "--input", archive.to_str()?]);
        let loaded = loaded.output().map(|output| (output.status.success(), Ran::from(output)));
        let name = match &loaded {
            Ok((true, ran)) => {
                ran.stdout.lines().next()?.trim().strip_prefix("Loaded image: ")?.to_owned()
            }
            other => {
                skip(test, &format!("podman does not work here: {other:?}"));
                return None;
            }
        };
        let address = daemon.address();
        let mut service = daemon.podman(&["system", "service", "--time=0", &address]);
        daemon.service = service.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok();
        let socket = daemon.folder.join("socket");
        for _ in 0..300 {
            if socket.exists() {
                return Some((daemon, name));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("podman's service does not start");
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.join("socket").display())
    }

    fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        for (option, place) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.folder.join(place));
        }
        command.args(["--storage-driver", "vfs"]).args(arguments);
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(service) = &mut self.service {
            // It may have ended by itself.
            let _ = service.kill().and_then(|()| service.wait());
        }
        let _ = self.podman(&["rm", "--all", "--force", "--time=0"]).output();
    }
}

#[test]
fn the_real_program_runs_commands_to_the_same_end() {
    let test = "the_real_program_runs_commands_to_the_same_end";
    let Some(fixture) = fixture(test) else { return };
    let Some(program) = real_program(test) else { return };
    with_definition(&fixture, "build", &["--docker-archive", "app.tar"]).expect(0, &[]);
    let Some((daemon, name)) = Daemon::start(test, &fixture) else { return };
    fixture.write("work/pass.yaml", COMMANDS);
    fixture.write("work/fail.yaml", commands(FAILING));
    let configs = ["--config", "pass.yaml", "--config", "fail.yaml"];
    let mut command = Command::new(program);
    command.env("DOCKER_HOST", daemon.address());
    command.args(["test", "--output", "json", "--image", &name]).args(configs);
    let counts = compare(&fixture, &configs, command);
    assert_eq!(counts, BTreeMap::from([(true, 8), (false, FAILING.len() + 1)]));
}

#[test]
fn archives_of_docker_and_podman_are_tested() {
    let fixture = Fixture::new();
    let tests = "schemaVersion: 2.0.0\nfileExistenceTests: [{name: a, path: /var/lib/dpkg/status, uid: 0}]\n";
    fixture.write("work/tests.yaml", tests);
    for (summary, path) in docker_archives(&fixture) {
        let arguments = ["test", path.to_str().unwrap(), "--config", "tests.yaml", "--json"];
        let ran = run(hardpan(&fixture, &arguments));
        assert!(matches!(ran.code, 0 | 1), "{summary}: {ran}");
        let tests = ran.json()["results"]["tests"].clone();
        assert_eq!(tests[1]["name"], "file existence: a", "{summary}");
        assert_eq!(tests[1]["status"], "passed", "{summary}: {tests:#}");
        assert_eq!(tests[1]["suite"][0], "example.org/app:1.2", "{summary}");
    }
    // Nothing that was unpacked is left.
    let left = std::fs::read_dir(fixture.path("store/tmp")).unwrap().count();
    assert_eq!(left, 0);
}
