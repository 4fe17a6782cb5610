// SPDX-License-Identifier: Apache-2.0
//! `hardpan compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hardpan::audit::Profile;

use super::trust::Keys;

/// Put any two images side by side: grade, size, attack surface, tools, vulnerabilities, controls
#[derive(Debug, Args)]
#[command(
    after_help = "Both are judged by one profile; what is said of changes is said of the second image. Vulnerabilities need an advisory database.

Examples:
  hardpan compare docker.io/library/python:3.13 out/python
  hardpan compare old.tar out/app -o markdown > comparison.md
  hardpan compare registry.example/app:1 registry.example/app:2 --exit-code --quiet
  hardpan compare /srv/chroot out/app -o html > compare.html"
)]
pub(crate) struct Compare {
    /// The image that the other is held against
    #[arg(value_name = "FIRST")]
    pub(crate) first: String,
    /// The image that is looked at
    #[arg(value_name = "SECOND")]
    pub(crate) second: String,
    /// What both are for: runtime, runtime-static, compat, dev or sdk
    #[arg(long, value_name = "PROFILE", default_value = "runtime")]
    pub(crate) profile: Profile,
    /// The platform of both [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// The form
    #[arg(long, short, value_enum, default_value_t = CompareFormat::Table, value_name = "FORMAT")]
    pub(crate) output: CompareFormat,
    /// Exit with 1 if there is more to attack in the second image, or its grade is worse
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Use this advisory database [default: the one of this machine, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    /// A table for people
    Table,
    /// Everything, as JSON
    Json,
    /// Tables for comments and summaries
    Markdown,
    /// A page for a browser, in one file
    Html,
}
