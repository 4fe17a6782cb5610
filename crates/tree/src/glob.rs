// SPDX-License-Identifier: Apache-2.0
//! Patterns over paths: `includes` and `excludes` of downloads and artifacts.
//!
//! `?` stands for one byte and `*` for any of one name, `**` as a whole name for any number of
//! directories, `[a-z]` for one byte of a set, `[!a-z]` for one outside it; `\` takes a special
//! meaning away. A pattern that matches a directory takes all below it, so `usr` and `usr/**` both
//! take what is in `usr`, and the first takes mode and owner of `usr` itself, too. Slashes at the ends
//! and a `./` in front mean nothing.

use crate::path::TreePath;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4_096;

/// A pattern, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    names: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// `**`
    Deep,
    Pattern(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Any,
    Star,
    Set { ranges: Vec<(u8, u8)>, is_negated: bool },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} {problem}")]
pub struct GlobError {
    pattern: String,
    problem: &'static str,
}

/// What of a set of paths is wanted: all that is included, or everything if nothing is, without what
/// is excluded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    includes: Vec<Glob>,
    excludes: Vec<Glob>,
}

impl Glob {
    /// Parses a pattern.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        let fail = |problem| GlobError { pattern: pattern.chars().take(200).collect(), problem };
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(fail("is too long"));
        }
        let mut names = Vec::new();
        for name in pattern.split('/').filter(|name| !name.is_empty() && *name != ".") {
            match name {
                ".." => return Err(fail("has \"..\"")),
                "**" if names.last() == Some(&Name::Deep) => {}
                "**" => names.push(Name::Deep),
                _ => names.push(Name::Pattern(tokens(name.as_bytes()).map_err(fail)?)),
            }
        }
        // `a/**` takes what is below `a`, and not `a` itself.
        if names.len() > 1 && names.last() == Some(&Name::Deep) {
            names.pop();
            names.push(Name::Pattern(vec![Token::Star]));
        }
        Ok(Self { names })
    }

    /// Whether it matches a path or a directory above it.
    pub fn covers(&self, path: &TreePath) -> bool {
        // Which parts of the pattern may be next: all ways at once, so that no pattern takes long.
        let mut next = vec![false; self.names.len() + 1];
        next[0] = true;
        self.skip_deep(&mut next);
        for name in path.components() {
            if next[self.names.len()] {
                return true;
            }
            let mut after = vec![false; next.len()];
            for (number, part) in self.names.iter().enumerate().filter(|(number, _)| next[*number])
            {
                match part {
                    Name::Deep => after[number] = true,
                    Name::Pattern(tokens) => after[number + 1] |= matches(tokens, name),
                }
            }
            next = after;
            self.skip_deep(&mut next);
        }
        next[self.names.len()]
    }

    /// A `**` may also stand for nothing.
    fn skip_deep(&self, next: &mut [bool]) {
        for (number, part) in self.names.iter().enumerate() {
            next[number + 1] |= next[number] && *part == Name::Deep;
        }
    }
}

impl Filter {
    /// Parses `includes` and `excludes`.
    pub fn parse<'p>(
        includes: impl IntoIterator<Item = &'p str>,
        excludes: impl IntoIterator<Item = &'p str>,
    ) -> Result<Self, GlobError> {
        Ok(Self {
            includes: includes.into_iter().map(Glob::parse).collect::<Result<_, _>>()?,
            excludes: excludes.into_iter().map(Glob::parse).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a path is wanted.
    pub fn wants(&self, path: &TreePath) -> bool {
        (self.includes.is_empty() || self.includes.iter().any(|glob| glob.covers(path)))
            && !self.excludes.iter().any(|glob| glob.covers(path))
    }

    /// Returns the `includes` by number that cover none of some paths: they are probably misspelled.
    pub fn unused_includes<'p>(
        &self,
        paths: impl Iterator<Item = &'p TreePath> + Clone,
    ) -> Vec<usize> {
        let covers_none = |glob: &Glob| !paths.clone().any(|path| glob.covers(path));
        let includes = self.includes.iter().enumerate();
        includes.filter(|(_, glob)| covers_none(glob)).map(|(number, _)| number).collect()
    }
}

/// Whether tokens match a whole name. Goes back only to the last star, so it takes at most as many
/// steps as pattern times name.
fn matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut byte) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while byte < name.len() {
        let fits = match tokens.get(token) {
            Some(Token::Star) => {
                last_star = Some((token, byte));
                token += 1;
                continue;
            }
            Some(Token::Any) => true,
            Some(Token::Byte(wanted)) => *wanted == name[byte],
            Some(Token::Set { ranges, is_negated }) => {
                let is_in = |range: &(u8, u8)| (range.0..=range.1).contains(&name[byte]);
                ranges.iter().any(is_in) != *is_negated
            }
            None => false,
        };
        if fits {
            token += 1;
            byte += 1;
        } else if let Some((star, start)) = last_star {
            last_star = Some((star, start + 1));
            token = star + 1;
            byte = start + 1;
        } else {
            return false;
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Star)
}

fn tokens(name: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        tokens.push(match byte {
            b'*' => Token::Star,
            b'?' => Token::Any,
            b'\\' => {
                let (&byte, after) = rest.split_first().ok_or("ends with \"\\\"")?;
                rest = after;
                Token::Byte(byte)
            }
            b'[' => set(&mut rest)?,
            byte => Token::Byte(byte),
        });
    }
    // "**" inside of a name means no more than "*".
    tokens.dedup_by(|left, right| *left == Token::Star && *right == Token::Star);
    Ok(tokens)
}

/// Reads a set after its `[`.
fn set(rest: &mut &[u8]) -> Result<Token, &'static str> {
    const OPEN: &str = "has a \"[\" without its \"]\"";
    let is_negated = matches!(rest.first(), Some(b'!' | b'^'));
    let mut at = usize::from(is_negated);
    let mut ranges = Vec::new();
    let first = at;
    loop {
        let start = *rest.get(at).ok_or(OPEN)?;
        // A `]` in the first place is one of the set.
        if start == b']' && at > first {
            *rest = &rest[at + 1..];
            return Ok(Token::Set { ranges, is_negated });
        }
        let is_range =
            rest.get(at + 1) == Some(&b'-') && rest.get(at + 2).is_some_and(|b| *b != b']');
        let end = if is_range { rest[at + 2] } else { start };
        if end < start {
            return Err("has a range that ends before it begins");
        }
        ranges.push((start, end));
        at += if is_range { 3 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    #[test]
    fn patterns_cover_paths() {
        for (pattern, covered, not) in [
            ("usr", &["usr", "usr/bin/x"][..], &["us", "usr2", "opt/usr"][..]),
            ("/usr/", &["usr/bin"], &["opt"]),
            ("./usr/bin", &["usr/bin/x"], &["usr", "usr/lib"]),
            ("opt/**", &["opt/a", "opt/a/b"], &["opt", "op", "usr/opt"]),
            ("usr/local/bin/**", &["usr/local/bin/x"], &["usr/local/lib/x"]),
            ("*", &["a", "a/b"], &[]),
            ("*.txt", &["a.txt", "a.txt/b", ".txt"], &["a.txt2", "b/a.txt"]),
            ("**/*.txt", &["a.txt", "b/a.txt", "b/c/a.txt"], &["a.tx", "b/a"]),
            ("**/bin", &["bin", "usr/bin", "usr/bin/x"], &["usr/bin2"]),
            ("a/**/z", &["a/z", "a/b/z", "a/b/c/z/y"], &["a", "a/b", "b/z"]),
            ("**", &["a", "a/b"], &[]),
            ("a?c", &["abc", "a?c"], &["ac", "abbc"]),
            ("[a-cx]1", &["a1", "c1", "x1"], &["d1", "1"]),
            ("[!a-c]", &["d", "-"], &["a", "b"]),
            ("[]-]", &["]", "-"], &["a"]),
            ("a[b-]", &["ab", "a-"], &["ac"]),
            ("a**b", &["ab", "axxb"], &["a/b"]),
            ("\\*", &["*"], &["a"]),
            ("a*b*c*d", &["abcd", "axbxcxd", "abbbccd"], &["abdc", "abcdx"]),
            (
                "usr/lib/*-linux-gnu/lib*.so*",
                &["usr/lib/x86_64-linux-gnu/libz.so.1.3"],
                &["usr/lib/x86_64-linux-gnu/a/libz.so", "usr/lib/libz.so"],
            ),
            ("usr/local/cuda-*", &["usr/local/cuda-12/lib/x"], &["usr/local/cuda"]),
            ("opt/python-*/**", &["opt/python-3.13/bin/python"], &["opt/python-3.13", "opt"]),
            ("jdk-*/bin", &["jdk-25.0.4+7/bin/java"], &["jdk/bin", "jdk-1/lib"]),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            for text in covered {
                assert!(glob.covers(&path(text)), "{pattern} does not cover {text}");
            }
            for text in not {
                assert!(!glob.covers(&path(text)), "{pattern} covers {text}");
            }
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        let long = "a".repeat(5000);
        for pattern in ["a/../b", "..", "[a", "[", "[]", "[!", "[z-a]", "a\\", &long] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let glob = Glob::parse(&format!("{}b", "*a".repeat(100))).unwrap();
        assert!(!glob.covers(&path(&"a".repeat(255))));
        let glob = Glob::parse(&format!("{}z", "**/*/".repeat(60))).unwrap();
        assert!(!glob.covers(&path(&"a/".repeat(40))));
    }

    #[test]
    fn filters() {
        let filter = Filter::parse(["usr/bin", "opt/*/lib"], ["**/*.a", "usr/bin/evil"]).unwrap();
        for (text, wants) in [
            ("usr/bin/x", true),
            ("usr/bin/evil/x", false),
            ("usr/bin/x.a", false),
            ("opt/x/lib/y", true),
            ("opt/x", false),
            ("etc", false),
        ] {
            assert_eq!(filter.wants(&path(text)), wants, "{text}");
        }
        let paths = [path("usr/bin/x"), path("etc")];
        assert_eq!(filter.unused_includes(paths.iter()), [1]);
        assert!(Filter::default().wants(&path("anything")));
    }
}
