// SPDX-License-Identifier: Apache-2.0
//! What a definition says of its image's audit: what it is for, and what is accepted.

use hardpan_definition::{AuditException, Code, Definition, Diagnostic, nearest};
use hardpan_scan::audit::exceptions::{AcceptedFinding, Day};
use hardpan_scan::controls::{ControlId, Profile, controls};
use hardpan_tree::TreePath;

use super::profile;

/// Returns what the image of a definition is for, as its labels will say it.
pub(crate) fn profile_of(definition: &Definition) -> Profile {
    let flavor = definition.flavor.as_ref().map_or("", |flavor| flavor.value.as_str());
    profile::of_words(definition.variant.name(), flavor).unwrap_or_default()
}

/// Returns what a definition accepts.
///
/// # Errors
/// Exceptions that can't be, with their places.
pub(crate) fn accepted(definition: &Definition) -> Result<Vec<AcceptedFinding>, Vec<Diagnostic>> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for exception in &definition.x_hardpan.audit_exceptions {
        match accepted_by(exception) {
            Ok(accepted) => all.push(accepted),
            Err(diagnostic) => wrong.push(diagnostic),
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// Says which exceptions of a definition can't be.
pub fn check_exceptions(definition: &Definition) -> Vec<Diagnostic> {
    accepted(definition).err().unwrap_or_default()
}

fn accepted_by(exception: &AuditException) -> Result<AcceptedFinding, Diagnostic> {
    let AuditException { control, path, reason, until, .. } = exception;
    let id: ControlId = control.value.parse().map_err(|_| unknown(exception))?;
    let bad = |code, span, error: &dyn std::fmt::Display| {
        Diagnostic::error(code, span, error.to_string())
    };
    let path = path.as_ref().map(|path| {
        TreePath::parse(&path.value).map_err(|error| bad(Code::BadPath, path.span, &error))
    });
    let until = until.as_ref().map(|until| {
        until.value.parse::<Day>().map_err(|error| bad(Code::BadDate, until.span, &error))
    });
    let accepted = AcceptedFinding {
        control: id,
        path: path.transpose()?,
        message: None,
        reason: reason.value.trim().to_owned(),
        until: until.transpose()?,
    };
    accepted.check().map_err(|error| bad(Code::BadText, reason.span, &error))?;
    Ok(accepted)
}

fn unknown(exception: &AuditException) -> Diagnostic {
    let name = &exception.control.value;
    let message = format!("no control is called {name:?}");
    let diagnostic = Diagnostic::error(Code::UnknownValue, exception.control.span, message);
    let near = nearest(name, controls().iter().map(|control| control.id.name()));
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}
