// SPDX-License-Identifier: Apache-2.0
//! From the tree to the model: one decoder that finds unknown keys, wrong types and bad values at once.
//!
//! Reading never stops at an error. A value that cannot be read is reported and replaced by a default, so that
//! everything else is checked as well; a definition with errors is never handed out.

mod accounts;
mod action;
mod build;
mod contents;
mod fields;
mod info;
mod root;
mod structure;
mod test;
mod track;
mod value;

use std::collections::BTreeMap;

pub(crate) use build::{ACTIONS, SHARING};
pub(crate) use contents::PATH_KINDS;
pub(crate) use fields::{Fields, known_keys};
pub(crate) use info::info;
pub(crate) use root::{COMPRESSIONS, ENTITLEMENTS, OUTPUTS, SCRIPTS, VARIANTS, facts};
pub(crate) use track::{TRACK_KINDS, track_keys};

use crate::check::Refusal;
use crate::diagnostic::{Code, Diagnostic, Severity, nearest};
use crate::expression::{self, Outcome};
use crate::model::{Distribution, Platform};
use crate::place::inner_span;
use crate::scope::{self, Scope};
use crate::source::{Source, Span, Spanned};
use crate::template::{self, Mode, STRICT};
use crate::yaml::{Entry, Kind, Node, Scalar};

/// What an image and its stages read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Image,
    Stage,
}

/// Decodes one tree for one platform.
#[derive(Debug)]
pub(crate) struct Decoder<'n> {
    sources: &'n [Source],
    scope: Scope<'n>,
    platform: Platform,
    distribution: Option<Distribution>,
    diagnostics: Vec<Diagnostic>,
}

/// Problems that are reported even where an `if` or `platforms` switches the entry off.
fn is_structural(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownKey
            | Code::DuplicateKey
            | Code::WrongType
            | Code::MissingKey
            | Code::UnknownValue
            | Code::BadPlatform
            | Code::BadExpression
            | Code::ExpressionType
            | Code::UnknownName
            | Code::BadRegex
            | Code::Unterminated
            | Code::Conflict
    )
}

impl<'n> Decoder<'n> {
    pub(crate) fn new(
        sources: &'n [Source],
        scope: Scope<'n>,
        platform: Platform,
        distribution: Option<Distribution>,
    ) -> Self {
        Self { sources, scope, platform, distribution, diagnostics: Vec::new() }
    }

    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::error(code, span, message));
    }

    pub(crate) fn refuse(&mut self, code: Code, span: Span, refusal: Refusal) {
        let mut diagnostic = Diagnostic::error(code, span, refusal.message);
        diagnostic.help = refusal.help;
        self.push(diagnostic);
    }

    fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let mut diagnostic = Diagnostic::error(
            Code::WrongType,
            node.span,
            format!("{what} must be {expected}, found {}", node.describe()),
        );
        if expected == "a list" && matches!(node.kind, Kind::Scalar(_)) && !node.is_null() {
            diagnostic.help = Some("write each entry on its own line after `- `".to_owned());
        }
        self.push(diagnostic);
    }

    /// A scalar that is not null.
    fn scalar(&mut self, node: &'n Node, what: &str, expected: &str) -> Option<&'n Scalar> {
        match &node.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            _ => {
                self.wrong_type(node, what, expected);
                None
            }
        }
    }

    /// Text with its placeholders substituted as `mode` says. `None` when it was reported.
    fn substituted(
        &mut self,
        node: &'n Node,
        what: &str,
        expected: &str,
        mode: Mode,
    ) -> Option<template::Rendered> {
        let scalar = self.scalar(node, what, expected)?;
        let mut rendered = template::render(&scalar.text, mode, &mut self.scope);
        scope::report(self.sources, node.span, scalar, &rendered, &mut self.diagnostics);
        if rendered.issues.iter().any(|issue| issue.severity == Severity::Error) {
            return None;
        }
        if mode == STRICT && rendered.unresolved {
            return None;
        }
        if let Some(name) = rendered.changed.then(|| left_over(&rendered.text)).flatten() {
            // The placeholder came with the value of a variable.
            if mode == STRICT {
                let message = format!("there is no variable `{name}`");
                let diagnostic = Diagnostic::error(Code::UndefinedVariable, node.span, message);
                self.push(diagnostic.remark("after substitution"));
                return None;
            }
            rendered.unresolved = true;
        }
        Some(rendered)
    }

    /// A string.
    pub(crate) fn text(
        &mut self,
        node: &'n Node,
        what: &str,
        mode: Mode,
    ) -> Option<Spanned<String>> {
        let rendered = self.substituted(node, what, "a string", mode)?;
        if rendered.text.contains('\0') {
            self.error(Code::BadText, node.span, format!("{what} has a NUL character"));
            return None;
        }
        Some(Spanned::new(rendered.text, node.span))
    }

    /// A string that a grammar checks. Text with placeholders that stay is not checked.
    pub(crate) fn checked<T>(
        &mut self,
        node: &'n Node,
        what: &str,
        mode: Mode,
        code: Code,
        check: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<Spanned<(String, Option<T>)>> {
        let rendered = self.substituted(node, what, "a string", mode)?;
        if rendered.unresolved {
            return Some(Spanned::new((rendered.text, None), node.span));
        }
        match check(&rendered.text) {
            Ok(value) => Some(Spanned::new((rendered.text, Some(value)), node.span)),
            Err(refusal) => {
                self.refuse(code, node.span, refusal);
                None
            }
        }
    }

    /// Like [`Self::checked`] for grammars that only say yes or no.
    pub(crate) fn valid(
        &mut self,
        node: &'n Node,
        what: &str,
        mode: Mode,
        code: Code,
        check: impl FnOnce(&str) -> Result<(), Refusal>,
    ) -> Option<Spanned<String>> {
        self.checked(node, what, mode, code, check).map(|found| found.map(|(text, _)| text))
    }

    /// A string with a value of its own, every placeholder known.
    pub(crate) fn parsed<T>(
        &mut self,
        node: &'n Node,
        what: &str,
        code: Code,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<Spanned<T>> {
        let found = self.checked(node, what, STRICT, code, parse)?;
        found.value.1.map(|value| Spanned::new(value, node.span))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, node: &'n Node, what: &str) -> Option<bool> {
        let scalar = self.scalar(node, what, "true or false")?;
        if let Some(value) = scalar.boolean() {
            return Some(value);
        }
        if scalar.text.contains("${") || scalar.text.contains("#{") {
            let rendered = self.substituted(node, what, "true or false", STRICT)?;
            match rendered.text.as_str() {
                "true" => return Some(true),
                "false" => return Some(false),
                _ => {}
            }
        }
        let message = format!("{what} must be true or false, found {}", node.describe());
        let mut diagnostic = Diagnostic::error(Code::WrongType, node.span, message);
        diagnostic.help = match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "false" => Some("write `false`".to_owned()),
            _ => None,
        };
        self.push(diagnostic);
        None
    }

    /// The text of an integer, not yet checked for its range.
    fn integer_text(&mut self, node: &'n Node, what: &str) -> Option<String> {
        let scalar = self.scalar(node, what, "an integer")?;
        if scalar.text.contains("${") || scalar.text.contains("#{") {
            return Some(self.substituted(node, what, "an integer", STRICT)?.text);
        }
        let digits = scalar.text.strip_prefix('-').unwrap_or(&scalar.text);
        let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if scalar.is_number() && integer {
            return Some(scalar.text.clone());
        }
        let mut message = format!("{what} must be an integer, found {}", node.describe());
        if integer {
            message.push_str(" in quotes");
        }
        let mut diagnostic = Diagnostic::error(Code::WrongType, node.span, message);
        if integer {
            diagnostic.help = Some(format!("write `{}` without quotes", scalar.text));
        }
        self.push(diagnostic);
        None
    }

    /// An integer of any type that can be parsed.
    pub(crate) fn integer<T: std::str::FromStr>(
        &mut self,
        node: &'n Node,
        what: &str,
    ) -> Option<T> {
        let text = self.integer_text(node, what)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.error(
                Code::UnknownValue,
                node.span,
                format!("{what} is out of range: {}", crate::check::quote(&text)),
            );
        }
        value
    }

    /// A user or group id.
    pub(crate) fn id(&mut self, node: &'n Node, what: &str) -> Option<u32> {
        let text = self.integer_text(node, what)?;
        match crate::check::id(&text) {
            Ok(id) => Some(id),
            Err(refusal) => {
                self.refuse(Code::BadId, node.span, refusal);
                None
            }
        }
    }

    /// One of a set of words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        node: &'n Node,
        what: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(node, what, STRICT)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text.value) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let mut diagnostic = Diagnostic::error(
            Code::UnknownValue,
            node.span,
            format!("unknown {what} {}", crate::check::quote(&text.value)),
        );
        diagnostic.help = Some(match nearest(&text.value, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? Known are {}", names.join(", ")),
            None => format!("known are {}", names.join(", ")),
        });
        self.push(diagnostic);
        None
    }

    /// The items of a list; nothing is an empty list.
    pub(crate) fn items(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            _ if node.is_null() => &[],
            _ => {
                self.wrong_type(node, what, "a list");
                &[]
            }
        }
    }

    /// The entries of a mapping; nothing is an empty mapping.
    pub(crate) fn entries(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            _ if node.is_null() => &[],
            _ => {
                self.wrong_type(node, what, "a mapping");
                &[]
            }
        }
    }

    /// A list of strings, each read by `read`.
    pub(crate) fn list<T>(
        &mut self,
        entry: Option<&'n Entry>,
        mut read: impl FnMut(&mut Self, &'n Node) -> Option<T>,
    ) -> Vec<T> {
        let Some(entry) = entry else {
            return Vec::new();
        };
        let what = format!("`{}`", entry.key);
        let mut found = Vec::new();
        for item in self.items(&entry.value, &what) {
            found.extend(read(self, item));
        }
        found
    }

    /// A list of plain strings.
    pub(crate) fn texts(
        &mut self,
        entry: Option<&'n Entry>,
        what: &str,
        mode: Mode,
    ) -> Vec<String> {
        self.list(entry, |decoder, node| decoder.text(node, what, mode).map(|text| text.value))
    }

    /// A mapping of strings to strings.
    pub(crate) fn text_map(
        &mut self,
        entry: Option<&'n Entry>,
        mode: Mode,
        mut check_key: impl FnMut(&mut Self, &'n Entry) -> bool,
    ) -> BTreeMap<String, Spanned<String>> {
        let Some(entry) = entry else {
            return BTreeMap::new();
        };
        let what = format!("`{}`", entry.key);
        let mut found = BTreeMap::new();
        for entry in self.entries(&entry.value, &what) {
            let accepted = check_key(self, entry);
            let what = format!("`{}`", crate::template::shorten(&entry.key));
            if let Some(text) = self.text(&entry.value, &what, mode)
                && accepted
            {
                found.insert(entry.key.clone(), text);
            }
        }
        found
    }

    /// Evaluates `if`; an entry without one is on, and so is one whose `if` is broken.
    pub(crate) fn condition(&mut self, entry: Option<&'n Entry>) -> bool {
        let Some(entry) = entry else {
            return true;
        };
        let node = &entry.value;
        let Some(scalar) = self.scalar(node, "`if`", "an expression") else {
            return true;
        };
        let text = if scalar.text.contains("${") {
            match self.substituted_variables(node, scalar) {
                Some(text) => text,
                None => return true,
            }
        } else {
            scalar.text.clone()
        };
        let trimmed = text.trim();
        let (inner, offset) = match trimmed.strip_prefix("#{").and_then(|t| t.strip_suffix('}')) {
            Some(inner) => (inner, 2),
            None => (trimmed, 0),
        };
        let offset = offset + (text.len() - text.trim_start().len());
        let problem = match expression::evaluate(inner, &mut self.scope) {
            Ok(Outcome::Bool(value)) => return value,
            Ok(Outcome::Text(_)) => expression::Problem::new(
                Code::ExpressionType,
                0..inner.len(),
                "`if` needs a boolean, this is a string",
            )
            .help("compare it, for example `target.arch == \"amd64\"`"),
            Err(problem) => problem,
        };
        let span = if text == scalar.text {
            let range = problem.range.start + offset..problem.range.end + offset;
            let source = self.sources.get(node.span.source as usize);
            source.map_or(node.span, |source| inner_span(&source.text, node.span, scalar, range))
        } else {
            node.span
        };
        let mut diagnostic = Diagnostic::error(problem.code, span, problem.message);
        diagnostic.help = problem.help;
        self.push(diagnostic);
        true
    }

    /// `${…}` in a condition: only variables, the expression comes later.
    fn substituted_variables(&mut self, node: &Node, scalar: &Scalar) -> Option<String> {
        let rendered = template::render(&scalar.text, template::VARIABLES, &mut self.scope);
        scope::report(self.sources, node.span, scalar, &rendered, &mut self.diagnostics);
        (!rendered.unresolved).then_some(rendered.text)
    }

    /// `platforms` of an entry: whether it is for the platform that is being rendered.
    pub(crate) fn for_this_platform(&mut self, entry: Option<&'n Entry>) -> bool {
        let Some(entry) = entry else {
            return true;
        };
        if entry.value.is_null() {
            return true;
        }
        let platforms = self.platforms(entry);
        platforms.iter().any(|platform| platform.value == self.platform)
    }

    /// A list of platforms.
    pub(crate) fn platforms(&mut self, entry: &'n Entry) -> Vec<Spanned<Platform>> {
        self.list(Some(entry), |decoder, node| {
            decoder.parsed(node, "a platform", Code::BadPlatform, |text| {
                text.parse().map_err(|_: crate::model::UnknownPlatform| {
                    let names = Platform::ALL.map(Platform::name);
                    let help = match nearest(text, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known are {}", names.join(", ")),
                    };
                    Refusal::new(format!("unknown platform {}", crate::check::quote(text)))
                        .help(help)
                })
            })
        })
    }

    /// Reads an entry that `if` and `platforms` may switch off. Then only its structure is checked.
    pub(crate) fn gated<T>(
        &mut self,
        fields: &mut Fields<'n>,
        read: impl FnOnce(&mut Self, &mut Fields<'n>) -> T,
    ) -> Option<T> {
        let on = self.condition(fields.take("if"));
        self.gated_by(on, fields, read)
    }

    /// Like [`Self::gated`] with the condition evaluated already.
    pub(crate) fn gated_by<T>(
        &mut self,
        on: bool,
        fields: &mut Fields<'n>,
        read: impl FnOnce(&mut Self, &mut Fields<'n>) -> T,
    ) -> Option<T> {
        let before = self.diagnostics.len();
        let value = read(self, fields);
        if on {
            return Some(value);
        }
        let mut kept = self.diagnostics.split_off(before);
        kept.retain(|diagnostic| is_structural(diagnostic.code));
        self.diagnostics.append(&mut kept);
        None
    }
}

/// The name in a `${…}` that is left in a text, except directories of a stage.
fn left_over(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        rest = &rest[start + 2..];
        let name = rest.split(['}', ':']).next().unwrap_or(rest);
        if !matches!(name, "source.dir" | "target.dir") {
            return Some(name);
        }
    }
    None
}
