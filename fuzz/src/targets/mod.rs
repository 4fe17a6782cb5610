// SPDX-License-Identifier: Apache-2.0
//! The targets, one file for each family of parsers.

mod advisories;
mod apk;
mod archives;
mod catalog;
mod database;
mod deb;
mod definition;
mod image;
mod indexes;
mod names;
mod program;
mod project;
mod remote;
mod sbom;
mod scripts;
mod secrets;
mod signatures;
mod statements;
mod trust;
mod versions;
mod vex;

use crate::Target;

/// All targets, in the order in which they are run.
pub const TARGETS: &[Target] = &[
    advisories::JSON,
    advisories::TEXT,
    database::TARGET,
    catalog::TARGET,
    program::TARGET,
    archives::TARGET,
    sbom::TARGET,
    vex::TARGET,
    secrets::TARGET,
    versions::TARGET,
    names::TARGET,
    signatures::TARGET,
    trust::TARGET,
    statements::TARGET,
    definition::TARGET,
    image::TARGET,
    deb::TARGET,
    apk::TARGET,
    indexes::TARGET,
    scripts::TARGET,
    remote::TARGET,
    project::TARGET,
];
