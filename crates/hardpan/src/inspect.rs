// SPDX-License-Identifier: Apache-2.0
//! The hardening controls as a gate: an image that breaks one is not built.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{Definition, Variant};
use hardpan_scan::controls::{self, ControlPolicy, Finding, Inspection, PackageInfo, Severity};
use hardpan_tree::TreePath;

use crate::assemble::Assembly;
use crate::contents::StoreContents;
use crate::demand::Demand;
use crate::error::Error;
use crate::session::Session;
use crate::settings;

impl Session<'_> {
    /// Measures the controls over a finished tree. Returns what is worth a word; what breaks a
    /// control is an error.
    pub(crate) fn inspect(
        &self,
        definition: &Definition,
        assembly: &Assembly,
        environment: &BTreeMap<String, String>,
    ) -> Result<Vec<Finding>, Error> {
        let packages: Vec<PackageInfo> = assembly
            .members
            .iter()
            .map(|member| PackageInfo { name: member.unpacked.name.clone() })
            .collect();
        let demand = Demand::of(definition, self.workspace)?;
        let requested_packages: BTreeSet<String> =
            demand.packages.iter().map(|package| package.name.clone()).collect();
        let requested_paths: BTreeSet<TreePath> = definition
            .paths
            .iter()
            .filter_map(|rule| TreePath::parse(rule.path.value.as_bytes()).ok())
            .collect();
        let accounts = &definition.accounts;
        let runs_as_root = accounts.run_as_ids().is_none_or(|ids| ids.uid == 0);
        let graph = &assembly.graph;
        let number = |package: u32| usize::try_from(package).unwrap_or(usize::MAX);
        let why = |package: u32| graph.path_text(number(package));
        let cut = |package: u32| {
            let package = number(package);
            (!graph.is_requested(package)).then(|| format!("!{}", graph.name(package)))
        };
        let user = settings::user(definition);
        let contents = StoreContents { store: self.store };
        let inspection = Inspection {
            tree: &assembly.tree,
            contents: &contents,
            packages: &packages,
            variant: match definition.variant {
                Variant::Dev => controls::Variant::Dev,
                _ => controls::Variant::Runtime,
            },
            requested_packages: &requested_packages,
            requested_paths: &requested_paths,
            root_allowed: runs_as_root && accounts.run_as.is_some(),
            user: &user,
            entrypoint: &definition.entrypoint,
            command: &definition.cmd,
            environment,
            work_directory: definition.work_dir.as_ref().map_or("", |dir| dir.value.as_str()),
            why: &why,
            cut: &cut,
        };
        let findings = controls::inspect(&inspection, &ControlPolicy::default());
        let (broken, rest): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| finding.severity == Severity::Fail);
        if broken.is_empty() {
            Ok(rest)
        } else {
            Err(Error::Hardening { platform: definition.platform, findings: broken })
        }
    }
}
