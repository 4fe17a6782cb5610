// SPDX-License-Identifier: Apache-2.0
//! What dpkg and the maintainer scripts of Debian's packages would have done.

use hardpan_definition::Scripts;
use hardpan_tree::{Tree, TreePath};

use super::accounts::{self, Masters};
use super::ca_bundle::LinkNames;
use super::dpkg_database::ConffileSums;
use super::script_owners::ScriptOwners;
use super::{
    FinishError, Inputs, Report, alternatives, apt, base_files, directories, dpkg_database,
    drop_list, merged_usr, pam, php_modules, scripts, shells, sysusers, tmpfiles,
};

/// Reads the accounts that base-passwd brings.
pub(super) fn masters(tree: &Tree, inputs: &Inputs<'_>) -> Result<Masters, FinishError> {
    let package = "base-passwd";
    if !inputs.has(package) {
        return Ok(Masters::default());
    }
    let passwd = TreePath::literal("usr/share/base-passwd/passwd.master");
    let group = TreePath::literal("usr/share/base-passwd/group.master");
    Masters::read(tree, inputs, package, &passwd, &group)
}

/// Does what the packages' installation would have done. Returns the configuration files as they came: dpkg remembers
/// them so.
pub(super) fn configure(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<ConffileSums, FinishError> {
    let conffile_sums = dpkg_database::conffile_sums(tree, inputs)?;
    // A skeleton that paths can be followed in.
    report.actions.extend(merged_usr::apply(tree, inputs)?);
    report.actions.extend(directories::apply(tree, inputs)?);
    // Who may own things; what owns them decides who exists.
    let mut accounts = accounts::collect(tree, inputs, masters(tree, inputs)?)?;
    sysusers::offer(tree, &mut accounts, inputs, report)?;
    apt::offer_user(&mut accounts, inputs, report);
    // What scripts of basic packages make, then what packages declare.
    base_files::apply(tree, &mut accounts, inputs, report)?;
    shells::apply(tree, inputs, report)?;
    pam::apply(tree, inputs, report)?;
    apt::apply(tree, &mut accounts, inputs, report)?;
    // The scripts of all others, as far as they can be read.
    if inputs.definition.x_hardpan.scripts != Scripts::None {
        let mut owners = ScriptOwners { accounts: &mut accounts, warnings: Vec::new() };
        let mut handled = base_files::HANDLED_PACKAGES.to_vec();
        handled.extend([("apt", apt::NAME), ("dpkg", dpkg_database::NAME)]);
        let found = scripts::apply(tree, &mut owners, &handled, inputs, report)?;
        report.warnings.append(&mut owners.warnings);
        alternatives::apply(tree, &found.alternatives, inputs, report)?;
        php_modules::apply(tree, &found.php_modules, inputs, report)?;
        report.scripts = found.actions;
    }
    tmpfiles::apply(tree, &mut accounts, inputs, report)?;
    accounts::write(tree, &accounts, inputs, report)?;
    report.actions.extend(drop_list::apply(tree, inputs)?);
    Ok(conffile_sums)
}

/// Makes what is derived from all that is in the tree, and so comes last.
pub(super) fn record(
    tree: &mut Tree,
    conffile_sums: &ConffileSums,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    super::trust_certificates(tree, LinkNames::Plain, inputs, report)?;
    let glibc = inputs.package("libc6").map(|package| package.version.as_str());
    super::cache_libraries(tree, glibc, inputs, report)?;
    dpkg_database::apply(tree, conffile_sums, inputs, report)
}
