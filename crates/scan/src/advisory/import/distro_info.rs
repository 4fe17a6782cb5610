// SPDX-License-Identifier: Apache-2.0
//! distro-info's table of Debian's releases: numbers, codenames, and until when there is support.

use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{Batch, Collected, DebianRelease};

/// Adds Debian's releases.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let mut batch = Batch::new("distro-info", input.digest(), input.time);
    let table = part::text(input.bytes)?;
    let mut lines = table.lines().enumerate();
    let header = lines.next().map(|(_, line)| line).unwrap_or_default();
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let column = |name: &str| {
        let found = names.iter().position(|known| *known == name);
        found.ok_or_else(|| ImportError::Line {
            line: 1,
            reason: "no columns version, series and eol",
            text: header.chars().take(80).collect(),
        })
    };
    let (version, series, end) = (column("version")?, column("series")?, column("eol")?);
    let end_of_lts = column("eol-lts").ok();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let field = |column: usize| fields.get(column).copied().unwrap_or_default();
        let codename = field(series);
        let number = match (field(version), codename) {
            ("", "sid") => "sid",
            (number, _) => number,
        };
        let is_number = |number: &str| {
            number == "sid"
                || number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                    && number.len() <= 8
        };
        let is_codename = !codename.is_empty()
            && codename.len() <= 32
            && codename.bytes().all(|byte| byte.is_ascii_lowercase());
        if number.is_empty() || !is_codename || !is_number(number) {
            batch.skip("no release with a number", || format!("line {}: {line}", index + 1));
            continue;
        }
        batch.count()?;
        let release = DebianRelease {
            number: number.to_owned(),
            end_of_life: text::day(field(end)),
            end_of_lts: end_of_lts.and_then(|column| text::day(field(column))),
        };
        batch.release(codename, release);
    }
    Ok(collected.take(batch))
}
