// SPDX-License-Identifier: Apache-2.0
//! `xtask corpus --plan`: what would run for each image definition.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use hardpan::action::Actions;
use hardpan::summarize_stages;
use hardpan_definition::Definition;

/// What the plans of all definitions come to.
#[derive(Debug, Default)]
pub(super) struct Plans {
    known: Actions,
    planned: usize,
    with_stages: usize,
    stages: usize,
    steps: usize,
    with_network: usize,
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
        Self { known: Actions::built_in(), ..Self::default() }
    }

    /// Plans one rendering; returns why it can't be planned.
    pub(super) fn add(&mut self, definition: &Definition) -> Option<String> {
        let summary = match summarize_stages(definition, &self.known) {
            Ok(summary) => summary,
            Err(error) => return Some(error.to_string()),
        };
        let ordered: usize = summary.order.iter().map(Vec::len).sum();
        if ordered != summary.stages.len() {
            return Some(format!("{ordered} of {} stages are in order", summary.stages.len()));
        }
        self.planned += 1;
        self.with_stages += usize::from(!summary.stages.is_empty());
        self.stages += summary.stages.len();
        for stage in &summary.stages {
            self.steps += stage.steps.len();
            self.with_network += stage.steps.iter().filter(|step| step.network).count();
            self.outputs += stage.outputs.len();
            self.packages += stage.packages;
            self.files += stage.files;
            self.artifacts += stage.artifacts;
            self.bases += usize::from(stage.base.is_some());
            for action in stage.steps.iter().filter_map(|step| step.action.as_ref()) {
                *self.actions.entry(action.clone()).or_default() += 1;
            }
        }
        None
    }

    /// Prints the counts.
    pub(super) fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { planned, with_stages, stages, steps, with_network, outputs, .. } = self;
        writeln!(out, "{planned:>6} plans of image definitions, {with_stages} with stages")?;
        writeln!(
            out,
            "{stages:>6} stages: {} packages, {} downloads, {} artifacts, {} base images",
            self.packages, self.files, self.artifacts, self.bases
        )?;
        writeln!(out, "{steps:>6} steps, {with_network} with network; {outputs} outputs")?;
        for (action, count) in &self.actions {
            writeln!(out, "{count:>6} steps of {action}")?;
        }
        Ok(())
    }
}
