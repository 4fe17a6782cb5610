// SPDX-License-Identifier: Apache-2.0
//! Just enough of Rust's grammar to look at code without comments, texts and tests.

/// Returns a source with everything in comments, texts and character literals turned into spaces;
/// lines keep their numbers.
pub(super) fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = literal_or_comment(&bytes[at..], code.last().copied());
        if length == 0 {
            code.push(bytes[at]);
            at += 1;
            continue;
        }
        let end = (at + length).min(bytes.len());
        code.extend(bytes[at..end].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
        at = end;
    }
    // Only ASCII was blanked by itself; the rest of a character goes with its literal.
    String::from_utf8_lossy(&code).into_owned()
}

/// Returns the length of the comment or literal at the start, 0 if there is none.
fn literal_or_comment(bytes: &[u8], before: Option<u8>) -> usize {
    match bytes {
        [b'/', b'/', ..] => bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len()),
        [b'/', b'*', ..] => block_comment(bytes),
        [b'"', ..] => text(bytes, 1),
        [b'r', ..] | [b'b' | b'c', b'r', ..] if !before.is_some_and(is_word) => raw_text(bytes),
        [b'\'', b'\\', ..] => text_until(bytes, 3, b'\''),
        // A lifetime has no closing quote; a character may have up to four bytes.
        [b'\'', rest @ ..] => {
            let character = rest.first().map_or(1, |byte| match byte {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            });
            if rest.get(character) == Some(&b'\'') { character + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0u32, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn text(bytes: &[u8], from: usize) -> usize {
    text_until(bytes, from, b'"')
}

fn text_until(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`; 0 for a raw identifier or a word that starts with these letters.
fn raw_text(bytes: &[u8]) -> usize {
    let start = bytes.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let hashes = bytes[start..].iter().take_while(|&&byte| byte == b'#').count();
    let is_prefix = matches!(&bytes[..start], b"r" | b"br" | b"cr");
    if !is_prefix || bytes.get(start + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = start + hashes + 1;
    let length = bytes[body..].windows(end.len()).position(|window| window == end);
    length.map_or(bytes.len(), |length| body + length + end.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Returns blanked code without the items that only tests have, and the names of the modules among
/// them that stand in files of their own.
pub(super) fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut rest = code.to_owned();
    let mut modules = Vec::new();
    while let Some(start) = rest.find(MARK) {
        let after = start + MARK.len();
        let length = item_length(&rest.as_bytes()[after..]);
        let item = &rest[after..after + length];
        if let Some(module) = module_file(item) {
            modules.push(module);
        }
        let blank: String =
            rest[start..after + length].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        rest.replace_range(start..after + length, &blank);
    }
    (rest, modules)
}

/// Returns the length of an item: to its semicolon, or to the brace that closes it.
fn item_length(code: &[u8]) -> usize {
    let mut depth = 0u32;
    for (index, byte) in code.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return index + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    code.len()
}

/// Returns the name in `mod name;`.
fn module_file(item: &str) -> Option<String> {
    let words: Vec<&str> = item.trim().strip_suffix(';')?.split_ascii_whitespace().collect();
    let at = words.iter().position(|word| *word == "mod")?;
    words.get(at + 1).map(|name| (*name).to_owned())
}

/// Returns the lines, from 1 on, on which a text stands that is not part of a longer word.
pub(super) fn lines_with(code: &str, wanted: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let is_there = line.match_indices(wanted).any(|(start, _)| {
            let before = line.as_bytes()[..start].last().copied();
            let after = line.as_bytes().get(start + wanted.len()).copied();
            let starts =
                !wanted.starts_with(|c: char| c.is_alphanumeric()) || !before.is_some_and(is_word);
            let ends =
                !wanted.ends_with(|c: char| c.is_alphanumeric()) || !after.is_some_and(is_word);
            starts && ends
        });
        if is_there {
            lines.push(index + 1);
        }
    }
    lines
}

/// Returns the lines on which `use std::{…}` takes a module of that name.
pub(super) fn lines_with_grouped_std(code: &str, module: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (start, head) in code.match_indices("std::{") {
        let from = start + head.len();
        let mut depth = 1u32;
        let mut end = from;
        for (index, byte) in code.bytes().enumerate().skip(from) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            end = index;
            if depth == 0 {
                break;
            }
        }
        let first_line = code[..start].matches('\n').count();
        let found = lines_with(&code[from..end], module);
        lines.extend(found.into_iter().map(|line| first_line + line));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        for (source, expected) in [
            ("a // unsafe\nb", "a          \nb"),
            ("a /* x /* y */ z */ b", "a                   b"),
            ("f(\"x\\\"y\") + 1", "f(      ) + 1"),
            ("f(r#\"a\"b\"#);", "f(        );"),
            ("f(br\"a\\\");", "f(      );"),
            ("for r in x", "for r in x"),
            ("r#type", "r#type"),
            ("'a'; &'a str; '\\''; '\"';", "   ; &'a str;     ;    ;"),
            ("\"open", "     "),
            ("/* open", "       "),
            ("\"a\nb\"", "  \n  "),
        ] {
            assert_eq!(blank(source), expected, "{source}");
        }
    }

    #[test]
    fn tests_are_left_out() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { c { d } }\n}\nfn e() {}\n\
            #[cfg(test)]\nmod more;\n#[cfg(test)]\nuse x::{y, z};\nfn f() {}";
        let (rest, modules) = without_tests(code);
        assert_eq!(modules, ["more"]);
        assert_eq!(rest.lines().count(), code.lines().count());
        for (wanted, is_left) in
            [("a", true), ("b", false), ("d", false), ("e", true), ("y", false), ("f", true)]
        {
            assert_eq!(!lines_with(&rest, wanted).is_empty(), is_left, "{wanted}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(lines_with("unsafe_code\nunsafe {\nnot_unsafe\n x.unsafe", "unsafe"), [2, 4]);
        assert_eq!(lines_with("a.unwrap()\nb.unwrap_or(1)", ".unwrap()"), [1]);
        assert_eq!(lines_with("std::env::var\nstd::environment", "std::env"), [1]);
    }

    #[test]
    fn grouped_imports() {
        let code = "use std::{\n    fs::{self, File},\n    env,\n};\nlet env = 1;";
        assert_eq!(lines_with_grouped_std(code, "env"), [3]);
        assert!(lines_with_grouped_std(code, "process").is_empty());
        assert_eq!(lines_with_grouped_std("use std::{env, io};", "env"), [1]);
    }
}
