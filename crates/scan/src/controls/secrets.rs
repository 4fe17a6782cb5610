// SPDX-License-Identifier: Apache-2.0
//! Private keys, credentials and passwords.

use std::collections::BTreeSet;

use hardpan_tree::{Kind, Origin, TreePath};

use super::account_files;
use super::image::SecretFact;
use super::places;
use super::report::Report;
use super::view::{self, View};
use super::{ControlId, Severity};
use crate::secrets::private_key;

/// The largest file that is read for a private key.
const KEY_BYTES_MAX: u64 = 64 * 1024;
/// The most such files that are read, so that an application of a million small files costs no more.
const KEY_FILES_MAX: usize = 20_000;

/// The key that Debian's ssl-cert makes when it is installed.
const TEST_KEY: &[u8] = b"etc/ssl/private/ssl-cert-snakeoil.key";
/// What the repositories of version control systems are called.
const REPOSITORIES: [&[u8]; 5] = [b".git", b".hg", b".svn", b".bzr", b"CVS"];

/// Checks names, small files that no package brought, and the password fields of accounts.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let known = view.facts().ok().and_then(|facts| facts.secrets.as_deref());
    let mut told: BTreeSet<&TreePath> = BTreeSet::new();
    for secret in known.unwrap_or_default() {
        let visible = secret.path.as_ref().filter(|_| secret.deleted_in.is_none());
        // The passwords of accounts have a control of their own, where that could be measured.
        if visible.is_some_and(|path| {
            account_files::holds_passwords(path) && view.text(path).known().is_ok()
        }) {
            continue;
        }
        // What is deleted says nothing of what took its place.
        told.extend(visible);
        check_known(secret, report);
    }
    if known.is_none() {
        let why = view.facts().err().unwrap_or("nobody looked for secrets");
        let controls = [ControlId::SecretDeleted, ControlId::SecretConfiguration];
        report.all_unmeasured(&controls, why);
    }
    if let Some(why) = view.facts().ok().and_then(|facts| facts.unsearched.as_deref()) {
        report.all_unmeasured(&[ControlId::Secret, ControlId::SecretDeleted], why);
    }
    let mut files_read = 0;
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if file.size_bytes == 0 || told.contains(path) {
            continue;
        }
        let is_packaged = matches!(node.origin, Origin::Package(_));
        if let Some(text) = named_like_a_secret(path, is_packaged) {
            report.path_at_most(ControlId::Secret, path, text, worst(path, true));
        } else if known.is_none()
            && !is_packaged
            && !places::is_sample(path)
            && file.size_bytes <= KEY_BYTES_MAX
        {
            files_read += 1;
            if files_read > KEY_FILES_MAX {
                let why = format!("of more than {KEY_FILES_MAX} small files not all are read");
                report.unmeasured(ControlId::Secret, why);
                continue;
            }
            match view::small_content(view.input.contents, file, KEY_BYTES_MAX) {
                Some(bytes) if private_key::is_in(&bytes) => {
                    report.path(ControlId::Secret, path, "holds a private key");
                }
                Some(_) => {}
                None => report.unmeasured(ControlId::Secret, format!("{path} can't be read")),
            }
        }
    }
    check_passwords(view, report);
    check_repositories(view, report);
}

fn check_passwords(view: &View<'_>, report: &mut Report<'_>) {
    for (path, is_open_if_empty) in account_files::PASSWORDS
        .iter()
        .map(|path| (path, true))
        .chain(account_files::OTHER_PASSWORDS.iter().map(|path| (path, false)))
    {
        let path = TreePath::literal(path);
        match view.text(&path).known() {
            Ok(text) => {
                for account in open_accounts(&text, is_open_if_empty) {
                    report.path(ControlId::Password, &path, account);
                }
            }
            Err(why) => report.unmeasured(ControlId::Password, why),
        }
    }
}

/// Tells what the search for secrets found: in a file of the image, in one that a layer deletes, or in the configuration.
fn check_known(secret: &SecretFact, report: &mut Report<'_>) {
    let what = &secret.what;
    match (&secret.path, secret.layer, secret.deleted_in) {
        (Some(path), Some(layer), Some(deleted_in)) => {
            let text = format!(
                "has what a secret looks like ({what}), and is deleted by layer {deleted_in}"
            );
            report.in_layer(ControlId::SecretDeleted, path, layer, text, Severity::Fail);
        }
        (Some(path), layer, _) => {
            // It is in a file of a lower layer, if the one that is seen came later.
            let text = format!("has what a secret looks like ({what})");
            let most = worst(path, secret.is_private_key);
            match layer {
                Some(layer) => report.in_layer(ControlId::Secret, path, layer, text, most),
                None => report.path_at_most(ControlId::Secret, path, text, most),
            }
        }
        (None, ..) => {
            let text = format!("{} has what a secret looks like ({what})", secret.place);
            report.image(ControlId::SecretConfiguration, text);
        }
    }
}

/// Says how bad a secret is at most. Debian makes a key for tests of servers, whom nobody should trust by it.
fn worst(path: &TreePath, is_private_key: bool) -> Severity {
    let is_for_tests = is_private_key && path.as_bytes() == TEST_KEY;
    if is_for_tests { Severity::Info } else { Severity::Fail }
}

/// Finds repositories by what is in them, whatever they are called; a file called `.git` says where one is.
fn check_repositories(view: &View<'_>, report: &mut Report<'_>) {
    for (path, node) in view.tree.walk() {
        let has = |name: &str| path.join(name).is_ok_and(|path| view.tree.contains(&path));
        let is_repository = match &node.kind {
            Kind::Directory => {
                (has("HEAD") && has("objects") && has("refs"))
                    || (REPOSITORIES[1..].contains(&path.name())
                        && (has("store")
                            || has("wc.db")
                            || has("entries")
                            || has("Entries")
                            || has("branch")))
            }
            Kind::File(file) if path.name() == REPOSITORIES[0] => {
                file.size_bytes <= KEY_BYTES_MAX
                    && view.text(path).known().map_or_else(
                        |why| {
                            report.unmeasured(ControlId::VersionControl, why);
                            false
                        },
                        |text| text.starts_with("gitdir:"),
                    )
            }
            _ => false,
        };
        let is_packaged = matches!(node.origin, Origin::Package(_));
        if is_repository && !is_packaged {
            report.path(
                ControlId::VersionControl,
                path,
                "is a repository of a version control system",
            );
        }
    }
}

/// Says what a file is, by its name. In packages, files below `/usr` are samples and test data.
fn named_like_a_secret(path: &TreePath, is_packaged: bool) -> Option<&'static str> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let (directory, name) = text.rsplit_once('/').unwrap_or(("", text));
    if is_packaged && text.starts_with("usr/") {
        return None;
    }
    if directory == "etc/ssl/private" || directory.starts_with("etc/ssl/private/") {
        return Some("is a private key by its directory");
    }
    match name {
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" | "id_ecdsa_sk" | "id_ed25519_sk" => {
            return Some("is a private key by its name");
        }
        _ if name.starts_with("ssh_host_") && name.ends_with("_key") => {
            return Some("is the private key of a host");
        }
        _ => {}
    }
    let parent = directory.rsplit('/').next();
    let is_credential = match name {
        ".netrc" | ".git-credentials" | ".pypirc" | ".pgpass" | ".my.cnf" | ".vault-token" => true,
        "config.json" => parent == Some(".docker"),
        "credentials" => parent == Some(".aws"),
        "config" => parent == Some(".kube"),
        _ => false,
    };
    (is_credential && !is_packaged).then_some("holds credentials by its name")
}

/// Returns what is wrong with the second fields of an account file.
fn open_accounts(text: &str, is_open_if_empty: bool) -> Vec<String> {
    let mut open = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ':'])) {
        let mut fields = line.split(':');
        let (Some(name), Some(password)) = (fields.next(), fields.next()) else { continue };
        let behind_lock = password.trim_start_matches(['!', '*']);
        match password {
            "" if is_open_if_empty => open.push(format!("lets {name} in without a password")),
            // "x" is elsewhere; anything that starts with "!" or "*" is no hash and matches nothing.
            "" | "x" => {}
            _ if behind_lock.len() < password.len() => {
                if is_hash(behind_lock) {
                    open.push(format!("keeps the password of {name}, which is locked"));
                }
            }
            _ => open.push(format!("has a password for {name}")),
        }
    }
    open
}

/// Whether a text is what crypt(3) makes of a password: `$id$…`, `_` with 19 letters, or the 13 letters of DES.
fn is_hash(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let letters = |text: &str| text.bytes().all(is_letter);
    match text.strip_prefix('_') {
        Some(rest) => rest.len() == 19 && letters(rest),
        None => (text.starts_with('$') && text.len() > 8) || (text.len() == 13 && letters(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_files() {
        let text = "root:*:1::::::\na:!:\nb:!*:\nc:x:\n\n# x\nd::1\ne:$y$j9T$x:1\nshort\n";
        let hash = "has a password for e".to_owned();
        assert_eq!(open_accounts(text, true), ["lets d in without a password", &hash]);
        assert_eq!(open_accounts(text, false), [hash]);
        for (password, expected) in [
            ("!$6$salt$hash", true),
            ("!!$1$ab$fD7kQ", true),
            ("!ab01FAX.bQRSU", true),
            ("*_J9..rasmBYk8r9AiWNc", true),
            ("ab01FAX.bQRSU", true),
            ("plain", true),
            ("!!", false),
            ("*LK*", false),
            ("!*", false),
            ("!locked", false),
            ("x", false),
        ] {
            let found = open_accounts(&format!("a:{password}:1::::::\n"), true);
            assert_eq!(!found.is_empty(), expected, "{password}");
        }
    }

    #[test]
    fn names() {
        for (path, is_packaged, expected) in [
            ("/root/.ssh/id_ed25519", false, true),
            ("/root/.ssh/id_ed25519.pub", false, false),
            ("/etc/ssh/ssh_host_rsa_key", true, true),
            ("/etc/ssh/ssh_host_rsa_key.pub", true, false),
            ("/etc/ssl/private/ssl-cert-snakeoil.key", true, true),
            ("/etc/ssl/certs/x.pem", true, false),
            ("/root/.docker/config.json", false, true),
            ("/app/config.json", false, false),
            ("/home/a/.aws/credentials", false, true),
            ("/app/credentials", false, false),
            ("/usr/share/doc/x/id_rsa", true, false),
            ("/usr/lib/python3/dist-packages/x/tests/id_rsa", true, false),
            ("/app/id_rsa", false, true),
        ] {
            let found = named_like_a_secret(&TreePath::literal(path), is_packaged);
            assert_eq!(found.is_some(), expected, "{path}");
        }
    }
}
