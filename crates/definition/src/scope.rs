// SPDX-License-Identifier: Apache-2.0
//! What strings and expressions of a definition may refer to on one platform.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::expression::{Names, Outcome, Problem};
use crate::model::Platform;
use crate::place::inner_span;
use crate::source::{Source, Span};
use crate::template::{self, LOOSE, Lookup, Rendered, Variables};
use crate::yaml::{Kind, Node, Scalar};

/// Longest chain of variables that refer to each other.
const MAX_CHAIN: usize = 64;

/// Built-in names, besides `definition.vars.*`.
const BUILT_INS: [&str; 9] = [
    "target.arch",
    "target.os",
    "target.platform",
    "target.dev",
    "target.fips",
    "target.flavor",
    "target.variant",
    "definition.variant",
    "definition.flavor",
];

/// Values of the definition that are needed before it is decoded.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) platform: Platform,
    pub(crate) variant: String,
    pub(crate) flavor: String,
    pub(crate) fips: bool,
}

/// How far a variable is.
#[derive(Clone, Debug)]
enum State {
    Waiting,
    Running,
    Done(String),
    Broken,
}

#[derive(Clone, Debug)]
struct Variable<'n> {
    scalar: &'n Scalar,
    key_span: Span,
    span: Span,
    state: State,
}

/// The names visible on one platform.
#[derive(Debug)]
pub(crate) struct Scope<'n> {
    sources: &'n [Source],
    facts: Facts,
    variables: BTreeMap<&'n str, Variable<'n>>,
    chain: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'n> Scope<'n> {
    /// Makes a scope with the variables of `vars`, all computed, and what is wrong with them.
    pub(crate) fn new(
        sources: &'n [Source],
        facts: Facts,
        vars: Option<&'n Node>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut variables = BTreeMap::new();
        if let Some(Kind::Map(entries)) = vars.map(|node| &node.kind) {
            for entry in entries {
                if let Kind::Scalar(scalar) = &entry.value.kind {
                    let variable = Variable {
                        scalar,
                        key_span: entry.key_span,
                        span: entry.value.span,
                        state: State::Waiting,
                    };
                    variables.insert(entry.key.as_str(), variable);
                }
            }
        }
        let mut scope = Self { sources, facts, variables, chain: 0, diagnostics: Vec::new() };
        let names: Vec<&str> = scope.variables.keys().copied().collect();
        for name in names {
            scope.resolve(name);
        }
        let diagnostics = std::mem::take(&mut scope.diagnostics);
        (scope, diagnostics)
    }

    /// The value of one of `vars`, if it could be computed.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        match &self.variables.get(name)?.state {
            State::Done(value) => Some(value),
            _ => None,
        }
    }

    fn resolve(&mut self, name: &str) -> Lookup {
        let Some(variable) = self.variables.get_mut(name) else {
            return Lookup::Undefined;
        };
        match &variable.state {
            State::Done(value) => return Lookup::Value(value.clone()),
            State::Broken => return Lookup::Broken,
            State::Running => {
                let diagnostic = Diagnostic::error(
                    Code::CyclicVariable,
                    variable.span,
                    format!("the variable `{name}` refers to itself"),
                )
                .help("break the circle by giving one variable a plain value");
                self.diagnostics.push(diagnostic);
                return Lookup::Broken;
            }
            State::Waiting => variable.state = State::Running,
        }
        let (scalar, span) = (variable.scalar, variable.span);
        if self.chain >= MAX_CHAIN {
            let key_span = variable.key_span;
            variable.state = State::Broken;
            self.diagnostics.push(Diagnostic::error(
                Code::Limit,
                key_span,
                format!("more than {MAX_CHAIN} variables refer to each other"),
            ));
            return Lookup::Broken;
        }
        self.chain += 1;
        let rendered = template::render(&scalar.text, LOOSE, self);
        self.chain -= 1;
        let errors = rendered
            .issues
            .iter()
            .any(|issue| issue.severity == crate::diagnostic::Severity::Error);
        report(self.sources, span, scalar, &rendered, &mut self.diagnostics);
        let (state, lookup) = if errors || self.is_cyclic(span) {
            (State::Broken, Lookup::Broken)
        } else {
            (State::Done(rendered.text.clone()), Lookup::Value(rendered.text))
        };
        if let Some(variable) = self.variables.get_mut(name) {
            variable.state = state;
        }
        lookup
    }

    fn is_cyclic(&self, span: Span) -> bool {
        self.diagnostics.iter().any(|diagnostic| {
            diagnostic.code == Code::CyclicVariable && diagnostic.span() == Some(span)
        })
    }

    fn built_in(&self, name: &str) -> Option<Outcome> {
        let text = |text: &str| Some(Outcome::Text(text.to_owned()));
        match name {
            "target.arch" => text(self.facts.platform.architecture()),
            "target.os" => text(self.facts.platform.os()),
            "target.platform" => text(self.facts.platform.name()),
            "target.dev" => Some(Outcome::Bool(self.facts.variant == "dev")),
            "target.fips" => Some(Outcome::Bool(self.facts.fips)),
            "target.variant" | "definition.variant" => text(&self.facts.variant),
            "target.flavor" | "definition.flavor" => text(&self.facts.flavor),
            _ => None,
        }
    }
}

impl Names for Scope<'_> {
    fn name(&mut self, name: &str, range: Range<usize>) -> Result<Outcome, Problem> {
        if let Some(value) = self.built_in(name) {
            return Ok(value);
        }
        let Some(variable) = name.strip_prefix("definition.vars.") else {
            let problem = Problem::new(
                Code::UnknownName,
                range,
                format!("there is no `{name}` in expressions"),
            );
            return Err(if self.variables.contains_key(name) {
                problem.help(format!("write `definition.vars.{name}`"))
            } else if matches!(name, "amd64" | "arm64") {
                problem.help(format!("a string is written in quotes: `\"{name}\"`"))
            } else if let Some(near) = nearest(name, BUILT_INS) {
                problem.help(format!("did you mean `{near}`?"))
            } else {
                problem.help(format!("known are definition.vars.* and {}", BUILT_INS.join(", ")))
            });
        };
        match self.resolve(variable) {
            Lookup::Value(value) => Ok(Outcome::Text(value)),
            Lookup::Undefined => {
                let near = nearest(variable, self.variables.keys().copied());
                let problem = Problem::new(
                    Code::UnknownName,
                    range,
                    format!("there is no variable `{variable}`"),
                );
                Err(match near {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem.help("define it under `vars`"),
                })
            }
            Lookup::Broken => Err(Problem::new(
                Code::CyclicVariable,
                range,
                format!("the variable `{variable}` has no value"),
            )),
        }
    }
}

impl Variables for Scope<'_> {
    fn variable(&mut self, name: &str) -> Lookup {
        match self.resolve(name) {
            Lookup::Undefined => {}
            found => return found,
        }
        if let Some(value) = self.built_in(name) {
            return Lookup::Value(value.into_text());
        }
        match name.strip_prefix("definition.vars.") {
            Some(variable) => self.resolve(variable),
            None => Lookup::Undefined,
        }
    }

    fn known(&self) -> Vec<&str> {
        let own = self.variables.keys().copied();
        own.chain(BUILT_INS).chain(["source.dir", "target.dir"]).collect()
    }
}

/// Turns the issues of a substitution into diagnostics at the right part of the scalar.
pub(crate) fn report(
    sources: &[Source],
    span: Span,
    scalar: &Scalar,
    rendered: &Rendered,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for issue in &rendered.issues {
        let problem = &issue.problem;
        let place = sources
            .get(span.source as usize)
            .map_or(span, |source| inner_span(&source.text, span, scalar, problem.range.clone()));
        diagnostics.push(Diagnostic {
            severity: issue.severity,
            help: problem.help.clone(),
            ..Diagnostic::error(problem.code, place, problem.message.clone())
        });
    }
}
