// SPDX-License-Identifier: Apache-2.0
//! `WWW-Authenticate` (RFC 9110, section 11.6.1): how a registry wants to be convinced.

/// One way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// By name and password.
    Basic,
    /// By a token from somewhere else (distribution, "Token Authentication Specification").
    Bearer {
        /// The URL to ask for the token.
        realm: String,
        /// For whom it is.
        service: Option<String>,
    },
}

/// Reads a header's challenges, those for tokens first. What is not understood is left out.
pub fn parse(headers: &[String]) -> Vec<Challenge> {
    let mut found: Vec<Challenge> =
        headers.iter().flat_map(|header| split(header)).filter_map(challenge).collect();
    found.sort_by_key(|challenge| *challenge == Challenge::Basic);
    found
}

/// A scheme with its parameters.
type Parts = (String, Vec<(String, String)>);

fn challenge((scheme, parameters): Parts) -> Option<Challenge> {
    let value = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: value("realm")?, service: value("service") }),
        _ => None,
    }
}

/// Splits a header into challenges: words that no `=` follows are schemes.
fn split(header: &str) -> Vec<Parts> {
    let mut parts: Vec<Parts> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let is_word = |letter: char| letter.is_ascii_graphic() && !",=\"".contains(letter);
        let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        if end == 0 {
            // The end, or something that no challenge begins with.
            return parts;
        }
        let word = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start_matches([' ', '\t']);
        let Some(after) = rest.strip_prefix('=') else {
            parts.push((word, Vec::new()));
            continue;
        };
        let Some((value, after)) = value(after.trim_start_matches([' ', '\t'])) else {
            return parts;
        };
        rest = after;
        if let Some((_, parameters)) = parts.last_mut() {
            parameters.push((word, value));
        }
    }
}

/// Reads a quoted or bare value; nothing if a quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
    }

    #[test]
    fn headers_are_read() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://a.example/token",service="a.example",scope="repository:a:pull""#,
                vec![bearer("https://a.example/token", Some("a.example"))],
            ),
            (
                "bearer Realm = https://a.example/t , SERVICE=b",
                vec![bearer("https://a.example/t", Some("b"))],
            ),
            (r#"Basic realm="x, y=z""#, vec![Challenge::Basic]),
            ("Basic", vec![Challenge::Basic]),
            (
                r#"Basic realm="x", Bearer realm="https://a.example/""#,
                vec![bearer("https://a.example/", None), Challenge::Basic],
            ),
            (r#"Bearer realm="a\"b\\c""#, vec![bearer("a\"b\\c", None)]),
        ] {
            assert_eq!(parse(&[header.to_owned()]), expected, "{header}");
        }
        let both = ["Basic".to_owned(), r#"Bearer realm="r""#.to_owned()];
        assert_eq!(parse(&both), [bearer("r", None), Challenge::Basic]);
    }

    #[test]
    fn other_headers_ask_for_nothing() {
        for header in [
            "",
            "Bearer",
            "Bearer service=\"a\"",
            "Bearer realm=\"never closed",
            "Bearer realm=\"ends in a backslash\\",
            "Negotiate abc=",
            "realm=\"no scheme\"",
            "\"Bearer\" realm=\"x\"",
            "=,=,=",
            "Ärger realm=x",
        ] {
            assert_eq!(parse(&[header.to_owned()]), [], "{header}");
        }
    }
}
