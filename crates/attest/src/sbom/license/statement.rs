// SPDX-License-Identifier: Apache-2.0
//! Reads how packages state licences: SPDX expressions, and what people write in their place (`GPL-2+ or Artistic,
//! and Expat`, `MIT/Apache-2.0`, `GPL-2.0-or-later BSD`, `License :: OSI Approved :: MIT License`).

use super::expression::Node;
use super::{Collector, STATEMENT_BYTES_MAX, names, recognize};

/// How deep brackets go. Nobody needs three.
const DEPTH_MAX: usize = 16;
/// The most words that a name of a licence has; more is a sentence of its text.
const NAME_WORDS_MAX: usize = 9;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    And,
    Or,
    Comma,
    Open,
    Close,
}

/// Reads a statement; `None` if it says nothing.
pub(super) fn read(text: &str, collector: &mut Collector<'_>) -> Option<Node> {
    let stated = collector.text(text).map(str::to_owned);
    // A classifier of Python: the last part names it.
    let name = text.trim().rsplit("::").next().unwrap_or_default().trim();
    if names::is_nothing(name) {
        return None;
    }
    if let Some(text) = stated {
        return Some(named(name, Some(&text), collector));
    }
    if let Some(node) = names::known(name) {
        return Some(node);
    }
    if name.len() > STATEMENT_BYTES_MAX || name.contains('\n') {
        return Some(text_of(name, collector));
    }
    let tokens = tokens(&name.replace("_or_", " or ").replace("_and_", " and "));
    let mut parser = Parser { tokens: &tokens, at: 0, collector };
    match parser.list(0) {
        Some(node) if parser.at == tokens.len() => Some(node),
        _ => Some(collector.refer(name, None)),
    }
}

/// Reads a name whose text may be known.
pub(super) fn named(name: &str, text: Option<&str>, collector: &mut Collector<'_>) -> Node {
    // A name that is no name of one licence: the text knows better.
    let recognized = text.and_then(recognize::whole);
    if names::is_vague(name)
        && let Some(id) = recognized
    {
        return Node::Term(id.to_owned());
    }
    if let Some(node) = names::known(name) {
        return node;
    }
    match recognized {
        Some(id) => Node::Term(id.to_owned()),
        None => collector.refer(name, text),
    }
}

/// Reads a text that stands in the place of a name.
pub(super) fn text_of(text: &str, collector: &mut Collector<'_>) -> Node {
    if let Some(id) = recognize::whole(text) {
        return Node::Term(id.to_owned());
    }
    let words: Vec<&str> = text.split_whitespace().take(4).collect();
    collector.refer(&words.join(" "), Some(text))
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut name: Vec<&str> = Vec::new();
    let spaced = text.replace([',', ';'], " , ").replace('(', " ( ").replace(')', " ) ");
    // Brackets after a word belong to the name: `BSD (3-clause)`.
    let mut in_name = 0_usize;
    for word in spaced.split_whitespace() {
        let operator = match word {
            "(" if !name.is_empty() => {
                in_name += 1;
                None
            }
            "(" => Some(Token::Open),
            ")" if in_name > 0 => {
                in_name -= 1;
                None
            }
            ")" => Some(Token::Close),
            "," => Some(Token::Comma),
            "&" | "&&" => Some(Token::And),
            "|" | "||" | "/" => Some(Token::Or),
            _ if word.eq_ignore_ascii_case("and") => Some(Token::And),
            // "or later" belongs to the name.
            _ if word.eq_ignore_ascii_case("or") => Some(Token::Or),
            _ => None,
        };
        match operator {
            Some(operator) if in_name == 0 => {
                end_name(&mut name, &mut tokens);
                tokens.push(operator);
            }
            _ => name.push(word),
        }
    }
    end_name(&mut name, &mut tokens);
    tokens
}

fn end_name(words: &mut Vec<&str>, tokens: &mut Vec<Token>) {
    if words.is_empty() {
        return;
    }
    let name = words.join(" ").replace("( ", "(").replace(" )", ")");
    words.clear();
    let is_later = ["later", "newer"].iter().any(|word| name.eq_ignore_ascii_case(word))
        || name.to_ascii_lowercase().starts_with("(at your option)");
    // "GPL version 2 or later" is one name, not two.
    if is_later && let [.., Token::Name(before), Token::Or] = tokens.as_mut_slice() {
        before.push_str(" or later");
        tokens.pop();
        return;
    }
    tokens.push(Token::Name(name));
}

struct Parser<'p, 't, 'c> {
    tokens: &'p [Token],
    at: usize,
    collector: &'c mut Collector<'t>,
}

impl Parser<'_, '_, '_> {
    fn take(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    /// Alternatives joined with commas, which bind weakest (copyright-format 1.0, "Short name").
    fn list(&mut self, depth: usize) -> Option<Node> {
        let mut node = self.any(depth)?;
        while self.take(&Token::Comma) {
            let is_any = self.take(&Token::Or);
            if !is_any {
                self.take(&Token::And);
            }
            let next = self.any(depth)?;
            let nodes = vec![node, next];
            node = if is_any { Node::Any(nodes) } else { Node::All(nodes) };
        }
        Some(node)
    }

    fn any(&mut self, depth: usize) -> Option<Node> {
        let mut nodes = vec![self.all(depth)?];
        while self.take(&Token::Or) {
            nodes.push(self.all(depth)?);
        }
        Node::any(nodes)
    }

    fn all(&mut self, depth: usize) -> Option<Node> {
        let mut nodes = vec![self.one(depth)?];
        while self.take(&Token::And) {
            nodes.push(self.one(depth)?);
        }
        Node::all(nodes)
    }

    fn one(&mut self, depth: usize) -> Option<Node> {
        if self.take(&Token::Open) {
            if depth == DEPTH_MAX {
                return None;
            }
            let node = self.list(depth + 1)?;
            return self.take(&Token::Close).then_some(node);
        }
        let Some(Token::Name(name)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        leaf(name, self.collector)
    }
}

/// Reads a name between operators.
fn leaf(name: &str, collector: &mut Collector<'_>) -> Option<Node> {
    if let Some(text) = collector.text(name).map(str::to_owned) {
        return Some(named(name, Some(&text), collector));
    }
    if let Some(node) = names::known(name) {
        return Some(node);
    }
    let lists = [name.split('/').collect::<Vec<_>>(), name.split_whitespace().collect()];
    for (number, parts) in lists.iter().enumerate() {
        // `MIT/Apache-2.0` is a choice, `GPL-2.0-or-later BSD-3-Clause` in Alpine's old fields is not.
        let nodes: Option<Vec<Node>> = parts.iter().map(|part| names::known(part)).collect();
        if let Some(nodes) = nodes.filter(|nodes| nodes.len() > 1) {
            return if number == 0 { Node::any(nodes) } else { Node::all(nodes) };
        }
    }
    if name.split_whitespace().count() > NAME_WORDS_MAX {
        return None;
    }
    Some(collector.refer(name, None))
}
