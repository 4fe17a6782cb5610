// SPDX-License-Identifier: Apache-2.0
//! Files of container-structure-test, of both versions, in YAML or JSON.
//!
//! They have no variables of ours. What the original takes and then does nothing with is refused here.

use crate::decode::{self, Decoder};
use crate::diagnostic::{self, Diagnostic};
use crate::model::{Platform, StructureTests};
use crate::scope::Scope;
use crate::source::Source;
use crate::yaml;

/// Parses a file of container-structure-test. Regular expressions are taken as they are.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_structure_tests(source: &Source) -> Result<StructureTests, Vec<Diagnostic>> {
    let sources = [source.clone()];
    let mut diagnostics = Vec::new();
    let mut tests = None;
    if let Some(root) = yaml::read(source, 0, &mut diagnostics) {
        // Nothing of the format depends on the platform.
        let facts = decode::facts(&root, Platform::LinuxAmd64);
        let (scope, _) = Scope::new(&sources, facts, None);
        let mut decoder = Decoder::new(&sources, scope, Platform::LinuxAmd64, None);
        tests = decoder.structure_tests(&root);
        diagnostics.append(&mut decoder.into_diagnostics());
    }
    diagnostic::normalise(&mut diagnostics);
    match tests {
        Some(tests) if !diagnostics.iter().any(Diagnostic::is_error) => Ok(tests),
        _ => Err(diagnostics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use crate::model::{BindMount, ExecutableBy, StructureSchema};

    fn parse(text: &str) -> Result<StructureTests, Vec<Diagnostic>> {
        parse_structure_tests(&Source::new("tests.yaml", text))
    }

    fn good(text: &str) -> StructureTests {
        parse(text).unwrap_or_else(|found| panic!("{text}: {found:#?}"))
    }

    fn plain(texts: &[crate::source::Spanned<String>]) -> Vec<&str> {
        texts.iter().map(|text| text.value.as_str()).collect()
    }

    const ALL: &str = "\
schemaVersion: 2.0.0 # the newer one
globalEnvVars:
- key: PATH
  value: /opt/bin:$PATH
commandTests:
- name: says
  setup: [[touch, /x], ['mkdir', '-p', '/a b']]
  teardown:
  - [rm, /x]
  envVars: [{key: WORD, value: ''}]
  command: echo
  args: [-n, 1, '${WORD}', \"#{x}\"]
  exitCode: 3
  expectedOutput: ['^a$', 'b']
  excludedOutput: [c]
  expectedError: [d]
  excludedError: [e]
fileExistenceTests:
- {name: is there, path: /etc/passwd}
- {name: is not, path: /bin/sh, shouldExist: false}
- {name: all, path: /x, shouldExist: true, permissions: urwxr-xr-x, uid: 0, gid: 65532, isExecutableBy: any}
fileContentTests:
- {name: content, path: /etc/passwd, expectedContents: ['root:'], excludedContents: []}
metadataTest:
  envVars: [{key: A, value: ^b, isRegex: true}, {key: C, value: ''}]
  unboundEnvVars: [{key: D}]
  labels: [{key: l, value: v}]
  entrypoint: []
  cmd: [a, b]
  exposedPorts: [8080]
  unexposedPorts: ['22']
  volumes: [/data]
  unmountedVolumes: [/srv]
  workdir: /app
  user: nonroot
licenseTests:
- debian: true
  files:
containerRunOptions:
  user: root
  privileged: false
  allocateTty: false
  envFile: some/file
  envVars: [SECRET]
  capabilities: []
  bindMounts: ['/a:/b', '/c:/d:ro,Z']
";

    #[test]
    fn everything_is_read() {
        let tests = good(ALL);
        assert_eq!(tests.schema, StructureSchema::V2);
        assert_eq!(tests.environment["PATH"], "/opt/bin:$PATH");
        let command = &tests.commands[0];
        assert_eq!(command.words, ["echo", "-n", "1", "${WORD}", "#{x}"]);
        assert_eq!(command.setup, [vec!["touch", "/x"], vec!["mkdir", "-p", "/a b"]]);
        assert_eq!(command.teardown, [["rm", "/x"]]);
        assert_eq!((command.environment["WORD"].as_str(), command.exit_code), ("", 3));
        assert_eq!(plain(&command.output.expected), ["^a$", "b"]);
        assert_eq!(plain(&command.output.excluded), ["c"]);
        assert_eq!(plain(&command.error.expected), ["d"]);
        assert_eq!(plain(&command.error.excluded), ["e"]);
        let [there, absent, all] = &tests.existence[..] else { panic!("{tests:?}") };
        assert!(there.should_exist && !absent.should_exist);
        assert_eq!((all.uid, all.gid, there.uid), (Some(0), Some(65532), None));
        assert_eq!(all.executable_by, Some(ExecutableBy::Any));
        assert_eq!(all.permissions.as_deref(), Some("urwxr-xr-x"));
        assert_eq!(plain(&tests.contents[0].contents.expected), ["root:"]);
        let metadata = tests.metadata.unwrap();
        assert_eq!(metadata.entrypoint, Some(vec![]));
        assert_eq!(metadata.cmd.unwrap(), ["a", "b"]);
        assert!(metadata.environment[0].is_regex && !metadata.environment[1].is_regex);
        assert_eq!(
            (&metadata.unset[..], &metadata.exposed_ports[..]),
            (&["D".to_owned()][..], &["8080".to_owned()][..])
        );
        assert_eq!(metadata.user.as_deref(), Some("nonroot"));
        assert!(tests.licenses[0].debian && tests.licenses[0].files.is_empty());
        assert_eq!(tests.run.user.as_deref(), Some("root"));
        assert_eq!(tests.run.env_file.unwrap().value, "some/file");
        let mounts: Vec<BindMount> =
            tests.run.bind_mounts.iter().map(|mount| mount.value.clone()).collect();
        let mount = |source: &str, target: &str| BindMount {
            source: source.to_owned(),
            target: target.to_owned(),
        };
        assert_eq!(mounts, [mount("/a", "/b"), mount("/c", "/d")]);
        assert_eq!(&ALL[tests.run.bind_mounts[1].span.range()], "'/c:/d:ro,Z'");
    }

    #[test]
    fn the_older_version_has_commands_as_lists() {
        let tests = good(
            "schemaVersion: '1.0.0'\ncommandTests:\n- {name: a, command: [sh, -c, 'echo $PATH']}\n",
        );
        assert_eq!(tests.schema, StructureSchema::V1);
        assert_eq!(tests.commands[0].words, ["sh", "-c", "echo $PATH"]);
    }

    #[test]
    fn json_means_the_same() {
        let tests = good(
            "{\n\t\"schemaVersion\": \"2.0.0\",\n\t\"fileExistenceTests\": [\n\t\t{\"name\": \"a\", \"path\": \"\\/x\"}\n\t]\n}\n",
        );
        assert!(tests.existence[0].should_exist && tests.existence[0].path == "/x");
        let text = "schemaVersion: 2.0.0\nfileExistenceTests: [{name: a, path: /x}]\n";
        assert_eq!(good(text), tests);
    }

    /// What stands around a text.
    #[derive(Debug, Clone, Copy)]
    enum Around {
        Whole,
        V1,
        V2,
        /// It is of a file existence test.
        Existence,
        /// It is of the options of containers.
        Run,
    }

    impl Around {
        fn text(self, rest: &str) -> String {
            match self {
                Self::Whole => rest.to_owned(),
                Self::V1 => format!("schemaVersion: 1.0.0\n{rest}\n"),
                Self::V2 => format!("schemaVersion: 2.0.0\n{rest}\n"),
                Self::Existence => {
                    Self::V2.text(&format!("fileExistenceTests:\n- {{name: a, path: /x, {rest}}}"))
                }
                Self::Run => Self::V2.text(&format!(
                    "containerRunOptions: {{{rest}}}\nlicenseTests: [{{debian: true}}]"
                )),
            }
        }
    }

    use Around::{Existence, Run, V1, V2, Whole};

    /// What is wrong, at which line, with which help.
    const WRONG: &[(Around, &str, Code, usize, &str)] = &[
        (Whole, "", Code::WrongType, 1, "the tests must be a mapping"),
        (Whole, "[]", Code::WrongType, 1, "the tests must be a mapping"),
        (Whole, "a: [", Code::BadYaml, 1, ""),
        (Whole, "licenseTests: [{debian: true}]", Code::MissingKey, 1, "`schemaVersion`"),
        (Whole, "schemaVersion: 3.0.0", Code::UnknownValue, 1, "Known are 1.0.0, 2.0.0"),
        (V2, "", Code::EmptyValue, 1, "no test"),
        (V2, "commandTests: []\nfileContentTests:", Code::EmptyValue, 1, "no test"),
        (V2, "comandTests: []", Code::UnknownKey, 2, "did you mean `commandTests`?"),
        (V2, "files: []", Code::UnknownKey, 2, "known keys are"),
        (V2, "commandTests: {}", Code::WrongType, 2, "must be a list"),
        (V2, "commandTests:\n- a", Code::WrongType, 3, "a command test must be a mapping"),
        (V2, "commandTests:\n- {name: a}", Code::MissingKey, 3, "no `command`"),
        (V2, "commandTests:\n- {command: a}", Code::MissingKey, 3, "no `name`"),
        (V2, "commandTests:\n- {name: '', command: a}", Code::EmptyValue, 3, "`name` is empty"),
        (V2, "commandTests:\n- {name: a, command: ''}", Code::EmptyValue, 3, "`command` is empty"),
        (V2, "commandTests:\n- {name: a, command: [a, b]}", Code::WrongType, 3, "must be a string"),
        (
            V2,
            "commandTests:\n- {name: a, command: a, args: b}",
            Code::WrongType,
            3,
            "must be a list",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a,\n   expectedOuput: [a]}",
            Code::UnknownKey,
            4,
            "did you mean `expectedOutput`?",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a, exitCode: x}",
            Code::WrongType,
            3,
            "an integer",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a, setup: [a]}",
            Code::WrongType,
            3,
            "a list of words",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a, setup: [[]]}",
            Code::EmptyValue,
            3,
            "names no program",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a, teardown: [['']]}",
            Code::EmptyValue,
            3,
            "names no program",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a, envVars: [{key: 'a=', value: b}]}",
            Code::BadEnvironmentName,
            3,
            "no name",
        ),
        (
            V2,
            "commandTests:\n- {name: a, command: a, envVars: [{key: a}]}",
            Code::MissingKey,
            3,
            "no `value`",
        ),
        (V2, "globalEnvVars: [{key: a, value: b, isRegex: true}]", Code::UnknownKey, 2, "isRegex"),
        (V1, "commandTests:\n- {name: a, command: a}", Code::WrongType, 3, "a list of words"),
        (V1, "commandTests:\n- {name: a, command: [a], args: [b]}", Code::UnknownKey, 3, "`args`"),
        (V1, "metadataTest: {user: a}", Code::UnknownKey, 2, "`metadataTest`"),
        (V1, "containerRunOptions: {user: a}", Code::UnknownKey, 2, "`containerRunOptions`"),
        (V1, "fileExistenceTests:\n- {name: a, path: b, uid: 0}", Code::UnknownKey, 3, "`uid`"),
        (V2, "fileExistenceTests:\n- {name: a}", Code::MissingKey, 3, "no `path`"),
        (V2, "fileExistenceTests:\n- {name: a, path: ''}", Code::EmptyValue, 3, "`path` is empty"),
        (Existence, "shouldExist: yes", Code::WrongType, 3, "write `true`"),
        (Existence, "shoudExist: true", Code::UnknownKey, 3, "did you mean `shouldExist`?"),
        (Existence, "permissions: 0755", Code::BadMode, 3, "write it as"),
        (Existence, "permissions: 'rwxr-xr-x'", Code::BadMode, 3, "is no mode"),
        (Existence, "permissions: '-rwxr-xr-y'", Code::BadMode, 3, "is no mode"),
        (Existence, "permissions: 'xrwxr-xr-x'", Code::BadMode, 3, "is no mode"),
        (Existence, "permissions: 'é'", Code::BadMode, 3, "is no mode"),
        (Existence, "uid: -1", Code::BadId, 3, ""),
        (Existence, "gid: root", Code::WrongType, 3, "an integer"),
        (Existence, "isExecutableBy: user", Code::UnknownValue, 3, "owner"),
        (Existence, "shouldExist: false, uid: 0", Code::Conflict, 3, "says nothing"),
        (
            Existence,
            "shouldExist: false, permissions: '-rw-r--r--'",
            Code::Conflict,
            3,
            "says nothing",
        ),
        (
            V2,
            "fileContentTests:\n- {name: a, path: b, expectedContents: c}",
            Code::WrongType,
            3,
            "a list",
        ),
        (
            V2,
            "fileContentTests:\n- {name: a, path: b, expectedOutput: [c]}",
            Code::UnknownKey,
            3,
            "`expectedOutput`",
        ),
        (V2, "metadataTest: {}", Code::EmptyValue, 2, "expects nothing"),
        (V2, "metadataTest: {cmd: [a], user: ''}", Code::EmptyValue, 2, "`user` is empty"),
        (V2, "metadataTest: {cmd: [a],\n  workdir: ''}", Code::EmptyValue, 3, "`workdir` is empty"),
        (V2, "metadataTest: [a]", Code::WrongType, 2, "must be a mapping"),
        (V2, "metadataTest: {env: [{key: a, value: b}]}", Code::UnknownKey, 2, "envVars"),
        (V2, "metadataTest: {workDir: /a}", Code::UnknownKey, 2, "did you mean `workdir`?"),
        (
            V2,
            "metadataTest: {labels: [{key: '', value: b}]}",
            Code::EmptyValue,
            2,
            "`key` is empty",
        ),
        (
            V2,
            "metadataTest: {unboundEnvVars: [{key: a, value: b}]}",
            Code::UnknownKey,
            2,
            "`value`",
        ),
        (V2, "metadataTest: {exposedPorts: ['']}", Code::EmptyValue, 2, "is empty"),
        (V2, "licenseTests: [{debian: false}]", Code::MissingKey, 2, "neither"),
        (V2, "licenseTests: [{debian: true, files: ['']}]", Code::EmptyValue, 2, "a file is empty"),
        (Run, "priviledged: true", Code::UnknownKey, 2, "did you mean `privileged`?"),
        (Run, "privileged: 1", Code::WrongType, 2, "true or false"),
        (Run, "network: host", Code::UnknownKey, 2, "`network`"),
        (Run, "bindMounts: [a]", Code::BadPath, 2, "is no mount"),
        (Run, "bindMounts: ['a:/b']", Code::BadPath, 2, "begin with `/`"),
        (Run, "bindMounts: ['/a:/b:shared']", Code::BadPath, 2, "unknown options"),
        (Run, "bindMounts: ['/a:/b:ro:x']", Code::BadPath, 2, "is no mount"),
        (Run, "envVars: ['A=b']", Code::BadEnvironmentName, 2, "no name"),
        (V2, "licenseTests: [{debian: true}]\nlicenseTests: []", Code::DuplicateKey, 3, "twice"),
    ];

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (around, rest, code, line, expected) in WRONG {
            let text = around.text(rest);
            let found = parse(&text).expect_err(&text);
            let sources = [Source::new("tests.yaml", text.as_str())];
            let said: Vec<String> =
                found.iter().map(|diagnostic| diagnostic.render_plain(&sources)).collect();
            let is_it = |diagnostic: &Diagnostic| {
                diagnostic.code == *code
                    && diagnostic.locate(&sources).is_some_and(|(_, at, _)| at == *line)
                    && diagnostic.render_plain(&sources).contains(expected)
            };
            assert!(found.iter().any(is_it), "{text}\n{}", said.join("\n"));
        }
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let found = parse("schemaVersion: 9\ncommandTests:\n- {name: a}\nx: y\n").unwrap_err();
        assert_eq!(found.len(), 3, "{found:#?}");
    }
}
