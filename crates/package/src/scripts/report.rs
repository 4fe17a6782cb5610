// SPDX-License-Identifier: Apache-2.0
//! Visits of commands to a report on lines.

use std::collections::BTreeMap;

use super::apk;
use super::evaluate::Evaluator;
use super::expand::Value;
use super::syntax::{Command, CommandKind, List, Script};
use crate::segment::Format;

use super::{
    FileTests, SCRIPT_BYTES_MAX, ScriptAction, ScriptInput, ScriptReport, Treatment, debconf,
    exact, parser,
};

const DEAD: &str = "not reached on a first installation";

/// A command's lines and what is made of it.
struct Line {
    first: u32,
    last: u32,
    treatment: Treatment,
}

pub(super) fn report(input: &ScriptInput<'_>, files: &dyn FileTests) -> ScriptReport {
    let mut report = ScriptReport::default();
    let questions = debconf::defaults(input.templates);
    let scripts: &[&str] = match input.format {
        Format::Deb => &["preinst", "postinst"],
        Format::Apk => &apk::SCRIPTS,
    };
    for &script in scripts {
        if let Some(text) = input.scripts.get(script) {
            one(input, script, text, &questions, files, &mut report);
        }
    }
    if let Some(text) = input.scripts.get("config") {
        let treatment =
            Treatment::Ignored { reason: "debconf: the answers are the defaults".to_owned() };
        report.actions.push(whole(input, "config", text, treatment));
    }
    report
}

fn whole(input: &ScriptInput<'_>, script: &str, text: &str, treatment: Treatment) -> ScriptAction {
    let last_line = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).max(1);
    ScriptAction {
        package: input.package.to_owned(),
        script: script.to_owned(),
        first_line: 1,
        last_line,
        text: text.to_owned(),
        treatment,
    }
}

fn one(
    input: &ScriptInput<'_>,
    script: &str,
    text: &str,
    questions: &BTreeMap<String, String>,
    files: &dyn FileTests,
    report: &mut ScriptReport,
) {
    let known = exact::known(input.package, script, text);
    let generated = known.as_ref().map(|_| exact::generated_part(text));
    if let Some(treatment) = known {
        report.actions.push(whole(input, script, text, treatment));
    }
    let mut refuse = |reason: String| {
        report.actions.push(whole(input, script, text, Treatment::Unhandled { reason }));
    };
    if text.len() > SCRIPT_BYTES_MAX {
        return refuse(format!("longer than {SCRIPT_BYTES_MAX} bytes"));
    }
    if generated.as_ref().is_some_and(|part| part.trim().is_empty()) {
        return;
    }
    let first = text.lines().next().unwrap_or_default();
    let interpreter = first.trim_start_matches("#!").trim();
    if !is_shell(interpreter) {
        return refuse(format!("not a shell script: {interpreter:?}"));
    }
    let text = generated.as_deref().unwrap_or(text);
    let tree = match parser::parse(text) {
        Ok(tree) => tree,
        Err(error) => return refuse(format!("not understood: {error}")),
    };
    let mut evaluator = Evaluator::new(input, script, &tree, questions, files);
    let mut is_done = true;
    // All of them, even if one does not come to an end.
    for run in runs(input, script, files) {
        is_done &= evaluator.run(run);
    }
    if !is_done {
        return refuse("takes too many steps".to_owned());
    }
    let mut treatments: BTreeMap<usize, Treatment> = BTreeMap::new();
    for visit in evaluator.visits {
        let entry = treatments.entry(visit.command).or_insert_with(|| visit.treatment.clone());
        if visit.treatment > *entry {
            *entry = visit.treatment;
        }
    }
    report.effects.extend(evaluator.effects);
    let mut lines = Vec::new();
    collect(&tree, &tree.body, &treatments, &mut lines);
    report.actions.extend(merge(input, script, text, lines));
}

/// Returns whether an interpreter is a shell.
fn is_shell(interpreter: &str) -> bool {
    let mut words = interpreter.split_whitespace();
    let mut name = || words.next().and_then(|path| path.rsplit('/').next());
    let name = match name() {
        Some("busybox") => name(),
        name => name,
    };
    interpreter.starts_with('/') && matches!(name, Some("sh" | "bash" | "dash" | "ash"))
}

/// Returns the arguments of each time that a script is run on a first installation.
fn runs(input: &ScriptInput<'_>, script: &str, files: &dyn FileTests) -> Vec<Vec<Value>> {
    let known = |text: &str| Some(text.to_owned());
    match (input.format, script) {
        (Format::Deb, "preinst") => vec![vec![known("install")]],
        (Format::Deb, _) => {
            let mut runs = vec![vec![known("configure"), known("")]];
            let interests = interests(input.triggers);
            if !interests.is_empty() {
                runs.push(vec![known("triggered"), known(&interests.join(" "))]);
            }
            runs
        }
        (Format::Apk, "trigger") => apk::trigger(input.triggers, files).into_iter().collect(),
        (Format::Apk, _) => vec![vec![known(input.version)]],
    }
}

/// Returns the names that the package waits for.
fn interests(triggers: &str) -> Vec<&str> {
    let lines = triggers.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| {
            let (directive, name) = line.trim().split_once(char::is_whitespace)?;
            directive.starts_with("interest").then(|| name.trim())
        })
        .collect()
}

/// Lists all commands that do something with what is made of them.
fn collect(
    script: &Script,
    list: &List,
    treatments: &BTreeMap<usize, Treatment>,
    lines: &mut Vec<Line>,
) {
    for and_or in list {
        let pipelines =
            std::iter::once(&and_or.first).chain(and_or.rest.iter().map(|(_, pipeline)| pipeline));
        for command in pipelines.flat_map(|pipeline| &pipeline.commands) {
            collect_command(script, command, treatments, lines);
        }
    }
}

fn collect_command(
    script: &Script,
    command: &Command,
    treatments: &BTreeMap<usize, Treatment>,
    lines: &mut Vec<Line>,
) {
    let mut inner = |list: &List| collect(script, list, treatments, lines);
    match &command.kind {
        CommandKind::Simple(_) => {
            let documents = command.redirects.iter().filter_map(|redirect| redirect.here_document);
            let ends =
                documents.filter_map(|number| script.here_document_ends.get(number).copied());
            let last = ends.chain([command.last_line]).max().unwrap_or(command.last_line);
            let treatment = treatments.get(&command.id).cloned();
            let treatment =
                treatment.unwrap_or_else(|| Treatment::Ignored { reason: DEAD.to_owned() });
            lines.push(Line { first: command.first_line, last, treatment });
            return;
        }
        CommandKind::Group(list) | CommandKind::Subshell(list) => inner(list),
        CommandKind::If { branches, otherwise } => {
            for (condition, body) in branches {
                inner(condition);
                inner(body);
            }
            if let Some(list) = otherwise {
                inner(list);
            }
        }
        CommandKind::Case { arms, .. } => arms.iter().for_each(|(_, list)| inner(list)),
        CommandKind::For { body, .. } => inner(body),
        CommandKind::While { condition, body, .. } => {
            inner(condition);
            inner(body);
        }
        CommandKind::Function { body, .. } => collect_command(script, body, treatments, lines),
        CommandKind::Opaque => {}
    }
    if let Some(treatment @ Treatment::Unhandled { .. }) = treatments.get(&command.id) {
        lines.push(Line {
            first: command.first_line,
            last: command.last_line,
            treatment: treatment.clone(),
        });
    }
}

/// Joins commands that share lines (the worst treatment counts) and neighbours of the same treatment.
fn merge(
    input: &ScriptInput<'_>,
    script: &str,
    text: &str,
    mut lines: Vec<Line>,
) -> Vec<ScriptAction> {
    lines.sort_by_key(|line| (line.first, line.last));
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        match merged.last_mut() {
            Some(last) if line.first <= last.last => {
                last.last = last.last.max(line.last);
                last.treatment = last.treatment.clone().max(line.treatment);
            }
            _ => merged.push(line),
        }
    }
    let mut joined: Vec<Line> = Vec::new();
    for line in merged {
        match joined.last_mut() {
            Some(last) if last.treatment == line.treatment => last.last = line.last,
            _ => joined.push(line),
        }
    }
    let source: Vec<&str> = text.lines().collect();
    let cut = |line: &Line| {
        let last = (line.last as usize).min(source.len());
        source[(line.first as usize).saturating_sub(1).min(last)..last].join("\n")
    };
    joined
        .into_iter()
        .map(|line| ScriptAction {
            package: input.package.to_owned(),
            script: script.to_owned(),
            first_line: line.first,
            last_line: line.last,
            text: cut(&line),
            treatment: line.treatment,
        })
        .collect()
}
