// SPDX-License-Identifier: Apache-2.0
//! `${NAME}`, `${NAME:regex}` and `#{expression}` in strings.
//!
//! How strict a string is depends on where it stands ([`Mode`]): a package name has no use for an unknown `${X}`,
//! while in a script it belongs to the shell.

use std::ops::Range;

use regex::RegexBuilder;

use crate::diagnostic::{Code, Severity, nearest};
use crate::expression::{self, Names, Outcome, Problem};

/// Longest text that substitution may make, in bytes.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Limit of a compiled regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Names that stay in the text: they are directories of a build stage.
const STAGE_DIRECTORIES: [&str; 2] = ["source.dir", "target.dir"];

/// What happens to something that cannot be substituted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    Error,
    Warn,
    Leave,
}

/// Which `#{…}` are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expressions {
    All,
    /// Those that cannot be another language's.
    Ours,
    Never,
}

/// How a string treats placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    substitute: bool,
    unknown: Otherwise,
    expressions: Expressions,
}

/// Every placeholder must be known: package names, tags, URLs of the image.
pub(crate) const STRICT: Mode =
    Mode { substitute: true, unknown: Otherwise::Error, expressions: Expressions::All };
/// Unknown placeholders stay with a warning: published definitions have them.
pub(crate) const LOOSE: Mode =
    Mode { substitute: true, unknown: Otherwise::Warn, expressions: Expressions::All };
/// Unknown placeholders are environment variables; expressions are ours.
pub(crate) const ENVIRONMENT: Mode =
    Mode { substitute: true, unknown: Otherwise::Leave, expressions: Expressions::All };
/// Unknown placeholders belong to the shell, and so may `#{…}`.
pub(crate) const SHELL: Mode =
    Mode { substitute: true, unknown: Otherwise::Leave, expressions: Expressions::Ours };
/// Every variable must be known, expressions stay.
pub(crate) const VARIABLES: Mode =
    Mode { substitute: true, unknown: Otherwise::Error, expressions: Expressions::Never };
/// No placeholders at all.
pub(crate) const RAW: Mode =
    Mode { substitute: false, unknown: Otherwise::Leave, expressions: Expressions::Never };

/// Something to report about a part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) severity: Severity,
    pub(crate) problem: Problem,
}

/// The value of a `${NAME}`.
pub(crate) enum Lookup {
    Value(String),
    /// There is no such variable.
    Undefined,
    /// The variable is being computed right now, or its value is broken and was reported.
    Broken,
}

/// What placeholders may refer to.
pub(crate) trait Variables: Names {
    /// The value of a variable or of a built-in such as `target.arch`.
    fn variable(&mut self, name: &str) -> Lookup;

    /// All names, for suggestions.
    fn known(&self) -> Vec<&str>;
}

/// The outcome of a substitution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) issues: Vec<Issue>,
    /// Whether something was replaced.
    pub(crate) changed: bool,
    /// Whether unknown placeholders stay in the text, apart from directories of a stage.
    pub(crate) unresolved: bool,
}

/// Substitutes all placeholders of `text`.
pub(crate) fn render(text: &str, mode: Mode, variables: &mut dyn Variables) -> Rendered {
    if !mode.substitute || !(text.contains("${") || text.contains("#{")) {
        return Rendered { text: text.to_owned(), ..Rendered::default() };
    }
    let mut renderer = Renderer { source: text, mode, variables, out: Rendered::default() };
    renderer.run();
    renderer.out
}

struct Renderer<'a, 'v> {
    source: &'a str,
    mode: Mode,
    variables: &'v mut dyn Variables,
    out: Rendered,
}

impl Renderer<'_, '_> {
    fn run(&mut self) {
        let mut at = 0;
        while at < self.source.len() {
            let rest = &self.source[at..];
            let next = [rest.find("${"), rest.find("#{")].into_iter().flatten().min();
            let Some(start) = next.map(|offset| at + offset) else {
                break;
            };
            self.out.text.push_str(&self.source[at..start]);
            at = if self.source[start..].starts_with("${") {
                self.variable(start)
            } else {
                self.expression(start)
            };
            if self.out.text.len() > MAX_TEXT_BYTES {
                self.issue(
                    Severity::Error,
                    Problem::new(
                        Code::Limit,
                        start..start + 2,
                        format!("the text grows beyond {MAX_TEXT_BYTES} bytes here"),
                    ),
                );
                return;
            }
        }
        self.out.text.push_str(&self.source[at..]);
    }

    fn issue(&mut self, severity: Severity, problem: Problem) {
        self.out.issues.push(Issue { severity, problem });
    }

    /// Reports according to the mode and leaves `range` as it is; returns where to go on.
    fn leave(&mut self, range: Range<usize>, problem: impl FnOnce() -> Problem) -> usize {
        match self.mode.unknown {
            Otherwise::Error => self.issue(Severity::Error, problem()),
            Otherwise::Warn => self.issue(Severity::Warning, problem()),
            Otherwise::Leave => {}
        }
        self.out.unresolved = true;
        self.keep(range)
    }

    fn keep(&mut self, range: Range<usize>) -> usize {
        self.out.text.push_str(&self.source[range.clone()]);
        range.end
    }

    fn replace(&mut self, value: &str, end: usize) -> usize {
        self.out.text.push_str(value);
        self.out.changed = true;
        end
    }

    /// A `${…}` that begins at `start`.
    fn variable(&mut self, start: usize) -> usize {
        let Some(end) = closing_brace(self.source, start + 2) else {
            return self.leave(start..start + 2, || {
                Problem::new(Code::Unterminated, start..start + 2, "`${` without its `}`")
            });
        };
        let whole = start..end + 1;
        let inside = &self.source[start + 2..end];
        let (name, regex) = match inside.split_once(':') {
            Some((name, regex)) => (name, Some(regex)),
            None => (inside, None),
        };
        if STAGE_DIRECTORIES.contains(&name) && regex.is_none() {
            return self.keep(whole);
        }
        if !is_name(name) {
            return self.leave(whole, || {
                Problem::new(
                    Code::BadVariableName,
                    start + 2..start + 2 + name.len(),
                    format!("`{}` is no variable name", name.escape_debug()),
                )
            });
        }
        if self.mode.unknown == Otherwise::Leave && regex.is_some_and(is_shell_expansion) {
            self.out.unresolved = true;
            return self.keep(whole);
        }
        match self.variables.variable(name) {
            Lookup::Value(value) => match regex {
                None => self.replace(&value, whole.end),
                Some(regex) => {
                    let regex_start = start + 2 + name.len() + 1;
                    self.extract(whole, name, &value, regex, regex_start)
                }
            },
            Lookup::Broken => {
                self.out.unresolved = true;
                self.keep(whole)
            }
            Lookup::Undefined => {
                let near = nearest(name, self.variables.known()).map(str::to_owned);
                self.leave(whole, || undefined(name, start + 2, near.as_deref()))
            }
        }
    }

    /// `${NAME:regex}`: the first group of the match, or the whole match if there is no group.
    fn extract(
        &mut self,
        whole: Range<usize>,
        name: &str,
        value: &str,
        pattern: &str,
        start: usize,
    ) -> usize {
        let range = start..start + pattern.len();
        let compiled = RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build();
        let regex = match compiled {
            Ok(regex) => regex,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason);
                return self.leave(whole, || {
                    Problem::new(
                        Code::BadRegex,
                        range,
                        format!("the regular expression does not compile: {reason}"),
                    )
                });
            }
        };
        let found = regex
            .captures(value)
            .and_then(|captures| captures.get(1).or_else(|| captures.get(0)))
            .map(|found| found.as_str());
        match found {
            Some(found) => self.replace(found, whole.end),
            None => self.leave(whole, || {
                Problem::new(
                    Code::RegexMismatch,
                    range,
                    format!(
                        "the regular expression does not match `{}`, the value of `{name}`",
                        shorten(value)
                    ),
                )
            }),
        }
    }

    /// A `#{…}` that begins at `start`.
    fn expression(&mut self, start: usize) -> usize {
        if self.mode.expressions == Expressions::Never {
            return self.keep(start..start + 2);
        }
        let all = self.mode.expressions == Expressions::All;
        let Some(end) = closing_expression(self.source, start + 2) else {
            if !all {
                return self.keep(start..start + 2);
            }
            self.issue(
                Severity::Error,
                Problem::new(Code::Unterminated, start..start + 2, "`#{` without its `}`"),
            );
            self.out.unresolved = true;
            return self.keep(start..start + 2);
        };
        let whole = start..end + 1;
        let inside = &self.source[start + 2..end];
        if !all && !expression::is_ours(inside) {
            return self.keep(whole);
        }
        let mut names = Offset { names: self.variables };
        match expression::evaluate(inside, &mut names).map(Outcome::into_text) {
            Ok(text) => self.replace(&text, whole.end),
            Err(mut problem) => {
                problem.range = start + 2 + problem.range.start..start + 2 + problem.range.end;
                self.issue(Severity::Error, problem);
                self.out.unresolved = true;
                self.keep(whole)
            }
        }
    }
}

/// Passes names through: a `dyn Variables` is not a `dyn Names` by itself.
struct Offset<'v> {
    names: &'v mut dyn Variables,
}

impl Names for Offset<'_> {
    fn name(&mut self, name: &str, range: Range<usize>) -> Result<Outcome, Problem> {
        self.names.name(name, range)
    }
}

fn undefined(name: &str, at: usize, near: Option<&str>) -> Problem {
    let problem = Problem::new(
        Code::UndefinedVariable,
        at..at + name.len(),
        format!("there is no variable `{name}`"),
    );
    match near {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("define it under `vars`"),
    }
}

/// `NAME`, or a built-in with dots such as `target.arch`.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// What follows the colon in the shell's own expansions: `${X:-default}`, `${X:0:3}` and the like.
fn is_shell_expansion(text: &str) -> bool {
    text.starts_with(['-', '+', '=', '?', ' ']) || text.starts_with(|c: char| c.is_ascii_digit())
}

/// The brace that closes `${`, on the same line; braces of the regular expression nest.
fn closing_brace(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (offset, byte) in text.as_bytes()[start..].iter().enumerate() {
        match byte {
            b'\n' => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(start + offset),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The brace that closes `#{`, outside of the expression's strings.
fn closing_expression(text: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (offset, byte) in text.as_bytes()[start..].iter().enumerate() {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'}') => return Some(start + offset),
            _ => {}
        }
    }
    // A string that is never closed: let the expression's own parser say so.
    text[start..].find('}').map(|offset| start + offset)
}

/// A value for a message.
pub(crate) fn shorten(text: &str) -> String {
    const LIMIT: usize = 60;
    let escaped: String = text.escape_debug().collect();
    if escaped.chars().count() <= LIMIT {
        return escaped;
    }
    let mut short: String = escaped.chars().take(LIMIT - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Names for Fixed {
        fn name(&mut self, name: &str, range: Range<usize>) -> Result<Outcome, Problem> {
            if name == "target.arch" {
                return Ok(Outcome::Text("arm64".to_owned()));
            }
            Err(Problem::new(Code::UnknownName, range, name))
        }
    }

    impl Variables for Fixed {
        fn variable(&mut self, name: &str) -> Lookup {
            match name {
                "VERSION" => Lookup::Value("v1.22.3".to_owned()),
                "PATCH_CVE-2025-1" => Lookup::Value("p".to_owned()),
                "target.arch" => Lookup::Value("arm64".to_owned()),
                _ => Lookup::Undefined,
            }
        }

        fn known(&self) -> Vec<&str> {
            vec!["VERSION", "target.arch"]
        }
    }

    #[test]
    fn replacements() {
        for (text, mode, expected) in [
            ("a ${VERSION} b", STRICT, "a v1.22.3 b"),
            ("${VERSION}${VERSION}", STRICT, "v1.22.3v1.22.3"),
            ("${VERSION:^v?([0-9]+\\.[0-9]+).*$}", STRICT, "1.22"),
            ("${VERSION:[0-9]{2}}", STRICT, "22"),
            ("${target.arch}", STRICT, "arm64"),
            ("${PATCH_CVE-2025-1}", STRICT, "p"),
            ("${source.dir}/x ${target.dir}", STRICT, "${source.dir}/x ${target.dir}"),
            ("#{ target.arch == \"arm64\" ? \"}\" : 'y' }!", STRICT, "}!"),
            (
                "${HOME:-/root} ${X} ${1#-} ${VERSION:-x}",
                SHELL,
                "${HOME:-/root} ${X} ${1#-} ${VERSION:-x}",
            ),
            ("echo #{version} #{target.arch} ${", SHELL, "echo #{version} arm64 ${"),
            ("${LD_LIBRARY_PATH}:/x ${VERSION}", ENVIRONMENT, "${LD_LIBRARY_PATH}:/x v1.22.3"),
            ("$VERSION $${VERSION} # {", STRICT, "$VERSION $v1.22.3 # {"),
            ("${VERSION} #{ x", RAW, "${VERSION} #{ x"),
        ] {
            let rendered = render(text, mode, &mut Fixed);
            assert_eq!(rendered.text, expected, "{text}");
            assert!(rendered.issues.is_empty(), "{text}: {:?}", rendered.issues);
        }
    }

    #[test]
    fn problems() {
        for (text, code, range) in [
            ("a ${VERSON}", Code::UndefinedVariable, 4..10),
            ("a ${VERSION", Code::Unterminated, 2..4),
            ("a #{ target.arch", Code::Unterminated, 2..4),
            ("${1X}", Code::BadVariableName, 2..4),
            ("${}", Code::BadVariableName, 2..2),
            ("${VERSION:^x}", Code::RegexMismatch, 10..12),
            ("${VERSION:(}", Code::BadRegex, 10..11),
            ("x#{ nope }", Code::UnknownName, 4..8),
            ("x#{ 'a }", Code::BadExpression, 4..7),
        ] {
            let rendered = render(text, STRICT, &mut Fixed);
            let issue = rendered.issues.first().expect(text);
            assert_eq!((issue.problem.code, issue.problem.range.clone()), (code, range), "{text}");
            assert_eq!(issue.severity, Severity::Error, "{text}");
            assert!(rendered.unresolved, "{text}");
        }
        let loose = render("${VERSON}", LOOSE, &mut Fixed);
        assert_eq!(loose.issues[0].severity, Severity::Warning);
        assert_eq!(loose.issues[0].problem.help.as_deref(), Some("did you mean `VERSION`?"));
    }
}
