// SPDX-License-Identifier: Apache-2.0
//! `[audit]`: what audits of all images of the workspace accept.

use hardpan_scan::audit::exceptions::{AcceptedFinding, EXCEPTIONS_MAX};
use serde::{Deserialize, Deserializer, Serialize};

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// Findings that are accepted.
    pub exceptions: Vec<WorkspaceException>,
}

/// `[[audit.exceptions]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceException {
    /// The name of the control.
    pub control: String,
    /// The path that is accepted and all below it; without one, every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the finding says that is about no path, word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it is accepted: `2027-03-31`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "day")]
    pub until: Option<String>,
}

/// Takes a day as a text, and as TOML's own.
fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a day like 2027-03-31")]
    enum Written {
        Text(String),
        Day(toml::value::Datetime),
    }
    Ok(Option::deserialize(deserializer)?.map(|written| match written {
        Written::Text(text) => text,
        Written::Day(day) => day.to_string(),
    }))
}

impl WorkspaceException {
    fn accepted(&self) -> Result<AcceptedFinding, (String, String)> {
        let wrong = |error: &dyn std::fmt::Display, text: &str| {
            (format!("audit.exceptions: {error}"), text.to_owned())
        };
        let control = self.control.parse().map_err(|error| wrong(&error, &self.control))?;
        let until = self.until.as_deref();
        let until = until.map(|day| day.parse().map_err(|error| wrong(&error, day)));
        let path = self.path.as_deref();
        let made = AcceptedFinding::new(control, path, &self.reason, until.transpose()?);
        let accepted = made.map_err(|error| wrong(&error, path.unwrap_or(&self.control)))?;
        Ok(AcceptedFinding { message: self.message.clone(), ..accepted })
    }
}

impl AuditSection {
    pub(super) fn is_empty(&self) -> bool {
        self.exceptions.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.exceptions.len() > EXCEPTIONS_MAX {
            let message = format!("audit.exceptions: there are more than {EXCEPTIONS_MAX}");
            return Err((message, "audit.exceptions".to_owned()));
        }
        self.exceptions.iter().try_for_each(|exception| exception.accepted().map(drop))
    }

    /// Returns what is accepted. A file that was read has nothing else.
    pub fn accepted(&self) -> Vec<AcceptedFinding> {
        self.exceptions.iter().filter_map(|exception| exception.accepted().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Workspace;

    const GOOD: &str =
        "[[audit.exceptions]]\ncontrol = \"shell\"\npath = \"/bin/sh\"\nreason = \"hooks\"\n";

    #[test]
    fn days_are_texts_or_days() {
        for until in ["\"2027-03-31\"", "2027-03-31"] {
            let workspace = Workspace::parse(&format!("{GOOD}until = {until}\n")).unwrap();
            let accepted = workspace.audit.accepted();
            assert_eq!(accepted.len(), 1);
            assert_eq!(accepted[0].until.unwrap().to_string(), "2027-03-31");
            assert_eq!(accepted[0].path.as_ref().unwrap().to_string(), "/bin/sh");
            // What is written is read again.
            let text = toml::to_string(&workspace).unwrap();
            assert_eq!(Workspace::parse(&text).unwrap(), workspace);
        }
        assert!(Workspace::parse("[audit]\nexceptions = []\n").unwrap().audit.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("shell", "shel", "no control"),
            ("\"/bin/sh\"", "\"bin/sh\"", "begin with /"),
            ("\"/bin/sh\"", "\"/bin/../sh\"", "audit.exceptions"),
            ("\"hooks\"", "\" \"", "has no reason"),
            ("reason = \"hooks\"\n", "", "reason"),
            ("reason = \"hooks\"", "reason = \"hooks\"\nuntil = \"soon\"", "soon"),
            ("reason = \"hooks\"", "reason = \"hooks\"\nuntil = 2027-03-31T10:00:00Z", "2027-03"),
            ("reason = \"hooks\"", "reason = \"hooks\"\nuntil = 3", "a day like"),
            ("path =", "paths =", "paths"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Workspace::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.message.contains(expected), "{to}: {}", error.message);
        }
    }
}
