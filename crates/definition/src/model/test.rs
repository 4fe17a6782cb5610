// SPDX-License-Identifier: Apache-2.0
//! `tests` and `x-hardpan.tests`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::source::Spanned;

/// One entry of `tests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Test {
    /// What is tested.
    pub name: Option<String>,
    /// Folder to run in, relative to the catalog root.
    pub directory: Option<Spanned<String>>,
    /// Shell commands.
    pub commands: Vec<String>,
    /// Expected exit code.
    pub exit_code: i64,
    /// Limit in seconds.
    pub timeout: Option<u64>,
    /// Text that the output must contain.
    pub output: Option<String>,
}

/// One entry of `x-hardpan.tests`: a container in which several things happen, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ContainerTest {
    /// What is tested.
    pub name: String,
    /// Folder that the container sees, relative to the catalog root.
    pub directory: Option<Spanned<String>>,
    /// Who runs it, in place of the image's user.
    pub user: Option<String>,
    /// Variables beside the image's.
    pub environment: BTreeMap<String, Spanned<String>>,
    /// Paths in the container that can be written to; what is written stays until the test's end.
    pub writable: Vec<Spanned<String>>,
    /// Commands that come first; each must end with 0.
    pub before: Vec<String>,
    /// Whether the image's own program runs beside the commands.
    pub service: bool,
    /// Commands.
    pub commands: Vec<String>,
    /// What a port of the service is asked.
    pub ask: Option<Ask>,
    /// The exit code of each command.
    pub exit_code: i64,
    /// Limit of all of it in seconds.
    pub timeout: Option<u64>,
    /// Text that the commands' output, or the answer, must contain.
    pub output: Option<String>,
}

/// `ask` of a test: what is sent to a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Ask {
    /// The TCP port on the container's loopback.
    pub port: u16,
    /// The bytes that are sent; none where the service speaks first.
    pub send: String,
}
