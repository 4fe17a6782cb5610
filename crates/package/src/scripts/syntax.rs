// SPDX-License-Identifier: Apache-2.0
//! The syntax tree of a shell script (POSIX.1-2024, "Shell Command Language", §2), as far as
//! maintainer scripts use it.

use std::rc::Rc;

/// Commands one after another.
pub(super) type List = Vec<AndOr>;

/// A pipeline and those joined to it by `&&` and `||`.
#[derive(Debug, Clone)]
pub(super) struct AndOr {
    pub(super) first: Pipeline,
    pub(super) rest: Vec<(Joint, Pipeline)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub(super) is_negated: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    /// Number in the script, in the order of the text.
    pub(super) id: usize,
    pub(super) first_line: u32,
    pub(super) last_line: u32,
    pub(super) kind: CommandKind,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug, Clone)]
pub(super) enum CommandKind {
    Simple(Simple),
    Group(List),
    Subshell(List),
    If {
        branches: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    Case {
        subject: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    For {
        variable: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    While {
        condition: List,
        body: List,
        is_until: bool,
    },
    Function {
        name: String,
        body: Rc<Command>,
    },
    /// `[[ … ]]` or `(( … ))`: a question that is not looked into.
    Opaque,
}

#[derive(Debug, Clone)]
pub(super) struct Simple {
    pub(super) assignments: Vec<(String, Word)>,
    pub(super) words: Vec<Word>,
}

#[derive(Debug, Clone)]
pub(super) struct Redirect {
    pub(super) descriptor: Option<u32>,
    pub(super) operator: RedirectOperator,
    pub(super) target: Word,
    /// Number of the here-document in [`Script::here_documents`].
    pub(super) here_document: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedirectOperator {
    Read,
    Write,
    Append,
    HereDocument,
    DuplicateIn,
    DuplicateOut,
}

/// A word: pieces side by side.
pub(super) type Word = Vec<Part>;

#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Text outside quotes.
    Literal(String),
    /// Text inside quotes.
    Quoted(String),
    Parameter {
        name: String,
        operation: Option<(String, Word)>,
        is_quoted: bool,
    },
    Substitution {
        list: List,
        is_quoted: bool,
    },
    /// Arithmetic and others that are never known.
    Unknown,
}

#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) body: List,
    pub(super) here_documents: Vec<Word>,
    /// The line on which each here-document ends.
    pub(super) here_document_ends: Vec<u32>,
}

/// Why a text is not understood as a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct SyntaxError {
    pub(super) line: u32,
    pub(super) problem: &'static str,
}
