// SPDX-License-Identifier: Apache-2.0
//! The expression language of `#{ … }` and `if`.
//!
//! ```text
//! choice  = either [ "?" choice ":" choice ]
//! either  = both { "||" both }
//! both    = equal { "&&" equal }
//! equal   = sum [ ( "==" | "!=" ) sum ]
//! sum     = unary { "+" unary }
//! unary   = "!" unary | primary
//! primary = string | "true" | "false" | name { "." name } | "(" choice ")"
//! ```
//! Strings stand in single or double quotes with the escapes `\\ \" \' \n \t`. There are two types, text and
//! boolean, and no conversion between them. `&&`, `||` and `?:` evaluate only the side that they need.

use std::ops::Range;

use crate::diagnostic::Code;

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 64;
/// Longest expression, in bytes.
const MAX_BYTES: usize = 4 << 10;

/// The value of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Text(String),
    Bool(bool),
}

impl Outcome {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Bool(_) => "a boolean",
        }
    }

    /// The text that replaces `#{ … }`.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bool(value) => value.to_string(),
        }
    }
}

/// What is wrong, and where in the expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: Code, range: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, range, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Looks up `target.arch` and the like. The range is the name's place in the expression.
pub(crate) trait Names {
    fn name(&mut self, name: &str, range: Range<usize>) -> Result<Outcome, Problem>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Name(String),
    Symbol(&'static str),
    End,
}

#[derive(Clone, Debug)]
struct Expression {
    range: Range<usize>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Literal(Outcome),
    Name(String),
    Not(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
}

/// Parses and evaluates an expression.
pub(crate) fn evaluate(text: &str, names: &mut dyn Names) -> Result<Outcome, Problem> {
    let expression = parse(text)?;
    expression.evaluate(names)
}

/// Parses an expression and checks all of it, the parts that a value would skip included. `names` gives any
/// value of the right type.
pub(crate) fn check(text: &str, names: &mut dyn Names) -> Result<Outcome, Problem> {
    let expression = parse(text)?;
    expression.check(names)
}

/// Whether the text is a well-formed expression in which every name has one of our roots.
/// Tells our expressions from other languages that write `#{…}`, such as Ruby.
pub(crate) fn is_ours(text: &str) -> bool {
    let Ok(expression) = parse(text) else {
        return false;
    };
    expression.all_names(&|name| name.starts_with("target.") || name.starts_with("definition."))
}

fn parse(text: &str) -> Result<Expression, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::new(
            Code::Limit,
            0..0,
            format!("the expression is longer than {MAX_BYTES} bytes"),
        ));
    }
    let mut parser = ExpressionParser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expression = parser.choice()?;
    match parser.peek() {
        (Token::End, _) => Ok(expression),
        (token, range) => Err(Problem::new(
            Code::BadExpression,
            range.clone(),
            format!("{} after the end of the expression", describe(token)),
        )),
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Text(_) => "a string".to_owned(),
        Token::Name(name) => format!("`{}`", name.escape_debug()),
        Token::Symbol(symbol) => format!("`{symbol}`"),
        Token::End => "the end".to_owned(),
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Problem> {
    const SYMBOLS: [&str; 12] = ["==", "!=", "&&", "||", "!", "?", ":", "+", "(", ")", ".", ","];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let start = at;
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if first == '"' || first == '\'' {
            let (value, end) = string(text, at, first)?;
            at = end;
            found.push((Token::Text(value), start..at));
            continue;
        }
        if first.is_ascii_alphabetic() || first == '_' {
            at += text[at..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
                .unwrap_or(text.len() - at);
            found.push((Token::Name(text[start..at].to_owned()), start..at));
            continue;
        }
        let Some(symbol) = SYMBOLS.iter().find(|symbol| text[at..].starts_with(**symbol)) else {
            return Err(unknown_character(text, at, first));
        };
        at += symbol.len();
        found.push((Token::Symbol(symbol), start..at));
    }
    found.push((Token::End, text.len()..text.len()));
    Ok(found)
}

fn unknown_character(text: &str, at: usize, first: char) -> Problem {
    let problem = Problem::new(
        Code::BadExpression,
        at..at + first.len_utf8(),
        format!("unexpected `{}` in an expression", first.escape_debug()),
    );
    if first.is_ascii_digit() {
        problem.help("numbers are written as strings, in quotes")
    } else if first == '=' {
        problem.help("equality is written `==`")
    } else if first == '$' && text[at..].starts_with("${") {
        problem.help("in an expression a variable is written `definition.vars.NAME`")
    } else {
        problem
    }
}

/// Reads a quoted string that begins at `start`; returns its value and the offset behind it.
fn string(text: &str, start: usize, quote: char) -> Result<(String, usize), Problem> {
    let mut value = String::new();
    let mut characters = text[start + 1..].char_indices();
    while let Some((offset, character)) = characters.next() {
        if character == quote {
            return Ok((value, start + 1 + offset + 1));
        }
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some((_, escaped @ ('\\' | '"' | '\''))) => value.push(escaped),
            Some((_, 'n')) => value.push('\n'),
            Some((_, 't')) => value.push('\t'),
            Some((_, other)) => {
                let at = start + 1 + offset;
                return Err(Problem::new(
                    Code::BadExpression,
                    at..at + 1 + other.len_utf8(),
                    format!("unknown escape `\\{}`", other.escape_debug()),
                )
                .help("the escapes are \\\\ \\\" \\' \\n \\t"));
            }
            None => break,
        }
    }
    Err(Problem::new(Code::BadExpression, start..text.len(), "a string without its closing quote"))
}

struct ExpressionParser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
}

impl ExpressionParser {
    fn peek(&self) -> &(Token, Range<usize>) {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn take(&mut self, symbol: &'static str) -> bool {
        let found = self.peek().0 == Token::Symbol(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &'static str, purpose: &str) -> Result<(), Problem> {
        if self.take(symbol) {
            return Ok(());
        }
        let (token, range) = self.peek();
        Err(Problem::new(
            Code::BadExpression,
            range.clone(),
            format!("expected `{symbol}` {purpose}, found {}", describe(token)),
        ))
    }

    fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if self.depth >= MAX_DEPTH {
            return Err(Problem::new(
                Code::Limit,
                self.peek().1.clone(),
                "the expression is nested too deep",
            ));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn choice(&mut self) -> Result<Expression, Problem> {
        self.deeper(|parser| {
            let condition = parser.chain(0)?;
            if !parser.take("?") {
                return Ok(condition);
            }
            let yes = parser.choice()?;
            parser.expect(":", "between the two values of `?`")?;
            let no = parser.choice()?;
            Ok(Expression {
                range: condition.range.start..no.range.end,
                form: Form::Choice(Box::new(condition), Box::new(yes), Box::new(no)),
            })
        })
    }

    /// Binary operators by rising precedence.
    fn chain(&mut self, level: usize) -> Result<Expression, Problem> {
        const LEVELS: [&[&str]; 4] = [&["||"], &["&&"], &["==", "!="], &["+"]];
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.chain(level + 1)?;
        let mut length = 0;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            length += 1;
            if length > MAX_DEPTH {
                return Err(Problem::new(
                    Code::Limit,
                    self.peek().1.clone(),
                    "the expression is too long",
                ));
            }
            let right = self.chain(level + 1)?;
            left = Expression {
                range: left.range.start..right.range.end,
                form: Form::Binary(operator, Box::new(left), Box::new(right)),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, Problem> {
        let start = self.peek().1.start;
        if self.take("!") {
            return self.deeper(|parser| {
                let operand = parser.unary()?;
                Ok(Expression {
                    range: start..operand.range.end,
                    form: Form::Not(Box::new(operand)),
                })
            });
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, Problem> {
        let (token, range) = self.peek().clone();
        match token {
            Token::Text(text) => {
                self.at += 1;
                Ok(Expression { range, form: Form::Literal(Outcome::Text(text)) })
            }
            Token::Name(word) if word == "true" || word == "false" => {
                self.at += 1;
                Ok(Expression { range, form: Form::Literal(Outcome::Bool(word == "true")) })
            }
            Token::Name(word) => {
                self.at += 1;
                self.name(word, range)
            }
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.choice()?;
                self.expect(")", "to close the parenthesis")?;
                Ok(inner)
            }
            token => Err(Problem::new(
                Code::BadExpression,
                range,
                format!("expected a value, found {}", describe(&token)),
            )),
        }
    }

    fn name(&mut self, mut name: String, mut range: Range<usize>) -> Result<Expression, Problem> {
        while self.take(".") {
            let (token, part) = self.peek().clone();
            let Token::Name(word) = token else {
                return Err(Problem::new(
                    Code::BadExpression,
                    part,
                    format!("expected a name after `.`, found {}", describe(&token)),
                ));
            };
            self.at += 1;
            name.push('.');
            name.push_str(&word);
            range.end = part.end;
        }
        Ok(Expression { range, form: Form::Name(name) })
    }
}

impl Expression {
    fn evaluate(&self, names: &mut dyn Names) -> Result<Outcome, Problem> {
        match &self.form {
            Form::Literal(value) => Ok(value.clone()),
            Form::Name(name) => names.name(name, self.range.clone()),
            Form::Not(operand) => Ok(Outcome::Bool(!operand.condition(names, "`!`")?)),
            Form::Choice(condition, yes, no) => {
                if condition.condition(names, "`?`")? {
                    yes.evaluate(names)
                } else {
                    no.evaluate(names)
                }
            }
            Form::Binary("||", left, right) => {
                Ok(Outcome::Bool(left.condition(names, "`||`")? || right.condition(names, "`||`")?))
            }
            Form::Binary("&&", left, right) => {
                Ok(Outcome::Bool(left.condition(names, "`&&`")? && right.condition(names, "`&&`")?))
            }
            Form::Binary(operator, left, right) => {
                let (left_value, right_value) = (left.evaluate(names)?, right.evaluate(names)?);
                self.combine(operator, (left_value, left), (right_value, right))
            }
        }
    }

    /// Like [`Self::evaluate`], without skipping a side: the value says the type only.
    fn check(&self, names: &mut dyn Names) -> Result<Outcome, Problem> {
        match &self.form {
            Form::Choice(condition, yes, no) => {
                condition.check(names)?;
                condition.condition(names, "`?`")?;
                let (yes_value, no_value) = (yes.check(names)?, no.check(names)?);
                self.combine("==", (yes_value.clone(), yes), (no_value, no))?;
                Ok(yes_value)
            }
            Form::Binary(operator @ ("||" | "&&"), left, right) => {
                for side in [left, right] {
                    side.check(names)?;
                    side.condition(names, if *operator == "||" { "`||`" } else { "`&&`" })?;
                }
                Ok(Outcome::Bool(true))
            }
            Form::Not(operand) => {
                operand.check(names)?;
                self.evaluate(names)
            }
            Form::Binary(_, left, right) => {
                left.check(names)?;
                right.check(names)?;
                self.evaluate(names)
            }
            Form::Literal(_) | Form::Name(_) => self.evaluate(names),
        }
    }

    fn combine(
        &self,
        operator: &str,
        (left, left_at): (Outcome, &Expression),
        (right, right_at): (Outcome, &Expression),
    ) -> Result<Outcome, Problem> {
        if operator == "+" {
            return match (left, right) {
                (Outcome::Text(left), Outcome::Text(right)) => Ok(Outcome::Text(left + &right)),
                (Outcome::Bool(_), _) => Err(left_at.wrong_type("`+`", "a string", "a boolean")),
                (_, Outcome::Bool(_)) => Err(right_at.wrong_type("`+`", "a string", "a boolean")),
            };
        }
        if left.kind() != right.kind() {
            return Err(Problem::new(
                Code::ExpressionType,
                self.range.clone(),
                format!("`{operator}` compares {} with {}", left.kind(), right.kind()),
            ));
        }
        Ok(Outcome::Bool((left == right) == (operator == "==")))
    }

    fn condition(&self, names: &mut dyn Names, operator: &str) -> Result<bool, Problem> {
        match self.evaluate(names)? {
            Outcome::Bool(value) => Ok(value),
            Outcome::Text(_) => Err(self.wrong_type(operator, "a boolean", "a string")),
        }
    }

    fn wrong_type(&self, operator: &str, expected: &str, found: &str) -> Problem {
        Problem::new(
            Code::ExpressionType,
            self.range.clone(),
            format!("{operator} needs {expected}, this is {found}"),
        )
    }

    fn all_names(&self, accept: &dyn Fn(&str) -> bool) -> bool {
        match &self.form {
            Form::Literal(_) => true,
            Form::Name(name) => accept(name),
            Form::Not(operand) => operand.all_names(accept),
            Form::Binary(_, left, right) => left.all_names(accept) && right.all_names(accept),
            Form::Choice(condition, yes, no) => {
                condition.all_names(accept) && yes.all_names(accept) && no.all_names(accept)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Names for Fixed {
        fn name(&mut self, name: &str, range: Range<usize>) -> Result<Outcome, Problem> {
            match name {
                "target.arch" => Ok(Outcome::Text("amd64".to_owned())),
                "target.dev" => Ok(Outcome::Bool(true)),
                "definition.vars.PATCH_CVE-1" => Ok(Outcome::Text("p".to_owned())),
                _ => Err(Problem::new(Code::UnknownName, range, name)),
            }
        }
    }

    #[test]
    fn values() {
        for (text, expected) in [
            (r#" target.arch == "amd64" ? "x" : "y" "#, "x"),
            (r#"target.arch == 'arm64' ? 'x' : target.dev ? "d" : "r""#, "d"),
            (
                r#"(target.arch == "amd64" ? "x86-64" : "aarch64") + "-linux-gnu""#,
                "x86-64-linux-gnu",
            ),
            (r#"target.arch != "amd64""#, "false"),
            (r#"!target.dev || target.arch == "amd64""#, "true"),
            (r#"target.dev && !(target.arch == "amd64")"#, "false"),
            ("true || nothing.at.all", "true"),
            ("false && nothing", "false"),
            (r#"true ? "a" : nothing"#, "a"),
            (r#""q\"q" + 'it\'s' + "\\\n\t""#, "q\"qit's\\\n\t"),
            ("definition.vars.PATCH_CVE-1", "p"),
            (r#""a" + "b" == "ab""#, "true"),
            (r#""a" == "b" == false"#, "true"),
            ("\"ä\" + 'ß'", "äß"),
        ] {
            assert_eq!(
                evaluate(text, &mut Fixed).map(Outcome::into_text),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn problems() {
        for (text, code, range) in [
            ("", Code::BadExpression, 0..0),
            ("target.arch = \"x\"", Code::BadExpression, 12..13),
            ("target.arch == amd64", Code::UnknownName, 15..20),
            ("target.arch == \"x", Code::BadExpression, 15..17),
            ("target.", Code::BadExpression, 7..7),
            ("(true", Code::BadExpression, 5..5),
            ("true ? \"a\"", Code::BadExpression, 10..10),
            ("true true", Code::BadExpression, 5..9),
            ("target.arch ? \"a\" : \"b\"", Code::ExpressionType, 0..11),
            ("\"a\" + true", Code::ExpressionType, 6..10),
            ("\"a\" == true", Code::ExpressionType, 0..11),
            ("!\"a\"", Code::ExpressionType, 1..4),
            ("\"\\q\"", Code::BadExpression, 1..3),
            ("1 + 2", Code::BadExpression, 0..1),
            ("${X}", Code::BadExpression, 0..1),
            ("a , b", Code::BadExpression, 2..3),
        ] {
            let problem = evaluate(text, &mut Fixed).expect_err(text);
            assert_eq!((problem.code, problem.range), (code, range), "{text}");
        }
    }

    #[test]
    fn limits() {
        for text in [
            "(".repeat(5000),
            "!".repeat(5000),
            "true ? ".repeat(2000),
            vec!["'a'"; 4000].join("+"),
            "a".repeat(MAX_BYTES + 1),
        ] {
            let problem = evaluate(&text, &mut Fixed).expect_err("limit");
            assert_eq!(problem.code, Code::Limit, "{}", &text[..20]);
        }
    }

    #[test]
    fn other_languages_are_left_alone() {
        assert!(is_ours(r#" target.arch == "amd64" ? "x" : "y" "#));
        for text in ["version", "name.to_s", "target.arch ==", "a + target.arch"] {
            assert!(!is_ours(text), "{text}");
        }
    }
}
