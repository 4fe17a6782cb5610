// SPDX-License-Identifier: Apache-2.0
//! What an audit of an image found: how it is hardened, as facts that others can decide by.
//!
//! [`AuditPredicate`] is both what is written and what is read. Facts (`traits`) say what is there, whoever is allowed to
//! have it; `controls` say what came of each check under a profile, with the exceptions that were made.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{PredicateError, limited, read};
use super::time::Time;

/// Its type.
pub const URI: &str = "https://hardpan.dev/audit/v1";
const KIND: &str = "audit";
/// The most points.
const POINTS_MAX: u8 = 100;
/// The most controls; there are some dozens.
const CONTROLS_MAX: usize = 1_000;
/// The most exceptions of one control.
const EXCEPTIONS_MAX: usize = 10_000;
/// The most paths of one trait: an image of a whole distribution has some thousand programs.
const PATHS_MAX: usize = 100_000;
/// The longest id of a control, in bytes.
const ID_BYTES_MAX: usize = 64;

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditPredicate {
    /// What audited.
    pub tool: AuditTool,
    /// When.
    pub time: Time,
    /// What the image was held against: `runtime`, `dev`, or one of somebody's own.
    pub profile: String,
    /// Whether all controls that count for the profile hold.
    pub hardened: bool,
    /// How good it is.
    pub grade: Grade,
    /// The same as a number, 0 to 100.
    pub points: u8,
    /// What is in the image.
    pub traits: AuditTraits,
    /// What came of each check.
    pub controls: Vec<AuditControl>,
    /// How much there is to attack.
    pub surface: AuditSurface,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A grade. `A` is the best, and the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are letters")]
pub enum Grade {
    A,
    B,
    C,
    D,
    E,
    F,
}

impl Grade {
    /// Returns the letter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
        }
    }
}

/// What is in an image, as facts. Paths begin with a slash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditTraits {
    /// The user that the configuration names, as it stands there.
    pub user: String,
    /// Its number; `None` where a name has none in the image.
    pub uid: Option<u32>,
    /// Shells.
    pub shell: BTreeSet<String>,
    /// Package managers of distributions.
    pub package_manager: BTreeSet<String>,
    /// Package managers of languages.
    pub language_package_manager: BTreeSet<String>,
    /// Compilers, linkers, and what belongs to them.
    pub compiler: BTreeSet<String>,
    /// Debuggers and tracers.
    pub debugger: BTreeSet<String>,
    /// Programs to reach others with.
    pub network_tool: BTreeSet<String>,
    /// How many files are setuid or setgid.
    pub setuid: u64,
    /// How many files have capabilities.
    pub capabilities: u64,
    /// How many files and directories anybody may write to.
    pub world_writable: u64,
}

/// The traits that a policy can forbid, as it names them.
pub const TRAITS: [&str; 10] = [
    "root",
    "shell",
    "package-manager",
    "language-package-manager",
    "compiler",
    "debugger",
    "network-tool",
    "setuid",
    "capabilities",
    "world-writable",
];

impl AuditTraits {
    /// Returns what there is of a trait of [`TRAITS`], in words; `Ok(None)` if there is nothing of it.
    ///
    /// # Errors
    /// If there is no such trait.
    pub fn found(&self, name: &str) -> Result<Option<String>, UnknownTrait> {
        let paths = |paths: &BTreeSet<String>| {
            let first = paths.first()?;
            let more = paths.len() - 1;
            Some(if more == 0 { first.clone() } else { format!("{first} and {more} more") })
        };
        let files = |count: u64| (count > 0).then(|| format!("{count} files"));
        Ok(match name {
            "root" => match self.uid {
                Some(0) => Some(format!("the user {:?} is root", self.user)),
                Some(_) => None,
                None => Some(format!("the user {:?} has no number", self.user)),
            },
            "shell" => paths(&self.shell),
            "package-manager" => paths(&self.package_manager),
            "language-package-manager" => paths(&self.language_package_manager),
            "compiler" => paths(&self.compiler),
            "debugger" => paths(&self.debugger),
            "network-tool" => paths(&self.network_tool),
            "setuid" => files(self.setuid),
            "capabilities" => files(self.capabilities),
            "world-writable" => files(self.world_writable),
            _ => return Err(UnknownTrait),
        })
    }
}

/// No trait has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a trait")]
pub struct UnknownTrait;

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditControl {
    /// Its id, which never changes.
    pub id: String,
    /// How much it matters.
    pub severity: ControlSeverity,
    /// What came of it.
    pub result: ControlResult,
    /// How many findings there are, those that are excepted too.
    pub findings: u64,
    /// Findings that are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<AuditException>,
}

/// How much a check matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlSeverity {
    /// It is only told.
    Info,
    /// It should hold.
    Warn,
    /// It must hold, or the image is not hardened.
    Fail,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlResult {
    /// It holds.
    Pass,
    /// It does not, and has to.
    Fail,
    /// It does not, and should.
    Warn,
    /// There is something to know.
    Info,
    /// It does not, and all that was found is allowed.
    Excepted,
    /// It could not be measured.
    Unmeasured,
    /// There is nothing that it could be about.
    NotApplicable,
}

impl ControlResult {
    /// Returns the word in the predicate.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Excepted => "excepted",
            Self::Unmeasured => "unmeasured",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// A finding that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuditException {
    /// Where; none for all of the control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts: `2026-12-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::civil::Date>,
}

/// How much there is to attack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditSurface {
    /// Files that can be executed.
    pub executables: u64,
    /// ELF files.
    pub elf: u64,
    /// Packages.
    pub packages: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Files that are setuid or setgid.
    pub setuid: u64,
    /// Interpreters.
    pub interpreters: u64,
}

impl AuditPredicate {
    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        // Lists would do for objects, with fields by their places.
        for place in ["tool", "traits", "surface"] {
            if value.get(place).is_some_and(|inner| !inner.is_object()) {
                return Err(PredicateError::invalid(KIND, place, "it is not an object"));
            }
        }
        let controls = value.get("controls").and_then(Value::as_array).into_iter().flatten();
        if controls.clone().any(|control| !control.is_object()) {
            return Err(PredicateError::invalid(KIND, "controls", "one is not an object"));
        }
        let audit: Self = read(KIND, value)?;
        audit.check()?;
        Ok(audit)
    }

    /// Returns what came of a check.
    pub fn control(&self, id: &str) -> Option<&AuditControl> {
        self.controls.iter().find(|control| control.id == id)
    }

    /// Refuses what can't be true.
    pub fn check(&self) -> Result<(), PredicateError> {
        let invalid = |place: &str, reason: &str| Err(PredicateError::invalid(KIND, place, reason));
        if self.tool.name.is_empty() || self.tool.version.is_empty() {
            return invalid("tool", "it has no name or no version");
        }
        if !is_id(&self.profile) {
            return invalid("profile", "it is no name of small letters, digits, dots and dashes");
        }
        if self.points > POINTS_MAX {
            return invalid("points", "there are more than 100");
        }
        self.check_traits()?;
        limited(KIND, "controls", self.controls.len(), CONTROLS_MAX)?;
        let mut seen = BTreeSet::new();
        for control in &self.controls {
            check_control(control)?;
            if !seen.insert(&control.id) {
                return invalid(&control.id, "it stands twice");
            }
            let is_broken =
                control.result == ControlResult::Fail && control.severity == ControlSeverity::Fail;
            if is_broken && self.hardened {
                return invalid("hardened", "a control that must hold does not");
            }
        }
        Ok(())
    }

    fn check_traits(&self) -> Result<(), PredicateError> {
        let traits = &self.traits;
        for (place, paths) in [
            ("traits.shell", &traits.shell),
            ("traits.packageManager", &traits.package_manager),
            ("traits.languagePackageManager", &traits.language_package_manager),
            ("traits.compiler", &traits.compiler),
            ("traits.debugger", &traits.debugger),
            ("traits.networkTool", &traits.network_tool),
        ] {
            limited(KIND, "paths of a trait", paths.len(), PATHS_MAX)?;
            if paths.iter().any(|path| !path.starts_with('/') || path.chars().any(char::is_control))
            {
                return Err(PredicateError::invalid(KIND, place, "one is no path from the root"));
            }
        }
        // Both are said of the same: `0` is no user but root, and nothing is root, too.
        let user = traits.user.split(':').next().unwrap_or_default();
        let number = if matches!(user, "" | "root") { Some(0) } else { user.parse().ok() };
        if number.is_some() && traits.uid != number {
            let reason = "it is not the number of the user that is named";
            return Err(PredicateError::invalid(KIND, "traits.uid", reason));
        }
        Ok(())
    }
}

fn check_control(control: &AuditControl) -> Result<(), PredicateError> {
    let invalid = |reason: &str| {
        Err(PredicateError::invalid(KIND, format!("control {}", control.id), reason))
    };
    if !is_id(&control.id) {
        return invalid("its id has more than small letters, digits, dots and dashes");
    }
    limited(KIND, "exceptions of a control", control.exceptions.len(), EXCEPTIONS_MAX)?;
    if control.exceptions.iter().any(|exception| exception.reason.trim().is_empty()) {
        return invalid("an exception has no reason");
    }
    match (control.result, control.findings) {
        (ControlResult::Pass | ControlResult::NotApplicable, 1..) => {
            invalid("it holds, and has findings")
        }
        (ControlResult::Fail | ControlResult::Warn | ControlResult::Excepted, 0) => {
            invalid("it does not hold, and has no finding")
        }
        (ControlResult::Excepted, _) if control.exceptions.is_empty() => {
            invalid("it is excepted, and has no exception")
        }
        _ => Ok(()),
    }
}

/// Returns whether a text can name a control or a profile.
pub(crate) fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.bytes().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'.'))
        && text.bytes().next().is_some_and(is_plain)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A whole audit of a hardened image.
    pub(crate) fn hardened() -> Value {
        json!({
            "tool": {"name": "hardpan", "version": "0.1.0"},
            "time": "2026-11-10T00:00:00Z",
            "profile": "runtime", "hardened": true, "grade": "A", "points": 97,
            "traits": {
                "user": "65532", "uid": 65532, "shell": [], "packageManager": [],
                "languagePackageManager": [], "compiler": [], "debugger": [], "networkTool": [],
                "setuid": 0, "capabilities": 0, "worldWritable": 0,
            },
            "controls": [
                {"id": "shell", "severity": "fail", "result": "pass", "findings": 0},
                {"id": "healthcheck", "severity": "info", "result": "info", "findings": 1},
                {"id": "low-port", "severity": "fail", "result": "excepted", "findings": 1,
                 "exceptions": [{"path": "/x", "reason": "it is one", "until": "2027-01-01"}]},
            ],
            "surface": {"executables": 3, "elf": 20, "packages": 9, "bytes": 7, "files": 90, "setuid": 0, "interpreters": 0},
        })
    }

    #[test]
    fn an_audit_survives_the_way_through_json() {
        let value = hardened();
        let audit = AuditPredicate::from_value(&value).unwrap();
        assert_eq!(serde_json::to_value(&audit).unwrap(), value);
        assert_eq!(audit.control("shell").unwrap().result, ControlResult::Pass);
        assert!(audit.control("none").is_none());
        assert!(Grade::A < Grade::B && Grade::F.as_str() == "F");
        // Others may say more.
        let mut more = value.clone();
        more["more"] = json!(1);
        assert_eq!(AuditPredicate::from_value(&more).unwrap(), audit);
    }

    #[test]
    fn traits_say_what_there_is() {
        let mut value = hardened();
        value["traits"]["shell"] = json!(["/bin/sh", "/usr/bin/dash"]);
        value["traits"]["worldWritable"] = json!(2);
        let traits = AuditPredicate::from_value(&value).unwrap().traits;
        assert_eq!(traits.found("shell").unwrap().unwrap(), "/bin/sh and 1 more");
        assert_eq!(traits.found("world-writable").unwrap().unwrap(), "2 files");
        for name in TRAITS {
            let is_there = traits.found(name).unwrap().is_some();
            assert_eq!(is_there, matches!(name, "shell" | "world-writable"), "{name}");
        }
        assert_eq!(traits.found("Shell"), Err(UnknownTrait));
        let nobody = AuditTraits { user: "app".into(), ..AuditTraits::default() };
        assert!(nobody.found("root").unwrap().unwrap().contains("no number"));
    }

    #[test]
    fn what_can_t_be_is_refused() {
        let two = json!([
            {"id": "a", "severity": "warn", "result": "pass", "findings": 0},
            {"id": "a", "severity": "warn", "result": "pass", "findings": 0},
        ]);
        let control = |changes: Value| {
            let mut one = json!({"id": "a", "severity": "warn", "result": "pass", "findings": 0});
            for (key, value) in changes.as_object().unwrap() {
                one[key] = value.clone();
            }
            json!([one])
        };
        for (pointer, value, expected) in [
            ("/tool/name", json!(""), "no name"),
            ("/tool", json!(["hardpan", "1"]), "not an object"),
            ("/time", json!("yesterday"), "malformed"),
            ("/profile", json!("Run time"), "profile"),
            ("/profile", json!(""), "profile"),
            ("/hardened", json!("yes"), "malformed"),
            ("/grade", json!("A+"), "malformed"),
            ("/grade", json!("a"), "malformed"),
            ("/points", json!(101), "more than 100"),
            ("/points", json!(-1), "malformed"),
            ("/traits", json!([]), "not an object"),
            ("/traits/shell", json!(["bin/sh"]), "from the root"),
            ("/traits/shell", json!(["/bin/s\nh"]), "from the root"),
            ("/traits/shell", json!(true), "malformed"),
            ("/traits/setuid", json!(-1), "malformed"),
            ("/traits/uid", json!(1), "not the number"),
            ("/traits/uid", json!(null), "not the number"),
            ("/traits/user", json!(""), "not the number"),
            ("/traits/user", json!("root:app"), "not the number"),
            ("/controls", json!({}), "malformed"),
            ("/controls", json!([["a", "fail", "pass", 0]]), "not an object"),
            ("/controls", two, "twice"),
            ("/controls", control(json!({"id": "A"})), "small letters"),
            ("/controls", control(json!({"id": ""})), "small letters"),
            ("/controls", control(json!({"result": "ok"})), "malformed"),
            ("/controls", control(json!({"severity": "high"})), "malformed"),
            ("/controls", control(json!({"findings": 1})), "has findings"),
            ("/controls", control(json!({"result": "fail"})), "no finding"),
            ("/controls", control(json!({"result": "excepted", "findings": 1})), "no exception"),
            (
                "/controls",
                control(json!({"severity": "fail", "result": "fail", "findings": 1})),
                "must hold does not",
            ),
            (
                "/controls",
                control(
                    json!({"result": "excepted", "findings": 1, "exceptions": [{"reason": " "}]}),
                ),
                "no reason",
            ),
            (
                "/controls",
                control(json!({"result": "excepted", "findings": 1,
                    "exceptions": [{"reason": "r", "until": "soon"}]})),
                "malformed",
            ),
            ("/surface/files", json!(1.5), "malformed"),
        ] {
            let mut audit = hardened();
            *audit.pointer_mut(pointer).unwrap() = value.clone();
            let error = AuditPredicate::from_value(&audit).unwrap_err().to_string();
            assert!(error.contains(expected), "{pointer} {value}: {error}");
        }
        let whole = hardened();
        for key in whole.as_object().unwrap().keys() {
            let mut audit = whole.clone();
            audit.as_object_mut().unwrap().remove(key);
            assert!(AuditPredicate::from_value(&audit).is_err(), "without {key}");
        }
        for value in [json!(null), json!([]), json!("x"), json!({})] {
            assert!(AuditPredicate::from_value(&value).is_err(), "{value}");
        }
    }
}
