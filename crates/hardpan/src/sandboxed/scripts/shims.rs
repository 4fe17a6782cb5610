// SPDX-License-Identifier: Apache-2.0
//! Programs that scripts find in place of real ones.
//!
//! Three kinds: those whose work a finisher has done, or that have nothing to do in an image, write down
//! that they were called; those that make keys or databases refuse; and a few answer questions.

use std::fmt::Write as _;

/// Where the directory of a job is mounted.
pub(super) const DIRECTORY: &str = "hardpan";
/// Where shims write down that they were called, one line each.
pub(super) const LOG: &str = ".hardpan-log";
/// The first word of a line about a refusal.
pub(super) const REFUSED: &str = "refused";

/// Finishers have done their work, or it means nothing in an image.
const NOTHING: &[&str] = &[
    "aa-enabled",
    "add-shell",
    "addgroup",
    "adduser",
    "apparmor_parser",
    "chfn",
    "chsh",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "delgroup",
    "deluser",
    "dpkg-trigger",
    "fc-cache",
    "groupadd",
    "groupdel",
    "groupmod",
    "gtk-update-icon-cache",
    "insserv",
    "install-info",
    "invoke-rc.d",
    "journalctl",
    "killall",
    "ldconfig",
    "loginctl",
    "mandb",
    "modprobe",
    "mount",
    "pam-auth-update",
    "passwd",
    "pkill",
    "py3clean",
    "py3compile",
    "pyclean",
    "pycompile",
    "remove-shell",
    "service",
    "start-stop-daemon",
    "swapon",
    "sysctl",
    "systemctl",
    "systemd-hwdb",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "telinit",
    "ucf",
    "ucfr",
    "udevadm",
    "umount",
    "update-binfmts",
    "update-ca-certificates",
    "update-desktop-database",
    "update-grub",
    "update-icon-caches",
    "update-inetd",
    "update-initramfs",
    "update-menus",
    "update-mime-database",
    "update-rc.d",
    "update-shells",
    "useradd",
    "userdel",
    "usermod",
];

/// What they make must not be in an image: private keys, identities of one machine, databases.
const REFUSALS: &[&str] = &[
    "apg",
    "dbus-uuidgen",
    "initdb",
    "make-ssl-cert",
    "makepasswd",
    "mariadb-install-db",
    "mariadbd",
    "mcookie",
    "mysql_install_db",
    "mysqld",
    "pg_createcluster",
    "pwgen",
    "setcap",
    "ssh-keygen",
    "systemd-machine-id-setup",
    "uuidgen",
];

/// What of `openssl` makes keys or certificates.
const OPENSSL_REFUSALS: &str =
    "dhparam|dsaparam|ecparam|gendh|gendsa|genpkey|genrsa|pkeyparam|rand|req|ca";

/// A shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shim {
    /// Its name.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) text: String,
    /// Whether it stands in for the real program wherever that is in the image, or only where the image
    /// has none.
    pub(super) replaces: bool,
}

/// Returns all shims, for an architecture of Debian.
pub(super) fn shims(architecture: &str) -> Vec<Shim> {
    let shim = |name, body: &str| Shim { name, text: script(body), replaces: true };
    let note = r#"note ignored "$@""#;
    let mut shims: Vec<Shim> = NOTHING.iter().map(|name| shim(name, note)).collect();
    let refuse = format!("note {REFUSED} \"$@\"");
    shims.extend(REFUSALS.iter().map(|name| shim(name, &refuse)));
    shims.push(shim("openssl", &openssl()));
    shims.push(shim(
        "dpkg-divert",
        "case \" $* \" in\n*' --truename '*) for last; do :; done; echo \"$last\" ;;\n\
         *' --list'*) ;;\n*) note ignored \"$@\" ;;\nesac",
    ));
    // No override exists on a first installation.
    shims.push(shim(
        "dpkg-statoverride",
        "case \" $* \" in\n*' --list '*) exit 1 ;;\n*) note ignored \"$@\" ;;\nesac",
    ));
    shims.push(shim(
        "update-alternatives",
        "case \" $* \" in\n*' --query '*|*' --display '*|*' --list '*) exit 2 ;;\n\
         *) note ignored \"$@\" ;;\nesac",
    ));
    shims.push(shim(
        "dpkg-maintscript-helper",
        "case \"$1\" in\nsupports) ;;\n*) note ignored \"$@\" ;;\nesac",
    ));
    // The real ones know more, where they are.
    let fallback = |name, body: &str| Shim { replaces: false, ..shim(name, body) };
    shims.push(fallback("dpkg", &dpkg(architecture)));
    shims.push(fallback("dpkg-query", "note ignored \"$@\"\nexit 1"));
    shims
}

fn script(body: &str) -> String {
    format!(
        "#!/bin/sh\nnote() {{ first=$1; shift; printf '%s\\n' \"$first ${{0##*/}} $*\" >>/{LOG}; }}\n{body}\n"
    )
}

/// `openssl` itself, but for what makes keys.
fn openssl() -> String {
    format!(
        "case \"$1\" in\n{OPENSSL_REFUSALS}) note {REFUSED} \"$@\" ;;\n\
         *) if [ -x /{DIRECTORY}/real/openssl ]; then exec /{DIRECTORY}/real/openssl \"$@\"; fi\n\
         echo 'openssl: not found' >&2; exit 127 ;;\nesac"
    )
}

/// What scripts ask of `dpkg`: its architecture, and whether a version is before another, of which the
/// old one is empty on a first installation.
fn dpkg(architecture: &str) -> String {
    format!(
        "case \"$1\" in\n--print-architecture) echo {architecture} ;;\n\
         --compare-versions)\n  case \"$3\" in\n\
         lt-nl|le-nl) [ -n \"$2\" ] || exit 1 ;;\n\
         lt|le|'<<'|'<=') [ -z \"$2\" ] && exit 0 ;;\n\
         gt|ge|'>>'|'>=') [ -z \"$2\" ] && exit 1 ;;\n  esac\n\
         echo 'dpkg: not in the image, so versions are not compared' >&2; exit 1 ;;\n\
         --assert-*|--validate-*) ;;\n*) note ignored \"$@\"; exit 1 ;;\nesac"
    )
}

/// Returns debconf's functions for shell scripts, with these answers: those of `db_get`.
pub(super) fn confmodule<'a>(answers: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = String::from("db_nl='\n'\ndb_answers=");
    for (question, answer) in answers {
        // One line each: an answer of several lines is cut.
        let answer = answer.lines().next().unwrap_or_default();
        let _ = write!(text, "{}\"$db_nl\"", quoted(&format!("{question}={answer}")));
    }
    text.push_str(CONFMODULE);
    text
}

const CONFMODULE: &str = r#"
db_get() {
  RET=; db_rest=$db_answers
  while [ -n "$db_rest" ]; do
    db_line=${db_rest%%"$db_nl"*}; db_rest=${db_rest#*"$db_nl"}
    case $db_line in "$1="*) RET=${db_line#*=}; return 0 ;; esac
  done
  return 10
}
db_set() { db_answers="$1=$2$db_nl$db_answers"; }
db_fget() { RET=false; }
db_metaget() { RET=; }
db_capb() { RET=; }
db_version() { RET=2.1; }
db_input() { return 30; }
for db_name in beginblock block clear data endblock fset go info progress purge register reset \
  settitle stop subst title unregister x_loadtemplatefile x_save
do eval "db_$db_name() { :; }"
done
"#;

/// Puts a text into single quotes for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_shim_has_one_name_and_a_shell_script() {
        let shims = shims("amd64");
        let names: BTreeSet<&str> = shims.iter().map(|shim| shim.name).collect();
        assert_eq!(names.len(), shims.len());
        for Shim { name, text, .. } in &shims {
            assert!(text.starts_with("#!/bin/sh\n") && text.ends_with('\n'), "{name}");
            assert!(!name.contains('/'));
        }
        for name in REFUSALS {
            let shim = shims.iter().find(|shim| shim.name == *name).unwrap();
            assert!(shim.text.contains("note refused"), "{name}");
        }
        let text = |name| &shims.iter().find(|shim| shim.name == name).unwrap().text;
        assert!(text("dpkg").contains("echo amd64"));
        assert!(text("openssl").contains("genrsa"));
    }

    #[test]
    fn answers_are_quoted_line_by_line() {
        let answers = BTreeMap::from([
            ("a/b".to_owned(), "it's $(here)".to_owned()),
            ("c/d".to_owned(), "one\ntwo".to_owned()),
        ]);
        let text = confmodule(answers.iter());
        assert!(text.contains(r#"'a/b=it'\''s $(here)'"$db_nl"'c/d=one'"$db_nl""#), "{text}");
        assert!(!text.contains("two"));
    }
}
