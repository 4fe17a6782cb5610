// SPDX-License-Identifier: Apache-2.0
//! What is there for nothing: what layers hide of each other, and what is there twice.

use std::collections::BTreeMap;

use hardpan_tree::{Digest, Kind, TreePath};

use super::report::Report;
use super::view::View;
use super::{ControlId, Severity};

/// How much of an image's layers may be hidden, in percent.
const HIDDEN_PERCENT_MAX: u64 = 10;
/// What is less is not worth a word, in bytes.
const HIDDEN_BYTES_MIN: u64 = 1 << 20;
/// Files that are smaller may be there as often as they like, in bytes.
const DUPLICATE_BYTES_MIN: u64 = 1 << 20;
/// How many of the hidden files are named.
const NAMED_MAX: usize = 10;

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let facts = match view.facts() {
        Ok(facts) => facts,
        Err(why) => {
            let controls = [ControlId::WastedBytes, ControlId::DuplicateFile];
            return report.all_unmeasured(&controls, why);
        }
    };
    let total: u64 = facts.layers.iter().map(|layer| layer.files_bytes).sum();
    let hidden = facts.hidden_bytes;
    if hidden >= HIDDEN_BYTES_MIN && hidden.saturating_mul(100) > total * HIDDEN_PERCENT_MAX {
        let text = format!("is hidden by another layer; {hidden} of {total} bytes are");
        // Many small ones make no difference.
        let large = facts.hidden_files.iter().filter(|file| file.size_bytes * 100 >= hidden);
        let mut is_named = false;
        for file in large.take(NAMED_MAX) {
            is_named = true;
            let control = ControlId::WastedBytes;
            report.in_layer(control, &file.path, file.layer, text.clone(), Severity::Fail);
        }
        if !is_named {
            let text = format!("{hidden} of {total} bytes are hidden by other layers");
            report.image(ControlId::WastedBytes, text);
        }
    }
    let mut by_digest: BTreeMap<Digest, &TreePath> = BTreeMap::new();
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if file.size_bytes < DUPLICATE_BYTES_MIN {
            continue;
        }
        let first = *by_digest.entry(file.digest).or_insert(path);
        if first != path {
            report.path(ControlId::DuplicateFile, path, format!("has the same bytes as {first}"));
        }
    }
}
