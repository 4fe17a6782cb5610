// SPDX-License-Identifier: Apache-2.0
//! Words to values (POSIX.1-2024, "Shell Command Language", §2.6). A value that can't be known is `None`.

use super::evaluate::Evaluator;
use super::syntax::{Part, Word};

/// A value, or `None` where it is not known.
pub(super) type Value = Option<String>;

impl Evaluator<'_> {
    /// Expands words to fields.
    pub(super) fn fields(&mut self, words: &[Word]) -> Vec<Value> {
        let mut fields = Vec::new();
        for word in words {
            self.expand_word(word, &mut fields);
        }
        fields
    }

    /// Expands a word to one value, without splitting.
    pub(super) fn value(&mut self, word: &Word) -> Value {
        let mut text = String::new();
        let mut is_known = true;
        for part in word {
            match self.part(part) {
                Some(value) if self.has_room(value.len()) => text.push_str(&value),
                _ => is_known = false,
            }
        }
        is_known.then_some(text)
    }

    fn expand_word(&mut self, word: &Word, fields: &mut Vec<Value>) {
        let mut current: Value = Some(String::new());
        let mut is_begun = false;
        let mut may_glob = false;
        for part in word {
            match part {
                Part::Literal(text) => {
                    may_glob |= text.contains(['*', '?', '[']);
                    append(&mut current, Some(text));
                    is_begun = true;
                }
                Part::Parameter { name, operation: None, is_quoted } if name == "@" => {
                    let positional = self.state.positional.clone();
                    for (index, value) in positional.into_iter().enumerate() {
                        if !self.has_room(value.as_ref().map_or(0, String::len)) {
                            break;
                        }
                        if index > 0 {
                            fields.push(current.replace(String::new()));
                        }
                        append(&mut current, value.as_deref());
                        is_begun = true;
                    }
                    let _ = is_quoted;
                }
                Part::Parameter { is_quoted: false, .. }
                | Part::Substitution { is_quoted: false, .. } => {
                    let Some(text) = self.part(part) else {
                        current = None;
                        is_begun = true;
                        continue;
                    };
                    let splits_first = text.starts_with(char::is_whitespace);
                    let splits_last = text.ends_with(char::is_whitespace);
                    let mut pieces = text.split_whitespace().peekable();
                    if splits_first && is_begun && pieces.peek().is_some() {
                        fields.push(current.replace(String::new()));
                    }
                    let mut is_first = true;
                    for piece in pieces {
                        if !is_first {
                            fields.push(current.replace(String::new()));
                        }
                        append(&mut current, Some(piece));
                        is_begun = true;
                        is_first = false;
                    }
                    if splits_last && is_begun && !is_first {
                        fields.push(current.replace(String::new()));
                        is_begun = false;
                    }
                }
                Part::Quoted(_) | Part::Parameter { .. } | Part::Substitution { .. } => {
                    let value = self.part(part);
                    append(&mut current, value.as_deref());
                    is_begun = true;
                }
                Part::Unknown => {
                    current = None;
                    is_begun = true;
                }
            }
        }
        if !is_begun {
            return;
        }
        match current {
            Some(pattern) if may_glob => self.expand_glob(pattern, fields),
            value => fields.push(value),
        }
    }

    /// Expands a pattern whose last name alone has special characters; others are not known.
    fn expand_glob(&mut self, pattern: String, fields: &mut Vec<Value>) {
        let special = |text: &str| text.contains(['*', '?', '[']);
        if pattern == "[" || pattern == "]" || !pattern.contains('/') {
            fields.push(Some(pattern));
            return;
        }
        let Some((directory, name)) =
            pattern.rsplit_once('/').filter(|(directory, _)| !special(directory))
        else {
            fields.push(None);
            return;
        };
        let Some(names) = self.list_directory(directory) else {
            fields.push(None);
            return;
        };
        let before = fields.len();
        for found in names {
            if glob_matches(name, &found) && (name.starts_with('.') || !found.starts_with('.')) {
                fields.push(Some(format!("{directory}/{found}")));
            }
        }
        if fields.len() == before {
            fields.push(Some(pattern));
        }
    }

    fn part(&mut self, part: &Part) -> Value {
        let value = self.part_value(part)?;
        self.has_room(value.len()).then_some(value)
    }

    fn part_value(&mut self, part: &Part) -> Value {
        match part {
            Part::Literal(text) | Part::Quoted(text) => Some(text.clone()),
            Part::Parameter { name, operation: None, .. } => self.parameter(name),
            Part::Parameter { name, operation: Some((operator, word)), .. } => {
                self.operation(name, operator, word)
            }
            Part::Substitution { list, .. } => self.substitute(list),
            Part::Unknown => None,
        }
    }

    /// Returns a variable's value; an unset one is empty unless something unknown may have set it.
    pub(super) fn parameter(&mut self, name: &str) -> Value {
        match name {
            "@" | "*" => {
                let values: Option<Vec<String>> = self.state.positional.iter().cloned().collect();
                values.map(|values| values.join(" "))
            }
            "#" => Some(self.state.positional.len().to_string()),
            "0" => Some(self.script.to_owned()),
            "?" | "$" | "!" | "-" => None,
            _ => {
                if let Ok(index) = name.parse::<usize>() {
                    let value = self.state.positional.get(index.saturating_sub(1)).cloned();
                    return value.unwrap_or_else(|| Some(String::new()));
                }
                match self.state.variables.get(name) {
                    Some(value) => value.clone(),
                    None if self.state.may_be_set => None,
                    None => Some(String::new()),
                }
            }
        }
    }

    fn operation(&mut self, name: &str, operator: &str, word: &Word) -> Value {
        let value = self.parameter(name);
        match operator {
            ":-" | "-" | ":=" | "=" | ":?" | "?" => match value {
                Some(text) if !text.is_empty() => Some(text),
                Some(_) => {
                    let default = self.value(word);
                    if operator.ends_with('=') {
                        self.state.variables.insert(name.to_owned(), default.clone());
                    }
                    default
                }
                None => None,
            },
            ":+" | "+" => match value {
                Some(text) if text.is_empty() => Some(text),
                Some(_) => self.value(word),
                None => None,
            },
            "%" | "%%" | "#" | "##" => {
                let pattern = self.value(word)?;
                Some(trim(&value?, operator, &pattern))
            }
            _ => None,
        }
    }
}

fn append(current: &mut Value, text: Option<&str>) {
    match (current.as_mut(), text) {
        (Some(current), Some(text)) => current.push_str(text),
        _ => *current = None,
    }
}

/// Removes the shortest or longest prefix or suffix that matches.
fn trim(text: &str, operator: &str, pattern: &str) -> String {
    let mut cuts: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
    cuts.push(text.len());
    let is_longest_first = matches!(operator, "%" | "##");
    if is_longest_first {
        cuts.reverse();
    }
    for cut in cuts {
        let (head, tail) = text.split_at(cut);
        let (removed, kept) = if operator.starts_with('%') { (tail, head) } else { (head, tail) };
        if glob_matches(pattern, removed) {
            return kept.to_owned();
        }
    }
    text.to_owned()
}

/// Matches a whole text against a shell pattern.
pub(super) fn glob_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Greedy with one way back: the last star.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
            continue;
        }
        if let Some(after) = matches_one(&pattern, p, text[t]) {
            p = after;
            t += 1;
            continue;
        }
        let Some((star_p, star_t)) = star else { return false };
        p = star_p + 1;
        t = star_t + 1;
        star = Some((star_p, t));
    }
    pattern[p..].iter().all(|&character| character == '*')
}

/// Matches one character; returns where the pattern goes on.
fn matches_one(pattern: &[char], position: usize, character: char) -> Option<usize> {
    match *pattern.get(position)? {
        '?' => Some(position + 1),
        '\\' => (*pattern.get(position + 1)? == character).then_some(position + 2),
        '[' => {
            let Some(length) = pattern[position + 1..]
                .iter()
                .enumerate()
                .position(|(index, &next)| next == ']' && index > 0)
            else {
                return (character == '[').then_some(position + 1);
            };
            let set = &pattern[position + 1..position + 1 + length];
            let (is_negated, set) = match set {
                ['!' | '^', rest @ ..] => (true, rest),
                _ => (false, set),
            };
            let mut is_in = false;
            let mut index = 0;
            while index < set.len() {
                if index + 2 < set.len() && set[index + 1] == '-' {
                    is_in |= (set[index]..=set[index + 2]).contains(&character);
                    index += 3;
                } else {
                    is_in |= set[index] == character;
                    index += 1;
                }
            }
            (is_in != is_negated).then_some(position + length + 2)
        }
        other => (other == character).then_some(position + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("configure", "configure", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "a", false),
            ("[a-c]?", "bz", true),
            ("[!a-c]?", "bz", false),
            ("abort-*|x", "abort-y", false),
            ("[", "[", true),
            ("\\*", "*", true),
            ("*.pem", "x.pem.old", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn trims() {
        for (text, operator, pattern, expected) in [
            ("/usr/bin/x", "##", "*/", "x"),
            ("/usr/bin/x", "#", "*/", "usr/bin/x"),
            ("a.tar.gz", "%", ".*", "a.tar"),
            ("a.tar.gz", "%%", ".*", "a"),
            ("a", "%", "b", "a"),
        ] {
            assert_eq!(trim(text, operator, pattern), expected);
        }
    }
}
