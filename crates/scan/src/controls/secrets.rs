// SPDX-License-Identifier: Apache-2.0
//! Private keys, credentials and passwords.

use hardpan_tree::{Kind, Origin, TreePath};

use super::ControlId;
use super::report::Report;
use super::view::{self, View};
use crate::secrets::private_key;

/// The largest file that is read for a private key.
const KEY_BYTES_MAX: u64 = 64 * 1024;
/// The most such files that are read, so that an application of a million small files costs no more.
const KEY_FILES_MAX: usize = 20_000;

/// Checks names, small files that no package brought, and the password fields of accounts.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let mut files_read = 0;
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if file.size_bytes == 0 {
            continue;
        }
        let is_packaged = matches!(node.origin, Origin::Package(_));
        if let Some(text) = named_like_a_secret(path, is_packaged) {
            report.path(ControlId::Secret, path, text);
        } else if !is_packaged && files_read < KEY_FILES_MAX && file.size_bytes <= KEY_BYTES_MAX {
            files_read += 1;
            let bytes = view::small_content(view.input.contents, file, KEY_BYTES_MAX);
            if bytes.is_some_and(|bytes| private_key::is_in(&bytes)) {
                report.path(ControlId::Secret, path, "holds a private key");
            }
        }
    }
    for path in ["/etc/passwd", "/etc/shadow"] {
        let path = TreePath::literal(path);
        for account in view.text(&path).iter().flat_map(|text| open_accounts(text)) {
            report.path(ControlId::Password, &path, account);
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
fn open_accounts(text: &str) -> Vec<String> {
    let mut open = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ':'])) {
        let mut fields = line.split(':');
        let (Some(name), Some(password)) = (fields.next(), fields.next()) else { continue };
        match password {
            "" => open.push(format!("lets {name} in without a password")),
            // "x" is elsewhere; anything that starts with "!" or "*" is no hash and matches nothing.
            "x" => {}
            _ if password.starts_with(['!', '*']) => {}
            _ => open.push(format!("has a password for {name}")),
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_files() {
        let text = "root:*:1::::::\na:!:\nb:!*:\nc:x:\n\n# x\nd::1\ne:$y$j9T$x:1\nshort\n";
        assert_eq!(open_accounts(text), ["lets d in without a password", "has a password for e"]);
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
