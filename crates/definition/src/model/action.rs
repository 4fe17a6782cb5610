// SPDX-License-Identifier: Apache-2.0
//! Actions: what a step's `uses: name@version` stands for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Value;
use crate::source::Spanned;

/// An action file, checked. Its scripts see their inputs only as environment variables and files.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Action {
    /// For example `go/build`.
    pub name: Spanned<String>,
    /// For example `v1`.
    pub version: Spanned<String>,
    /// What it does, in Markdown.
    pub description: String,
    /// What a step may say under `with`, by name.
    pub inputs: BTreeMap<String, ActionInput>,
    /// What its scripts need in the stage.
    pub packages: Vec<ActionPackage>,
    /// Environment of all its scripts. The step that uses the action may say otherwise.
    pub environment: BTreeMap<String, String>,
    /// Files that its scripts read from `$ACTION_DIR`, by name.
    pub files: BTreeMap<String, String>,
    /// The scripts, in order.
    pub steps: Vec<ActionStep>,
}

/// One of the inputs of an action.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActionInput {
    /// What its values look like.
    pub kind: InputKind,
    /// What it is for, in Markdown.
    pub description: String,
    /// Its value where a step says nothing.
    pub default: Option<InputValue>,
    /// Whether a step must say something.
    pub required: bool,
    /// The texts that it may have; empty for any.
    pub values: Vec<String>,
    /// Other spellings of its name.
    pub aliases: Vec<String>,
    /// Whether the action has the shell evaluate `$…` in it, as in `runs`.
    pub evaluated: bool,
}

/// What the values of an input look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InputKind {
    /// Text; also a number or boolean as it was written.
    String,
    /// `true` or `false`.
    Bool,
    /// Lines of text; a single text is a list of one.
    List,
    /// Texts by name.
    Map,
    /// A path in the stage, relative to the step's working directory.
    Path,
    /// Anything.
    Json,
}

impl InputKind {
    /// The name as action files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Map => "map",
            Self::Path => "path",
            Self::Json => "json",
        }
    }
}

/// The value of an input, of the kind that the action asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum InputValue {
    /// Of `bool`.
    Bool(bool),
    /// Of `string` and `path`.
    Text(String),
    /// Of `list`.
    List(Vec<String>),
    /// Of `map`.
    Map(BTreeMap<String, String>),
    /// Of `json`.
    Json(Value),
}

/// Packages that an action's scripts need, unless the stage has their program already.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActionPackage {
    /// The program that makes the packages unnecessary.
    pub command: String,
    /// Names in Debian.
    pub debian: Vec<String>,
    /// Names in Alpine.
    pub alpine: Vec<String>,
    /// When they are needed; always without one.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
}

/// A script of an action.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActionStep {
    /// What it does, in a few words.
    pub name: Option<String>,
    /// When it runs; always without one.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// Working directory; the calling step's without one.
    pub work_dir: Option<String>,
    /// Environment, on top of the action's.
    pub environment: BTreeMap<String, String>,
    /// Whether, or when, it may use the network even if the calling step may not.
    pub privileged: Option<Condition>,
    /// The script.
    pub runs: String,
}

/// An expression over the inputs of an action. Which names it has was checked when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Condition(pub(crate) String);

impl Condition {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The environment variable that tells a script an input: `extra-args` is `INPUT_EXTRA_ARGS`.
pub fn input_variable(name: &str) -> String {
    let letter = |c: char| if c == '-' { '_' } else { c.to_ascii_uppercase() };
    format!("INPUT_{}", name.chars().map(letter).collect::<String>())
}
