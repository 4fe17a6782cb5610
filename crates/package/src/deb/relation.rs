// SPDX-License-Identifier: Apache-2.0
//! Relations between packages: `Depends` and its kin (Debian policy 7, deb-control(5)).

use std::cmp::Ordering;
use std::fmt;

use super::version::{VersionError, VersionRef};

/// The most clauses in one field; Debian's longest has about 800.
const CLAUSES_MAX: usize = 20_000;
/// The most alternatives in one clause.
const ALTERNATIVES_MAX: usize = 2_000;
/// The longest package name, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `<<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>>`
    Greater,
}

impl Operator {
    /// Returns whether `left operator right` holds.
    pub fn holds(self, left: &VersionRef<'_>, right: &VersionRef<'_>) -> bool {
        let order = left.cmp(right);
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Greater => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">>",
        })
    }
}

/// What stands after the colon of `name:qualifier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qualifier<'t> {
    /// `:any`, any architecture.
    Any,
    /// `:native`, the architecture that is built for.
    Native,
    /// A named architecture.
    Architecture(&'t str),
}

/// One alternative: a package name with conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation<'t> {
    /// The name of a real or virtual package.
    pub name: &'t str,
    /// The architecture qualifier.
    pub qualifier: Option<Qualifier<'t>>,
    /// The versions that are meant; all if absent.
    pub version: Option<(Operator, VersionRef<'t>)>,
    /// The `[…]` list; true in front of those with `!`. Empty means all architectures.
    pub architectures: Vec<(bool, &'t str)>,
    /// The `<…>` lists of build profiles; true in front of those with `!`.
    pub profiles: Vec<Vec<(bool, &'t str)>>,
}

impl Relation<'_> {
    /// Returns whether the relation is in force for an architecture when no build profile is
    /// active, as it is for everything but building a source package.
    pub fn applies(&self, architecture: &str) -> bool {
        let negated = self.architectures.first().is_some_and(|(negated, _)| *negated);
        let listed = self.architectures.iter().any(|(_, pattern)| matches(pattern, architecture));
        let for_architecture = self.architectures.is_empty() || listed != negated;
        // Terms inside `<>` are joined with "and", several `<>` with "or".
        let for_profiles = self.profiles.is_empty()
            || self.profiles.iter().any(|terms| terms.iter().all(|(negated, _)| *negated));
        for_architecture && for_profiles
    }

    /// Returns whether a package of this architecture can be meant: there are no foreign
    /// architectures, so a qualifier never widens and only another architecture narrows.
    pub fn meets_architecture(&self, architecture: &str) -> bool {
        match self.qualifier {
            None | Some(Qualifier::Any | Qualifier::Native) => true,
            Some(Qualifier::Architecture(wanted)) => wanted == architecture,
        }
    }

    /// Returns whether a package version of that name satisfies the relation's version.
    pub fn admits(&self, version: &VersionRef<'_>) -> bool {
        self.version.as_ref().is_none_or(|(operator, wanted)| operator.holds(version, wanted))
    }

    /// Returns whether a `Provides` of that name satisfies it: an unversioned one never satisfies
    /// a versioned relation (policy 7.5).
    pub fn admits_provided(&self, version: Option<&VersionRef<'_>>) -> bool {
        match (&self.version, version) {
            (None, _) => true,
            (Some((operator, wanted)), Some(version)) => operator.holds(version, wanted),
            (Some(_), None) => false,
        }
    }
}

/// Architecture wildcards of deb-control(5) as far as Debian's own packages use them.
fn matches(pattern: &str, architecture: &str) -> bool {
    if pattern == architecture || pattern == "any" || pattern == "linux-any" {
        return true;
    }
    pattern.strip_prefix("any-") == Some(architecture)
        || pattern.strip_prefix("linux-") == Some(architecture)
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.qualifier {
            None => {}
            Some(Qualifier::Any) => f.write_str(":any")?,
            Some(Qualifier::Native) => f.write_str(":native")?,
            Some(Qualifier::Architecture(name)) => write!(f, ":{name}")?,
        }
        if let Some((operator, version)) = &self.version {
            write!(f, " ({operator} {version})")?;
        }
        Ok(())
    }
}

/// Alternatives of which one must hold, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause<'t> {
    /// The text of the clause, trimmed.
    pub text: &'t str,
    /// The alternatives; never empty.
    pub alternatives: Vec<Relation<'t>>,
}

/// One name that a package provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provide<'t> {
    /// The name.
    pub name: &'t str,
    /// The version it is provided in.
    pub version: Option<VersionRef<'t>>,
}

/// Why a text is not a list of relations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelationError {
    /// A name is missing or has a character that is not allowed.
    #[error("not a package name: {0:?}")]
    Name(String),
    /// The version condition cannot be read.
    #[error("version condition of {0:?} cannot be read")]
    Condition(String),
    /// The version in the condition is bad.
    #[error("version condition of {text:?} cannot be read")]
    Version {
        /// The relation.
        text: String,
        /// Why.
        #[source]
        source: VersionError,
    },
    /// A bracket is not closed, or something follows that does not belong there.
    #[error("relation {0:?} cannot be read")]
    Syntax(String),
    /// `Provides` has an alternative or a condition other than `=`.
    #[error("{0:?} cannot be provided")]
    Provide(String),
    /// A list has too many parts.
    #[error("more than {0} relations in a list")]
    TooMany(usize),
}

/// Parses the value of `Depends`, `Pre-Depends`, `Conflicts`, `Breaks`, `Replaces` and so on.
/// Line feeds count as space.
pub fn parse_clauses(text: &str) -> Result<Vec<Clause<'_>>, RelationError> {
    let mut clauses = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        if part.is_empty() {
            continue; // dpkg allows trailing commas
        }
        if clauses.len() == CLAUSES_MAX {
            return Err(RelationError::TooMany(CLAUSES_MAX));
        }
        clauses.push(parse_clause(part)?);
    }
    Ok(clauses)
}

/// Parses one clause, `a (>= 1) | b`.
pub fn parse_clause(text: &str) -> Result<Clause<'_>, RelationError> {
    let mut alternatives = Vec::new();
    for part in text.split('|') {
        if alternatives.len() == ALTERNATIVES_MAX {
            return Err(RelationError::TooMany(ALTERNATIVES_MAX));
        }
        alternatives.push(parse_relation(part.trim())?);
    }
    Ok(Clause { text, alternatives })
}

/// Parses one relation, `name:any (>= 1) [amd64 arm64] <!nocheck>`.
pub fn parse_relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let name_end = text
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[' | '<' | ':'))
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    check_name(name)?;
    let syntax = || RelationError::Syntax(text.to_owned());
    let mut relation = Relation {
        name,
        qualifier: None,
        version: None,
        architectures: Vec::new(),
        profiles: Vec::new(),
    };
    if let Some(after) = rest.strip_prefix(':') {
        let end = after
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[' | '<'))
            .unwrap_or(after.len());
        relation.qualifier = Some(match &after[..end] {
            "any" => Qualifier::Any,
            "native" => Qualifier::Native,
            other => {
                check_name(other).map_err(|_| syntax())?;
                Qualifier::Architecture(other)
            }
        });
        rest = &after[end..];
    }
    rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix('(') {
        let (inside, after) = after.split_once(')').ok_or_else(syntax)?;
        relation.version = Some(parse_condition(text, inside)?);
        rest = after.trim_start();
    }
    if let Some(after) = rest.strip_prefix('[') {
        let (inside, after) = after.split_once(']').ok_or_else(syntax)?;
        relation.architectures = parse_terms(inside).ok_or_else(syntax)?;
        let negated = relation.architectures.iter().filter(|(negated, _)| *negated).count();
        if negated != 0 && negated != relation.architectures.len() {
            return Err(syntax()); // policy 7.1: all or none
        }
        rest = after.trim_start();
    }
    while let Some(after) = rest.strip_prefix('<') {
        let (inside, after) = after.split_once('>').ok_or_else(syntax)?;
        relation.profiles.push(parse_terms(inside).ok_or_else(syntax)?);
        rest = after.trim_start();
    }
    if rest.is_empty() { Ok(relation) } else { Err(syntax()) }
}

fn parse_condition<'t>(
    text: &str,
    inside: &'t str,
) -> Result<(Operator, VersionRef<'t>), RelationError> {
    let inside = inside.trim();
    let end = inside.find(|c| !matches!(c, '<' | '=' | '>')).unwrap_or(inside.len());
    let operator = match &inside[..end] {
        "<<" => Operator::Less,
        // dpkg still reads the single characters with their old, inclusive meaning.
        "<=" | "<" => Operator::LessOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::GreaterOrEqual,
        ">>" => Operator::Greater,
        _ => return Err(RelationError::Condition(text.to_owned())),
    };
    let version = VersionRef::parse(inside[end..].trim())
        .map_err(|source| RelationError::Version { text: text.to_owned(), source })?;
    Ok((operator, version))
}

/// Words with an optional `!`; none at all is an error.
fn parse_terms(inside: &str) -> Option<Vec<(bool, &str)>> {
    let mut terms = Vec::new();
    for word in inside.split_ascii_whitespace() {
        let (negated, word) = match word.strip_prefix('!') {
            Some(word) => (true, word),
            None => (false, word),
        };
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+');
        if word.is_empty() || !word.bytes().all(fine) {
            return None;
        }
        terms.push((negated, word));
    }
    if terms.is_empty() { None } else { Some(terms) }
}

/// Checks a package name. dpkg is laxer than policy (5.6.1): capitals and `_` are in the wild.
pub fn check_name(name: &str) -> Result<(), RelationError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_');
    let starts = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts && name.len() <= NAME_BYTES_MAX && name.bytes().all(fine) {
        Ok(())
    } else {
        Err(RelationError::Name(name.chars().take(80).collect()))
    }
}

/// Parses the value of `Provides`.
pub fn parse_provides(text: &str) -> Result<Vec<Provide<'_>>, RelationError> {
    let mut provides = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if provides.len() == CLAUSES_MAX {
            return Err(RelationError::TooMany(CLAUSES_MAX));
        }
        let relation = parse_relation(part)?;
        let version = match relation.version {
            None => None,
            Some((Operator::Equal, version)) => Some(version),
            Some(_) => return Err(RelationError::Provide(part.to_owned())),
        };
        provides.push(Provide { name: relation.name, version });
    }
    Ok(provides)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clauses_and_alternatives() {
        let text = "libc6 (>= 2.41), default-mta | mail-transport-agent,\n perl:any , x(=1:2-3),";
        let clauses = parse_clauses(text).unwrap();
        let texts: Vec<&str> = clauses.iter().map(|clause| clause.text).collect();
        assert_eq!(
            texts,
            ["libc6 (>= 2.41)", "default-mta | mail-transport-agent", "perl:any", "x(=1:2-3)"]
        );
        let shown: Vec<String> = clauses
            .iter()
            .flat_map(|clause| &clause.alternatives)
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            ["libc6 (>= 2.41)", "default-mta", "mail-transport-agent", "perl:any", "x (= 1:2-3)"]
        );
        assert_eq!(parse_clauses("").unwrap(), []);
    }

    #[test]
    fn operators() {
        for (text, less, equal, greater) in [
            ("a (<< 2)", true, false, false),
            ("a (<= 2)", true, true, false),
            ("a (< 2)", true, true, false),
            ("a (= 2)", false, true, false),
            ("a (>= 2)", false, true, true),
            ("a (> 2)", false, true, true),
            ("a (>> 2)", false, false, true),
            ("a", true, true, true),
        ] {
            let relation = parse_relation(text).unwrap();
            for (version, wanted) in [("1", less), ("2", equal), ("3", greater)] {
                let version = VersionRef::parse(version).unwrap();
                assert_eq!(relation.admits(&version), wanted, "{text} {version}");
                assert_eq!(relation.admits_provided(Some(&version)), wanted, "{text} {version}");
            }
            assert_eq!(relation.admits_provided(None), text == "a");
        }
    }

    #[test]
    fn architectures_and_profiles() {
        for (text, amd64, arm64) in [
            ("a", true, true),
            ("a [amd64]", true, false),
            ("a [!amd64]", false, true),
            ("a [!amd64 !arm64]", false, false),
            ("a [i386 linux-any]", true, true),
            ("a [any-arm64]", false, true),
            ("a (>= 1) [arm64] <!nocheck>", false, true),
            ("a <!nocheck !stage1>", true, true),
            ("a <nocheck>", false, false),
            ("a <nocheck> <!stage1>", true, true),
        ] {
            let relation = parse_relation(text).unwrap();
            assert_eq!(relation.applies("amd64"), amd64, "{text}");
            assert_eq!(relation.applies("arm64"), arm64, "{text}");
        }
        for (text, amd64) in
            [("a:any", true), ("a:native", true), ("a:amd64", true), ("a:i386", false)]
        {
            assert_eq!(parse_relation(text).unwrap().meets_architecture("amd64"), amd64, "{text}");
        }
    }

    #[test]
    fn bad_relations_are_refused() {
        for text in [
            "",
            "(>= 1)",
            "a b",
            "a (>= 1",
            "a ()",
            "a (>=)",
            "a (1)",
            "a (=> 1)",
            "a (== 1)",
            "a (>= 1) b",
            "a [",
            "a []",
            "a [!amd64 arm64]",
            "a <",
            "a <>",
            "a:",
            "a: any",
            "a)",
            "-a",
            "a!",
            "é",
            "a [b[c]",
            "a (>= 1_0)",
            "a (>= 1) (<< 2)",
        ] {
            assert!(parse_relation(text).is_err(), "{text:?}");
        }
        assert!(parse_clauses("a | | b").is_err());
        assert!(parse_clauses("a |").is_err());
        assert!(check_name(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
        assert!(matches!(parse_clauses(&"a,".repeat(30_000)), Err(RelationError::TooMany(_))));
        assert!(matches!(parse_clause(&"a|".repeat(30_000)), Err(RelationError::TooMany(_))));
    }

    #[test]
    fn provides() {
        let provides = parse_provides("awk, libfoo (= 1.2-3), x:any, y:amd64 (= 1)").unwrap();
        let shown: Vec<(&str, Option<&str>)> = provides
            .iter()
            .map(|provide| (provide.name, provide.version.map(|version| version.as_str())))
            .collect();
        assert_eq!(
            shown,
            [("awk", None), ("libfoo", Some("1.2-3")), ("x", None), ("y", Some("1"))]
        );
        for text in ["a (>= 1)", "a | b", "a (= )", "a b"] {
            assert!(parse_provides(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[a-c0-9:|,()<>=!\\[\\] \\n~.é-]{0,24}") {
            if let Ok(clauses) = parse_clauses(&text) {
                for relation in clauses.iter().flat_map(|clause| &clause.alternatives) {
                    let shown = relation.to_string();
                    prop_assert_eq!(parse_relation(&shown).unwrap().to_string(), shown.clone());
                }
            }
            let _ = parse_provides(&text);
        }
    }
}
