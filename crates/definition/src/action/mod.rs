// SPDX-License-Identifier: Apache-2.0
//! Reading action files, and what a step says under `with`.
//!
//! An action file is YAML like a definition, without variables: `${…}` and `#{…}` in it stay as they are,
//! except that `if` and `privileged` are expressions over `inputs.NAME`.

mod condition;
mod input;

pub(crate) use condition::check_condition;
pub(crate) use input::read_value;

use crate::decode::{Decoder, facts};
use crate::diagnostic::{self, Code, Diagnostic};
use crate::model::{Action, Platform};
use crate::scope::Scope;
use crate::source::{Source, Span};
use crate::yaml;

/// Parses an action file. There is an [`Action`] exactly if no diagnostic is an error.
pub fn parse_action(source: &Source) -> (Option<Action>, Vec<Diagnostic>) {
    let sources = [source.clone()];
    let mut diagnostics = Vec::new();
    let mut action = None;
    match yaml::read(source, 0, &mut diagnostics) {
        Some(root) if root.is_null() => {
            let span = Span::new(0, 0..0);
            diagnostics.push(Diagnostic::error(Code::MissingKey, span, "the action is empty"));
        }
        Some(root) => {
            let platform = Platform::LinuxAmd64;
            let (scope, _) = Scope::new(&sources, facts(&root, platform), None);
            let mut decoder = Decoder::new(&sources, scope, platform, None);
            action = decoder.action(&root);
            diagnostics.append(&mut decoder.into_diagnostics());
        }
        None => {}
    }
    diagnostic::normalise(&mut diagnostics);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    (action.filter(|_| !failed), diagnostics)
}
