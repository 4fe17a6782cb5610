// SPDX-License-Identifier: Apache-2.0
//! What is wrong with the stages of a definition, without an archive, a lock or a sandbox.

use hardpan_definition::{Code, Definition, Diagnostic};

use super::plan::plan;
use crate::action::Actions;
use crate::error::Error;

/// Returns all that is wrong with the actions and the order of a rendered definition's stages.
pub fn check_stages(definition: &Definition, actions: &Actions) -> Vec<Diagnostic> {
    let steps = definition.contents.builds.iter().flat_map(|stage| &stage.pipeline);
    let found: Vec<Diagnostic> = steps.flat_map(|step| actions.check(step)).collect();
    if !found.is_empty() {
        return found;
    }
    match plan(definition, actions, false) {
        Ok(_) => Vec::new(),
        Err(error) => vec![diagnostic(&error)],
    }
}

fn diagnostic(error: &Error) -> Diagnostic {
    let span = error.spans().into_iter().next().unwrap_or_default();
    let diagnostic = Diagnostic::error(Code::Conflict, span, error.to_string());
    match error.hints().into_iter().next() {
        Some(hint) => diagnostic.help(hint),
        None => diagnostic,
    }
}
