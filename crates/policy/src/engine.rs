// SPDX-License-Identifier: Apache-2.0
//! An engine with modules in it, and limits around it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};
use serde::{Deserialize, Serialize};

use super::{NoTests, functions, recursion, shape};

/// The largest module that is read, in bytes; the engine has the same limit.
pub const MODULE_BYTES_MAX: usize = 1 << 20;
/// The most modules that are read together.
pub const MODULES_MAX: usize = 1_000;
/// The most bytes of output of `print` that are kept.
const PRINTED_BYTES_MAX: usize = 64 << 10;
/// How many steps are made between two looks at the clock.
const STEPS_BETWEEN_CHECKS: NonZeroU32 = NonZeroU32::new(64).expect("not zero");

/// A file with Rego.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// What it is called in messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Reads a file beside a policy, by its path from there. The error says why it can't.
pub type Files = Arc<dyn Fn(&str) -> Result<Vec<u8>, String> + Send + Sync>;

/// What policies are run with.
#[derive(Clone)]
pub struct Settings {
    /// The present, in nanoseconds since 1970.
    pub now_nanoseconds: i64,
    /// How long one evaluation may take.
    pub time_max: Duration,
    /// Files beside the policy.
    pub files: Files,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("now_nanoseconds", &self.now_nanoseconds)
            .field("time_max", &self.time_max)
            .finish_non_exhaustive()
    }
}

/// Why a policy decides nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegoError {
    /// More than [`MODULES_MAX`].
    #[error("there are {0} files of Rego, more than {MODULES_MAX}")]
    TooMany(usize),
    /// More than [`MODULE_BYTES_MAX`].
    #[error("{name} has {bytes} bytes, more than {MODULE_BYTES_MAX}")]
    TooLarge {
        /// The module.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// No Rego.
    #[error("{name} is no policy in Rego: {text}")]
    Malformed {
        /// The module.
        name: String,
        /// What the engine says.
        text: String,
    },
    /// A name of a package that can't be asked for.
    #[error(
        "{name}: the package {package} has a name with other characters than letters, digits, dots and _"
    )]
    Package {
        /// The module.
        name: String,
        /// The package.
        package: String,
    },
    /// A rule or function that needs itself.
    #[error("{0} depends on itself")]
    Recursive(String),
    /// An input that the engine can't take.
    #[error("the input can't be read: {0}")]
    Input(String),
    /// Nothing to ask for.
    #[error("no package has a rule named decision, allow or deny")]
    NoDecision,
    /// It could not be evaluated.
    #[error("{rule} can't be evaluated: {text}")]
    Failed {
        /// The rule.
        rule: String,
        /// What the engine says.
        text: String,
    },
    /// It took too long.
    #[error("{rule} took longer than {seconds} seconds, and was ended")]
    Time {
        /// The rule.
        rule: String,
        /// How long it may take.
        seconds: u64,
    },
    /// A decision of another form.
    #[error("{rule} is no decision: {text}")]
    Shape {
        /// The rule.
        rule: String,
        /// What is wrong.
        text: String,
    },
    /// No test was run.
    #[error(transparent)]
    NoTests(#[from] NoTests),
}

/// Modules that were read, with the packages that they are in.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    /// Modules by name with their packages, as in `data.docker`, in order.
    pub(super) packages: Vec<(String, String)>,
    settings: Settings,
}

impl Loaded {
    /// Reads modules.
    pub(super) fn new(modules: &[Module], settings: &Settings) -> Result<Self, RegoError> {
        if modules.len() > MODULES_MAX {
            return Err(RegoError::TooMany(modules.len()));
        }
        let mut engine = Engine::new();
        engine.set_rego_v0(false);
        // As OPA and buildx do it: an operation that can't be gives nothing.
        engine.set_strict_builtin_errors(false);
        engine.set_gather_prints(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: settings.time_max,
            check_interval: STEPS_BETWEEN_CHECKS,
        });
        functions::add(&mut engine, settings);
        let mut packages = Vec::new();
        for module in modules {
            let Module { name, text } = module;
            if text.len() > MODULE_BYTES_MAX {
                return Err(RegoError::TooLarge { name: name.clone(), bytes: text.len() });
            }
            if let Some(problem) = shape::too_much(text) {
                return Err(RegoError::Malformed { name: name.clone(), text: problem });
            }
            let package = engine.add_policy(name.clone(), text.clone()).map_err(|error| {
                RegoError::Malformed { name: name.clone(), text: one_line(&error) }
            })?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
            if !package.chars().all(is_plain) {
                return Err(RegoError::Package { name: name.clone(), package });
            }
            packages.push((name.clone(), package));
        }
        let is_of_buildx = |(_, package): &(String, String)| package == functions::PACKAGE;
        // Whoever brings buildx's own has no need of ours; two of one name in two modules are too much for the engine.
        let has_own = packages.iter().any(|(module, _)| {
            functions::HELPER_NAMES
                .into_iter()
                .any(|name| engine.has_declared_rule_rooted_at(module, name).unwrap_or(false))
        });
        if !has_own && packages.iter().any(is_of_buildx) {
            let name = functions::HELPERS_NAME.to_owned();
            let added = engine.add_policy(name.clone(), functions::HELPERS.to_owned());
            added.map_err(|error| RegoError::Malformed { name, text: one_line(&error) })?;
        }
        if let Some(name) = recursion::find(&mut engine) {
            return Err(RegoError::Recursive(name));
        }
        Ok(Self { engine, packages, settings: settings.clone() })
    }

    /// Returns whether a module has rules of a name.
    pub(super) fn has(&self, module: &str, rule: &str) -> bool {
        self.engine.has_declared_rule_rooted_at(module, rule).unwrap_or(false)
    }

    /// Evaluates a rule; `None` where it is undefined.
    pub(super) fn value(&mut self, rule: &str) -> Result<Option<Value>, RegoError> {
        match self.engine.eval_rule(rule.to_owned()) {
            Ok(Value::Undefined) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.failed(rule, &error)),
        }
    }

    fn failed(&self, rule: &str, error: &anyhow::Error) -> RegoError {
        let rule = rule.to_owned();
        let is_time = error.chain().any(|cause| {
            matches!(cause.downcast_ref(), Some(LimitError::TimeLimitExceeded { .. }))
        });
        if is_time {
            return RegoError::Time { rule, seconds: self.settings.time_max.as_secs() };
        }
        RegoError::Failed { rule, text: one_line(error) }
    }

    /// Returns what `print` wrote since the last time, not endless.
    pub(super) fn printed(&mut self) -> Vec<String> {
        let mut left = PRINTED_BYTES_MAX;
        let all = self.engine.take_prints().unwrap_or_default();
        all.into_iter()
            .map_while(|line| {
                left = left.checked_sub(line.len() + 1)?;
                Some(line)
            })
            .collect()
    }
}

/// The longest message of the engine that is passed on, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// Returns what the engine says. It draws the line in question below the place; the place is enough here.
fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines = text.lines().map(str::trim).filter(|line| {
        !line.is_empty()
            && !line.starts_with('|')
            && !line.starts_with(|c: char| c.is_ascii_digit())
    });
    let joined = lines.collect::<Vec<_>>().join(" ");
    let plain = joined.replace("--> ", "").replace(char::is_control, " ");
    plain.chars().take(MESSAGE_CHARACTERS_MAX).collect()
}
