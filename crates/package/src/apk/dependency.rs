// SPDX-License-Identifier: Apache-2.0
//! Dependencies as apk writes them, `!name@tag>=1.2`, and what packages provide (apk-package(5),
//! apk-world(5)).

use std::cmp::Ordering;
use std::fmt;

use super::version::{VERSION_BYTES_MAX, VersionError, VersionRef};

/// The most dependencies in one list; Alpine's longest has about 200.
pub const DEPENDENCIES_MAX: usize = 20_000;
/// The longest name, in bytes; Alpine's longest provided names have about 100.
pub const NAME_BYTES_MAX: usize = 256;

/// Which versions are meant, compared to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// `~` or `~=`: that version, whatever follows it.
    Fuzzy,
    /// `<~`
    LessOrFuzzy,
    /// `>~`
    GreaterOrFuzzy,
}

impl Operator {
    /// Returns whether `version operator wanted` holds.
    pub fn holds(self, version: &VersionRef<'_>, wanted: &VersionRef<'_>) -> bool {
        match self {
            Self::Less => version < wanted,
            Self::LessOrEqual => version <= wanted,
            Self::Equal => version == wanted,
            Self::GreaterOrEqual => version >= wanted,
            Self::Greater => version > wanted,
            Self::Fuzzy => version.compare_fuzzy(wanted) == Ordering::Equal,
            Self::LessOrFuzzy => version.compare_fuzzy(wanted) != Ordering::Greater,
            Self::GreaterOrFuzzy => version.compare_fuzzy(wanted) != Ordering::Less,
        }
    }

    /// Reads an operator. As in apk the order of its characters does not matter, nor whether one
    /// stands twice. None if it leaves no version out, or asks for a checksum (`><`).
    fn parse(text: &str) -> Option<Self> {
        let has = |character| text.contains(character);
        Some(match (has('<'), has('='), has('>'), has('~')) {
            (true, false, false, false) => Self::Less,
            (true, true, false, false) => Self::LessOrEqual,
            (false, true, false, false) => Self::Equal,
            (false, true, true, false) => Self::GreaterOrEqual,
            (false, false, true, false) => Self::Greater,
            (false, _, false, true) => Self::Fuzzy,
            (true, _, false, true) => Self::LessOrFuzzy,
            (false, _, true, true) => Self::GreaterOrFuzzy,
            _ => return None,
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::Fuzzy => "~",
            Self::LessOrFuzzy => "<~",
            Self::GreaterOrFuzzy => ">~",
        })
    }
}

/// What a package needs, or must not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency<'t> {
    /// The dependency as it is written.
    pub text: &'t str,
    /// Whether it begins with `!`: what it names must not be there.
    pub conflict: bool,
    /// A package's name or a name that packages provide.
    pub name: &'t str,
    /// The tag of the archive it is to come from; only requests have one.
    pub tag: Option<&'t str>,
    /// The versions that are meant; all if absent.
    pub version: Option<(Operator, VersionRef<'t>)>,
}

impl Dependency<'_> {
    /// Returns whether a name is meant that is there in a version, or without one as plain
    /// `provides` are. A version that is asked for is met by none without.
    pub fn admits(&self, version: Option<&VersionRef<'_>>) -> bool {
        match (&self.version, version) {
            (None, _) => true,
            (Some((operator, wanted)), Some(version)) => operator.holds(version, wanted),
            (Some(_), None) => false,
        }
    }
}

impl fmt::Display for Dependency<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A name that a package provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provide<'t> {
    /// The name, `so:libc.musl-x86_64.so.1`.
    pub name: &'t str,
    /// The version it is provided in. Without one the name is virtual: many may provide it.
    pub version: Option<VersionRef<'t>>,
}

/// Why a text is not a list of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DependencyError {
    /// A name is missing, too long, or has a character that is not allowed.
    #[error("{text:?} does not name a package or what one provides")]
    Name {
        /// The dependency.
        text: String,
    },
    /// What stands between name and version is no comparison.
    #[error("{operator:?} in {text:?} is not a comparison of versions")]
    Operator {
        /// The dependency.
        text: String,
        /// The characters.
        operator: String,
    },
    /// `><` asks for a package by its checksum. apk writes that for packages that were installed
    /// from a file; in an index or a definition there is nothing that could be meant.
    #[error("{text:?} asks for a checksum instead of a version")]
    Checksum {
        /// The dependency.
        text: String,
    },
    /// The version is bad.
    #[error("version in {text:?} can't be read")]
    Version {
        /// The dependency.
        text: String,
        /// Why.
        #[source]
        source: VersionError,
    },
    /// Only a request may name the tag of an archive.
    #[error("{text:?} names the tag of an archive, which packages can't")]
    Tag {
        /// The dependency.
        text: String,
    },
    /// What is provided has `!`, or a comparison other than `=`.
    #[error("{text:?} can't be provided")]
    Provide {
        /// The entry.
        text: String,
    },
    /// A list is too long.
    #[error("more than {DEPENDENCIES_MAX} dependencies in a list")]
    TooMany,
}

/// Parses one dependency of the world, `name`, `name=1.2-r0`, `name@tag>=1.2`, `!name`.
pub fn parse_request(text: &str) -> Result<Dependency<'_>, DependencyError> {
    parse(text, VersionRef::parse)
}

/// How a version is read.
type ReadVersion<'t> = fn(&'t str) -> Result<VersionRef<'t>, VersionError>;

fn parse<'t>(text: &'t str, read: ReadVersion<'t>) -> Result<Dependency<'t>, DependencyError> {
    let (conflict, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let name_end = rest.find(is_comparison).unwrap_or(rest.len());
    let (name, comparison) = rest.split_at(name_end);
    let (name, tag) = match name.split_once('@') {
        None => (name, None),
        Some((name, tag)) => (name, Some(tag)),
    };
    if !is_name(name) || tag.is_some_and(|tag| !is_package_name(tag)) {
        return Err(DependencyError::Name { text: text.to_owned() });
    }
    let version = match comparison {
        "" => None,
        comparison => Some(parse_version(text, comparison, read)?),
    };
    Ok(Dependency { text, conflict, name, tag, version })
}

/// Parses a list of a package's dependencies: `D:` and `i:` of an index. They are separated by
/// white space.
pub fn parse_dependencies(text: &str) -> Result<Vec<Dependency<'_>>, DependencyError> {
    words(text)?.map(|word| parse_word(word, VersionRef::parse)).collect()
}

/// Parses a list of what a package provides: `p:` of an index. As of packages themselves, versions
/// need not be valid.
pub fn parse_provides(text: &str) -> Result<Vec<Provide<'_>>, DependencyError> {
    words(text)?
        .map(|word| {
            let dependency = parse_word(word, VersionRef::of_package)?;
            let version = match dependency.version {
                None => None,
                Some((Operator::Equal, version)) => Some(version),
                Some(_) => return Err(DependencyError::Provide { text: word.to_owned() }),
            };
            if dependency.conflict {
                return Err(DependencyError::Provide { text: word.to_owned() });
            }
            Ok(Provide { name: dependency.name, version })
        })
        .collect()
}

fn words(text: &str) -> Result<impl Iterator<Item = &str>, DependencyError> {
    if text.split_ascii_whitespace().nth(DEPENDENCIES_MAX).is_some() {
        return Err(DependencyError::TooMany);
    }
    Ok(text.split_ascii_whitespace())
}

fn parse_word<'t>(text: &'t str, read: ReadVersion<'t>) -> Result<Dependency<'t>, DependencyError> {
    let dependency = parse(text, read)?;
    match dependency.tag {
        None => Ok(dependency),
        Some(_) => Err(DependencyError::Tag { text: text.to_owned() }),
    }
}

fn is_comparison(character: char) -> bool {
    matches!(character, '<' | '=' | '>' | '~')
}

fn parse_version<'t>(
    text: &str,
    comparison: &'t str,
    read: ReadVersion<'t>,
) -> Result<(Operator, VersionRef<'t>), DependencyError> {
    let end = comparison.find(|c| !is_comparison(c)).unwrap_or(comparison.len());
    let (operator, version) = comparison.split_at(end);
    let Some(parsed) = Operator::parse(operator) else {
        let text = text.to_owned();
        return Err(match operator {
            "><" | "<>" => DependencyError::Checksum { text },
            _ => DependencyError::Operator { text, operator: operator.to_owned() },
        });
    };
    let version = read(version)
        .map_err(|source| DependencyError::Version { text: text.to_owned(), source })?;
    Ok((parsed, version))
}

/// Returns whether a text can name a package: letters, digits and `._+-`, a letter or digit first.
/// So it is one name of a path, and can't lead elsewhere.
pub fn is_package_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_package_byte)
}

/// Returns whether a text can be the version of a package, valid or not, and stand in the name of
/// its file.
pub(super) fn is_version_text(text: &str) -> bool {
    (1..=VERSION_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| is_package_byte(byte) || byte == b'~')
}

/// Returns whether a text can be provided and depended on: `so:libz.so.1`, `/bin/sh`, `cmd:[`.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .all(|byte| is_package_byte(byte) || matches!(byte, b',' | b'[' | b']' | b':' | b'/'))
}

fn is_package_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `!`, name, `@` tag, operator and version, with spaces between them.
    fn parts(dependency: &Dependency<'_>) -> String {
        let mut text = String::new();
        text += if dependency.conflict { "! " } else { "" };
        text += dependency.name;
        let tag = dependency.tag.map(|tag| format!(" @{tag}"));
        let version =
            dependency.version.map(|(operator, version)| format!(" {operator} {version}"));
        text + &tag.unwrap_or_default() + &version.unwrap_or_default()
    }

    #[test]
    fn requests_are_split() {
        for (text, wanted) in [
            ("busybox", "busybox"),
            ("!busybox", "! busybox"),
            ("busybox@edge", "busybox @edge"),
            ("busybox@edge>=1.36", "busybox @edge >= 1.36"),
            ("!a@t<2", "! a @t < 2"),
            ("a=1.2-r0", "a = 1.2-r0"),
            ("a==1", "a = 1"),
            ("a=>1", "a >= 1"),
            ("a>=1", "a >= 1"),
            ("a<=1", "a <= 1"),
            ("a>1", "a > 1"),
            ("a~1.2", "a ~ 1.2"),
            ("a~=1.2", "a ~ 1.2"),
            ("a=~1.2", "a ~ 1.2"),
            ("a<~1.2", "a <~ 1.2"),
            ("a>~1.2", "a >~ 1.2"),
            ("a<=~1.2", "a <~ 1.2"),
            ("a=1~0ab", "a = 1~0ab"),
            ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1"),
            ("so:libz.so.1=1.2.13", "so:libz.so.1 = 1.2.13"),
            ("/bin/sh", "/bin/sh"),
            ("cmd:[=1.35.0-r29", "cmd:[ = 1.35.0-r29"),
            ("libstdc++6.0,x", "libstdc++6.0,x"),
        ] {
            assert_eq!(parts(&parse_request(text).unwrap()), wanted, "{text}");
        }
    }

    #[test]
    fn bad_requests_are_refused() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for (text, wanted) in [
            ("", "\"\" does not name a package or what one provides"),
            ("!", "\"!\" does not name a package or what one provides"),
            ("!!a", "\"!!a\" does not name a package or what one provides"),
            ("=1", "\"=1\" does not name a package or what one provides"),
            ("a b", "\"a b\" does not name a package or what one provides"),
            ("a@", "\"a@\" does not name a package or what one provides"),
            ("@edge", "\"@edge\" does not name a package or what one provides"),
            ("a@b@c", "\"a@b@c\" does not name a package or what one provides"),
            ("a@../b", "\"a@../b\" does not name a package or what one provides"),
            ("ä", "\"ä\" does not name a package or what one provides"),
            ("a\0", "\"a\\0\" does not name a package or what one provides"),
            ("a=", "version in \"a=\" can't be read"),
            ("a=x", "version in \"a=x\" can't be read"),
            ("a=1@edge", "version in \"a=1@edge\" can't be read"),
            ("a>=1<2", "version in \"a>=1<2\" can't be read"),
            ("a<=>1", "\"<=>\" in \"a<=>1\" is not a comparison of versions"),
            ("a<>~1", "\"<>~\" in \"a<>~1\" is not a comparison of versions"),
            ("a><Q1abc=", "\"a><Q1abc=\" asks for a checksum instead of a version"),
        ] {
            assert_eq!(parse_request(text).unwrap_err().to_string(), wanted, "{text}");
        }
        assert!(matches!(parse_request(&long), Err(DependencyError::Name { .. })));
    }

    #[test]
    fn lists_are_split_at_white_space() {
        let list = parse_dependencies("  a  !b<2\tso:c\n").unwrap();
        let texts: Vec<&str> = list.iter().map(|dependency| dependency.text).collect();
        assert_eq!(texts, ["a", "!b<2", "so:c"]);
        assert_eq!(parse_dependencies(" ").unwrap(), []);
        let tagged = parse_dependencies("a b@edge").unwrap_err();
        assert_eq!(
            tagged.to_string(),
            "\"b@edge\" names the tag of an archive, which packages can't"
        );
        let many = "a ".repeat(DEPENDENCIES_MAX);
        assert_eq!(parse_dependencies(&many).unwrap().len(), DEPENDENCIES_MAX);
        assert_eq!(parse_dependencies(&(many + "a")), Err(DependencyError::TooMany));
    }

    #[test]
    fn provides_have_a_version_or_none() {
        let provides = parse_provides("so:libz.so.1=1.2 /bin/sh cmd:sh=1-r0 pc:x=v2").unwrap();
        let texts: Vec<String> = provides
            .iter()
            .map(|provide| match provide.version {
                Some(version) => format!("{} {version}", provide.name),
                None => provide.name.to_owned(),
            })
            .collect();
        assert_eq!(texts, ["so:libz.so.1 1.2", "/bin/sh", "cmd:sh 1-r0", "pc:x v2"]);
        for text in ["!a", "a>1", "a~1", "a>=1", "a@b", "a=", "a><Q1x="] {
            assert!(parse_provides(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_admitted() {
        for (text, version, wanted) in [
            ("a", None, true),
            ("a", Some("1"), true),
            ("a=1", None, false),
            ("a>1", None, false),
            ("a=1", Some("1"), true),
            ("a=1", Some("1-r0"), false),
            ("a<1", Some("1_rc1"), true),
            ("a<1", Some("1"), false),
            ("a<=1", Some("1"), true),
            ("a>1", Some("1-r0"), true),
            ("a>=1", Some("0.9"), false),
            ("a~1", Some("1.9-r3"), true),
            ("a~1", Some("10"), false),
            ("a<~1", Some("1.9"), true),
            ("a<~1", Some("2"), false),
            ("a>~1.2", Some("1.2_pre1"), true),
            ("a>~1.2", Some("1.1"), false),
        ] {
            let version = version.map(|text| VersionRef::parse(text).unwrap());
            let admitted = parse_request(text).unwrap().admits(version.as_ref());
            assert_eq!(admitted, wanted, "{text} {version:?}");
        }
    }

    #[test]
    fn package_names_stay_in_their_folder() {
        for name in ["a", "7zip", "gtk+3.0", "so-x.y", "a..b", "A_b"] {
            assert!(is_package_name(name), "{name}");
        }
        for name in ["", ".", "..", "../a", "a/b", "/a", "-a", "a\\b", "a b", "a:b", "a\0", "ä"] {
            assert!(!is_package_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,16}|[!a-c@<=>~0-9.r-]{0,16}") {
            if let Ok(dependency) = parse_request(&text) {
                prop_assert_eq!(dependency.text, text.as_str());
                prop_assert!(is_name(dependency.name));
            }
            let _ = parse_dependencies(&text);
            let _ = parse_provides(&text);
        }
    }
}
