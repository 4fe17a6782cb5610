// SPDX-License-Identifier: Apache-2.0
//! Go's syntax in that of our library, piece by piece as Go's parser takes it (`regexp/syntax`): a class is read item by
//! item and written with every character escaped that means something here, so that nothing is left to chance.

/// Classes by name in brackets, `[[:alpha:]]`; here they are the same.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];
/// Flags of a group; ours has more, with which a text would mean something else.
const FLAGS: &str = "imsU-";

/// Returns an expression as our library has it, or why there is none.
pub(super) fn translate(source: &str) -> Result<String, String> {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if let Some(length) = repetition(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        rest = match c {
            '\\' => escape(after, &mut out)?,
            '[' => class(after, &mut out)?,
            '(' => {
                flags(after)?;
                out.push(c);
                after
            }
            '{' | ']' | '}' => {
                out.extend(['\\', c]);
                after
            }
            c => {
                out.push(c);
                after
            }
        };
    }
    Ok(out)
}

/// Takes what is behind a backslash that is in no class, and returns the rest.
fn escape<'s>(after: &'s str, out: &mut String) -> Result<&'s str, String> {
    if let Some(quoted) = after.strip_prefix('Q') {
        let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        out.push_str(&regex::escape(text));
        return Ok(rest);
    }
    for (letter, written) in [("A", "\\A"), ("z", "\\z"), ("b", "(?-u:\\b)"), ("B", "(?-u:\\B)")] {
        if let Some(rest) = after.strip_prefix(letter) {
            out.push_str(written);
            return Ok(rest);
        }
    }
    if let Some((items, is_negative, rest)) = perl(after) {
        out.push_str(if is_negative { "[^" } else { "[" });
        out.push_str(items);
        out.push(']');
        return Ok(rest);
    }
    if let Some(rest) = unicode(after, out)? {
        return Ok(rest);
    }
    let (c, rest) = character(after)?;
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    Ok(rest)
}

/// Takes a class behind its bracket, and returns what is behind it.
fn class<'s>(after: &'s str, out: &mut String) -> Result<&'s str, String> {
    let open = || Err("unclosed character class".to_owned());
    out.push('[');
    let mut rest = after;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut is_first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !is_first) {
            out.push(']');
            return Ok(after);
        }
        is_first = false;
        if let Some(after) = named(rest, out)? {
            rest = after;
            continue;
        }
        if let Some(escaped) = rest.strip_prefix('\\') {
            if let Some((items, is_negative, after)) = perl(escaped) {
                if is_negative {
                    out.extend(["[^", items, "]"]);
                } else {
                    out.push_str(items);
                }
                rest = after;
                continue;
            }
            if let Some(after) = unicode(escaped, out)? {
                rest = after;
                continue;
            }
        }
        let Some((low, after)) = class_character(rest)? else { return open() };
        rest = after;
        push_in_class(low, out);
        // At its end a dash is one.
        if let Some(after) = rest.strip_prefix('-')
            && !after.is_empty()
            && !after.starts_with(']')
        {
            let Some((high, after)) = class_character(after)? else { return open() };
            if high < low {
                return Err(format!("invalid character class range {low:?} to {high:?}"));
            }
            out.push('-');
            push_in_class(high, out);
            rest = after;
        }
    }
}

fn push_in_class(c: char, out: &mut String) {
    if matches!(c, '\\' | '[' | ']' | '^' | '-' | '&' | '~') {
        out.push('\\');
    }
    out.push(c);
}

/// Takes one character of a class; there is none at the end.
fn class_character(text: &str) -> Result<Option<(char, &str)>, String> {
    match text.strip_prefix('\\') {
        Some(escaped) => character(escaped).map(Some),
        None => Ok(text.chars().next().map(|c| (c, &text[c.len_utf8()..]))),
    }
}

/// Takes `[:alpha:]`, if that is what there is.
fn named<'s>(text: &'s str, out: &mut String) -> Result<Option<&'s str>, String> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inside| inside.split_once(":]"))
    else {
        return Ok(None);
    };
    if !NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(format!("there is no class [:{name}:]"));
    }
    out.extend(["[:", name, ":]"]);
    Ok(Some(rest))
}

/// Takes `d`, `W` and the like, which are about ASCII: what is in the class, whether it is what is not in it, the rest.
fn perl(after: &str) -> Option<(&'static str, bool, &str)> {
    let letter = after.chars().next()?;
    let items = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\f\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((items, letter.is_ascii_uppercase(), &after[1..]))
}

/// Takes `pN`, `p{Greek}`, `P{^Greek}`, if that is what there is.
fn unicode<'s>(after: &'s str, out: &mut String) -> Result<Option<&'s str>, String> {
    let Some(rest) = after.strip_prefix(['p', 'P']) else { return Ok(None) };
    let no_class = || Err(format!("\\{} names no class", shortened(after)));
    let Some(first) = rest.chars().next() else { return no_class() };
    let (name, rest) = if first == '{' {
        let Some(found) = rest[1..].split_once('}') else { return no_class() };
        found
    } else {
        rest.split_at(first.len_utf8())
    };
    let bare = name.strip_prefix('^').unwrap_or(name);
    if bare.is_empty() || !bare.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        return no_class();
    }
    let is_negative = after.starts_with('P') != (bare.len() < name.len());
    out.extend([if is_negative { "\\P{" } else { "\\p{" }, bare, "}"]);
    Ok(Some(rest))
}

/// Takes an escape that stands for one character.
fn character(after: &str) -> Result<(char, &str), String> {
    let unknown = || Err(format!("\\{} is no escape in RE2", shortened(after)));
    let Some(first) = after.chars().next() else {
        return Err("incomplete escape at the end".to_owned());
    };
    let rest = &after[first.len_utf8()..];
    let simple = match first {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return hexadecimal(rest).map_or_else(unknown, Ok),
        '0'..='7' => {
            let more = after.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            // One digit is a reference to a group, but for the zero.
            if more == 1 && first != '0' {
                return unknown();
            }
            let number = u32::from_str_radix(&after[..more], 8).ok();
            return match number.and_then(char::from_u32) {
                Some(c) => Ok((c, &after[more..])),
                None => unknown(),
            };
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
        _ => return unknown(),
    };
    Ok((simple, rest))
}

/// Takes what is behind `\x`: two digits, or any number of them in braces.
fn hexadecimal(text: &str) -> Option<(char, &str)> {
    let (digits, rest) = match text.strip_prefix('{') {
        Some(inside) => inside.split_once('}')?,
        None => text.split_at_checked(2)?,
    };
    let is_number = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    Some((char::from_u32(number)?, rest))
}

/// Fails if a group has flags that are not Go's.
fn flags(after: &str) -> Result<(), String> {
    let Some(inside) = after.strip_prefix('?') else { return Ok(()) };
    let mut letters = inside.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-');
    // `(?P<name>…)`; all else that is no flag our library refuses, too.
    if inside.starts_with("P<") {
        return Ok(());
    }
    match letters.find(|letter| !FLAGS.contains(*letter)) {
        Some(letter) => Err(format!("the flag {letter} is not in RE2")),
        None => Ok(()),
    }
}

/// Returns the length of a repetition in braces, `{2}`, `{2,}`, `{2,4}`, if there is one.
fn repetition(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find('}')?;
    let (low, high) = inside[..end].split_once(',').unwrap_or((&inside[..end], ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && digits(low) && digits(high)).then_some(end + 2)
}

/// Returns the first characters of a text, for messages.
fn shortened(text: &str) -> String {
    text.chars().take(1).collect()
}
