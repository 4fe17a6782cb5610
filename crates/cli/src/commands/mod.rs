// SPDX-License-Identifier: Apache-2.0
//! One file for each command.

pub(crate) mod attest;
pub(crate) mod audit;
mod audits;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod db;
pub(crate) mod diff;
pub(crate) mod explain;
mod image;
pub(crate) mod init;
pub(crate) mod keygen;
pub(crate) mod malware;
mod place;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod sbom;
pub(crate) mod scan;
mod scans;
pub(crate) mod schema;
pub(crate) mod secrets;
pub(crate) mod signer;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod verify;
pub(crate) mod vex;
mod vsa;

use std::path::Path;

use hardpan::{Error, Project, read_workspace};

use crate::args::Common;
use crate::failure::InDefinition;
use crate::machine::Machine;

/// Opens a definition and the machine to work on it with.
fn open(common: &Common, definition: &Path) -> anyhow::Result<(Project, Machine)> {
    let project = Project::open(definition, &[]).map_err(Error::from)?;
    let (workspace, _) = read_workspace(&project.root).map_err(Error::from)?;
    let machine = Machine::new(common, workspace, project.root.path())?;
    Ok((project, machine))
}

/// Gives an error the texts of the definition that it is about.
fn in_definition(project: &Project) -> impl Fn(Error) -> anyhow::Error + '_ {
    |error| InDefinition { error, sources: project.parsed.sources().to_vec() }.into()
}
