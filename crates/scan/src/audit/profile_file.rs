// SPDX-License-Identifier: Apache-2.0
//! A profile that a user wrote: a profile of ours, other severities, exceptions, and the worst grade that will do.

use std::collections::BTreeMap;
use std::str::FromStr;

use hardpan_tree::TreePath;
use serde_json::{Map, Value};

use super::exceptions::{AcceptedFinding, Day, EXCEPTIONS_MAX, ExceptionError};
use super::model::Grade;
use crate::controls::{ControlId, Profile, Severity, controls};

/// The longest name of a profile, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// The keys of a file.
const KEYS: [&str; 5] = ["name", "extends", "controls", "exceptions", "grade"];
/// The keys of an exception.
const EXCEPTION_KEYS: [&str; 4] = ["control", "path", "reason", "until"];
/// What may be said of a control.
const SEVERITIES: [&str; 4] = ["fail", "warn", "info", "off"];

/// A profile that a user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFile {
    /// What it is called.
    pub name: String,
    /// The profile that it changes.
    pub extends: Profile,
    /// Severities in place of that one's; `None` switches a control off.
    pub severities: BTreeMap<ControlId, Option<Severity>>,
    /// What is accepted.
    pub exceptions: Vec<AcceptedFinding>,
    /// The worst grade that will do.
    pub worst_grade: Option<Grade>,
}

/// Why a file is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileFileError {
    /// Another type, or nothing, where something has to be.
    #[error("{place} must be {wanted}")]
    Shape {
        /// Where.
        place: String,
        /// What has to be there.
        wanted: &'static str,
    },
    /// A word that is not known.
    #[error("{place}: there is no {what} {word:?}")]
    Unknown {
        /// Where.
        place: String,
        /// What kind of word it is.
        what: &'static str,
        /// The word.
        word: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// Another bad value.
    #[error("{place}: {problem}")]
    Value {
        /// Where.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// An exception that says too little or too much.
    #[error("{place}: {source}")]
    Exception {
        /// Where.
        place: String,
        /// Why.
        source: ExceptionError,
    },
}

impl ProfileFileError {
    /// Returns where the problem stands, as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        let (Self::Shape { place, .. }
        | Self::Unknown { place, .. }
        | Self::Value { place, .. }
        | Self::Exception { place, .. }) = self;
        let place = place.strip_prefix("the profile").unwrap_or(place);
        let steps = place.split(['.', '[', ':']).map(|step| step.trim_matches([' ', ']']));
        let steps = steps.filter(|step| !step.is_empty()).map(str::to_owned);
        let key = self.unknown_key().map(|word| word.replace('~', "~0").replace('/', "~1"));
        steps.chain(key).fold(String::new(), |pointer, step| pointer + "/" + &step)
    }

    /// Returns whether the key at its place is wrong, and not what it has.
    pub fn is_of_key(&self) -> bool {
        self.unknown_key().is_some()
    }

    fn unknown_key(&self) -> Option<&str> {
        match self {
            Self::Unknown { what, place, word, .. } if *what == "key" || place == "controls" => {
                Some(word)
            }
            _ => None,
        }
    }
}

impl ProfileFile {
    /// Reads the data of a file.
    pub fn of_value(value: &Value) -> Result<Self, ProfileFileError> {
        let fields = mapping(value, "the profile")?;
        known_keys(fields, "the profile", &KEYS)?;
        let name = text(fields, "name", "the profile")?;
        let name = name.ok_or_else(|| shape("name", "there: the report says by what it judged"))?;
        if name.trim().is_empty()
            || name.len() > NAME_BYTES_MAX
            || name.chars().any(char::is_control)
        {
            return Err(shape("name", "a short text"));
        }
        let extends = match text(fields, "extends", "the profile")? {
            None => Profile::default(),
            Some(word) => word.parse().map_err(|_| {
                let known = Profile::ALL.iter().map(|profile| profile.name()).collect();
                unknown("extends", "profile", word, known)
            })?,
        };
        let worst_grade = text(fields, "grade", "the profile")?.map(grade).transpose()?;
        Ok(Self {
            name: name.to_owned(),
            extends,
            severities: severities(fields.get("controls"))?,
            exceptions: exceptions(fields.get("exceptions"))?,
            worst_grade,
        })
    }
}

fn severities(
    value: Option<&Value>,
) -> Result<BTreeMap<ControlId, Option<Severity>>, ProfileFileError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(BTreeMap::new()) };
    let mut severities = BTreeMap::new();
    for (name, value) in mapping(value, "controls")? {
        let id = control("controls", name)?;
        let place = format!("controls.{name}");
        let word = value.as_str().ok_or_else(|| shape(&place, "fail, warn, info or off"))?;
        let severity = match word {
            "fail" => Some(Severity::Fail),
            "warn" => Some(Severity::Warn),
            "info" => Some(Severity::Info),
            "off" => None,
            _ => return Err(unknown(&place, "severity", word, SEVERITIES.to_vec())),
        };
        severities.insert(id, severity);
    }
    Ok(severities)
}

fn exceptions(value: Option<&Value>) -> Result<Vec<AcceptedFinding>, ProfileFileError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| shape("exceptions", "a list"))?;
    if list.len() > EXCEPTIONS_MAX {
        let source = ExceptionError::TooMany;
        return Err(ProfileFileError::Exception { place: "exceptions".to_owned(), source });
    }
    let numbered = list.iter().enumerate();
    numbered.map(|(number, value)| exception(&format!("exceptions[{number}]"), value)).collect()
}

fn exception(place: &str, value: &Value) -> Result<AcceptedFinding, ProfileFileError> {
    let fields = mapping(value, place)?;
    known_keys(fields, place, &EXCEPTION_KEYS)?;
    let missing = |key: &str, wanted| shape(&format!("{place}.{key}"), wanted);
    let name = text(fields, "control", place)?;
    let name = name.ok_or_else(|| missing("control", "the name of a control"))?;
    let reason = text(fields, "reason", place)?;
    let reason = reason.ok_or_else(|| missing("reason", "there: why it is accepted"))?;
    let bad = |key: &str, problem: String| ProfileFileError::Value {
        place: format!("{place}.{key}"),
        problem,
    };
    let path = text(fields, "path", place)?;
    let path = path.map(TreePath::parse).transpose();
    let until = text(fields, "until", place)?.map(Day::from_str).transpose();
    let accepted = AcceptedFinding {
        control: control(&format!("{place}.control"), name)?,
        path: path.map_err(|error| bad("path", error.to_string()))?,
        message: None,
        reason: reason.to_owned(),
        until: until.map_err(|error| bad("until", error.to_string()))?,
    };
    accepted
        .check()
        .map_err(|source| ProfileFileError::Exception { place: place.to_owned(), source })?;
    Ok(accepted)
}

fn grade(word: &str) -> Result<Grade, ProfileFileError> {
    let known = || Grade::ALL.map(Grade::letter).to_vec();
    word.parse().map_err(|_| unknown("grade", "grade", word, known()))
}

fn control(place: &str, name: &str) -> Result<ControlId, ProfileFileError> {
    let known = || controls().iter().map(|control| control.id.name()).collect();
    name.parse().map_err(|_| unknown(place, "control", name, known()))
}

fn mapping<'v>(value: &'v Value, place: &str) -> Result<&'v Map<String, Value>, ProfileFileError> {
    value.as_object().ok_or_else(|| shape(place, "a mapping"))
}

fn text<'v>(
    fields: &'v Map<String, Value>,
    key: &str,
    place: &str,
) -> Result<Option<&'v str>, ProfileFileError> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(shape(&format!("{place}: {key}"), "a text")),
    }
}

fn known_keys(
    fields: &Map<String, Value>,
    place: &str,
    known: &[&'static str],
) -> Result<(), ProfileFileError> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(unknown(place, "key", key, known.to_vec())),
        None => Ok(()),
    }
}

fn shape(place: &str, wanted: &'static str) -> ProfileFileError {
    ProfileFileError::Shape { place: place.to_owned(), wanted }
}

fn unknown(
    place: &str,
    what: &'static str,
    word: &str,
    known: Vec<&'static str>,
) -> ProfileFileError {
    let word = word.chars().take(100).collect();
    ProfileFileError::Unknown { place: place.to_owned(), what, word, known }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_file() {
        let value = json!({
            "name": "payments",
            "extends": "compat",
            "controls": {"image-age": "off", "network-tool": "fail"},
            "exceptions": [{
                "control": "setuid-file", "path": "/usr/bin/ping", "reason": "monitoring", "until": "2027-03-31",
            }],
            "grade": "B",
        });
        let file = ProfileFile::of_value(&value).unwrap();
        assert_eq!((file.name.as_str(), file.extends), ("payments", Profile::Compat));
        assert_eq!(file.worst_grade, Some(Grade::B));
        assert_eq!(file.severities[&ControlId::ImageAge], None);
        assert_eq!(file.severities[&ControlId::NetworkTool], Some(Severity::Fail));
        assert_eq!(file.exceptions[0].to_string(), "setuid-file at /usr/bin/ping");
        let small = ProfileFile::of_value(&json!({"name": "x"})).unwrap();
        assert_eq!((small.extends, small.worst_grade), (Profile::Runtime, None));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        let exception = |value: Value| json!({"name": "x", "exceptions": [value]});
        for (value, expected) in [
            (json!(null), "the profile must be a mapping"),
            (json!([]), "the profile must be a mapping"),
            (json!({}), "name must be there: the report says by what it judged"),
            (json!({"name": 1}), "the profile: name must be a text"),
            (json!({"name": " "}), "name must be a short text"),
            (json!({"name": "a\nb"}), "name must be a short text"),
            (json!({"nam": "x"}), "the profile: there is no key \"nam\""),
            (json!({"name": "x", "extends": "prod"}), "extends: there is no profile \"prod\""),
            (json!({"name": "x", "grade": "b"}), "grade: there is no grade \"b\""),
            (json!({"name": "x", "grade": 1}), "the profile: grade must be a text"),
            (json!({"name": "x", "controls": ["shell"]}), "controls must be a mapping"),
            (
                json!({"name": "x", "controls": {"shel": "off"}}),
                "controls: there is no control \"shel\"",
            ),
            (
                json!({"name": "x", "controls": {"shell": false}}),
                "controls.shell must be fail, warn, info or off",
            ),
            (
                json!({"name": "x", "controls": {"shell": "no"}}),
                "controls.shell: there is no severity \"no\"",
            ),
            (json!({"name": "x", "exceptions": {}}), "exceptions must be a list"),
            (exception(json!("shell")), "exceptions[0] must be a mapping"),
            (
                exception(json!({"reason": "x"})),
                "exceptions[0].control must be the name of a control",
            ),
            (
                exception(json!({"control": "shell"})),
                "exceptions[0].reason must be there: why it is accepted",
            ),
            (
                exception(json!({"control": "shell", "reason": ""})),
                "exceptions[0]: the exception for shell has no reason",
            ),
            (
                exception(json!({"control": "shell", "reason": "x", "until": "1.1.2027"})),
                "exceptions[0].until: not a day like 2027-03-31: \"1.1.2027\"",
            ),
            (
                exception(json!({"control": "shell", "reason": "x", "paths": []})),
                "exceptions[0]: there is no key \"paths\"",
            ),
        ] {
            let error = ProfileFile::of_value(&value).unwrap_err();
            assert_eq!(error.to_string(), expected, "{value}");
        }
        let up = exception(json!({"control": "shell", "reason": "x", "path": "../../etc"}));
        assert!(matches!(ProfileFile::of_value(&up), Err(ProfileFileError::Value { .. })));
    }

    #[test]
    fn problems_have_places() {
        for (value, pointer) in [
            (json!([]), ""),
            (json!({}), "/name"),
            (json!({"name": 1}), "/name"),
            (json!({"name": "x", "na/me": 1}), "/na~1me"),
            (json!({"name": "x", "grade": "Z"}), "/grade"),
            (json!({"name": "x", "controls": {"shel": "off"}}), "/controls/shel"),
            (json!({"name": "x", "controls": {"shell": 1}}), "/controls/shell"),
            (json!({"name": "x", "exceptions": [1]}), "/exceptions/0"),
            (json!({"name": "x", "exceptions": [{"control": "s"}]}), "/exceptions/0/reason"),
            (
                json!({"name": "x", "exceptions": [{"control": "s", "reason": "x"}]}),
                "/exceptions/0/control",
            ),
            (json!({"name": "x", "exceptions": [{"control": 1}]}), "/exceptions/0/control"),
            (json!({"name": "x", "exceptions": [{"paths": 1}]}), "/exceptions/0/paths"),
        ] {
            let error = ProfileFile::of_value(&value).unwrap_err();
            assert_eq!(error.pointer(), pointer, "{value}: {error}");
        }
    }
}
