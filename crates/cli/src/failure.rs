// SPDX-License-Identifier: Apache-2.0
//! Errors for people, and their exit codes.

use std::error::Error as StdError;
use std::process::ExitCode;

use hardpan::action::ActionError;
use hardpan::definition::{Diagnostic, Source, Span};
use hardpan::{Error, ProjectError, ShelfError, Trouble};
use serde_json::{Value, json};

use crate::diagnostics;
use crate::near;
use crate::text::{BAD, DIM, HELP, note, say, styled};

/// An error about places in a definition, with the texts to show them in.
#[derive(Debug)]
pub(crate) struct InDefinition {
    pub error: Error,
    pub sources: Vec<Source>,
}

/// Something about the command line or the environment that has to change.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) &'static str);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Usage {}

/// Something that the user named and that is not there, or is something else.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Named {}

impl std::fmt::Display for InDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for InDefinition {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Returns what to do about an error, and its exit code.
fn help_and_code(error: &anyhow::Error) -> (Vec<String>, u8) {
    let known = known(error);
    let named = error.downcast_ref::<Named>();
    let is_usage = named.is_some() || error.downcast_ref::<Usage>().is_some();
    let help: Vec<String> = match (known, named) {
        (Some(known), _) => {
            let mistyped = image_name(known).and_then(near::hint_of_name);
            mistyped.into_iter().chain(known.hints()).collect()
        }
        (None, named) => named.and_then(|named| named.help.clone()).into_iter().collect(),
    };
    let fallback = if is_usage { 2 } else { 70 };
    (help, known.map_or(fallback, |known| exit_code(known.trouble())))
}

/// Returns an error as it stands below `error` in JSON, and its exit code.
pub(crate) fn to_json(error: &anyhow::Error) -> (Value, ExitCode) {
    let (help, code) = help_and_code(error);
    let value = json!({
        "message": error.to_string(),
        "causes": error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>(),
        "help": help,
        "log": match known(error) {
            Some(Error::Stage(stage)) => stage.log(),
            _ => &[],
        },
        "diagnostics": diagnostics_of(error)
            .map(|(list, sources)| list.iter().map(|d| diagnostics::to_json(d, &sources)).collect::<Vec<_>>())
            .unwrap_or_default(),
        "exit-code": code,
    });
    (value, ExitCode::from(code))
}

/// Prints an error and returns its exit code.
pub(crate) fn report(error: &anyhow::Error, is_json: bool) -> ExitCode {
    if is_json {
        let (value, code) = to_json(error);
        say!("{}", json!({"error": value}));
        return code;
    }
    let known = known(error);
    let (help, code) = help_and_code(error);
    if let Some((list, sources)) = diagnostics_of(error) {
        for diagnostic in &list {
            note!("{}\n", diagnostics::draw(diagnostic, &sources));
        }
        if matches!(known, Some(Error::Project(_) | Error::Action(_))) {
            return ExitCode::from(code);
        }
    } else if let Some((spans, sources)) = places_of(error) {
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let message = error.to_string();
        note!("{}", diagnostics::draw_error(&message, &spans, &causes, sources));
    } else if let Some((message, span, source)) = workspace_place(error) {
        note!("{}", diagnostics::draw_error(&message, &[span], &[], &[source]));
    } else {
        note!("{} {error}", styled(BAD, "error:"));
        for cause in error.chain().skip(1) {
            note!("  {} {cause}", styled(DIM, "because:"));
        }
    }
    if let Some(Error::Stage(stage)) = known
        && !stage.log().is_empty()
    {
        note!("  {}", styled(DIM, "the last lines that it printed:"));
        for line in stage.log() {
            note!("  {} {line}", styled(DIM, "│"));
        }
    }
    if let Some(Error::Hardening { findings, .. }) = known {
        for finding in findings {
            note!("  {} {}", styled(BAD, &finding.control.to_string()), finding.message);
            for line in finding.help.lines() {
                note!("    {} {line}", styled(HELP, "help:"));
            }
        }
    } else {
        for hint in help {
            note!("  {} {hint}", styled(HELP, "help:"));
        }
    }
    ExitCode::from(code)
}

fn known(error: &anyhow::Error) -> Option<&Error> {
    error
        .downcast_ref::<Error>()
        .or_else(|| error.downcast_ref::<InDefinition>().map(|inner| &inner.error))
}

/// Returns the name of an image that could not be got from a registry, or that no image can have: a path may have been
/// meant.
fn image_name(error: &Error) -> Option<&str> {
    match error {
        Error::ImageName { name, .. } => Some(name),
        Error::Shelf(error) => match &**error {
            ShelfError::Registry { name, .. } | ShelfError::Offline { name } => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the place of a mistake in the workspace file, as a definition's would be.
fn workspace_place(error: &anyhow::Error) -> Option<(String, Span, Source)> {
    let Error::Project(ProjectError::Workspace { path, text, source }) = known(error)? else {
        return None;
    };
    let span = Span::new(0, source.span.clone()?);
    Some((source.message.clone(), span, Source::new(path.to_string_lossy(), text.clone())))
}

/// Returns the problems that can be shown in the text of a definition, or of an action.
fn diagnostics_of(error: &anyhow::Error) -> Option<(Vec<Diagnostic>, Vec<Source>)> {
    if let Some(Error::Project(ProjectError::Diagnostics { diagnostics, sources, .. })) =
        error.downcast_ref::<Error>()
    {
        return Some((diagnostics.clone(), sources.clone()));
    }
    if let Some(Error::Action(action)) = known(error)
        && let ActionError::File { diagnostics, source_text, .. } = &**action
    {
        return Some((diagnostics.clone(), vec![(**source_text).clone()]));
    }
    None
}

/// Returns the places in a definition that an error is about.
fn places_of(error: &anyhow::Error) -> Option<(Vec<Span>, &[Source])> {
    let inner = error.downcast_ref::<InDefinition>()?;
    let spans = inner.error.spans();
    (!spans.is_empty()).then_some((spans, inner.sources.as_slice()))
}

fn exit_code(trouble: Trouble) -> u8 {
    match trouble {
        Trouble::No => 1,
        Trouble::Usage => 2,
        Trouble::Network => 3,
        Trouble::Trust => 4,
        Trouble::Step => 5,
        _ => 70,
    }
}
