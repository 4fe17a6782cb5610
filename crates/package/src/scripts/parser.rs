// SPDX-License-Identifier: Apache-2.0
//! Text to syntax tree.

use std::rc::Rc;

use super::lexer::{Lexer, PendingHereDocument, is_name, is_name_start};
use super::syntax::{
    AndOr, Command, CommandKind, Joint, List, Part, Pipeline, Redirect, RedirectOperator, Script,
    Simple, SyntaxError, Word,
};

/// Words that end a list where one is expected.
const CLOSERS: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}"];

/// Parses a whole script.
pub(super) fn parse(text: &str) -> Result<Script, SyntaxError> {
    let mut lexer = Lexer::new(text);
    let body = parse_list(&mut lexer)?;
    if lexer.peek().is_some() {
        return lexer.error("unexpected word or bracket");
    }
    Ok(Script {
        body,
        here_documents: lexer.here_documents,
        here_document_ends: lexer.here_document_ends,
    })
}

/// Parses the inside of `$( )`.
pub(super) fn parse_substitution(lexer: &mut Lexer) -> Result<List, SyntaxError> {
    parse_list(lexer)
}

/// Parses commands up to a word or bracket that closes the list.
fn parse_list(lexer: &mut Lexer) -> Result<List, SyntaxError> {
    lexer.enter()?;
    let mut list = Vec::new();
    loop {
        lexer.skip_lines()?;
        match lexer.peek() {
            None | Some(')') => break,
            Some(';') if lexer.peek_at(1) == Some(';') => break,
            Some(';' | '&') => {
                lexer.next();
                continue;
            }
            _ => {}
        }
        if lexer.peek_reserved().is_some_and(|word| CLOSERS.contains(&word.as_str())) {
            break;
        }
        list.push(parse_and_or(lexer)?);
    }
    lexer.leave();
    Ok(list)
}

fn parse_and_or(lexer: &mut Lexer) -> Result<AndOr, SyntaxError> {
    let first = parse_pipeline(lexer)?;
    let mut rest = Vec::new();
    loop {
        lexer.skip_blanks();
        let joint = if lexer.eat("&&") {
            Joint::And
        } else if lexer.eat("||") {
            Joint::Or
        } else {
            return Ok(AndOr { first, rest });
        };
        lexer.skip_lines()?;
        rest.push((joint, parse_pipeline(lexer)?));
    }
}

fn parse_pipeline(lexer: &mut Lexer) -> Result<Pipeline, SyntaxError> {
    lexer.skip_blanks();
    let mut is_negated = false;
    while lexer.peek_reserved().as_deref() == Some("!") {
        lexer.next();
        is_negated = !is_negated;
        lexer.skip_blanks();
    }
    let mut commands = vec![parse_command(lexer)?];
    loop {
        lexer.skip_blanks();
        if lexer.peek() != Some('|') || lexer.peek_at(1) == Some('|') {
            return Ok(Pipeline { is_negated, commands });
        }
        lexer.next();
        lexer.skip_lines()?;
        commands.push(parse_command(lexer)?);
    }
}

fn parse_command(lexer: &mut Lexer) -> Result<Command, SyntaxError> {
    lexer.enter()?;
    lexer.skip_blanks();
    let id = lexer.commands;
    lexer.commands += 1;
    let first_line = lexer.line;
    let kind = parse_kind(lexer)?;
    let (kind, mut redirects) = match kind {
        Parsed::Done(simple, redirects) => (simple, redirects),
        Parsed::Compound(kind) => (kind, Vec::new()),
    };
    if !matches!(kind, CommandKind::Simple(_) | CommandKind::Function { .. }) {
        loop {
            lexer.skip_blanks();
            match parse_redirect(lexer)? {
                Some(redirect) => redirects.push(redirect),
                None => break,
            }
        }
    }
    lexer.leave();
    Ok(Command { id, first_line, last_line: lexer.line, kind, redirects })
}

enum Parsed {
    Done(CommandKind, Vec<Redirect>),
    Compound(CommandKind),
}

fn parse_kind(lexer: &mut Lexer) -> Result<Parsed, SyntaxError> {
    if lexer.starts_with("((") {
        lexer.skip_past("))")?;
        return Ok(Parsed::Compound(CommandKind::Opaque));
    }
    if lexer.starts_with("[[ ") {
        lexer.skip_past("]]")?;
        return Ok(Parsed::Compound(CommandKind::Opaque));
    }
    if lexer.eat("(") {
        let list = parse_list(lexer)?;
        if !lexer.eat(")") {
            return lexer.error("subshell without end");
        }
        return Ok(Parsed::Compound(CommandKind::Subshell(list)));
    }
    let kind = match lexer.peek_reserved().as_deref() {
        Some("{") => {
            lexer.eat("{");
            let list = parse_list(lexer)?;
            close(lexer, "}")?;
            CommandKind::Group(list)
        }
        Some("if") => parse_if(lexer)?,
        Some("case") => parse_case(lexer)?,
        Some("for") => parse_for(lexer)?,
        Some(word @ ("while" | "until")) => {
            lexer.eat(word);
            let condition = parse_list(lexer)?;
            let body = parse_do(lexer)?;
            CommandKind::While { condition, body, is_until: word == "until" }
        }
        Some("function") => {
            lexer.eat("function");
            lexer.skip_blanks();
            let name = plain(&lexer.read_word()?).unwrap_or_default();
            lexer.skip_blanks();
            if lexer.eat("(") {
                lexer.skip_blanks();
                lexer.eat(")");
            }
            lexer.skip_lines()?;
            CommandKind::Function { name, body: Rc::new(parse_command(lexer)?) }
        }
        _ => return parse_simple(lexer),
    };
    Ok(Parsed::Compound(kind))
}

fn close(lexer: &mut Lexer, word: &'static str) -> Result<(), SyntaxError> {
    lexer.skip_lines()?;
    if lexer.peek_reserved().as_deref() == Some(word) {
        lexer.eat(word);
        return Ok(());
    }
    lexer.error(match word {
        "then" => "\"then\" expected",
        "fi" => "\"fi\" expected",
        "do" => "\"do\" expected",
        "done" => "\"done\" expected",
        "esac" => "\"esac\" expected",
        "in" => "\"in\" expected",
        _ => "\"}\" expected",
    })
}

fn parse_if(lexer: &mut Lexer) -> Result<CommandKind, SyntaxError> {
    lexer.eat("if");
    let mut branches = Vec::new();
    loop {
        let condition = parse_list(lexer)?;
        close(lexer, "then")?;
        branches.push((condition, parse_list(lexer)?));
        if lexer.peek_reserved().as_deref() != Some("elif") {
            break;
        }
        lexer.eat("elif");
    }
    let mut otherwise = None;
    if lexer.peek_reserved().as_deref() == Some("else") {
        lexer.eat("else");
        otherwise = Some(parse_list(lexer)?);
    }
    close(lexer, "fi")?;
    Ok(CommandKind::If { branches, otherwise })
}

fn parse_case(lexer: &mut Lexer) -> Result<CommandKind, SyntaxError> {
    lexer.eat("case");
    lexer.skip_blanks();
    let subject = lexer.read_word()?;
    close(lexer, "in")?;
    let mut arms = Vec::new();
    loop {
        lexer.skip_lines()?;
        if lexer.peek_reserved().as_deref() == Some("esac") {
            lexer.eat("esac");
            return Ok(CommandKind::Case { subject, arms });
        }
        lexer.eat("(");
        let mut patterns = Vec::new();
        loop {
            lexer.skip_blanks();
            patterns.push(lexer.read_word()?);
            lexer.skip_blanks();
            if lexer.eat(")") {
                break;
            }
            if !lexer.eat("|") {
                return lexer.error("pattern of \"case\" expected");
            }
        }
        arms.push((patterns, parse_list(lexer)?));
        lexer.skip_lines()?;
        if !lexer.eat(";;") && lexer.peek_reserved().as_deref() != Some("esac") {
            return lexer.error("\";;\" expected");
        }
    }
}

fn parse_for(lexer: &mut Lexer) -> Result<CommandKind, SyntaxError> {
    lexer.eat("for");
    lexer.skip_blanks();
    let Some(variable) = plain(&lexer.read_word()?).filter(|name| name.chars().all(is_name)) else {
        return lexer.error("name of a variable expected");
    };
    lexer.skip_lines()?;
    let mut words = None;
    if lexer.peek_reserved().as_deref() == Some("in") {
        lexer.eat("in");
        let mut list = Vec::new();
        loop {
            lexer.skip_blanks();
            let word = lexer.read_word()?;
            if word.is_empty() {
                break;
            }
            list.push(word);
        }
        words = Some(list);
    }
    lexer.skip_blanks();
    lexer.eat(";");
    let body = parse_do(lexer)?;
    Ok(CommandKind::For { variable, words, body })
}

fn parse_do(lexer: &mut Lexer) -> Result<List, SyntaxError> {
    close(lexer, "do")?;
    let body = parse_list(lexer)?;
    close(lexer, "done")?;
    Ok(body)
}

fn parse_simple(lexer: &mut Lexer) -> Result<Parsed, SyntaxError> {
    let mut simple = Simple { assignments: Vec::new(), words: Vec::new() };
    let mut redirects = Vec::new();
    loop {
        lexer.skip_blanks();
        if let Some(redirect) = parse_redirect(lexer)? {
            redirects.push(redirect);
            continue;
        }
        let word = lexer.read_word()?;
        if word.is_empty() {
            break;
        }
        match assignment(&word) {
            Some((name, value)) if simple.words.is_empty() => {
                let is_array = value.is_empty() && lexer.peek() == Some('(');
                if is_array {
                    lexer.skip_past(")")?;
                }
                simple.assignments.push((name, if is_array { vec![Part::Unknown] } else { value }));
            }
            _ => simple.words.push(word),
        }
        let is_first = simple.words.len() == 1 && simple.assignments.is_empty();
        if is_first && let Some(kind) = parse_function(lexer, &simple.words[0])? {
            return Ok(Parsed::Compound(kind));
        }
    }
    if simple.words.is_empty() && simple.assignments.is_empty() && redirects.is_empty() {
        return lexer.error("command expected");
    }
    Ok(Parsed::Done(CommandKind::Simple(simple), redirects))
}

/// Parses `() body` after a name.
fn parse_function(lexer: &mut Lexer, name: &Word) -> Result<Option<CommandKind>, SyntaxError> {
    let mark = lexer.mark();
    lexer.skip_blanks();
    if !lexer.eat("(") {
        lexer.reset(mark);
        return Ok(None);
    }
    lexer.skip_blanks();
    let Some(name) = plain(name).filter(|_| lexer.eat(")")) else {
        return lexer.error("unexpected bracket");
    };
    lexer.skip_lines()?;
    Ok(Some(CommandKind::Function { name, body: Rc::new(parse_command(lexer)?) }))
}

fn parse_redirect(lexer: &mut Lexer) -> Result<Option<Redirect>, SyntaxError> {
    let mark = lexer.mark();
    let mut digits = String::new();
    while let Some(digit) = lexer.peek().filter(char::is_ascii_digit) {
        digits.push(digit);
        lexer.next();
    }
    if lexer.starts_with("&>") {
        lexer.next();
    }
    if !matches!(lexer.peek(), Some('<' | '>')) {
        lexer.reset(mark);
        return Ok(None);
    }
    let mut here = None;
    let operator = if lexer.eat("<<-") {
        here = Some(true);
        RedirectOperator::HereDocument
    } else if lexer.eat("<<") {
        here = Some(false);
        RedirectOperator::HereDocument
    } else if lexer.eat(">>") {
        RedirectOperator::Append
    } else if lexer.eat(">&") {
        RedirectOperator::DuplicateOut
    } else if lexer.eat("<&") {
        RedirectOperator::DuplicateIn
    } else if lexer.eat(">|") || lexer.eat(">") {
        RedirectOperator::Write
    } else {
        lexer.eat("<");
        RedirectOperator::Read
    };
    lexer.skip_blanks();
    let target = lexer.read_word()?;
    if target.is_empty() {
        return lexer.error("target of a redirection expected");
    }
    let here_document = here.map(|strips_tabs| {
        let number = lexer.here_documents.len();
        lexer.here_documents.push(Vec::new());
        lexer.here_document_ends.push(lexer.line);
        lexer.pending.push(PendingHereDocument {
            number,
            delimiter: target.iter().map(text_of).collect(),
            is_quoted: target.iter().any(|part| matches!(part, Part::Quoted(_))),
            strips_tabs,
        });
        number
    });
    Ok(Some(Redirect { descriptor: digits.parse().ok(), operator, target, here_document }))
}

fn text_of(part: &Part) -> &str {
    match part {
        Part::Literal(text) | Part::Quoted(text) => text,
        _ => "",
    }
}

/// Returns the text of a word without expansions and quotes.
fn plain(word: &Word) -> Option<String> {
    match word.as_slice() {
        [Part::Literal(text)] => Some(text.clone()),
        _ => None,
    }
}

/// Splits `NAME=value`.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let [Part::Literal(first), rest @ ..] = word.as_slice() else { return None };
    let (name, start) = first.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    if !name.starts_with(is_name_start) || !name.chars().all(is_name) {
        return None;
    }
    let mut value = Vec::new();
    if first[..first.len() - start.len()].ends_with("+=") {
        value.push(Part::Parameter { name: name.to_owned(), operation: None, is_quoted: true });
    }
    if !start.is_empty() {
        value.push(Part::Literal(start.to_owned()));
    }
    value.extend(rest.iter().cloned());
    Some((name.to_owned(), value))
}
