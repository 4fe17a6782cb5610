// SPDX-License-Identifier: Apache-2.0
//! Definitions, and other YAML of theirs.

use hardpan_definition::{
    DataFile, Diagnostic, Distribution, IncludeError, Includes, Platform, Source, parse,
    parse_action, parse_info, parse_package_config, parse_structure_tests,
};

use crate::input::{text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "definition",
    bytes_max: 8 << 10,
    parts: &[
        Part::new("definition", definition, || {
            let complete = include_str!("../../../crates/definition/tests/fixtures/complete.yaml");
            texts(&[complete, SMALL, PACKAGE])
        }),
        Part::new("values", values, || {
            texts(&[
                "#{ target.arch == \"amd64\" && target.os != 'x' ? '1' : (true || false) ? 'a' : 'b' }",
                "${VERSION:^v?([0-9]+\\.[0-9]+).*$}-${VERSION}",
                "a-#{ target.platform }-${A:x}",
            ])
        }),
        Part::new("action", action, || {
            let action = include_str!("../../../actions/abuild-apk-v1.yaml");
            texts(&[action])
        }),
        Part::new("info", info, || texts(&[INFO])),
        Part::new("package-config", package_config, || {
            texts(&[
                "environment:\n  JAVA_HOME: /opt/java\n  PATH: /opt/java/bin:${PATH}\npaths:\n  - type: directory\n    path: /var/x\n    mode: \"0750\"\n    uid: 1\n",
            ])
        }),
        Part::new("structure-tests", structure_tests, || texts(&[STRUCTURE, STRUCTURE_V1])),
        Part::new("data", data, || {
            texts(&[
                "a: [1, 2.5, null, true]\nb: {c: 'd', \"e\": f}\ng: |\n  h\ni:\n  - >-\n    j\n",
            ])
        }),
    ],
};

const SMALL: &str = "# syntax=dhi.io/build:2-debian13\n\nname: Small\nimage: example.org/small\nvariant: runtime\ntags:\n  - \"1\"\nplatforms:\n  - linux/amd64\ncontents:\n  packages:\n    - base-files\n    - '!perl'\n";
const PACKAGE: &str = "# syntax=dhi.io/build:2-alpine3.22\n\nname: Include\nimage: example.org/i\nvariant: runtime\ntags: [a]\ninclude:\n  - path: other.yaml\ncontents:\n  packages: [busybox]\nbuilds:\n  - name: b\n    steps:\n      - name: s\n        runs: echo\n        if: '#{ target.arch == \"amd64\" }'\n";
const STRUCTURE: &str = "schemaVersion: 2.0.0\nglobalEnvVars: [{key: A, value: b}]\ncommandTests:\n- name: c\n  command: sh\n  args: [-c, 'echo $A']\n  setup: [[a, b]]\n  exitCode: 1\n  expectedOutput: ['^b$']\n  excludedError: [x]\nfileExistenceTests:\n- {name: f, path: /a, shouldExist: true, permissions: '-rw-r--r--', uid: 0, gid: 1, isExecutableBy: any}\nfileContentTests:\n- {name: g, path: /b, expectedContents: [c], excludedContents: [d]}\nlicenseTests: [{debian: true, files: [/c]}]\nmetadataTest:\n  envVars: [{key: A, value: '[a-z]', isRegex: true}]\n  labels: [{key: l, value: v}]\n  entrypoint: []\n  cmd: [a]\n  exposedPorts: ['8080/tcp']\n  volumes: [/d]\n  workdir: /w\n  user: u\ncontainerRunOptions:\n  user: root\n  envVars: [B]\n  bindMounts: ['/a:/b:ro']\n";
const STRUCTURE_V1: &str = "schemaVersion: 1.0.0\ncommandTests:\n- {name: a, command: [sh, -c, x]}\nfileExistenceTests: [{name: b, path: /b, shouldExist: false}]\n";
const INFO: &str = "metadata:\n  display-name: Demo\n  short-description: A demo.\n  featured: true\n  home-url: https://example.org/\n  categories:\n    - web-servers\n  included-tools:\n    - name: demo\n      description: The demo\n  advisories:\n    - type: github\n      source: example/demo\n      format: osv\n      exclusions:\n        - package: x\n          ecosystem: go\ntrack-ignore:\n  - type: github_tag\n    owner: example\n    repo: demo\n    match: rc\nvex-sources:\n  - format: tuxcare-csaf\n    url: https://example.org/vex\n    purl:\n      type: deb\n    destination: vex\n    packages: [a]\n    packageVersionRef: VERSION\n";

/// The includes of a definition that names any: one that is good, and one that includes itself.
struct Others;

impl Includes for Others {
    fn load(&self, path: &str) -> Result<Source, IncludeError> {
        match path {
            "other.yaml" => Ok(Source::new(path, "environment:\n  A: b\nvars:\n  X: y\n")),
            "own.yaml" => Ok(Source::new(path, "include:\n  - path: own.yaml\n")),
            _ => Err(IncludeError::NotFound),
        }
    }
}

/// Every diagnostic points into its source.
fn check(diagnostics: &[Diagnostic], sources: &[Source]) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.labels.is_empty() && !diagnostic.message.is_empty(), "{diagnostic:?}");
        for label in &diagnostic.labels {
            let text = &sources[label.span.source as usize].text;
            assert!(text.get(label.span.range()).is_some(), "{diagnostic:?}");
        }
    }
}

fn definition(bytes: &[u8]) -> bool {
    let parsed = parse(&Source::new("a.yaml", text(bytes)), &Others);
    check(parsed.diagnostics(), parsed.sources());
    for platform in Platform::ALL {
        let is_listed = parsed.platforms().contains(&platform);
        assert_eq!(parsed.render(platform).is_ok(), parsed.is_ok() && is_listed);
    }
    parsed.is_ok()
}

/// Puts a text with variables and expressions where one is evaluated.
fn values(bytes: &[u8]) -> bool {
    let value = serde_json::to_string(&text(bytes)).expect("a text is JSON");
    definition(format!("{SMALL}vars:\n  VERSION: v1.30.2\n  A: xyz\n  B: {value}\n").as_bytes())
}

fn action(bytes: &[u8]) -> bool {
    let source = Source::new("action.yaml", text(bytes));
    let (action, diagnostics) = parse_action(&source);
    check(&diagnostics, &[source]);
    assert_eq!(action.is_some(), !diagnostics.iter().any(Diagnostic::is_error));
    action.is_some()
}

fn info(bytes: &[u8]) -> bool {
    let source = Source::new("info.yaml", text(bytes));
    let (info, diagnostics) = parse_info(&source);
    check(&diagnostics, &[source]);
    assert_eq!(info.is_some(), !diagnostics.iter().any(Diagnostic::is_error));
    info.is_some()
}

/// Reads a file of container-structure-test. What is refused is in it.
fn structure_tests(bytes: &[u8]) -> bool {
    let source = Source::new("tests.yaml", text(bytes));
    match parse_structure_tests(&source) {
        Ok(_) => true,
        Err(diagnostics) => {
            assert!(diagnostics.iter().any(Diagnostic::is_error), "it is refused without a word");
            check(&diagnostics, &[source]);
            false
        }
    }
}

fn package_config(bytes: &[u8]) -> bool {
    let source = Source::new("x.yaml", text(bytes));
    let debian = Distribution::Debian { release: 13 };
    match parse_package_config(&source, Platform::LinuxAmd64, debian) {
        Ok(config) => !config.environment.is_empty(),
        Err(diagnostics) => {
            check(&diagnostics, &[source]);
            false
        }
    }
}

fn data(bytes: &[u8]) -> bool {
    let source = Source::new("data.yaml", text(bytes));
    match DataFile::parse(&source) {
        Ok(data) => {
            let _ = data.value();
            true
        }
        Err(diagnostics) => {
            check(&diagnostics, &[source]);
            false
        }
    }
}
