// SPDX-License-Identifier: Apache-2.0
//! Line 1: `# syntax=dhi.io/build:<frontend>-<distribution>`.

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::model::{Distribution, Syntax};
use crate::source::{Source, Span};

const FRONTEND: &str = "dhi.io/build";
const EXAMPLE: &str = "# syntax=dhi.io/build:2-debian13";

/// Reads line 1 of the definition.
pub(crate) fn read(source: &Source, index: u32) -> Result<Syntax, Box<Diagnostic>> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let base = source.text.len() - text.len();
    let line = text.lines().next().unwrap_or_default();
    let fail = |range: std::ops::Range<usize>, message: String| {
        Box::new(
            Diagnostic::error(
                Code::BadSyntaxLine,
                Span::new(index, base + range.start..base + range.end),
                message,
            )
            .help(help()),
        )
    };
    let value = line
        .strip_prefix('#')
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix("syntax"))
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('='))
        .map(str::trim_start);
    let Some(value) = value else {
        let end = if line.starts_with('#') { line.len() } else { 0 };
        return Err(fail(0..end, "line 1 must be a `# syntax=` line".to_owned()));
    };
    let start = line.len() - value.len();
    let value = value.trim_end();
    let end = start + value.len();
    let Some((name, version)) = value.split_once(':') else {
        return Err(fail(start..end, format!("`{value}` has no version")));
    };
    let version_start = start + name.len() + 1;
    if name != FRONTEND {
        return Err(fail(start..start + name.len(), format!("unknown frontend `{name}`")));
    }
    let Some((frontend, rest)) = version.split_once('-') else {
        return Err(fail(
            version_start..end,
            format!("`{version}` is not of the form <major>-<distribution>"),
        ));
    };
    let major = match frontend {
        "1" => 1,
        "2" => 2,
        _ => {
            let range = version_start..version_start + frontend.len();
            return Err(fail(range, format!("unknown frontend version `{frontend}`")));
        }
    };
    let name = rest.strip_suffix("-dev").unwrap_or(rest);
    let distribution =
        Distribution::ALL.into_iter().find(|distribution| distribution.to_string() == name);
    if let Some(distribution) = distribution {
        Ok(Syntax { frontend: major, distribution })
    } else {
        let start = version_start + frontend.len() + 1;
        let mut diagnostic =
            fail(start..start + name.len(), format!("unsupported distribution `{name}`"));
        let names = Distribution::ALL.map(|distribution| distribution.to_string());
        if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            diagnostic.labels[0].text = format!("did you mean `{near}`?");
        }
        Err(diagnostic)
    }
}

fn help() -> String {
    let names = Distribution::ALL.map(|distribution| distribution.to_string());
    format!("for example `{EXAMPLE}`; distributions are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        for (line, expected) in [
            ("# syntax=dhi.io/build:2-debian13", "2 debian13"),
            ("# syntax=dhi.io/build:2-debian12\r", "2 debian12"),
            ("#syntax = dhi.io/build:2-alpine3.24  ", "2 alpine3.24"),
            ("# syntax=dhi.io/build:1-alpine3.23-dev", "1 alpine3.23"),
            ("# syntax=dhi.io/build:2-alpine-edge", "2 alpine-edge"),
            ("# syntax=dhi.io/build:2-alpine-edge-dev", "2 alpine-edge"),
            ("\u{feff}# syntax=dhi.io/build:2-helm3", "2 helm3"),
        ] {
            let syntax = read(&Source::new("t", format!("{line}\nimage: x\n")), 0).expect(line);
            let found = format!("{} {}", syntax.frontend, syntax.distribution);
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn refused() {
        for (line, columns) in [
            ("image: x", 1..1),
            ("", 1..1),
            ("# a comment", 1..12),
            ("# syntax=docker/dockerfile:1", 10..27),
            ("# syntax=dhi.io/build", 10..22),
            ("# syntax=dhi.io/build:2", 23..24),
            ("# syntax=dhi.io/build:3-debian13", 23..24),
            ("# syntax=dhi.io/build:2-debian11", 25..33),
            ("# syntax=dhi.io/build:2-ubuntu", 25..31),
            ("# syntax=dhi.io/build:2-alpine3.21", 25..35),
            ("# syntax=dhi.io/build:2-alpine", 25..31),
        ] {
            let error = read(&Source::new("t", line), 0).expect_err(line);
            let span = error.span().expect("span").range();
            assert_eq!(span.start + 1..span.end + 1, columns, "{line}");
            assert_eq!(error.code, Code::BadSyntaxLine);
        }
    }
}
