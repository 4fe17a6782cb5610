// SPDX-License-Identifier: Apache-2.0
//! Symbolic links that lead nowhere.

use hardpan_tree::{Kind, ResolveError};

use super::ControlId;
use super::places::is_below;
use super::report::Report;
use super::view::View;

/// Directories that a runtime fills, so that nothing can be said of what is in them.
const FILLED_LATER: [&str; 7] = ["proc", "sys", "dev", "run", "tmp", "var/run", "var/tmp"];
/// Directories that strip rules empty: a link to or in them is a leftover of no consequence.
const STRIPPED: [&str; 5] =
    ["usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian"];
/// Files that a runtime puts into every container.
const MOUNTED_LATER: [&str; 3] = ["etc/resolv.conf", "etc/hostname", "etc/hosts"];

/// Reports links whose target is not there.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    for (path, node) in view.tree.walk() {
        if !matches!(node.kind, Kind::Symlink(_)) || is_below(path, &STRIPPED) {
            continue;
        }
        match view.tree.resolve(path) {
            Ok(_) => {}
            Err(ResolveError::NotFound(missing)) => {
                let is_expected = is_below(&missing, &FILLED_LATER)
                    || is_below(&missing, &STRIPPED)
                    || is_below(&missing, &MOUNTED_LATER);
                if !is_expected {
                    report.path(ControlId::LinkDangling, path, "is a link that leads nowhere");
                }
            }
            Err(_) => report.path(ControlId::LinkDangling, path, "is a link that never ends"),
        }
    }
}
