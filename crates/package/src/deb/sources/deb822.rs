// SPDX-License-Identifier: Apache-2.0
//! The deb822 form: stanzas of fields.

use super::{
    IGNORED_OPTIONS, Parsed, Problem, SOURCES_MAX, SignedBy, Source, SourceOptions, SourceType,
    SourcesError, Word, parse_architectures, parse_bool, parse_name, parse_signed_by, parse_type,
    parse_uri, set_option, words,
};

/// A field: its name in lower case, and the lines of its value.
struct Field<'t> {
    name: String,
    place: Word<'t>,
    lines: Vec<Word<'t>>,
}

impl<'t> Field<'t> {
    /// Returns the words of the value.
    fn words(&self) -> Vec<Word<'t>> {
        self.lines.iter().flat_map(|line| words(line.text, line.line, line.column, "")).collect()
    }

    /// Returns the one word of the value.
    fn word(&self) -> Result<Word<'t>, SourcesError> {
        match self.words().as_slice() {
            [word] => Ok(*word),
            [] => Err(self.place.error(Problem::Missing("value"))),
            [_, more, ..] => {
                let (option, value) = ("this field (one word expected)", more.owned());
                Err(more.error(Problem::Value { option, value }))
            }
        }
    }
}

pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut stanza: Vec<Field<'_>> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let here = |text, column| Word { text, line: number + 1, column };
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            finish(&mut stanza, &mut parsed);
        } else if line.starts_with([' ', '\t']) {
            match stanza.last_mut() {
                Some(field) => field.lines.push(here(&line[1..], 2)),
                None => parsed.errors.push(here("", 1).error(Problem::Field)),
            }
        } else {
            match line.split_once(':') {
                Some((name, value)) if name.bytes().all(|b| b.is_ascii_graphic()) => {
                    let column = name.chars().count() + 2;
                    stanza.push(Field {
                        name: name.to_ascii_lowercase(),
                        place: here(name, 1),
                        lines: vec![here(value, column)],
                    });
                }
                _ => parsed.errors.push(here("", 1).error(Problem::Field)),
            }
        }
    }
    finish(&mut stanza, &mut parsed);
    parsed
}

/// Turns the fields of a stanza into sources.
fn finish(stanza: &mut Vec<Field<'_>>, parsed: &mut Parsed) {
    let fields = std::mem::take(stanza);
    if fields.is_empty() {
        return;
    }
    match parse_stanza(&fields) {
        Ok(sources) => {
            let room = (SOURCES_MAX + 1).saturating_sub(parsed.sources.len());
            parsed.sources.extend(sources.into_iter().take(room));
        }
        Err(errors) => parsed.errors.extend(errors),
    }
}

/// What a stanza says.
#[derive(Default)]
struct Stanza<'t> {
    types: Vec<SourceType>,
    uris: Vec<String>,
    suites: Vec<(Word<'t>, String)>,
    components: Vec<String>,
    signed_by: Vec<SignedBy>,
    architectures: Vec<String>,
    options: SourceOptions,
    disabled: bool,
}

fn parse_stanza(fields: &[Field<'_>]) -> Result<Vec<Source>, Vec<SourcesError>> {
    let mut errors = Vec::new();
    let mut stanza = Stanza::default();
    let mut seen: Vec<&str> = Vec::new();
    for field in fields {
        if seen.contains(&field.name.as_str()) {
            errors.push(field.place.error(Problem::Twice(field.place.owned())));
        } else if let Err(error) = parse_field(field, &mut stanza) {
            errors.push(error);
        }
        seen.push(&field.name);
    }
    let start = fields[0].place;
    for (name, label) in [("types", "Types"), ("uris", "URIs"), ("suites", "Suites")] {
        let empty = |field: &Field<'_>| field.name == name && field.words().is_empty();
        if !seen.contains(&name) || fields.iter().any(empty) {
            errors.push(start.error(Problem::Missing(label)));
        }
    }
    for (place, suite) in &stanza.suites {
        if suite.ends_with('/') != stanza.components.is_empty() && errors.is_empty() {
            errors.push(place.error(Problem::Components));
        }
    }
    if stanza.uris.len().saturating_mul(stanza.suites.len()) > SOURCES_MAX {
        errors.push(start.error(Problem::TooLarge));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if stanza.disabled {
        return Ok(Vec::new());
    }
    let mut sources = Vec::new();
    for uri in &stanza.uris {
        for (_, suite) in &stanza.suites {
            sources.push(Source {
                types: stanza.types.clone(),
                uri: uri.clone(),
                suite: suite.clone(),
                components: stanza.components.clone(),
                signed_by: stanza.signed_by.clone(),
                architectures: stanza.architectures.clone(),
                options: stanza.options.clone(),
                line: start.line,
            });
        }
    }
    Ok(sources)
}

fn parse_field<'t>(field: &Field<'t>, stanza: &mut Stanza<'t>) -> Result<(), SourcesError> {
    let words = || field.words().into_iter();
    match field.name.as_str() {
        "types" => {
            stanza.types = words().map(parse_type).collect::<Result<_, _>>()?;
            stanza.types.sort_unstable();
            stanza.types.dedup();
        }
        "uris" => stanza.uris = words().map(parse_uri).collect::<Result<_, _>>()?,
        "suites" => {
            stanza.suites = words()
                .map(|word| Ok((word, parse_name(word, "suite")?)))
                .collect::<Result<_, _>>()?;
        }
        "components" => {
            stanza.components =
                words().map(|word| parse_name(word, "component")).collect::<Result<_, _>>()?;
        }
        "architectures" => stanza.architectures = parse_architectures(&field.words())?,
        "signed-by" => stanza.signed_by = parse_keys(field)?,
        "enabled" => stanza.disabled = !parse_bool(field.word()?, "Enabled")?,
        other if other.starts_with("x-") || IGNORED_OPTIONS.contains(&other) => {}
        other => {
            let known = match field.word() {
                Ok(word) => set_option(other, word, &mut stanza.options)?,
                Err(error) => {
                    // Tells an unknown field from a known one with a bad value.
                    let probe = Word { text: "0", ..field.place };
                    if set_option(other, probe, &mut SourceOptions::default())? {
                        return Err(error);
                    }
                    false
                }
            };
            if !known {
                return Err(field.place.error(Problem::UnknownOption(field.place.owned())));
            }
        }
    }
    Ok(())
}

/// Parses `Signed-By`: paths and fingerprints, or an armoured key over several lines, in which a
/// line with a dot stands for an empty one.
fn parse_keys(field: &Field<'_>) -> Result<Vec<SignedBy>, SourcesError> {
    let is_armour = |line: &Word<'_>| line.text.trim_start().starts_with("-----BEGIN PGP");
    if !field.lines.iter().any(is_armour) {
        let keys: Vec<_> =
            field.words().into_iter().map(parse_signed_by).collect::<Result<_, _>>()?;
        return if keys.is_empty() {
            Err(field.place.error(Problem::Missing("value")))
        } else {
            Ok(keys)
        };
    }
    let mut block = String::new();
    for line in &field.lines {
        let text = line.text.trim();
        if !(block.is_empty() && text.is_empty()) {
            block.push_str(if text == "." { "" } else { text });
            block.push('\n');
        }
    }
    if block.trim_end().ends_with("-----END PGP PUBLIC KEY BLOCK-----") {
        Ok(vec![SignedBy::Inline(block)])
    } else {
        Err(field.place.error(Problem::KeyBlock))
    }
}
