// SPDX-License-Identifier: Apache-2.0
//! A command line as words, as a shell would split it, and whether it needs a shell for more than that
//! (POSIX, "Shell Command Language", 2.2 and 2.3).

/// The longest command line, in bytes.
const COMMAND_BYTES_MAX: usize = 64 << 10;

/// Characters that ask a shell for something, wherever they stand outside of quotes.
const OPERATORS: &str = "|&;<>()$`*?[\n";
/// Characters that do so where a word begins.
const AT_START: &str = "~#";
/// Words that do so where a command begins.
const RESERVED: [&str; 16] = [
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "then",
    "until", "while", "[[",
];
/// Commands that only a shell has.
const BUILTINS: [&str; 15] = [
    ".", ":", "cd", "command", "eval", "exec", "exit", "export", "read", "set", "shift", "source",
    "trap", "type", "ulimit",
];

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CommandLine {
    /// Words, which a program can be started with.
    Words(Vec<String>),
    /// A script, for a shell.
    Script,
}

/// Why a text is no command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    /// A quote is open at the end.
    #[error("the quote {0} is never closed")]
    Open(char),
    /// There is nothing in it.
    #[error("the command is empty")]
    Empty,
    /// It is longer than any command.
    #[error("the command has more than {COMMAND_BYTES_MAX} bytes")]
    TooLong,
    /// It has a NUL.
    #[error("the command has a NUL")]
    Nul,
}

/// Splits a command line.
pub(super) fn split(text: &str) -> Result<CommandLine, CommandError> {
    if text.len() > COMMAND_BYTES_MAX {
        return Err(CommandError::TooLong);
    }
    if text.contains('\0') {
        return Err(CommandError::Nul);
    }
    let mut splitter = Splitter::default();
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => splitter.single_quoted(&mut characters)?,
            '"' => splitter.double_quoted(&mut characters)?,
            // A backslash keeps what follows as it is; before the end of a line both go.
            '\\' => match characters.next() {
                Some('\n') => {}
                Some(next) => splitter.push(next),
                None => splitter.push('\\'),
            },
            ' ' | '\t' => splitter.end_word(),
            _ => splitter.plain(character),
        }
    }
    splitter.end_word();
    if splitter.is_script {
        return Ok(CommandLine::Script);
    }
    if splitter.words.is_empty() {
        return Err(CommandError::Empty);
    }
    Ok(CommandLine::Words(splitter.words))
}

type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    /// The word so far; `None` between words.
    word: Option<String>,
    /// Whether some of the word was quoted, so that it is no reserved word.
    is_quoted: bool,
    is_script: bool,
}

impl Splitter {
    fn push(&mut self, character: char) {
        self.is_quoted = true;
        self.word.get_or_insert_default().push(character);
    }

    fn plain(&mut self, character: char) {
        let is_start = self.word.is_none();
        if OPERATORS.contains(character) || (is_start && AT_START.contains(character)) {
            self.is_script = true;
        }
        // `NAME=value` in front of a command.
        if character == '='
            && self.words.is_empty()
            && !self.is_quoted
            && self.word.as_deref().is_some_and(is_name)
        {
            self.is_script = true;
        }
        self.word.get_or_insert_default().push(character);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let is_quoted = std::mem::take(&mut self.is_quoted);
        if self.words.is_empty()
            && !is_quoted
            && (RESERVED.contains(&word.as_str()) || BUILTINS.contains(&word.as_str()))
        {
            self.is_script = true;
        }
        self.words.push(word);
    }

    fn single_quoted(&mut self, characters: &mut Characters<'_>) -> Result<(), CommandError> {
        self.is_quoted = true;
        let word = self.word.get_or_insert_default();
        loop {
            match characters.next() {
                Some('\'') => return Ok(()),
                Some(character) => word.push(character),
                None => return Err(CommandError::Open('\'')),
            }
        }
    }

    fn double_quoted(&mut self, characters: &mut Characters<'_>) -> Result<(), CommandError> {
        self.is_quoted = true;
        let word = self.word.get_or_insert_default();
        loop {
            match characters.next() {
                Some('"') => return Ok(()),
                Some('\\') => match characters.peek() {
                    Some('$' | '`' | '"' | '\\') => word.extend(characters.next()),
                    Some('\n') => drop(characters.next()),
                    _ => word.push('\\'),
                },
                Some(character) => {
                    self.is_script |= matches!(character, '$' | '`');
                    word.push(character);
                }
                None => return Err(CommandError::Open('"')),
            }
        }
    }
}

/// Returns whether a text may be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_splits_them() {
        for (text, expected) in [
            ("curl --version", &["curl", "--version"][..]),
            ("  a   b\tc  ", &["a", "b", "c"]),
            ("python3 -c 'import ssl; print(1)'", &["python3", "-c", "import ssl; print(1)"]),
            (r#"a "b c" d"e"'f'g"#, &["a", "b c", "defg"]),
            (r#"a '' """#, &["a", "", ""]),
            (r#"a "say \"hi\" \\ \x""#, &["a", r#"say "hi" \ \x"#]),
            (r"a b\ c \$HOME \'", &["a", "b c", "$HOME", "'"]),
            ("a \\\n  b", &["a", "b"]),
            ("a 'two\nlines'", &["a", "two\nlines"]),
            ("a x=1 --y=2 -z~ b#c", &["a", "x=1", "--y=2", "-z~", "b#c"]),
            ("'x=1' a", &["x=1", "a"]),
            ("'if' a", &["if", "a"]),
            ("grep if", &["grep", "if"]),
            ("a-b=c", &["a-b=c"]),
            ("a \\", &["a", "\\"]),
            ("a {b,c} d!", &["a", "{b,c}", "d!"]),
        ] {
            let words = expected.iter().map(ToString::to_string).collect();
            assert_eq!(split(text), Ok(CommandLine::Words(words)), "{text}");
        }
    }

    #[test]
    fn what_needs_a_shell() {
        for text in [
            "a | b",
            "a && b",
            "a; b",
            "a\nb",
            "a > b",
            "a <b",
            "(a)",
            "echo $HOME",
            "echo \"$HOME\"",
            "echo `date`",
            "echo \"`date`\"",
            "ls *.txt",
            "ls a?",
            "ls [ab]",
            "ls ~",
            "a # b",
            "NAME=value a",
            "if true",
            "! a",
            "{ a",
            "[[ a",
            "cd /tmp",
            "exit 3",
            ". file",
        ] {
            assert_eq!(split(text), Ok(CommandLine::Script), "{text}");
        }
    }

    #[test]
    fn what_is_no_command() {
        for (text, expected) in [
            ("", CommandError::Empty),
            (" \n\t", CommandError::Empty),
            ("a 'b", CommandError::Open('\'')),
            ("a \"b", CommandError::Open('"')),
            ("a \"b\\\"", CommandError::Open('"')),
            ("a \0", CommandError::Nul),
            (&"a".repeat(COMMAND_BYTES_MAX + 1), CommandError::TooLong),
        ] {
            assert_eq!(split(text), Err(expected), "{text:.20}");
        }
    }
}
