// SPDX-License-Identifier: Apache-2.0
//! What the scripts of Debian's basic packages make on a first installation: base-files, libc-bin,
//! netbase and tzdata.
//!
//! A runtime image gets what programs look for (`/var/run`, `/etc/nsswitch.conf`, `/etc/localtime`,
//! `/etc/hosts`); only an image for people gets the rest (dot files of root, `/usr/local`, login
//! records, a mail spool with setgid).

use hardpan_tree::{Kind, Metadata, Tree, TreePath};

use super::accounts::Accounts;
use super::{Editor, FinishError, Inputs, Report, merged_usr};

/// The packages whose `preinst` and `postinst` need no other treatment, with the finisher that does
/// what they would have done.
pub const HANDLED_PACKAGES: [(&str, &str); 7] = [
    ("base-files", "base-files"),
    ("base-passwd", super::accounts::NAME),
    ("debianutils", super::shells::NAME),
    ("libc-bin", "libc-bin"),
    ("libpam-runtime", super::pam::NAME),
    ("netbase", "netbase"),
    ("tzdata", "tzdata"),
];

const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n\
                     ff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n\n";
const NETWORKS: &str = "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n";

/// Does what the scripts would have done, each only if its package is there.
pub fn apply(
    tree: &mut Tree,
    accounts: &mut Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    base_files(tree, accounts, inputs, report)?;
    libc_bin(tree, inputs, report)?;
    netbase(tree, inputs, report)?;
    tzdata(tree, inputs, report)
}

fn base_files(
    tree: &mut Tree,
    accounts: &mut Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    if !inputs.has("base-files") {
        return Ok(());
    }
    let mut editor = Editor::new(tree, "base-files", inputs.epoch);
    let default = TreePath::literal("etc/dpkg/origins/default");
    if !editor.exists(&default) && editor.exists(&TreePath::literal("etc/dpkg/origins/debian")) {
        editor.symlink(&default, "debian")?;
    }
    if inputs.is_complete() {
        for (from, to) in [
            ("dot.profile", "root/.profile"),
            ("dot.bashrc", "root/.bashrc"),
            ("profile", "etc/profile"),
            ("motd", "etc/motd"),
        ] {
            copy_default(&mut editor, "usr/share/base-files", from, to, inputs)?;
        }
        for path in ["mnt", "srv", "opt", "etc/opt", "var/opt", "media"] {
            let metadata = editor.metadata(0o755);
            editor.missing_directory(&TreePath::literal(path), metadata)?;
        }
        let mail = Metadata { gid: accounts.gid("mail").unwrap_or(8), ..editor.metadata(0o2775) };
        editor.missing_directory(&TreePath::literal("var/mail"), mail)?;
        let spool = TreePath::literal("var/spool/mail");
        if !editor.exists(&spool) {
            editor.symlink(&spool, "../mail")?;
        }
        let lock = editor.metadata(0o1777);
        editor.missing_directory(&TreePath::literal("run/lock"), lock)?;
        move_to_run(&mut editor, "var/lock", "run/lock")?;
        local_directories(&mut editor)?;
        login_records(&mut editor, accounts)?;
        if editor.is_directory(&TreePath::literal("usr/share/info")) {
            copy_default(
                &mut editor,
                "usr/share/base-files",
                "info.dir",
                "usr/share/info/dir",
                inputs,
            )?;
        }
    }
    move_to_run(&mut editor, "var/run", "run")?;
    report.actions.extend(editor.finish(Some("base-files")));
    Ok(())
}

/// Makes a link to a directory in `/run`, and moves there what packages have in its place.
fn move_to_run(
    editor: &mut Editor<'_>,
    from: &'static str,
    to: &'static str,
) -> Result<(), FinishError> {
    let (from, to) = (TreePath::literal(from), TreePath::literal(to));
    match editor.tree().get(&from).map(|node| &node.kind) {
        Some(Kind::Directory) => merged_usr::move_directory(editor, &from, &to)?,
        Some(_) => return Ok(()),
        None => {}
    }
    editor.symlink(&from, to.to_string())?;
    Ok(())
}

fn local_directories(editor: &mut Editor<'_>) -> Result<(), FinishError> {
    for name in [
        "",
        "/share",
        "/share/man",
        "/bin",
        "/games",
        "/lib",
        "/libexec",
        "/include",
        "/sbin",
        "/src",
        "/etc",
    ] {
        let path = TreePath::parse(format!("usr/local{name}")).expect("a literal path is valid");
        let metadata = editor.metadata(0o755);
        editor.missing_directory(&path, metadata)?;
    }
    let man = TreePath::literal("usr/local/man");
    if !editor.exists(&man) {
        editor.symlink(&man, "share/man")?;
    }
    Ok(())
}

fn login_records(editor: &mut Editor<'_>, accounts: &mut Accounts) -> Result<(), FinishError> {
    let gid = accounts.gid("utmp").unwrap_or(43);
    for (path, mode) in
        [("var/log/wtmp", 0o664), ("var/log/btmp", 0o660), ("var/log/lastlog", 0o664)]
    {
        let path = TreePath::literal(path);
        let metadata = Metadata { gid, ..editor.metadata(mode) };
        if !editor.exists(&path) {
            editor.file(&path, Vec::new(), metadata)?;
        }
    }
    Ok(())
}

fn libc_bin(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    if inputs.has("libc-bin") {
        let mut editor = Editor::new(tree, "libc-bin", inputs.epoch);
        let to = "etc/nsswitch.conf";
        copy_default(&mut editor, "usr/share/libc-bin", "nsswitch.conf", to, inputs)?;
        report.actions.extend(editor.finish(Some("libc-bin")));
    }
    Ok(())
}

fn netbase(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    if inputs.has("netbase") {
        let mut editor = Editor::new(tree, "netbase", inputs.epoch);
        for (path, text) in [("etc/hosts", HOSTS), ("etc/networks", NETWORKS)] {
            let path = TreePath::literal(path);
            if !editor.exists(&path) {
                let metadata = editor.metadata(0o644);
                editor.file(&path, text.as_bytes(), metadata)?;
            }
        }
        report.actions.extend(editor.finish(Some("netbase")));
    }
    Ok(())
}

fn tzdata(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    let link = TreePath::literal("etc/localtime");
    let mut editor = Editor::new(tree, "tzdata", inputs.epoch);
    let utc = "/usr/share/zoneinfo/Etc/UTC";
    if inputs.has("tzdata")
        && !editor.exists(&link)
        && editor.tree().resolve(&TreePath::literal(utc)).is_ok()
    {
        editor.symlink(&link, utc)?;
    }
    report.actions.extend(editor.finish(Some("tzdata")));
    Ok(())
}

/// Copies a file with mode and time (`cp -p`), unless something stands at the target.
fn copy_default(
    editor: &mut Editor<'_>,
    directory: &'static str,
    from: &'static str,
    to: &'static str,
    inputs: &Inputs<'_>,
) -> Result<(), FinishError> {
    let (from, to) = (TreePath::literal(directory).join(from), TreePath::literal(to));
    let from = from.expect("a literal path is valid");
    if editor.exists(&to) {
        return Ok(());
    }
    let Some(bytes) = editor.read(&from, inputs.contents)? else { return Ok(()) };
    let place = editor.resolve(&from)?;
    let metadata = editor.tree().file(&place).map(|(node, _)| node.metadata.clone());
    let metadata = metadata.unwrap_or_else(|| editor.metadata(0o644));
    editor.file(&to, bytes, metadata)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::accounts;
    use crate::finish::testing::{Fixture, dump};
    use hardpan_testkit::deb::{Deb, deb};

    fn debian() -> Vec<Deb> {
        vec![
            deb("base-files", "13")
                .file("/etc/dpkg/origins/debian", "Vendor: Debian\n")
                .file("/usr/share/base-files/dot.profile", "profile")
                .file("/usr/share/base-files/dot.bashrc", "bashrc")
                .file("/usr/share/base-files/profile", "profile")
                .file("/usr/share/base-files/motd", "motd")
                .file("/usr/share/base-files/info.dir", "dir")
                .directory("/root")
                .mode(0o700)
                .directory("/run")
                .directory("/var/spool")
                .directory("/var/run")
                .directory("/var/lock")
                .directory("/var/log")
                .directory("/usr/share/info"),
            deb("libc-bin", "2").file("/usr/share/libc-bin/nsswitch.conf", "hosts: files dns\n"),
            deb("netbase", "6").file("/etc/protocols", ""),
            deb("tzdata", "2026").file("/usr/share/zoneinfo/Etc/UTC", "TZif"),
        ]
    }

    fn run(mut fixture: Fixture, packages: &[Deb]) -> (Fixture, Tree) {
        let mut tree = fixture.install(packages);
        let masters = crate::finish::debian::masters(&tree, &fixture.inputs()).unwrap();
        let mut accounts = accounts::collect(&tree, &fixture.inputs(), masters).unwrap();
        apply(&mut tree, &mut accounts, &fixture.inputs(), &mut Report::default()).unwrap();
        (fixture, tree)
    }

    #[test]
    fn a_dev_image_gets_all() {
        let fixture =
            Fixture { strip: hardpan_package::strip::StripPolicy::none(), ..Fixture::default() };
        let (fixture, tree) = run(fixture.dev(), &debian());
        let text = dump(&tree);
        for line in [
            "/etc/dpkg/origins/default symlink 0777 0:0 -> debian",
            "/etc/localtime symlink 0777 0:0 -> /usr/share/zoneinfo/Etc/UTC",
            "/root/.bashrc file 0644 0:0 6",
            "/run/lock directory 1777 0:0",
            "/usr/local/man symlink 0777 0:0 -> share/man",
            "/usr/local/libexec directory 0755 0:0",
            "/usr/share/info/dir file 0644 0:0 3",
            "/var/lock symlink 0777 0:0 -> /run/lock",
            "/var/log/btmp file 0660 0:43 0",
            "/var/log/wtmp file 0664 0:43 0",
            "/var/mail directory 2775 0:8",
            "/var/run symlink 0777 0:0 -> /run",
            "/var/spool/mail symlink 0777 0:0 -> ../mail",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(fixture.text(&tree, "etc/nsswitch.conf"), "hosts: files dns\n");
        // The lengths of a real installation's files.
        assert_eq!((HOSTS.len(), NETWORKS.len()), (109, 60));
    }

    #[test]
    fn a_runtime_image_gets_what_programs_need() {
        let (_, tree) = run(Fixture::default(), &debian());
        let text = dump(&tree);
        for line in ["/var/run symlink", "/etc/localtime symlink", "/etc/nsswitch.conf file"] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        for path in ["/root/.", "/var/mail", "/usr/local", "wtmp", " 2775 ", "/etc/motd"] {
            assert!(!text.contains(path), "{path}\n{text}");
        }
    }

    #[test]
    fn nothing_without_the_package() {
        let packages: Vec<Deb> = debian()
            .into_iter()
            .enumerate()
            .map(|(number, package)| package.field("Package", &format!("other{number}")))
            .collect();
        let (fixture, tree) = run(Fixture::default().dev(), &packages);
        let mut before = Fixture { strip: fixture.strip.clone(), ..Fixture::default() };
        let before = before.install(&packages);
        assert!(tree.difference(&before).is_empty());
    }

    #[test]
    fn what_exists_stays_and_what_is_in_var_run_moves() {
        let mut packages = debian();
        packages.push(
            deb("x", "1")
                .file("/etc/nsswitch.conf", "mine")
                .file("/var/run/x/pid", "1")
                .symlink("/etc/localtime", "nowhere"),
        );
        let (fixture, tree) = run(Fixture::default(), &packages);
        assert_eq!(fixture.text(&tree, "etc/nsswitch.conf"), "mine");
        assert_eq!(fixture.text(&tree, "run/x/pid"), "1");
        assert!(dump(&tree).contains("/etc/localtime symlink 0777 0:0 -> nowhere"));
    }
}
