// SPDX-License-Identifier: Apache-2.0
//! The one-line form: `deb [option=value …] URI suite component …`.

use super::{
    IGNORED_OPTIONS, Parsed, Problem, Source, SourceOptions, SourcesError, Word,
    parse_architectures, parse_name, parse_signed_by, parse_type, parse_uri, set_option, words,
};

pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        if content.trim().is_empty() {
            continue;
        }
        match parse_line(content, number + 1) {
            Ok(source) => parsed.sources.push(source),
            Err(error) => parsed.errors.push(error),
        }
    }
    parsed
}

fn parse_line(content: &str, line: usize) -> Result<Source, SourcesError> {
    let end = Word { text: "", line, column: content.trim_end().chars().count() + 1 };
    let (kind, options, rest) = split_options(content, line)?;
    let kind = kind.ok_or_else(|| end.error(Problem::Missing("type")))?;
    let mut source = Source {
        types: vec![parse_type(kind)?],
        uri: String::new(),
        suite: String::new(),
        components: Vec::new(),
        signed_by: Vec::new(),
        architectures: Vec::new(),
        options: SourceOptions::default(),
        line,
    };
    parse_options(&options, &mut source)?;
    let mut rest = rest.into_iter();
    source.uri = parse_uri(rest.next().ok_or_else(|| end.error(Problem::Missing("URI")))?)?;
    let suite = rest.next().ok_or_else(|| end.error(Problem::Missing("suite")))?;
    source.suite = parse_name(suite, "suite")?;
    let components: Vec<_> = rest.collect();
    if source.is_flat() != components.is_empty() {
        let place = components.first().copied().unwrap_or(end);
        return Err(place.error(Problem::Components));
    }
    source.components = components
        .into_iter()
        .map(|component| parse_name(component, "component"))
        .collect::<Result<_, _>>()?;
    Ok(source)
}

type Parts<'t> = (Option<Word<'t>>, Vec<Word<'t>>, Vec<Word<'t>>);

/// Splits a line into its type, the words of its options, and the other words.
fn split_options(content: &str, line: usize) -> Result<Parts<'_>, SourcesError> {
    let all = words(content, line, 1, "");
    // Brackets that come later belong to an IPv6 address.
    let opening = all
        .get(1)
        .filter(|word| word.text.starts_with('['))
        .or_else(|| all.first().filter(|word| word.text.contains('[')));
    let Some(opening) = opening else {
        return Ok((all.first().copied(), Vec::new(), all.into_iter().skip(1).collect()));
    };
    let start = content.find('[').expect("a word with a bracket stands in the line");
    let column = content[..=start].chars().count();
    let end = content[start..].find(']').map(|end| start + end);
    let end = end.ok_or_else(|| opening.error(Problem::OpenBracket))?;
    let options = words(&content[start + 1..end], line, column + 1, "");
    let after = content[..=end].chars().count() + 1;
    let kind = words(&content[..start], line, 1, "").first().copied();
    Ok((kind, options, words(&content[end + 1..], line, after, "")))
}

fn parse_options(options: &[Word<'_>], source: &mut Source) -> Result<(), SourcesError> {
    let mut seen = Vec::new();
    for option in options {
        let Some((name, value)) = option.text.split_once('=') else {
            return Err(option.error(Problem::UnknownOption(option.owned())));
        };
        let name = name.to_ascii_lowercase();
        if seen.contains(&name) {
            return Err(option.error(Problem::Twice(name)));
        }
        let column = option.column + name.chars().count() + 1;
        let value = Word { text: value, column, ..*option };
        let items = words(value.text, value.line, value.column, ",");
        match name.as_str() {
            "arch" => source.architectures = parse_architectures(&items)?,
            "signed-by" => {
                source.signed_by =
                    items.iter().map(|item| parse_signed_by(*item)).collect::<Result<_, _>>()?;
                if source.signed_by.is_empty() {
                    return Err(value.error(Problem::Missing("value")));
                }
            }
            other => {
                if !set_option(other, value, &mut source.options)?
                    && !IGNORED_OPTIONS.contains(&other)
                {
                    return Err(option.error(Problem::UnknownOption(name)));
                }
            }
        }
        seen.push(name);
    }
    Ok(())
}
