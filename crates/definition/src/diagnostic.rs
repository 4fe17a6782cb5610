// SPDX-License-Identifier: Apache-2.0
//! Diagnostics: plain data that points into sources. The command line draws them.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::source::{Source, Span};

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// The definition can be used, but probably does not mean what was written.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident => $name:literal,)*) => {
        /// What a diagnostic is about: stable, kebab-case names for documentation, filters and SARIF.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One or two sentences on what the code means.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The text is not valid YAML.
    BadYaml => "bad-yaml",
    /// The text is too large, too deep or expands to too much.
    Limit => "limit",
    /// A key that the format does not know.
    UnknownKey => "unknown-key",
    /// The same key stands twice in one mapping.
    DuplicateKey => "duplicate-key",
    /// A value of the wrong kind, for example a list where a string belongs.
    WrongType => "wrong-type",
    /// A required key is missing.
    MissingKey => "missing-key",
    /// The `# syntax=` line is missing or not understood.
    BadSyntaxLine => "bad-syntax-line",
    /// A value outside the allowed set.
    UnknownValue => "unknown-value",
    /// A value that is empty where something is needed.
    EmptyValue => "empty-value",
    /// A file mode that is not octal or has unknown bits.
    BadMode => "bad-mode",
    /// A user or group id out of range.
    BadId => "bad-id",
    /// A port that is not `number`, `number/protocol` or `first-last`.
    BadPort => "bad-port",
    /// A platform other than linux/amd64 and linux/arm64.
    BadPlatform => "bad-platform",
    /// A package URL that does not follow the purl grammar.
    BadPurl => "bad-purl",
    /// A checksum that is no `sha256:` digest, git commit or URL.
    BadChecksum => "bad-checksum",
    /// A URL with a scheme that is not allowed, without host, or with blanks.
    BadUrl => "bad-url",
    /// An environment variable name with characters outside `A-Z a-z 0-9 _ - .`, or empty.
    BadEnvironmentName => "bad-environment-name",
    /// A variable name that `${…}` could not name.
    BadVariableName => "bad-variable-name",
    /// A tag outside the OCI tag grammar.
    BadTag => "bad-tag",
    /// An image reference outside the OCI reference grammar.
    BadImageReference => "bad-image-reference",
    /// A path that is relative, has `..`, or holds control characters.
    BadPath => "bad-path",
    /// An archive line or URL in `repositories` that is not understood.
    BadRepository => "bad-repository",
    /// A package entry that is no `name`, `name=version` or `!name`.
    BadPackage => "bad-package",
    /// A version pin that the distribution's version grammar refuses.
    BadPackageVersion => "bad-package-version",
    /// A user or group name that passwd could not hold.
    BadAccountName => "bad-account-name",
    /// `run-as` names nobody in `users`.
    UnknownUser => "unknown-user",
    /// A user's gid or a group's member is not declared.
    UnknownGroup => "unknown-group",
    /// Two users, groups, stages or tags with one name, or two users with one id.
    Duplicate => "duplicate",
    /// Two entries of `paths` for the same path.
    DuplicatePath => "duplicate-path",
    /// Keys that exclude each other, or a key that its neighbours make meaningless.
    Conflict => "conflict",
    /// A `${…}` that names no variable.
    UndefinedVariable => "undefined-variable",
    /// Variables that refer to each other in a circle.
    CyclicVariable => "cyclic-variable",
    /// A `${` or `#{` without its closing brace.
    Unterminated => "unterminated",
    /// A regular expression in `${NAME:regex}` that does not compile.
    BadRegex => "bad-regex",
    /// A regular expression in `${NAME:regex}` that does not match the variable.
    RegexMismatch => "regex-mismatch",
    /// An expression in `#{…}` or `if` with a syntax error.
    BadExpression => "bad-expression",
    /// An expression that mixes types, or an `if` that is no yes or no.
    ExpressionType => "expression-type",
    /// An expression with a name that does not exist.
    UnknownName => "unknown-name",
    /// An included file that cannot be loaded.
    BadInclude => "bad-include",
    /// Files that include each other in a circle, or too deep.
    IncludeCycle => "include-cycle",
    /// A date that is not `YYYY-MM-DD`.
    BadDate => "bad-date",
    /// A signal name or number that no kernel knows.
    BadSignal => "bad-signal",
    /// Text with a NUL or another character that its place cannot hold.
    BadText => "bad-text",
    /// `platforms` does not list the platform that was asked for.
    PlatformNotListed => "platform-not-listed",
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A place and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A remark beside the place, may be empty.
    pub text: String,
}

/// One problem. The first label is the primary one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence in lower case without a final period.
    pub message: String,
    /// Where: the primary place first, then related places.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label { span, text: String::new() }],
            help: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds the remark of the primary label.
    #[must_use]
    pub fn remark(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The primary place, if there is one.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// File name, line and column (from 1) of the primary place.
    pub fn locate<'s>(&self, sources: &'s [Source]) -> Option<(&'s str, usize, usize)> {
        let span = self.span()?;
        let source = sources.get(span.source as usize)?;
        let (line, column) = source.line_column(span.start as usize);
        Some((&source.name, line, column))
    }

    /// One or two lines: `file:line:column: error[code]: message`, then the help.
    /// For logs and tests; the command line draws the source as well.
    pub fn render_plain(&self, sources: &[Source]) -> String {
        let mut text = match self.locate(sources) {
            Some((name, line, column)) => format!("{name}:{line}:{column}: "),
            None => String::new(),
        };
        let _ = write!(text, "{}[{}]: {}", self.severity, self.code, self.message);
        if let Some(help) = &self.help {
            text.push_str("\n  help: ");
            text.push_str(help);
        }
        text
    }
}

/// Sorts by place, removes repetitions (a definition is checked once per platform).
pub(crate) fn normalise(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|left, right| {
        (left.span(), left.code, &left.message).cmp(&(right.span(), right.code, &right.message))
    });
    diagnostics.dedup();
}

/// The candidate nearest to `word`, if it is near enough to be a likely typing mistake.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let folded = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let word = folded(word);
    if word.chars().count() > 64 {
        return None;
    }
    let allowed = match word.chars().count() {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &folded(candidate)), candidate))
        .filter(|&(distance, candidate)| distance <= allowed && distance < candidate.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (row, cells) in rows.iter_mut().enumerate() {
        cells[0] = row;
    }
    for (column, cell) in rows[0].iter_mut().enumerate() {
        *cell = column;
    }
    for row in 1..=left.len() {
        for column in 1..=right.len() {
            let cost = usize::from(left[row - 1] != right[column - 1]);
            let mut best = (rows[row - 1][column] + 1)
                .min(rows[row][column - 1] + 1)
                .min(rows[row - 1][column - 1] + cost);
            let swapped = row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1];
            if swapped {
                best = best.min(rows[row - 2][column - 2] + 1);
            }
            rows[row][column] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::{Code, distance, nearest};
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_described() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.description().ends_with('.')));
    }

    #[test]
    fn near_names() {
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("", "abc"), 3);
        let keys = ["packages", "platforms", "paths", "work-dir", "cmd"];
        for (word, expected) in [
            ("packges", Some("packages")),
            ("Packages", Some("packages")),
            ("work_dir", Some("work-dir")),
            ("workdir", Some("work-dir")),
            ("cdm", Some("cmd")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }
}
