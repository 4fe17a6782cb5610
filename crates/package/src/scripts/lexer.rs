// SPDX-License-Identifier: Apache-2.0
//! Characters, words and here-documents of a shell script.

use super::parser::parse_substitution;
use super::syntax::{List, Part, SyntaxError, Word};

/// How deep commands, quotes and substitutions may nest.
pub(super) const DEPTH_MAX: u32 = 64;

#[derive(Debug)]
pub(super) struct PendingHereDocument {
    pub(super) number: usize,
    pub(super) delimiter: String,
    pub(super) is_quoted: bool,
    pub(super) strips_tabs: bool,
}

#[derive(Debug)]
pub(super) struct Lexer {
    characters: Vec<char>,
    position: usize,
    pub(super) line: u32,
    pub(super) depth: u32,
    pub(super) commands: usize,
    pub(super) here_documents: Vec<Word>,
    /// The line on which each here-document ends.
    pub(super) here_document_ends: Vec<u32>,
    pub(super) pending: Vec<PendingHereDocument>,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Self {
        Self {
            characters: text.chars().collect(),
            position: 0,
            line: 1,
            depth: 0,
            commands: 0,
            here_documents: Vec::new(),
            here_document_ends: Vec::new(),
            pending: Vec::new(),
        }
    }

    pub(super) fn error<T>(&self, problem: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, problem })
    }

    pub(super) fn enter(&mut self) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { self.error("nested too deeply") } else { Ok(()) }
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    pub(super) fn peek_at(&self, offset: usize) -> Option<char> {
        self.characters.get(self.position + offset).copied()
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, character)| self.peek_at(offset) == Some(character))
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.position += 1;
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_next = self.starts_with(text);
        if is_next {
            for _ in text.chars() {
                self.next();
            }
        }
        is_next
    }

    /// Passes blanks, joined lines and a comment.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => {
                    self.next();
                }
                Some('\\') if self.peek_at(1) == Some('\n') => {
                    self.next();
                    self.next();
                }
                Some('#') => {
                    while self.peek().is_some_and(|character| character != '\n') {
                        self.next();
                    }
                }
                _ => return,
            }
        }
    }

    /// Passes the end of a line and the here-documents that follow it.
    pub(super) fn newline(&mut self) -> Result<(), SyntaxError> {
        self.next();
        for pending in std::mem::take(&mut self.pending) {
            self.read_here_document(&pending)?;
        }
        Ok(())
    }

    /// Passes blanks, comments and ends of lines.
    pub(super) fn skip_lines(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.skip_blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    /// Returns the plain word that comes next, without moving, if it is made of letters, braces,
    /// brackets and exclamation marks alone and ends there.
    pub(super) fn peek_reserved(&self) -> Option<String> {
        let mut word = String::new();
        for offset in 0..12 {
            match self.peek_at(offset) {
                Some(character) if character.is_ascii_lowercase() || "{}!".contains(character) => {
                    word.push(character);
                }
                Some(character) if is_word_end(character) => break,
                None => break,
                Some(_) => return None,
            }
        }
        (!word.is_empty()).then_some(word)
    }

    fn read_here_document(&mut self, pending: &PendingHereDocument) -> Result<(), SyntaxError> {
        let mut body = String::new();
        let first_line = self.line;
        loop {
            if self.peek().is_none() {
                return self.error("here-document without end");
            }
            let mut line = String::new();
            while let Some(character) = self.next() {
                if character == '\n' {
                    break;
                }
                line.push(character);
            }
            let line = if pending.strips_tabs { line.trim_start_matches('\t') } else { &line };
            if line == pending.delimiter {
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        if let Some(end) = self.here_document_ends.get_mut(pending.number) {
            *end = self.line.saturating_sub(1);
        }
        self.here_documents[pending.number] = if pending.is_quoted {
            vec![Part::Quoted(body)]
        } else {
            self.inside(&body, first_line, |inner| inner.read_quoted(None, true))?
        };
        Ok(())
    }

    /// Reads a text that was cut out of this one.
    fn inside<T>(
        &mut self,
        text: &str,
        line: u32,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.enter()?;
        let mut inner = Self::new(text);
        inner.line = line;
        inner.depth = self.depth;
        inner.commands = self.commands;
        inner.here_documents = std::mem::take(&mut self.here_documents);
        inner.here_document_ends = std::mem::take(&mut self.here_document_ends);
        let result = read(&mut inner);
        self.commands = inner.commands;
        self.here_documents = inner.here_documents;
        self.here_document_ends = inner.here_document_ends;
        self.leave();
        result
    }

    /// Reads a word; an empty one if none begins here.
    pub(super) fn read_word(&mut self) -> Result<Word, SyntaxError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        while let Some(character) = self.peek() {
            match character {
                '\\' if self.peek_at(1) == Some('\n') => {
                    self.next();
                    self.next();
                }
                _ if is_word_end(character) => break,
                '\\' => {
                    self.next();
                    flush(&mut literal, &mut parts);
                    parts.push(Part::Quoted(self.next().map(String::from).unwrap_or_default()));
                }
                '\'' => {
                    flush(&mut literal, &mut parts);
                    parts.push(Part::Quoted(self.read_single_quoted()?));
                }
                '"' => {
                    self.next();
                    flush(&mut literal, &mut parts);
                    parts.extend(self.read_quoted(Some('"'), true)?);
                }
                '$' | '`' => {
                    flush(&mut literal, &mut parts);
                    parts.push(self.read_expansion(false)?);
                }
                _ => {
                    literal.push(character);
                    self.next();
                }
            }
        }
        flush(&mut literal, &mut parts);
        Ok(parts)
    }

    fn read_single_quoted(&mut self) -> Result<String, SyntaxError> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return self.error("quote without end"),
                Some('\'') => return Ok(text),
                Some(character) => text.push(character),
            }
        }
    }

    /// Reads up to `end` (passing it) or to the end of the text, with expansions.
    fn read_quoted(&mut self, end: Option<char>, is_quoted: bool) -> Result<Word, SyntaxError> {
        self.enter()?;
        let mut parts = Vec::new();
        let mut text = String::new();
        loop {
            match self.peek() {
                None if end.is_none() => break,
                None => return self.error("quote without end"),
                Some(character) if Some(character) == end => {
                    self.next();
                    break;
                }
                Some('\\') => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(escaped @ ('$' | '`' | '\\')) => text.push(escaped),
                        Some(escaped) if Some(escaped) == end => text.push(escaped),
                        Some(other) => {
                            if is_quoted {
                                text.push('\\');
                            }
                            text.push(other);
                        }
                        None => text.push('\\'),
                    }
                }
                Some('\'') if !is_quoted => {
                    parts.push(Part::Quoted(std::mem::take(&mut text)));
                    parts.push(Part::Quoted(self.read_single_quoted()?));
                }
                Some('"') if end == Some('}') => {
                    self.next();
                    parts.push(Part::Quoted(std::mem::take(&mut text)));
                    parts.extend(self.read_quoted(Some('"'), true)?);
                }
                Some('$' | '`') => {
                    parts.push(Part::Quoted(std::mem::take(&mut text)));
                    parts.push(self.read_expansion(is_quoted)?);
                }
                Some(character) => {
                    text.push(character);
                    self.next();
                }
            }
        }
        parts.push(Part::Quoted(text));
        self.leave();
        Ok(parts)
    }

    /// Reads `$…` or a back-quoted command.
    fn read_expansion(&mut self, is_quoted: bool) -> Result<Part, SyntaxError> {
        if self.peek() == Some('`') {
            return self.read_back_quoted(is_quoted);
        }
        if self.eat("$((") {
            let mut open = 2;
            while open > 0 {
                match self.next() {
                    None => return self.error("arithmetic without end"),
                    Some('(') => open += 1,
                    Some(')') => open -= 1,
                    Some(_) => {}
                }
            }
            return Ok(Part::Unknown);
        }
        if self.eat("$(") {
            let list: List = parse_substitution(self)?;
            if !self.eat(")") {
                return self.error("command substitution without end");
            }
            return Ok(Part::Substitution { list, is_quoted });
        }
        if self.eat("${") {
            return self.read_braced(is_quoted);
        }
        self.next();
        match self.peek() {
            Some(character) if "@*#?-$!0123456789".contains(character) => {
                self.next();
                Ok(Part::Parameter { name: character.to_string(), operation: None, is_quoted })
            }
            Some(character) if is_name_start(character) => {
                let name = self.read_name();
                Ok(Part::Parameter { name, operation: None, is_quoted })
            }
            Some('\'') if !is_quoted => Ok(Part::Quoted(self.read_single_quoted()?)),
            _ => Ok(Part::Quoted("$".to_owned())),
        }
    }

    fn read_name(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self.peek().filter(|&next| is_name(next)) {
            name.push(character);
            self.next();
        }
        name
    }

    fn read_braced(&mut self, is_quoted: bool) -> Result<Part, SyntaxError> {
        if self.peek() == Some('#') && self.peek_at(1) != Some('}') {
            // The length of a value.
            while self.next().is_some_and(|character| character != '}') {}
            return Ok(Part::Unknown);
        }
        let name = match self.peek() {
            Some(character) if "@*#?-$!0123456789".contains(character) => {
                self.next();
                character.to_string()
            }
            _ => self.read_name(),
        };
        if self.eat("}") {
            return Ok(Part::Parameter { name, operation: None, is_quoted });
        }
        let mut operator = String::new();
        for _ in 0..2 {
            let is_more = match self.peek() {
                Some(':') => operator.is_empty(),
                Some('-' | '=' | '+' | '?') => operator.is_empty() || operator == ":",
                Some(next @ ('#' | '%' | '/' | '^' | ',')) => {
                    operator.is_empty() || operator == next.to_string()
                }
                _ => false,
            };
            if let Some(character) = self.peek().filter(|_| is_more) {
                operator.push(character);
                self.next();
            }
        }
        let word = self.read_quoted(Some('}'), is_quoted)?;
        if name.is_empty() || operator.is_empty() {
            return Ok(Part::Unknown);
        }
        Ok(Part::Parameter { name, operation: Some((operator, word)), is_quoted })
    }

    fn read_back_quoted(&mut self, is_quoted: bool) -> Result<Part, SyntaxError> {
        let line = self.line;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return self.error("back quote without end"),
                Some('`') => break,
                Some('\\') => match self.next() {
                    Some(escaped @ ('`' | '\\' | '$')) => text.push(escaped),
                    Some('"') if is_quoted => text.push('"'),
                    Some(other) => text.extend(['\\', other]),
                    None => return self.error("back quote without end"),
                },
                Some(character) => text.push(character),
            }
        }
        let list = self.inside(&text, line, parse_substitution)?;
        Ok(Part::Substitution { list, is_quoted })
    }

    /// Passes everything up to and with a closing text.
    pub(super) fn skip_past(&mut self, end: &str) -> Result<(), SyntaxError> {
        while !self.eat(end) {
            if self.next().is_none() {
                return self.error("condition without end");
            }
        }
        Ok(())
    }

    /// Returns where the lexer stands, to go back there.
    pub(super) fn mark(&self) -> (usize, u32) {
        (self.position, self.line)
    }

    /// Goes back.
    pub(super) fn reset(&mut self, mark: (usize, u32)) {
        (self.position, self.line) = mark;
    }
}

fn flush(literal: &mut String, parts: &mut Word) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

pub(super) fn is_word_end(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

pub(super) fn is_name_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

pub(super) fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
