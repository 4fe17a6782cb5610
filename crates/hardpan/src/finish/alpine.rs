// SPDX-License-Identifier: Apache-2.0
//! What apk and the scripts of Alpine's packages would have done.
//!
//! Other than in Debian:
//! - a file system is merged (`/lib` a link to `/usr/lib`) only if the packages of the release are;
//! - the distribution's accounts are `/etc/passwd` and `/etc/group` of alpine-baselayout-data, and accounts of packages get
//!   the first free number, as busybox's `adduser` gives it;
//! - musl's loader has no cache. Where somebody brings glibc and `/etc/ld.so.conf`, glibc's is made.

use hardpan_definition::Scripts;
use hardpan_tree::{Tree, TreePath};

use super::accounts::{self, Masters};
use super::apk_owners::ApkOwners;
use super::ca_bundle::LinkNames;
use super::{
    FinishError, Inputs, Report, apk_database, apk_owners, apk_settings, busybox, directories,
    drop_list, merged_usr, os_release, scripts, shells, sysusers, tmpfiles,
};

/// Reads the accounts that alpine-baselayout-data brings.
fn masters(tree: &Tree, inputs: &Inputs<'_>) -> Result<Masters, FinishError> {
    let (passwd, group) = (TreePath::literal("etc/passwd"), TreePath::literal("etc/group"));
    Masters::read(tree, inputs, "alpine-baselayout-data", &passwd, &group)
}

/// Does what the packages' installation would have done.
pub(super) fn configure(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    // A skeleton that paths can be followed in, with the programs that scripts ask for.
    report.actions.extend(merged_usr::apply_as_packages(tree, inputs)?);
    report.actions.extend(directories::apply(tree, inputs)?);
    busybox::apply(tree, inputs, report)?;
    report.actions.extend(os_release::apply_alpine(tree, inputs)?);
    // Who may own things; what owns them decides who exists.
    let mut accounts = accounts::collect(tree, inputs, masters(tree, inputs)?)?;
    sysusers::offer(tree, &mut accounts, inputs, report)?;
    let mut owners = ApkOwners::new(&mut accounts, inputs);
    let mut found = None;
    if inputs.definition.x_hardpan.scripts != Scripts::None {
        found = Some(scripts::apply(tree, &mut owners, &[], inputs, report)?);
    }
    owners.settle(inputs);
    let ApkOwners { mut warnings, renumbered, .. } = owners;
    report.warnings.append(&mut warnings);
    report.actions.extend(apk_owners::renumber(tree, &renumbered, inputs));
    if let Some(found) = found {
        shells::add(tree, &found.shells, inputs, report)?;
        report.scripts = found.actions;
    }
    tmpfiles::apply(tree, &mut accounts, inputs, report)?;
    accounts::write(tree, &accounts, inputs, report)?;
    apk_owners::write_shadow(tree, &accounts, inputs, report)?;
    apk_settings::apply(tree, inputs, report)?;
    report.actions.extend(drop_list::apply(tree, inputs)?);
    Ok(())
}

/// Makes what is derived from all that is in the tree, and so comes last.
pub(super) fn record(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    super::trust_certificates(tree, LinkNames::Prefixed, inputs, report)?;
    if tree.resolve(&TreePath::literal("etc/ld.so.conf")).is_ok() {
        super::cache_libraries(tree, None, inputs, report)?;
    }
    apk_database::apply(tree, inputs, report)
}

#[cfg(test)]
mod tests;
