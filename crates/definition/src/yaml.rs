// SPDX-License-Identifier: Apache-2.0
//! YAML to a tree of nodes with spans. The only module that knows the YAML library.
//!
//! Scalars keep their source spelling (`1.30` stays `1.30`); what they mean is decided where they are used.
//! Aliases are expanded and `<<` merged under a budget, so that small texts cannot become large trees.

use std::collections::{BTreeSet, HashMap};

use serde_saphyr::granit_parser::{
    self as granit, ErrorKind, Event, Parser, ScalarStyle, Span as Location, StrInput,
};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{MAX_SOURCE_BYTES, Source, Span};

/// Deepest accepted nesting, aliases included.
const MAX_DEPTH: usize = 48;
/// Most nodes of a tree, aliases included. The largest published definition has about 3,000.
const MAX_NODES: usize = 200_000;
/// Most bytes of text in a tree, aliases included.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may also be a number, a boolean or nothing.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// After `|`.
    Literal,
    /// After `>`.
    Folded,
}

/// A scalar with its source spelling.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A node with its place. The span of a collection covers its beginning only.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// A node for "nothing", as an empty plain scalar is.
    pub(crate) fn null(span: Span) -> Self {
        Self { kind: Kind::Scalar(Scalar { text: String::new(), style: Style::Plain }), span }
    }

    /// Whether this is `null`, `~` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.is_null(),
            _ => false,
        }
    }

    /// The entry of a mapping with this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// What the node is, in words, for "expected …, found …".
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) if scalar.is_null() => "nothing",
            Kind::Scalar(scalar) if scalar.boolean().is_some() => "a boolean",
            Kind::Scalar(scalar) if scalar.is_number() => "a number",
            Kind::Scalar(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    fn height(&self) -> usize {
        match &self.kind {
            Kind::Scalar(_) => 1,
            Kind::List(items) => 1 + items.iter().map(Self::height).max().unwrap_or(0),
            Kind::Map(entries) => {
                1 + entries.iter().map(|entry| entry.value.height()).max().unwrap_or(0)
            }
        }
    }

    /// Nodes and text bytes.
    fn weight(&self) -> (usize, usize) {
        let add =
            |left: (usize, usize), right: (usize, usize)| (left.0 + right.0, left.1 + right.1);
        match &self.kind {
            Kind::Scalar(scalar) => (1, scalar.text.len()),
            Kind::List(items) => items.iter().map(Self::weight).fold((1, 0), add),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| add((0, entry.key.len()), entry.value.weight()))
                .fold((1, 0), add),
        }
    }
}

impl Scalar {
    pub(crate) fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean that a plain scalar means in YAML 1.2 (`yes` and `no` are strings).
    pub(crate) fn boolean(&self) -> Option<bool> {
        if self.style != Style::Plain {
            return None;
        }
        match &*self.text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    /// Whether a plain scalar is a number in YAML 1.2.
    pub(crate) fn is_number(&self) -> bool {
        let text = self.text.strip_prefix(['-', '+']).unwrap_or(&self.text);
        self.style == Style::Plain
            && text.starts_with(|first: char| first.is_ascii_digit())
            && (text.parse::<f64>().is_ok()
                || ["0x", "0o"].iter().any(|prefix| {
                    text.strip_prefix(prefix).is_some_and(|digits| {
                        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                    })
                }))
    }
}

/// Reads one YAML document. Problems go to `diagnostics`; `None` when there is no usable tree.
pub(crate) fn read(source: &Source, index: u32, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    if source.text.len() > MAX_SOURCE_BYTES {
        diagnostics.push(Diagnostic::error(
            Code::Limit,
            Span::new(index, 0..0),
            format!(
                "the file has {} bytes, more than the limit of {MAX_SOURCE_BYTES}",
                source.text.len()
            ),
        ));
        return None;
    }
    let options = granit::options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut reader = Reader {
        source: index,
        text: &source.text,
        stack: Vec::new(),
        root: None,
        documents: 0,
        anchors: HashMap::new(),
        nodes: 0,
        text_bytes: 0,
        diagnostics,
    };
    let mut parser: Parser<'_, StrInput<'_>> =
        Parser::new_from_str_with_options(&source.text, options);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, location)) => {
                if reader.event(event, &location).is_err() {
                    return None;
                }
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(source.text.len());
                match error.kind() {
                    ErrorKind::RecursionLimitExceeded => drop(reader.too_deep(reader.at(at))),
                    _ => reader.scan_error(at, error.info()),
                }
                return None;
            }
        }
    }
    let end = Span::new(index, source.text.len()..source.text.len());
    Some(reader.root.take().unwrap_or_else(|| Node::null(end)))
}

/// A collection that is being read.
struct Frame {
    node: Node,
    anchor: usize,
    /// The key that waits for its value; `Err` for a key that is no scalar and was reported.
    key: Option<Result<(String, Span), ()>>,
    /// Values of `<<`, which come after the mapping's own entries.
    merges: Vec<(Node, Span)>,
}

/// Reading cannot go on; the reason is among the diagnostics.
struct Stop;

struct Reader<'a, 'd> {
    source: u32,
    text: &'a str,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text_bytes: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn event(&mut self, event: Event<'_>, location: &Location) -> Result<(), Stop> {
        let span = self.span(location);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.stop(
                        Code::BadYaml,
                        span,
                        "a file holds one YAML document, this begins a second one",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let mut style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                if let Some(tag) = tag {
                    match tag.core_suffix() {
                        Some("str") => style = Style::Double,
                        Some("int" | "float" | "bool" | "null") => {}
                        _ => self.bad_tag(span),
                    }
                }
                self.charge(1, text.len(), span)?;
                let node =
                    Node { kind: Kind::Scalar(Scalar { text: text.into_owned(), style }), span };
                self.complete(node, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                if tag.is_some_and(|tag| tag.core_suffix() != Some("seq")) {
                    self.bad_tag(span);
                }
                self.open(Kind::List(Vec::new()), span, anchor)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                if tag.is_some_and(|tag| tag.core_suffix() != Some("map")) {
                    self.bad_tag(span);
                }
                self.open(Kind::Map(Vec::new()), span, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut frame) = self.stack.pop() {
                    if let Kind::Map(entries) = &mut frame.node.kind {
                        for (node, span) in frame.merges {
                            merge_keys(entries, node, span, self.diagnostics);
                        }
                    }
                    self.complete(frame.node, frame.anchor);
                }
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    return Err(self.stop(
                        Code::BadYaml,
                        span,
                        "this alias stands inside the node that it refers to",
                    ));
                };
                let (nodes, bytes) = node.weight();
                let height = node.height();
                let node = node.clone();
                self.charge(nodes, bytes, span)?;
                if self.stack.len() + height > MAX_DEPTH {
                    return Err(self.too_deep(span));
                }
                self.complete(node, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn span(&self, location: &Location) -> Span {
        let range = location.byte_range().unwrap_or(0..0);
        let end = range.end.min(self.text.len());
        let start = range.start.min(end);
        // The end of a block scalar is the start of what follows; leave the blank part out.
        let trimmed = self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        Span::new(self.source, start..start + trimmed)
    }

    fn open(&mut self, kind: Kind, span: Span, anchor: usize) -> Result<(), Stop> {
        self.charge(1, 0, span)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        self.stack.push(Frame { node: Node { kind, span }, anchor, key: None, merges: Vec::new() });
        Ok(())
    }

    /// Puts a finished node into its parent.
    fn complete(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut frame.node.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => match frame.key.take() {
                None => {
                    frame.key = Some(if let Kind::Scalar(scalar) = node.kind {
                        Ok((scalar.text, node.span))
                    } else {
                        self.diagnostics.push(Diagnostic::error(
                            Code::BadYaml,
                            node.span,
                            "a key must be a string",
                        ));
                        Err(())
                    });
                }
                Some(Err(())) => {}
                Some(Ok((key, key_span))) if key == "<<" => {
                    frame.merges.push((node, key_span));
                }
                Some(Ok((key, key_span))) => {
                    add_entry(entries, key, key_span, node, self.diagnostics);
                }
            },
        }
    }

    fn charge(&mut self, nodes: usize, bytes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.text_bytes = self.text_bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES || self.text_bytes > MAX_TEXT_BYTES {
            return Err(self.stop(
                Code::Limit,
                span,
                "the definition is too large here, with aliases expanded",
            ));
        }
        Ok(())
    }

    fn too_deep(&mut self, span: Span) -> Stop {
        self.stop(Code::Limit, span, &format!("more than {MAX_DEPTH} levels of nesting"))
    }

    fn bad_tag(&mut self, span: Span) {
        self.diagnostics.push(Diagnostic::error(
            Code::BadYaml,
            span,
            "YAML tags have no meaning here",
        ));
    }

    fn stop(&mut self, code: Code, span: Span, message: &str) -> Stop {
        self.diagnostics.push(Diagnostic::error(code, span, message));
        Stop
    }

    /// The character at an offset, or the one before where that is inside of it.
    fn at(&self, offset: usize) -> Span {
        let mut start = offset.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let width = self.text[start..].chars().next().map_or(0, char::len_utf8);
        Span::new(self.source, start..start + width)
    }

    fn scan_error(&mut self, at: usize, message: String) {
        let span = self.at(at);
        let start = span.range().start;
        let code = if message.contains("limit") { Code::Limit } else { Code::BadYaml };
        let mut diagnostic = Diagnostic::error(code, span, message);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        if self.text[line_start..start].contains('\t') || self.text[start..].starts_with('\t') {
            diagnostic = diagnostic.help("YAML is indented with spaces, not with tabs");
        }
        self.diagnostics.push(diagnostic);
    }
}

fn add_entry(
    entries: &mut Vec<Entry>,
    key: String,
    key_span: Span,
    value: Node,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if let Some(first) = entries.iter().find(|entry| entry.key == key) {
        diagnostics.push(
            Diagnostic::error(
                Code::DuplicateKey,
                key_span,
                format!("the key `{}` stands here twice", key.escape_debug()),
            )
            .label(first.key_span, "first here"),
        );
        return;
    }
    entries.push(Entry { key, key_span, value });
}

/// `<<`: adds the entries of a mapping, or of a list of mappings, that are not there yet.
fn merge_keys(
    entries: &mut Vec<Entry>,
    node: Node,
    key_span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let nodes = match node.kind {
        Kind::List(items) => items,
        kind => vec![Node { kind, span: node.span }],
    };
    for node in nodes {
        let Kind::Map(merged) = node.kind else {
            diagnostics.push(Diagnostic::error(
                Code::BadYaml,
                key_span,
                "`<<` takes a mapping or a list of mappings",
            ));
            continue;
        };
        let known: BTreeSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        entries.extend(merged.into_iter().filter(|entry| !known.contains(&entry.key)));
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn tree(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let node = read(&Source::new("t", text), 0, &mut diagnostics);
        (node, diagnostics)
    }

    fn scalar<'n>(node: &'n Node, key: &str) -> &'n Scalar {
        match &node.get(key).expect("key").value.kind {
            Kind::Scalar(scalar) => scalar,
            other => panic!("{key} is {other:?}"),
        }
    }

    #[test]
    fn spelling_is_kept() {
        let text = "a: 1.30\nb: 0755\nc: no\nd: 'it''s'\ne:\nf: |\n  x\n  y\ng: >-\n  p\n  q\nh: \"\\u00e4\"\n";
        let (node, diagnostics) = tree(text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let node = node.expect("tree");
        for (key, expected) in [
            ("a", "1.30"),
            ("b", "0755"),
            ("c", "no"),
            ("d", "it's"),
            ("e", "~"),
            ("f", "x\ny\n"),
            ("g", "p q"),
            ("h", "ä"),
        ] {
            assert_eq!(scalar(&node, key).text, expected, "{key}");
        }
        let entry = node.get("d").expect("d");
        assert_eq!(&text[entry.key_span.range()], "d");
        assert_eq!(&text[entry.value.span.range()], "'it''s'");
    }

    #[test]
    fn aliases_and_merge_keys() {
        let (node, diagnostics) = tree("a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  x: 9\n");
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let node = node.expect("tree");
        assert_eq!(scalar(&node.get("b").expect("b").value, "y").text, "2");
        let merged = &node.get("c").expect("c").value;
        assert_eq!(scalar(merged, "y").text, "2");
    }

    #[test]
    fn refusals() {
        let bomb = {
            let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
            for level in 1..12 {
                let items = vec![format!("*a{}", level - 1); 10].join(", ");
                let _ = writeln!(text, "a{level}: &a{level} [{items}]");
            }
            text
        };
        let chain = {
            let mut text = "a0: &a0 [x]\n".to_owned();
            for level in 1..200 {
                let _ = writeln!(text, "a{level}: &a{level} [*a{}]", level - 1);
            }
            text
        };
        for (name, text, code) in [
            ("tab", "a:\n\t- b\n".to_owned(), Code::BadYaml),
            ("open quote", "a: \"b\n".to_owned(), Code::BadYaml),
            ("two documents", "a: 1\n---\nb: 2\n".to_owned(), Code::BadYaml),
            ("unknown alias", "a: *b\n".to_owned(), Code::BadYaml),
            ("self alias", "a: &a [*a]\n".to_owned(), Code::BadYaml),
            ("tag", "a: !secret x\n".to_owned(), Code::BadYaml),
            ("list key", "? [a]\n: b\n".to_owned(), Code::BadYaml),
            ("merge of a list", "<<: x\n".to_owned(), Code::BadYaml),
            ("duplicate", "a: 1\na: 2\n".to_owned(), Code::DuplicateKey),
            ("alias bomb", bomb, Code::Limit),
            ("alias chain", chain, Code::Limit),
            ("deep flow", "[".repeat(10_000), Code::Limit),
            (
                "deep block",
                (0..200).flat_map(|n| [" ".repeat(n), "a:\n".to_owned()]).collect(),
                Code::Limit,
            ),
            ("large", " ".repeat(MAX_SOURCE_BYTES + 1), Code::Limit),
        ] {
            let (_, diagnostics) = tree(&text);
            assert_eq!(
                diagnostics.first().map(|diagnostic| diagnostic.code),
                Some(code),
                "{name}: {diagnostics:?}"
            );
        }
    }
}
