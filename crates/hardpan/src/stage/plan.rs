// SPDX-License-Identifier: Apache-2.0
//! Stages in the order in which they can run, with their steps spelled out. Nothing is looked up or run.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{
    Artifact, BuildStage, Cache, Definition, ImageReference, Secret, Span, Spanned, Step,
};
use hardpan_image::canonical_json;
use hardpan_tree::Digest;
use serde::Serialize;

use super::definition::{
    SOURCE_DIRECTORY, TARGET_DIRECTORY, in_stage, path_in_stage, stage_definition, stage_names,
    stage_of,
};
use super::error::StageError;
use crate::action::{ACTION_DIRECTORY, Actions, Directories, Expanded, NeededPackage};
use crate::error::Error;

/// The most steps that a stage may come to.
const STEPS_MAX: usize = 1_000;
/// The most runs that the matrix of a stage may come to.
const MATRIX_MAX: usize = 64;

/// The stages of one platform of a definition.
#[derive(Debug, Clone)]
pub(crate) struct StagePlan {
    /// The stages, in the definition's order. Their outputs go into the image in this order.
    pub stages: Vec<PlannedStage>,
}

/// A stage, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct PlannedStage {
    /// Its name, which no other stage of the definition has.
    pub name: String,
    /// The name under which its inputs are in the lock; the runs of a matrix share them.
    pub lock_name: String,
    /// What its root is made of.
    pub definition: Definition,
    /// What it begins with, instead of nothing.
    pub base: Option<Base>,
    /// The stages that it takes files from, by number.
    pub after: BTreeSet<usize>,
    /// Programs that its actions need, and the packages that have them.
    pub needs: BTreeSet<NeededPackage>,
    /// What it takes from other stages, by number.
    pub taken: Vec<(usize, Spanned<Artifact>)>,
    /// What is run, in order.
    pub steps: Vec<PlannedStep>,
    /// What goes into the image.
    pub outputs: Vec<PlannedOutput>,
    /// Statements that the stage makes, as files in it.
    pub statements: Vec<PlannedStatement>,
    /// Where it stands.
    pub span: Span,
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// The end of another stage, by number.
    Stage(usize),
    /// An image.
    Image(ImageReference),
}

/// A step, ready to run. What of it decides the result is serialised into the stage's key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PlannedStep {
    /// For logs: its name, or its number.
    pub label: String,
    /// The shell's words before `-c`; `None` for the best that the root has.
    pub shell: Option<Vec<String>>,
    /// What the shell runs.
    pub script: String,
    /// Who runs it; `None` for root.
    pub run_as: Option<String>,
    /// Where it starts.
    pub work_dir: String,
    /// Whether it has the network.
    pub network: bool,
    /// What is added to the stage's environment, one after the other: a value may name variables before it
    /// as `$NAME` or `${NAME}`, itself included.
    pub environment: Vec<(String, String)>,
    /// Directories that are kept.
    pub caches: Vec<Spanned<Cache>>,
    /// Secrets in its environment.
    pub secrets: Vec<Spanned<Secret>>,
    /// The action that it is a part of, and the digest of what that says.
    pub action: Option<(String, String)>,
    /// Files below [`ACTION_DIRECTORY`] that it may read, by path.
    pub files: BTreeMap<String, String>,
    /// The image whose tools its script uses. Such a step can't be run yet.
    #[serde(skip)]
    pub tools: Option<String>,
    /// Who asks for the network, as a part of a sentence; it decides nothing.
    #[serde(skip)]
    pub network_reason: String,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// One entry of `outputs`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedOutput {
    /// Absolute path or glob in the stage.
    pub source: String,
    /// Absolute path in the image.
    pub target: String,
    /// Owner; `None` keeps what steps asked for.
    pub owner: Option<(u32, u32)>,
    /// Mode; `None` keeps it.
    pub mode: Option<u32>,
    /// Whether only what steps changed is taken.
    pub is_difference: bool,
    /// Where it stands.
    pub span: Span,
}

/// One entry of `attestations`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedStatement {
    /// Type of the predicate.
    pub predicate_type: String,
    /// Absolute path in the stage.
    pub source: String,
    /// Where it stands.
    pub span: Span,
}

/// Plans the stages of a rendered definition, all of whose steps can be run.
pub(crate) fn plan(
    definition: &Definition,
    actions: &Actions,
    refuse_network: bool,
) -> Result<StagePlan, Error> {
    let plan = outline(definition, actions)?;
    plan.check_tools()?;
    if refuse_network {
        plan.check_network()?;
    }
    Ok(plan)
}

/// Plans the stages of a rendered definition, for those who only look at them.
pub(crate) fn outline(definition: &Definition, actions: &Actions) -> Result<StagePlan, Error> {
    let names = stage_names(definition);
    let mut stages = Vec::new();
    // Where each stage of the definition begins in `stages`: a matrix makes several of one.
    let mut first = Vec::new();
    for (stage, name) in definition.contents.builds.iter().zip(&names) {
        first.push(stages.len());
        for run in matrix_runs(stage, stage.span)? {
            stages.push(plan_stage(definition, stage, name, &run, actions)?);
        }
    }
    for (index, stage) in definition.contents.builds.iter().enumerate() {
        let end = first.get(index + 1).copied().unwrap_or(stages.len());
        for planned in &mut stages[first[index]..end] {
            connect(planned, stage, &names, &first);
        }
    }
    let plan = StagePlan { stages };
    plan.check_order()?;
    Ok(plan)
}

impl StagePlan {
    /// Returns the numbers of stages in groups: those of a group need only what is in the ones before.
    pub(crate) fn waves(&self) -> Vec<Vec<usize>> {
        let mut done: BTreeSet<usize> = BTreeSet::new();
        let mut waves = Vec::new();
        while done.len() < self.stages.len() {
            let ready: Vec<usize> = (0..self.stages.len())
                .filter(|number| !done.contains(number))
                .filter(|&number| self.stages[number].after.is_subset(&done))
                .collect();
            if ready.is_empty() {
                // Only before `check_order` found the circle.
                break;
            }
            done.extend(&ready);
            waves.push(ready);
        }
        waves
    }

    /// Returns `stage/step` of every step that has the network.
    pub(crate) fn steps_with_network(&self) -> Vec<String> {
        let named = |stage: &PlannedStage| {
            let steps = stage.steps.iter().filter(|step| step.network);
            steps.map(|step| format!("{}/{}", stage.name, step.label)).collect::<Vec<_>>()
        };
        self.stages.iter().flat_map(named).collect()
    }

    /// Returns the digest of all that is run.
    pub(crate) fn steps_digest(&self) -> Digest {
        let steps: Vec<&[PlannedStep]> =
            self.stages.iter().map(|stage| stage.steps.as_slice()).collect();
        Digest::of(&canonical_json(&steps))
    }

    fn check_tools(&self) -> Result<(), Box<StageError>> {
        let mut steps = self.stages.iter().flat_map(|stage| &stage.steps);
        match steps.find(|step| step.tools.is_some()) {
            None => Ok(()),
            Some(step) => {
                let what = "a step with both `runs` and `uses`".to_owned();
                Err(Box::new(StageError::Unsupported { what, span: step.span }))
            }
        }
    }

    fn check_order(&self) -> Result<(), Box<StageError>> {
        let sorted: BTreeSet<usize> = self.waves().into_iter().flatten().collect();
        let circle: Vec<&PlannedStage> = (0..self.stages.len())
            .filter(|number| !sorted.contains(number))
            .map(|number| &self.stages[number])
            .collect();
        match circle.first() {
            None => Ok(()),
            Some(first) => Err(Box::new(StageError::Cycle {
                stages: circle.iter().map(|stage| stage.name.clone()).collect(),
                span: first.span,
            })),
        }
    }

    fn check_network(&self) -> Result<(), Box<StageError>> {
        for stage in &self.stages {
            if let Some(step) = stage.steps.iter().find(|step| step.network) {
                return Err(Box::new(StageError::NetworkRefused {
                    stage: stage.name.clone(),
                    step: step.label.clone(),
                    reason: step.network_reason.clone(),
                    span: step.span,
                }));
            }
        }
        Ok(())
    }
}

/// One run of a stage: the name of the matrix's entry, and its variables.
#[derive(Debug, Clone, Default)]
struct MatrixRun {
    name: Option<String>,
    variables: BTreeMap<String, String>,
}

/// Returns the runs that a matrix asks for: one for each entry, with its items as variables.
fn matrix_runs(stage: &BuildStage, span: Span) -> Result<Vec<MatrixRun>, Box<StageError>> {
    if stage.matrix.is_empty() {
        return Ok(vec![MatrixRun::default()]);
    }
    if stage.matrix.len() > MATRIX_MAX {
        let what = format!("more than {MATRIX_MAX} entries in `matrix`");
        return Err(Box::new(StageError::Unsupported { what, span }));
    }
    let mut runs = Vec::new();
    for (index, entry) in stage.matrix.iter().enumerate() {
        let mut variables = BTreeMap::new();
        for (name, value) in &entry.items {
            let Some(text) = value.as_text() else {
                let what = format!("the item `{name}` of `matrix`, which is no plain value,");
                return Err(Box::new(StageError::Unsupported { what, span: entry.span }));
            };
            variables.insert(name.clone(), text.to_owned());
        }
        let name = entry.name.clone().unwrap_or_else(|| (index + 1).to_string());
        runs.push(MatrixRun { name: Some(name), variables });
    }
    Ok(runs)
}

fn plan_stage(
    definition: &Definition,
    stage: &Spanned<BuildStage>,
    name: &str,
    run: &MatrixRun,
    actions: &Actions,
) -> Result<PlannedStage, Error> {
    let mut steps = Vec::new();
    let mut needs: BTreeSet<NeededPackage> = BTreeSet::new();
    for (index, step) in stage.pipeline.iter().enumerate() {
        let label = step.name.clone().unwrap_or_else(|| format!("step {}", index + 1));
        let plain = plan_step(stage, step, label, run);
        if step.runs.is_some() {
            let tools = step.uses.as_ref().map(|uses| uses.value.clone());
            steps.push(PlannedStep { tools, ..plain });
            continue;
        }
        let distribution = definition.syntax.distribution;
        let directories = Directories {
            source: SOURCE_DIRECTORY,
            target: TARGET_DIRECTORY,
            action: ACTION_DIRECTORY,
        };
        let expanded = actions.expand(step, distribution, &directories).map_err(Box::new)?;
        // A step without `runs` has `uses`: the definition was checked.
        let Some(expanded) = expanded else { continue };
        needs.extend(expanded.packages.iter().cloned());
        steps.extend(plan_action(stage, &plain, &expanded));
    }
    if steps.len() > STEPS_MAX {
        let what = format!("a stage of more than {STEPS_MAX} steps");
        return Err(Box::new(StageError::Unsupported { what, span: stage.span }).into());
    }
    let outputs = stage.outputs.iter().map(|output| PlannedOutput {
        source: path_in_stage(&output.source, stage),
        target: output.target.value.clone(),
        // Rendered definitions write 0 where nothing was said.
        owner: ((output.uid, output.gid) != (0, 0)).then_some((output.uid, output.gid)),
        mode: output.mode,
        is_difference: output.diff,
        span: output.span,
    });
    let statements = stage.attestations.iter().filter_map(|statement| {
        Some(PlannedStatement {
            predicate_type: statement.predicate_type.as_ref()?.value.clone(),
            source: path_in_stage(statement.source.as_ref()?, stage),
            span: statement.span,
        })
    });
    let suffix = run.name.as_ref().map_or_else(String::new, |entry| format!(" ({entry})"));
    Ok(PlannedStage {
        name: format!("{name}{suffix}"),
        lock_name: name.to_owned(),
        definition: stage_definition(definition, stage),
        base: stage.uses.as_ref().map(|image| Base::Image(image.value.clone())),
        after: BTreeSet::new(),
        taken: Vec::new(),
        needs,
        steps,
        outputs: outputs.collect(),
        statements: statements.collect(),
        span: stage.span,
    })
}

/// Spells out a step with a script; of a step that uses an action all but its scripts.
fn plan_step(
    stage: &BuildStage,
    step: &Spanned<Step>,
    label: String,
    run: &MatrixRun,
) -> PlannedStep {
    let own = stage.environment.iter().chain(&step.environment);
    let own = own.map(|(name, value)| (name.clone(), in_stage(value)));
    let environment = run.variables.clone().into_iter().chain(own).collect();
    let shell = step.shell.as_ref().or(stage.shell.as_ref());
    let work_dir = step.work_dir.as_ref().or(stage.work_dir.as_ref());
    let run_as = step.run_as.as_ref().or(stage.accounts.run_as.as_ref());
    PlannedStep {
        label,
        shell: shell.map(|shell| shell.split_whitespace().map(str::to_owned).collect()),
        script: step.runs.as_ref().map_or_else(String::new, |script| in_stage(script)),
        run_as: run_as.map(|user| user.value.clone()),
        work_dir: work_dir
            .map_or_else(|| SOURCE_DIRECTORY.to_owned(), |path| path_in_stage(path, stage)),
        network: stage.privileged || step.privileged,
        environment,
        caches: stage.caches.iter().chain(&step.caches).cloned().collect(),
        secrets: step.secrets.clone(),
        action: None,
        files: BTreeMap::new(),
        tools: None,
        network_reason: "`privileged: true`".to_owned(),
        span: step.span,
    }
}

/// Spells out a step that uses an action: a step for each of the action's scripts.
fn plan_action(stage: &BuildStage, plain: &PlannedStep, action: &Expanded) -> Vec<PlannedStep> {
    action
        .steps
        .iter()
        .map(|script| {
            let mut step = plain.clone();
            if action.steps.len() > 1 {
                step.label = format!("{}: {}", plain.label, script.name);
            }
            // Scripts of actions are for the plain shell, whatever the stage's own are for.
            step.shell = Some(vec!["/bin/sh".to_owned()]);
            step.script.clone_from(&script.runs);
            if let Some(work_dir) = &script.work_dir {
                step.work_dir = path_in_stage(work_dir, stage);
            }
            if script.privileged && !plain.network {
                step.network = true;
                step.network_reason = format!("the action {} fetches", action.action);
            }
            step.environment.extend(script.environment.clone());
            step.action = Some((action.action.clone(), action.digest.to_string()));
            step.files.clone_from(&action.files);
            step
        })
        .collect()
}

/// Finds the stages that a stage takes files from: a `uses` or an artifact that has the name of a stage,
/// and neither tag nor digest, means that one.
fn connect(planned: &mut PlannedStage, stage: &BuildStage, names: &[String], first: &[usize]) {
    let number = |reference: &ImageReference| {
        stage_of(reference, names).and_then(|index| first.get(index).copied())
    };
    if let Some(number) = stage.uses.as_ref().and_then(|uses| number(uses)) {
        planned.base = Some(Base::Stage(number));
        planned.after.insert(number);
    }
    for artifact in &stage.contents.artifacts {
        if let Some(number) = number(&artifact.name) {
            planned.after.insert(number);
            planned.taken.push((number, artifact.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::definition;

    fn planned(builds: &str) -> Result<StagePlan, Error> {
        let definition = definition(&format!("contents:\n  builds:\n{builds}"));
        plan(&definition, &Actions::built_in(), false)
    }

    #[test]
    fn steps_are_spelled_out() {
        let plan = planned(
            "
    - name: app
      work-dir: ${source.dir}/app
      shell: /bin/busybox sh
      environment: {A: a, B: '${target.dir}/b'}
      caches: [{path: /go/pkg/mod}]
      pipeline:
        - name: one
          runs: cp ${source.dir}/x ${target.dir} && echo ${HOME} ${target.arch}
          environment: {B: own}
        - runs: 'true'
          work-dir: sub
          shell: bash
          privileged: true
          run-as: '65532'
      outputs:
        - {source: '${target.dir}/usr', target: /usr, uid: 0, gid: 0}
        - {source: bin/x, target: /x, uid: 5, gid: 0, mode: '0750', diff: true}
",
        )
        .unwrap();
        let [stage] = plan.stages.as_slice() else { panic!("one stage") };
        let [one, two] = stage.steps.as_slice() else { panic!("two steps") };
        assert_eq!(one.script, "cp /work/source/x /work/target && echo ${HOME} amd64");
        assert_eq!(one.shell.as_deref(), Some(&["/bin/busybox".to_owned(), "sh".to_owned()][..]));
        assert_eq!(one.work_dir, "/work/source/app");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let stage_pairs = [pair("A", "a"), pair("B", "/work/target/b")];
        assert_eq!(one.environment[..2], stage_pairs);
        assert_eq!(one.environment[2..], [pair("B", "own")]);
        assert!(!one.network && two.network);
        assert_eq!((two.label.as_str(), two.work_dir.as_str()), ("step 2", "/work/source/app/sub"));
        assert_eq!(two.environment, stage_pairs);
        assert_eq!(two.run_as.as_deref(), Some("65532"));
        assert_eq!(two.caches.len(), 1);
        let [kept, owned] = stage.outputs.as_slice() else { panic!("two outputs") };
        assert_eq!((kept.source.as_str(), kept.owner), ("/work/target/usr", None));
        assert_eq!((owned.source.as_str(), owned.owner), ("/work/source/app/bin/x", Some((5, 0))));
        assert_eq!(plan.steps_with_network(), ["app/step 2"]);
    }

    #[test]
    fn stages_come_in_an_order_that_works() {
        let stage = |name: &str, uses: &str| {
            let uses =
                if uses.is_empty() { String::new() } else { format!("\n      uses: {uses}") };
            format!("    - name: {name}{uses}\n      pipeline: [{{runs: 'true'}}]\n")
        };
        for (summary, stages, expected) in [
            ("independent", vec![("a", ""), ("b", "")], Some(vec![vec![0, 1]])),
            ("in a row", vec![("a", "b"), ("b", "")], Some(vec![vec![1], vec![0]])),
            ("diamond", vec![("a", ""), ("b", "a"), ("c", "a")], Some(vec![vec![0], vec![1, 2]])),
            ("an image of that name", vec![("a", ""), ("b", "a:1")], Some(vec![vec![0, 1]])),
            ("circle", vec![("a", "b"), ("b", "a")], None),
            ("itself", vec![("a", "a")], None),
        ] {
            let text: String = stages.iter().map(|(name, uses)| stage(name, uses)).collect();
            match (planned(&text), expected) {
                (Ok(plan), Some(expected)) => assert_eq!(plan.waves(), expected, "{summary}"),
                (Err(error), None) => {
                    assert!(error.to_string().contains("in a circle"), "{summary}: {error}");
                }
                (result, _) => panic!("{summary}: {result:?}"),
            }
        }
    }

    #[test]
    fn a_matrix_makes_a_stage_of_each_entry() {
        let plan = planned(
            "
    - name: app
      matrix:
        - {name: small, items: {FLAGS: -Os, LEVEL: 1}}
        - {items: {FLAGS: -O3}}
      pipeline: [{runs: make}]
    - name: after
      uses: app
      pipeline: [{runs: 'true'}]
",
        )
        .unwrap();
        let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["app (small)", "app (2)", "after"]);
        assert_eq!(plan.stages[1].lock_name, "app");
        let small: Vec<String> =
            plan.stages[0].steps[0].environment.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(small, ["FLAGS=-Os", "LEVEL=1"]);
        assert_eq!(plan.stages[2].base, Some(Base::Stage(0)));
    }

    #[test]
    fn actions_become_steps() {
        let plan = planned(
            "
    - name: app
      work-dir: ${source.dir}/app
      shell: bash
      environment: {A: a}
      pipeline:
        - name: fix
          uses: patch@v1
          with: {patches: ['${source.dir}/one.patch'], options: '-p0; rm -rf /'}
        - uses: strip@v1
          with: {dir: '${target.dir}/usr'}
",
        )
        .unwrap();
        let [stage] = plan.stages.as_slice() else { panic!("one stage") };
        let fix = &stage.steps[0];
        assert_eq!(fix.label, "fix");
        assert_eq!(fix.work_dir, "/work/source/app");
        assert_eq!(fix.shell.as_deref(), Some(&["/bin/sh".to_owned()][..]));
        assert_eq!(fix.action.as_ref().map(|(name, _)| name.as_str()), Some("patch@v1"));
        // What a definition says never gets into a script.
        assert!(!fix.script.contains("rm -rf"), "{}", fix.script);
        assert!(fix.environment.iter().any(|(_, value)| value.contains("rm -rf /")));
        assert!(fix.files.values().any(|text| text.contains("/work/source/one.patch")));
        let commands: Vec<&str> = stage.needs.iter().map(|need| need.command.as_str()).collect();
        assert!(commands.contains(&"patch") && commands.contains(&"strip"), "{commands:?}");
        assert!(plan.steps_with_network().is_empty());
        let error = planned("    - pipeline: [{uses: pach@v1}]\n").unwrap_err();
        assert!(error.to_string().contains("pach"), "{error}");
        assert!(error.hints().iter().any(|hint| hint.contains("patch@v1")), "{:?}", error.hints());
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for (summary, builds, refuse_network, expected) in [
            ("network", "    - pipeline: [{runs: x, privileged: true}]\n", true, "--no-network"),
            (
                "network of a stage",
                "    - privileged: true\n      pipeline: [{runs: x}]\n",
                true,
                "--no-network",
            ),
            (
                "a nested item",
                "    - matrix: [{items: {A: [1]}}]\n      pipeline: [{runs: x}]\n",
                false,
                "no plain value",
            ),
        ] {
            let definition = definition(&format!("contents:\n  builds:\n{builds}"));
            let error = plan(&definition, &Actions::built_in(), refuse_network).unwrap_err();
            assert!(error.to_string().contains(expected), "{summary}: {error}");
            assert!(!error.spans().is_empty(), "{summary}");
        }
    }
}
