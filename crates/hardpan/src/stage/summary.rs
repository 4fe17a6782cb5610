// SPDX-License-Identifier: Apache-2.0
//! What would run for a definition, as data: for those who want to know before they build.

use hardpan_definition::Definition;
use serde::Serialize;

use super::plan::{Base, outline};
use crate::action::Actions;
use crate::error::Error;

/// The stages of a rendered definition, in the order of the definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StagesSummary {
    /// The stages.
    pub stages: Vec<StageSummary>,
    /// Their names in groups: those of a group run at the same time, after those of the groups before.
    pub order: Vec<Vec<String>>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageSummary {
    /// Its name.
    pub name: String,
    /// The image or stage that it begins with.
    pub base: Option<String>,
    /// How many packages it names.
    pub packages: usize,
    /// How many downloads.
    pub files: usize,
    /// From how many images or stages it takes files.
    pub artifacts: usize,
    /// Its steps.
    pub steps: Vec<StepSummary>,
    /// What goes into the image: source and target.
    pub outputs: Vec<(String, String)>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepSummary {
    /// Its name, or its number.
    pub label: String,
    /// The action that it is a part of.
    pub action: Option<String>,
    /// The image whose tools its script uses. Such a step can't be run yet: [`check_stages`](super::check_stages) refuses it.
    pub tools: Option<String>,
    /// Whether it has the network.
    pub network: bool,
}

/// Plans the stages of a rendered definition and says what would run. Nothing is looked up, fetched or run.
pub fn summarize_stages(
    definition: &Definition,
    actions: &Actions,
) -> Result<StagesSummary, Error> {
    let plan = outline(definition, actions)?;
    let name = |number: usize| plan.stages[number].name.clone();
    let stages = plan
        .stages
        .iter()
        .map(|stage| {
            let contents = &stage.definition.contents;
            StageSummary {
                name: stage.name.clone(),
                base: match &stage.base {
                    Some(Base::Stage(number)) => Some(name(*number)),
                    Some(Base::Image(image)) => Some(image.to_string()),
                    None => None,
                },
                packages: contents.packages.iter().filter(|package| !package.excluded).count(),
                files: contents.files.len(),
                artifacts: contents.artifacts.len(),
                steps: stage
                    .steps
                    .iter()
                    .map(|step| StepSummary {
                        label: step.label.clone(),
                        action: step.action.as_ref().map(|(name, _)| name.clone()),
                        tools: step.tools.clone(),
                        network: step.network,
                    })
                    .collect(),
                outputs: stage
                    .outputs
                    .iter()
                    .map(|output| (output.source.clone(), output.target.clone()))
                    .collect(),
            }
        })
        .collect();
    let order = plan.waves().into_iter().map(|wave| wave.into_iter().map(name).collect()).collect();
    Ok(StagesSummary { stages, order })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::definition;
    use crate::stage::check_stages;

    #[test]
    fn a_step_with_the_tools_of_an_image_is_planned_and_not_run() {
        let definition = definition(
            "contents:\n  builds:\n    - pipeline:\n        - {runs: make}\n        - {uses: dhi/gradle:8-jdk17-dev, runs: gradle}\n",
        );
        let actions = Actions::built_in();
        let summary = summarize_stages(&definition, &actions).unwrap();
        let tools: Vec<Option<&str>> =
            summary.stages[0].steps.iter().map(|step| step.tools.as_deref()).collect();
        assert_eq!(tools, [None, Some("dhi/gradle:8-jdk17-dev")]);
        let found = check_stages(&definition, &actions);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("can't be run yet"), "{found:?}");
    }
}
