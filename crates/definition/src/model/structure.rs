// SPDX-License-Identifier: Apache-2.0
//! Files of container-structure-test: what an image is expected to be, have and do.

use std::collections::BTreeMap;

use crate::source::Spanned;

/// The version of the format that a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructureSchema {
    /// `1.0.0`: a command is one list; there is no metadata test, and no options for containers.
    V1,
    /// `2.0.0`.
    V2,
}

/// A file of container-structure-test.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureTests {
    /// Its version.
    pub schema: StructureSchema,
    /// Variables of all commands.
    pub environment: BTreeMap<String, String>,
    /// Commands.
    pub commands: Vec<CommandTest>,
    /// Files that are there or not.
    pub existence: Vec<FileExistenceTest>,
    /// What files have in them.
    pub contents: Vec<FileContentTest>,
    /// What the image says of itself.
    pub metadata: Option<MetadataTest>,
    /// Licences of what is in it.
    pub licenses: Vec<LicenseTest>,
    /// How commands are run.
    pub run: ContainerRunOptions,
}

/// A command and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandTest {
    /// The test's name.
    pub name: String,
    /// Commands before it.
    pub setup: Vec<Vec<String>>,
    /// Commands after it.
    pub teardown: Vec<Vec<String>>,
    /// Its own variables.
    pub environment: BTreeMap<String, String>,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// What it must end with.
    pub exit_code: i64,
    /// Expressions for its standard output.
    pub output: Expectation,
    /// Expressions for its standard error.
    pub error: Expectation,
}

/// Regular expressions that must be in a text, and that must not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// Those that must.
    pub expected: Vec<Spanned<String>>,
    /// Those that must not.
    pub excluded: Vec<Spanned<String>>,
}

/// Who can execute a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutableBy {
    /// Anybody at all.
    Any,
    /// Its owner.
    Owner,
    /// Its group.
    Group,
    /// All others.
    Other,
}

/// A file or directory that is there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileExistenceTest {
    /// The test's name.
    pub name: String,
    /// Where.
    pub path: String,
    /// Whether it is there.
    pub should_exist: bool,
    /// Its kind and mode, as `-rwxr-xr-x`.
    pub permissions: Option<String>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Who can execute it.
    pub executable_by: Option<ExecutableBy>,
}

/// What a file has in it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileContentTest {
    /// The test's name.
    pub name: String,
    /// Where.
    pub path: String,
    /// Expressions for its content.
    pub contents: Expectation,
}

/// What a variable or label has as its value.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedValue {
    /// Its name.
    pub key: String,
    /// The value, or an expression for it.
    pub value: Spanned<String>,
    /// Whether it is an expression.
    pub is_regex: bool,
}

/// What the image says of itself. What is `None` or empty is not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataTest {
    /// Variables that are set.
    pub environment: Vec<ExpectedValue>,
    /// Variables that are not.
    pub unset: Vec<String>,
    /// Labels.
    pub labels: Vec<ExpectedValue>,
    /// The program.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments.
    pub cmd: Option<Vec<String>>,
    /// Ports that it names.
    pub exposed_ports: Vec<String>,
    /// Ports that it does not.
    pub unexposed_ports: Vec<String>,
    /// Volumes that it names.
    pub volumes: Vec<String>,
    /// Volumes that it does not.
    pub unmounted_volumes: Vec<String>,
    /// Where it starts.
    pub work_dir: Option<String>,
    /// Who runs it.
    pub user: Option<String>,
}

/// Whose licences are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicenseTest {
    /// Those of all packages, where Debian has them.
    pub debian: bool,
    /// Those in these files.
    pub files: Vec<String>,
}

/// A directory or file of the host that commands see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Where it is on the host.
    pub source: String,
    /// Where commands see it.
    pub target: String,
}

/// How commands are run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerRunOptions {
    /// As whom.
    pub user: Option<String>,
    /// Without confinement.
    pub privileged: bool,
    /// With a terminal.
    pub terminal: bool,
    /// A file with variables.
    pub env_file: Option<Spanned<String>>,
    /// Variables of the caller.
    pub variables: Vec<Spanned<String>>,
    /// Capabilities beyond those that containers have.
    pub capabilities: Vec<String>,
    /// What of the host is mounted.
    pub bind_mounts: Vec<Spanned<BindMount>>,
}
