// SPDX-License-Identifier: Apache-2.0
//! `xtask corpus --plan`: what would run for each definition of an image or a package.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use hardpan::action::Actions;
use hardpan::{StagesSummary, summarize_stages};
use hardpan_definition::Definition;

/// The kinds of definitions that are planned. Charts need helm, which no stage has.
const PLANNED: [&str; 2] = ["image", "package"];

/// The plans of all definitions, by their kind.
#[derive(Debug)]
pub(super) struct Plans {
    known: Actions,
    kinds: BTreeMap<&'static str, Sums>,
}

/// What the plans of one kind come to.
#[derive(Debug, Default)]
struct Sums {
    /// Plans by distribution.
    planned: BTreeMap<String, usize>,
    with_stages: usize,
    stages: usize,
    steps: usize,
    with_network: usize,
    with_tools: usize,
    outputs: usize,
    packages: usize,
    files: usize,
    artifacts: usize,
    bases: usize,
    actions: BTreeMap<String, usize>,
}

impl Plans {
    /// Plans with the actions that are built in.
    pub(super) fn new() -> Self {
        Self { known: Actions::built_in(), kinds: BTreeMap::new() }
    }

    /// Plans one rendering; returns why it can't be planned.
    pub(super) fn add(&mut self, kind: &'static str, definition: &Definition) -> Option<String> {
        if !PLANNED.contains(&kind) {
            return None;
        }
        let summary = match summarize_stages(definition, &self.known) {
            Ok(summary) => summary,
            Err(error) => return Some(error.to_string()),
        };
        let ordered: usize = summary.order.iter().map(Vec::len).sum();
        if ordered != summary.stages.len() {
            return Some(format!("{ordered} of {} stages are in order", summary.stages.len()));
        }
        self.kinds.entry(kind).or_default().add(&summary, definition);
        None
    }

    /// Prints the counts.
    pub(super) fn print(&self, out: &mut impl Write) -> Result<()> {
        for (kind, sums) in &self.kinds {
            sums.print(kind, out)?;
        }
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, summary: &StagesSummary, definition: &Definition) {
        let distribution = definition.syntax.distribution.to_string();
        *self.planned.entry(distribution).or_default() += 1;
        self.with_stages += usize::from(!summary.stages.is_empty());
        self.stages += summary.stages.len();
        for stage in &summary.stages {
            self.steps += stage.steps.len();
            self.with_network += stage.steps.iter().filter(|step| step.network).count();
            self.with_tools += stage.steps.iter().filter(|step| step.tools.is_some()).count();
            self.outputs += stage.outputs.len();
            self.packages += stage.packages;
            self.files += stage.files;
            self.artifacts += stage.artifacts;
            self.bases += usize::from(stage.base.is_some());
            for action in stage.steps.iter().filter_map(|step| step.action.as_ref()) {
                *self.actions.entry(action.clone()).or_default() += 1;
            }
        }
    }

    fn print(&self, kind: &str, out: &mut impl Write) -> Result<()> {
        let Self { with_stages, stages, steps, with_network, outputs, .. } = self;
        let planned: usize = self.planned.values().sum();
        writeln!(out, "{planned:>6} plans of {kind} definitions, {with_stages} with stages")?;
        for (distribution, count) in &self.planned {
            writeln!(out, "{count:>6} of them for {distribution}")?;
        }
        writeln!(
            out,
            "{stages:>6} stages: {} packages, {} downloads, {} artifacts, {} base images",
            self.packages, self.files, self.artifacts, self.bases
        )?;
        writeln!(out, "{steps:>6} steps, {with_network} with network; {outputs} outputs")?;
        if self.with_tools > 0 {
            writeln!(
                out,
                "{:>6} steps that can't be run yet: with an image's tools",
                self.with_tools
            )?;
        }
        for (action, count) in &self.actions {
            writeln!(out, "{count:>6} steps of {action}")?;
        }
        Ok(())
    }
}
