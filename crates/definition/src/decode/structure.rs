// SPDX-License-Identifier: Apache-2.0
//! Files of container-structure-test.

use std::collections::BTreeMap;

use super::{Decoder, Fields};
use crate::check::{self, Refusal};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    BindMount, CommandTest, ContainerRunOptions, ExecutableBy, Expectation, ExpectedValue,
    FileContentTest, FileExistenceTest, LicenseTest, MetadataTest, StructureSchema, StructureTests,
};
use crate::source::Spanned;
use crate::template::RAW;
use crate::yaml::{Entry, Kind, Node};

const SCHEMAS: [(&str, StructureSchema); 2] =
    [("1.0.0", StructureSchema::V1), ("2.0.0", StructureSchema::V2)];
const EXECUTABLE_BY: [(&str, ExecutableBy); 4] = [
    ("any", ExecutableBy::Any),
    ("owner", ExecutableBy::Owner),
    ("group", ExecutableBy::Group),
    ("other", ExecutableBy::Other),
];

impl<'n> Decoder<'n> {
    /// A whole file.
    pub(crate) fn structure_tests(&mut self, root: &'n Node) -> Option<StructureTests> {
        let span = root.span.at_start();
        let mut fields = Fields::new(self, root, "the tests", span)?.of_another_format();
        let schema = fields
            .require(self, "schemaVersion")
            .and_then(|entry| self.choice(&entry.value, "schema version", &SCHEMAS));
        // What a newer file can have is read of one whose version is not known, too.
        let is_new = schema != Some(StructureSchema::V1);
        let environment = self.structure_variables(fields.take("globalEnvVars"));
        let commands = self
            .list(fields.take("commandTests"), |decoder, node| decoder.command_test(node, is_new));
        let existence = self.list(fields.take("fileExistenceTests"), |decoder, node| {
            decoder.existence_test(node, is_new)
        });
        let contents = self.list(fields.take("fileContentTests"), Self::content_test);
        let licenses = self.list(fields.take("licenseTests"), Self::license_test);
        let (mut metadata, mut run) = (None, ContainerRunOptions::default());
        if is_new {
            let given = |entry: &&'n Entry| !entry.value.is_null();
            metadata = fields
                .take("metadataTest")
                .filter(given)
                .and_then(|entry| self.metadata_test(entry));
            let options = fields.take("containerRunOptions").filter(given);
            run = options.and_then(|entry| self.run_options(entry)).unwrap_or_default();
        }
        fields.finish(self);
        let tests = StructureTests {
            schema: schema?,
            environment,
            commands,
            existence,
            contents,
            metadata,
            licenses,
            run,
        };
        let is_empty = tests.commands.is_empty()
            && tests.existence.is_empty()
            && tests.contents.is_empty()
            && tests.licenses.is_empty()
            && tests.metadata.is_none();
        if is_empty && !self.has_errors() {
            self.error(Code::EmptyValue, span, "the file has no test");
        }
        Some(tests)
    }

    fn command_test(&mut self, node: &'n Node, is_new: bool) -> Option<CommandTest> {
        let mut fields = Fields::new(self, node, "a command test", node.span)?.of_another_format();
        let name = self.named_text(&mut fields, "name");
        let setup = self.list(fields.take("setup"), Self::words);
        let teardown = self.list(fields.take("teardown"), Self::words);
        let environment = self.structure_variables(fields.take("envVars"));
        let words = if is_new {
            let program = self.named_text(&mut fields, "command");
            let arguments = self.texts(fields.take("args"), "an argument", RAW);
            program.map(|program| std::iter::once(program).chain(arguments).collect())
        } else {
            fields.require(self, "command").and_then(|entry| self.words(&entry.value))
        };
        let exit_code =
            fields.take("exitCode").and_then(|entry| self.integer(&entry.value, "`exitCode`"));
        let output = self.expectation(&mut fields, "expectedOutput", "excludedOutput");
        let error = self.expectation(&mut fields, "expectedError", "excludedError");
        fields.finish(self);
        Some(CommandTest {
            name: name?,
            setup,
            teardown,
            environment,
            words: words?,
            exit_code: exit_code.unwrap_or_default(),
            output,
            error,
        })
    }

    fn existence_test(&mut self, node: &'n Node, is_new: bool) -> Option<FileExistenceTest> {
        let what = "a file existence test";
        let mut fields = Fields::new(self, node, what, node.span)?.of_another_format();
        let name = self.named_text(&mut fields, "name");
        let path = self.named_text(&mut fields, "path");
        let should_exist = fields.take("shouldExist");
        let should_exist = should_exist
            .and_then(|entry| self.boolean(&entry.value, "`shouldExist`"))
            .unwrap_or(true);
        let mut about = vec![fields.take("permissions")];
        let permissions = about[0].and_then(|entry| {
            self.valid(&entry.value, "`permissions`", RAW, Code::BadMode, permissions)
        });
        let (mut uid, mut gid, mut executable_by) = (None, None, None);
        if is_new {
            let owner = ["uid", "gid"].map(|key| fields.take(key));
            [uid, gid] = owner.map(|entry| {
                entry.and_then(|entry| self.id(&entry.value, &format!("`{}`", entry.key)))
            });
            let by = fields.take("isExecutableBy");
            executable_by =
                by.and_then(|entry| self.choice(&entry.value, "`isExecutableBy`", &EXECUTABLE_BY));
            about.extend(owner);
            about.push(by);
        }
        fields.finish(self);
        if let Some(entry) = about.into_iter().flatten().next()
            && !should_exist
        {
            let message = format!("`{}` says nothing of a file that should not exist", entry.key);
            let diagnostic = Diagnostic::error(Code::Conflict, entry.key_span, message);
            self.push(diagnostic.help("take it away, or `shouldExist: false`"));
        }
        Some(FileExistenceTest {
            name: name?,
            path: path?,
            should_exist,
            permissions: permissions.map(|text| text.value),
            uid,
            gid,
            executable_by,
        })
    }

    fn content_test(&mut self, node: &'n Node) -> Option<FileContentTest> {
        let what = "a file content test";
        let mut fields = Fields::new(self, node, what, node.span)?.of_another_format();
        let name = self.named_text(&mut fields, "name");
        let path = self.named_text(&mut fields, "path");
        let contents = self.expectation(&mut fields, "expectedContents", "excludedContents");
        fields.finish(self);
        Some(FileContentTest { name: name?, path: path?, contents })
    }

    fn metadata_test(&mut self, entry: &'n Entry) -> Option<MetadataTest> {
        let what = "the metadata test";
        let mut fields = Fields::new(self, &entry.value, what, entry.key_span)?.of_another_format();
        let environment = self.list(fields.take("envVars"), |decoder, node| {
            decoder.expected_value(node, "a variable")
        });
        let unset = self.list(fields.take("unboundEnvVars"), |decoder, node| {
            let mut fields = Fields::new(decoder, node, "a variable", node.span)?;
            fields = fields.of_another_format();
            let key = decoder.named_text(&mut fields, "key");
            fields.finish(decoder);
            key
        });
        let labels = self
            .list(fields.take("labels"), |decoder, node| decoder.expected_value(node, "a label"));
        let [entrypoint, cmd] = ["entrypoint", "cmd"].map(|key| {
            // An empty list says that there is none.
            let entry = fields.take(key).filter(|entry| !entry.value.is_null());
            entry.map(|entry| self.texts(Some(entry), "a word", RAW))
        });
        let mut names =
            |key| self.list(fields.take(key), |decoder, node| decoder.filled(node, "an entry"));
        let exposed_ports = names("exposedPorts");
        let unexposed_ports = names("unexposedPorts");
        let volumes = names("volumes");
        let unmounted_volumes = names("unmountedVolumes");
        // The original takes an empty one for none, and checks nothing.
        let [work_dir, user] = ["workdir", "user"].map(|key| {
            let entry = fields.take(key).filter(|entry| !entry.value.is_null())?;
            self.filled(&entry.value, &format!("`{key}`"))
        });
        fields.finish(self);
        let test = MetadataTest {
            environment,
            unset,
            labels,
            entrypoint,
            cmd,
            exposed_ports,
            unexposed_ports,
            volumes,
            unmounted_volumes,
            work_dir,
            user,
        };
        if test == MetadataTest::default() && !self.has_errors() {
            self.error(Code::EmptyValue, entry.key_span, "the metadata test expects nothing");
        }
        Some(test)
    }

    fn license_test(&mut self, node: &'n Node) -> Option<LicenseTest> {
        let mut fields = Fields::new(self, node, "a license test", node.span)?.of_another_format();
        let debian = self.flag(&mut fields, "debian");
        let files = self.list(fields.take("files"), |decoder, node| decoder.filled(node, "a file"));
        fields.finish(self);
        if !debian && files.is_empty() {
            let message = "the license test has neither `debian: true` nor `files`";
            self.error(Code::MissingKey, node.span, message);
        }
        Some(LicenseTest { debian, files })
    }

    fn run_options(&mut self, entry: &'n Entry) -> Option<ContainerRunOptions> {
        let what = "`containerRunOptions`";
        let mut fields = Fields::new(self, &entry.value, what, entry.key_span)?.of_another_format();
        let user = self.optional(&mut fields, "user", RAW).filter(|text| !text.is_empty());
        let privileged = self.flag(&mut fields, "privileged");
        let terminal = self.flag(&mut fields, "allocateTty");
        let env_file = fields.take("envFile").filter(|entry| !entry.value.is_null());
        let env_file = env_file.and_then(|entry| self.text(&entry.value, "`envFile`", RAW));
        let variables = self.list(fields.take("envVars"), |decoder, node| {
            decoder.valid(node, "a variable", RAW, Code::BadEnvironmentName, variable_name)
        });
        let capabilities = self.texts(fields.take("capabilities"), "a capability", RAW);
        let bind_mounts = self.list(fields.take("bindMounts"), |decoder, node| {
            let mount = decoder.parsed_raw(node, "a mount", Code::BadPath, bind_mount)?;
            Some(Spanned::new(mount, node.span))
        });
        fields.finish(self);
        Some(ContainerRunOptions {
            user,
            privileged,
            terminal,
            env_file: env_file.filter(|path| !path.is_empty()),
            variables,
            capabilities,
            bind_mounts,
        })
    }

    /// Variables that are set: a list of mappings with `key` and `value`. A later one replaces an earlier.
    fn structure_variables(&mut self, entry: Option<&'n Entry>) -> BTreeMap<String, String> {
        let found = self.list(entry, |decoder, node| {
            let mut fields = Fields::new(decoder, node, "a variable", node.span)?;
            fields = fields.of_another_format();
            let key = fields.require(decoder, "key").and_then(|entry| {
                let code = Code::BadEnvironmentName;
                decoder.valid(&entry.value, "`key`", RAW, code, variable_name)
            });
            let value = fields.require(decoder, "value");
            let value = value.and_then(|entry| decoder.text(&entry.value, "`value`", RAW));
            fields.finish(decoder);
            Some((key?.value, value?.value))
        });
        found.into_iter().collect()
    }

    fn expected_value(&mut self, node: &'n Node, what: &'static str) -> Option<ExpectedValue> {
        let mut fields = Fields::new(self, node, what, node.span)?.of_another_format();
        let key = self.named_text(&mut fields, "key");
        let value = fields.require(self, "value");
        let value = value.and_then(|entry| self.text(&entry.value, "`value`", RAW));
        let is_regex = self.flag(&mut fields, "isRegex");
        fields.finish(self);
        Some(ExpectedValue { key: key?, value: value?, is_regex })
    }

    fn expectation(
        &mut self,
        fields: &mut Fields<'n>,
        expected: &'static str,
        excluded: &'static str,
    ) -> Expectation {
        let [expected, excluded] = [expected, excluded].map(|key| {
            self.list(fields.take(key), |decoder, node| decoder.text(node, "an expression", RAW))
        });
        Expectation { expected, excluded }
    }

    /// A program and its arguments.
    fn words(&mut self, node: &'n Node) -> Option<Vec<String>> {
        if !matches!(node.kind, Kind::List(_)) {
            let message = format!("a command must be a list of words, found {}", node.describe());
            let diagnostic = Diagnostic::error(Code::WrongType, node.span, message);
            self.push(diagnostic.help("write `[program, argument]`; no shell splits it"));
            return None;
        }
        let mut words = Vec::new();
        for item in self.items(node, "a command") {
            words.push(self.text(item, "a word", RAW)?.value);
        }
        if words.first().is_none_or(String::is_empty) {
            self.error(Code::EmptyValue, node.span, "the command names no program");
            return None;
        }
        Some(words)
    }

    /// A text that is there and not empty.
    fn named_text(&mut self, fields: &mut Fields<'n>, key: &'static str) -> Option<String> {
        let entry = fields.require(self, key)?;
        self.filled(&entry.value, &format!("`{key}`"))
    }

    fn filled(&mut self, node: &'n Node, what: &str) -> Option<String> {
        let text = self.text(node, what, RAW)?.value;
        if text.is_empty() {
            self.error(Code::EmptyValue, node.span, format!("{what} is empty"));
            return None;
        }
        Some(text)
    }

    /// A value with a grammar, as it is written.
    fn parsed_raw<T>(
        &mut self,
        node: &'n Node,
        what: &str,
        code: Code,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        self.checked(node, what, RAW, code, parse)?.value.1
    }
}

/// Any name that a process can have as a variable's.
fn variable_name(text: &str) -> Result<(), Refusal> {
    if text.is_empty() || text.contains(['=', '\0']) {
        return Err(Refusal::new(format!("{} is no name of a variable", check::quote(text))));
    }
    Ok(())
}

/// A kind and a mode as Go writes them (`dtrwxrwxrwx`, `urwxr-xr-x`), or as `ls` does (`drwxrwxrwt`).
fn permissions(text: &str) -> Result<(), Refusal> {
    let refuse = || {
        Refusal::new(format!("{} is no mode", check::quote(text)))
            .help("write it as `-rw-r--r--`, `drwxr-xr-x` or `Lrwxrwxrwx`")
    };
    let bytes = text.as_bytes();
    let (kind, bits) = bytes.split_at_checked(bytes.len().saturating_sub(9)).ok_or_else(refuse)?;
    let is_kind = !kind.is_empty() && kind.iter().all(|byte| b"-bdlLtugpSDca?".contains(byte));
    let allowed: [&[u8]; 9] = [b"r-", b"w-", b"x-sS", b"r-", b"w-", b"x-sS", b"r-", b"w-", b"x-tT"];
    let are_bits =
        bits.len() == 9 && bits.iter().zip(allowed).all(|(bit, allowed)| allowed.contains(bit));
    if is_kind && are_bits { Ok(()) } else { Err(refuse()) }
}

/// `SOURCE:TARGET`, with options of Docker's behind.
fn bind_mount(text: &str) -> Result<BindMount, Refusal> {
    let refuse = |why: &str| {
        Refusal::new(format!("{} is no mount: {why}", check::quote(text)))
            .help("write `/folder/of/the/host:/folder/inside`")
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target) = match parts[..] {
        [source, target] => (source, target),
        [source, target, options] => {
            let known = |option: &str| matches!(option, "ro" | "rw" | "z" | "Z");
            if !options.split(',').all(known) {
                return Err(refuse(&format!("unknown options {}", check::quote(options))));
            }
            (source, target)
        }
        _ => return Err(refuse("it has no two parts with a colon between")),
    };
    if !source.starts_with('/') || !target.starts_with('/') {
        return Err(refuse("both paths begin with `/`"));
    }
    Ok(BindMount { source: source.to_owned(), target: target.to_owned() })
}
