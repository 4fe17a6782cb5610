// SPDX-License-Identifier: Apache-2.0
//! `/usr/share/doc/NAME/copyright` of Debian packages: machine-readable, or prose that is searched for what is
//! certain.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::Node;
use super::{Collector, Licensing, machine, recognize, shorten};

/// The largest file that is read, in bytes. The largest in Debian has 2.6 MB.
pub const COPYRIGHT_BYTES_MAX: usize = 8 << 20;
/// The most bytes of notices that are kept.
const NOTICES_BYTES_MAX: usize = 32 << 10;
/// Where Debian has texts that many packages have; without what normal text does not have at a line's beginning.
const COMMON: &str = "usr/share/common-licenses/";
/// How a module of Perl says that anybody may choose.
const AS_PERL: &str = "same terms as perl";

/// What a copyright file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copyright {
    /// The licences, if it says something of them.
    pub licensing: Option<Licensing>,
    /// Who has the copyright, a line each.
    pub notices: Option<String>,
}

/// A copyright file is larger than [`COPYRIGHT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the copyright file has {0} bytes, more than {COPYRIGHT_BYTES_MAX}")]
pub struct CopyrightTooLarge(pub usize);

impl Copyright {
    /// Returns the licences as a component has them: expressions, and texts by their references.
    pub fn for_component(&self) -> (BTreeSet<String>, BTreeMap<String, String>) {
        let Some(licensing) = &self.licensing else { return <_>::default() };
        let text = |(id, reference): (&String, &super::Reference)| {
            reference.text.clone().map(|text| (id.clone(), text))
        };
        let texts = licensing.references.iter().filter_map(text).collect();
        (BTreeSet::from([licensing.expression.clone()]), texts)
    }
}

/// Reads a copyright file.
///
/// # Errors
/// If it is too large to be one.
pub fn read_copyright(bytes: &[u8]) -> Result<Copyright, CopyrightTooLarge> {
    if bytes.len() > COPYRIGHT_BYTES_MAX {
        return Err(CopyrightTooLarge(bytes.len()));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(machine) = machine::read(&text) {
        let mut collector = Collector { texts: &machine.texts, references: BTreeMap::new() };
        let nodes = machine.nodes(&mut collector);
        let licensing = collector.finish(Node::all(nodes));
        if licensing.is_some() {
            return Ok(Copyright { licensing, notices: notices(&machine.copyright) });
        }
    }
    Ok(prose(&text))
}

fn prose(text: &str) -> Copyright {
    let lines: Vec<String> = (text.lines())
        .map(|line| line.trim().trim_start_matches(['*', '#', '/', ';', '|', ' ']))
        .filter(|line| {
            let lower = line.to_lowercase();
            let starts = ["copyright (c)", "copyright:", "copyright ©", "©", "(c) 1", "(c) 2"];
            starts.iter().any(|start| lower.starts_with(start))
                || lower.strip_prefix("copyright ").is_some_and(|rest| rest.starts_with(['1', '2']))
        })
        .map(str::to_owned)
        .collect();
    let texts = BTreeMap::new();
    let mut collector = Collector { texts: &texts, references: BTreeMap::new() };
    let normal = recognize::normal(text);
    let mut ids: BTreeSet<&str> = recognize::within(&normal).into_iter().collect();
    ids.extend(recognize::grants(&normal));
    ids.extend(common(&normal));
    let mut nodes = Vec::new();
    if normal.contains(AS_PERL) {
        let choice = ["Artistic-1.0-Perl", "GPL-1.0-or-later"];
        ids.retain(|id| !choice.contains(id) && *id != "GPL-1.0-only");
        nodes.push(Node::Any(choice.map(|id| Node::Term(id.to_owned())).to_vec()));
    }
    nodes.extend(ids.iter().map(|id| Node::Term((*id).to_owned())));
    if nodes.is_empty() && !text.trim().is_empty() {
        nodes.push(collector.refer("copyright file", Some(text)));
    }
    Copyright { licensing: collector.finish(Node::all(nodes)), notices: notices(&lines) }
}

/// Returns the licences that are named by where Debian has their texts. The notice in front says more than the
/// name: which versions.
fn common(text: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut start = 0;
    for (at, _) in text.match_indices(COMMON) {
        let name = &text[at + COMMON.len()..];
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
        let name = name[..end.unwrap_or(name.len())].trim_end_matches('.');
        let notice = &text[start..at];
        start = at + COMMON.len();
        let family = name.split('-').next().unwrap_or(name);
        let granted = recognize::grants(notice);
        let of_family =
            granted.iter().copied().filter(|id| id.to_ascii_lowercase().starts_with(family));
        let of_family: Vec<&str> = of_family.collect();
        match (of_family.is_empty(), by_name(name)) {
            (false, _) if matches!(family, "gpl" | "lgpl") => found.extend(of_family),
            (_, Some(id)) => {
                found.insert(id);
            }
            _ => {}
        }
    }
    found
}

/// What the files are. Of GNU's without a notice that says "or later" only the version is certain.
fn by_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "apache-2.0" => "Apache-2.0",
        "artistic" => "Artistic-1.0-Perl",
        "bsd" => "BSD-3-Clause",
        "cc0-1.0" => "CC0-1.0",
        "gfdl" => "GFDL-1.1-or-later",
        "gfdl-1.2" => "GFDL-1.2-only",
        "gfdl-1.3" => "GFDL-1.3-only",
        "gpl" => "GPL-1.0-or-later",
        "gpl-1" => "GPL-1.0-only",
        "gpl-2" => "GPL-2.0-only",
        "gpl-3" => "GPL-3.0-only",
        "lgpl" => "LGPL-2.0-or-later",
        "lgpl-2" => "LGPL-2.0-only",
        "lgpl-2.1" => "LGPL-2.1-only",
        "lgpl-3" => "LGPL-3.0-only",
        "mpl-1.1" => "MPL-1.1",
        "mpl-2.0" => "MPL-2.0",
        _ => return None,
    })
}

/// Joins notices in the order that they have, each once.
fn notices(lines: &[String]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut output = String::new();
    for line in lines {
        let line = line.trim();
        if line.is_empty() || line == "." || !seen.insert(line) || output.len() > NOTICES_BYTES_MAX
        {
            continue;
        }
        if !output.is_empty() {
            output.push('\n');
        }
        output.push_str(line);
    }
    (!output.is_empty()).then(|| shorten(&output, NOTICES_BYTES_MAX))
}
