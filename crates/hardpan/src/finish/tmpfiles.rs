// SPDX-License-Identifier: Apache-2.0
//! `usr/lib/tmpfiles.d/*.conf` of packages: directories, links and files that they want at boot,
//! tmpfiles.d(5).
//!
//! Only what can be in an image is done: directories, links, files and copies below `/etc`, `/home`,
//! `/opt`, `/root`, `/run`, `/srv`, `/tmp` and `/var`, never devices, pipes, attributes or ACLs. What
//! an existing path would get is not changed. Lines that only clean up have nothing to do here.

use hardpan_tree::{File, Kind, Metadata, Tree, TreePath};

use super::accounts::Accounts;
use super::conf::{self, ConfFile};
use super::edit::read;
use super::{Editor, FinishError, Inputs, Report, paths};

/// The finisher's name.
pub const NAME: &str = "tmpfiles";

/// Where lines may make something.
const ALLOWED: [&str; 8] = ["etc", "home", "opt", "root", "run", "srv", "tmp", "var"];
/// Kernel file systems, mounted by runtimes: whatever is asked for there can't be in an image.
const MOUNTED: [&str; 3] = ["dev", "proc", "sys"];
/// Files for a daemon that is in another package, with its name.
const FOR_OTHERS: [(&str, &str); 1] = [("libselinux1.conf", "mcstrans")];

/// Does what the files of all packages ask for.
///
/// Owners are taken up from `accounts`; a line whose owner nobody declares is a warning, unless
/// the definition's `paths` see to the path.
pub fn apply(
    tree: &mut Tree,
    accounts: &mut Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    // A real installation without systemd has none of this.
    if inputs.exact && !tree.contains(&TreePath::literal("usr/bin/systemd-tmpfiles")) {
        return Ok(());
    }
    let directories = ["etc/tmpfiles.d", "usr/lib/tmpfiles.d"].map(TreePath::literal);
    for file in conf::files(tree, &directories, inputs, NAME)? {
        let is_for_other = FOR_OTHERS
            .iter()
            .any(|(name, other)| file.path.name() == name.as_bytes() && !inputs.has(other));
        if file.belongs_to_systemd() || is_for_other {
            continue;
        }
        let mut editor = Editor::new(tree, NAME, inputs.epoch);
        for (number, text) in file.lines() {
            let done = match Line::parse(text) {
                Ok(None) => Ok(()),
                Ok(Some(line)) if line.is_decided(inputs) => Ok(()),
                Ok(Some(line)) => line.apply(&mut editor, accounts, inputs)?,
                Err(message) => Err(message),
            };
            if let Err(message) = done {
                report.warnings.push(file.warning(NAME, number, message));
            }
        }
        report.actions.extend(editor.finish(file_package(&file)));
    }
    Ok(())
}

fn file_package(file: &ConfFile) -> Option<&str> {
    file.package.as_deref()
}

/// What a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Directory,
    File { truncates: bool },
    Link { replaces: bool },
    Copy,
    Adjust { recursive: bool },
}

/// A line that does something in an image.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    kind: Kinds,
    path: TreePath,
    mode: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    argument: Option<String>,
}

impl Line {
    /// Parses a line; nothing for one that has nothing to do in an image.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        let fields = conf::fields(text).ok_or_else(|| format!("bad quoting: {text}"))?;
        let field = |index: usize| {
            fields.get(index).map(String::as_str).filter(|text| !text.is_empty() && *text != "-")
        };
        let (Some(kind), Some(path)) = (field(0), field(1)) else {
            return Err(format!("a line needs a type and a path: {text}"));
        };
        let letter = kind.chars().next().unwrap_or_default();
        let modifiers = &kind[letter.len_utf8()..];
        if let Some(bad) = modifiers.chars().find(|modifier| !"+!-=~^$?".contains(*modifier)) {
            return Err(format!("unknown modifier {bad:?}: {text}"));
        }
        let has_plus = modifiers.contains('+');
        let kind = match letter {
            'd' | 'D' | 'v' | 'q' | 'Q' => Kinds::Directory,
            'f' | 'F' => Kinds::File { truncates: letter == 'F' || has_plus },
            'L' => Kinds::Link { replaces: has_plus },
            'C' => Kinds::Copy,
            'e' | 'm' | 'z' => Kinds::Adjust { recursive: false },
            'Z' => Kinds::Adjust { recursive: true },
            // Cleaning up, and writing to what exists only while a system runs.
            'x' | 'X' | 'r' | 'R' | 'w' => return Ok(None),
            'b' | 'c' | 'p' => {
                return Err(format!("devices and pipes can't be in an image: {text}"));
            }
            'a' | 'A' | 'h' | 'H' | 't' | 'T' => {
                return Err(format!("attributes and ACLs can't be in an image: {text}"));
            }
            _ => return Err(format!("unknown type of line: {text}")),
        };
        let specified = specifiers(path).ok_or_else(|| format!("unknown specifier: {text}"))?;
        if !specified.starts_with('/') {
            return Err(format!("not an absolute path: {text}"));
        }
        let path = TreePath::parse(&specified).map_err(|error| format!("{error}: {text}"))?;
        let top = path.components().next().unwrap_or_default();
        if MOUNTED.iter().any(|name| name.as_bytes() == top) {
            return Ok(None);
        }
        if !ALLOWED.iter().any(|name| name.as_bytes() == top) {
            return Err(format!("nothing is made there: {text}"));
        }
        if path.as_bytes().iter().any(|byte| b"*?[".contains(byte)) {
            return match kind {
                Kinds::Adjust { .. } => Ok(None),
                _ => Err(format!("a pattern where a path belongs: {text}")),
            };
        }
        let mode = match field(2) {
            None => None,
            Some(mode) => Some(parse_mode(mode).ok_or_else(|| format!("not a mode: {text}"))?),
        };
        let argument = match field(6).map(|_| fields[6..].join(" ")) {
            None => None,
            Some(argument) => {
                Some(specifiers(&argument).ok_or_else(|| format!("unknown specifier: {text}"))?)
            }
        };
        let owner = |index| field(index).map(|name| name.trim_start_matches(':').to_owned());
        Ok(Some(Self { kind, path, mode, user: owner(3), group: owner(4), argument }))
    }

    fn is_decided(&self, inputs: &Inputs<'_>) -> bool {
        paths::is_decided(inputs.definition, &self.path)
    }

    /// Does what the line says; the inner result is what prevents it.
    fn apply(
        &self,
        editor: &mut Editor<'_>,
        accounts: &mut Accounts,
        inputs: &Inputs<'_>,
    ) -> Result<Result<(), String>, FinishError> {
        let path = &self.path;
        if let Kinds::Adjust { recursive } = self.kind {
            return Ok(self.adjust(editor, accounts, inputs, recursive));
        }
        let replaces =
            matches!(self.kind, Kinds::Link { replaces: true } | Kinds::File { truncates: true });
        if editor.exists(path) && !replaces {
            return Ok(Ok(()));
        }
        if editor.is_directory(path) {
            return Ok(Err(format!("a directory stands at {path}")));
        }
        let metadata = match self.metadata(editor, accounts, inputs) {
            Ok(metadata) => metadata,
            Err(message) => return Ok(Err(message)),
        };
        match self.kind {
            Kinds::Directory => drop(editor.missing_directory(path, metadata)?),
            Kinds::File { .. } => {
                let text = self.argument.clone().unwrap_or_default();
                editor.file(path, text.into_bytes(), metadata)?;
            }
            Kinds::Link { .. } => {
                let factory = format!("/usr/share/factory{path}");
                let target = self.argument.clone().unwrap_or(factory);
                editor.symlink(path, target)?;
            }
            Kinds::Copy => return self.copy(editor, metadata, inputs),
            Kinds::Adjust { .. } => {}
        }
        Ok(Ok(()))
    }

    fn metadata(
        &self,
        editor: &Editor<'_>,
        accounts: &mut Accounts,
        inputs: &Inputs<'_>,
    ) -> Result<Metadata, String> {
        let default = if self.kind == Kinds::Directory { 0o755 } else { 0o644 };
        let mut metadata = editor.metadata(self.mode.unwrap_or(default));
        if !inputs.is_complete() {
            metadata.mode &= !0o6000;
        }
        if let Some(user) = &self.user {
            metadata.uid = accounts.uid(user).ok_or_else(|| {
                format!("{} is left out: there is no user {user} in `accounts`", self.path)
            })?;
        }
        if let Some(group) = &self.group {
            metadata.gid = accounts.gid(group).ok_or_else(|| {
                format!("{} is left out: there is no group {group} in `accounts`", self.path)
            })?;
        }
        Ok(metadata)
    }

    fn adjust(
        &self,
        editor: &mut Editor<'_>,
        accounts: &mut Accounts,
        inputs: &Inputs<'_>,
        recursive: bool,
    ) -> Result<(), String> {
        let Ok(place) = editor.tree().resolve(&self.path) else { return Ok(()) };
        let new = self.metadata(editor, accounts, inputs)?;
        let below: Vec<TreePath> = if recursive {
            editor.tree().walk_below(&place).map(|(path, _)| path.clone()).collect()
        } else {
            vec![place]
        };
        for path in below {
            let Some(node) = editor.tree().get(&path) else { continue };
            let mut metadata = node.metadata.clone();
            if self.user.is_some() {
                metadata.uid = new.uid;
            }
            if self.group.is_some() {
                metadata.gid = new.gid;
            }
            let is_link = matches!(node.kind, Kind::Symlink(_));
            if self.mode.is_some() && !recursive && !is_link {
                metadata.mode = new.mode;
            }
            editor.set_metadata(&path, metadata);
        }
        Ok(())
    }

    fn copy(
        &self,
        editor: &mut Editor<'_>,
        metadata: Metadata,
        inputs: &Inputs<'_>,
    ) -> Result<Result<(), String>, FinishError> {
        let factory = format!("/usr/share/factory{}", self.path);
        let from = self.argument.clone().unwrap_or(factory);
        let Ok(from) = TreePath::parse(&from) else {
            return Ok(Err(format!("not a path: {from}")));
        };
        let Ok(place) = editor.tree().resolve(&from) else { return Ok(Ok(())) };
        let below: Vec<(TreePath, Kind, Metadata)> = editor
            .tree()
            .walk_below(&place)
            .map(|(path, node)| (path.clone(), node.kind.clone(), node.metadata.clone()))
            .collect();
        for (source, kind, old) in below {
            let rest = source.strip_prefix(&place).unwrap_or_default();
            let Ok(to) = self.path.join(rest) else { continue };
            let kind = match kind {
                Kind::HardLink(_) => {
                    let bytes = read(editor.tree(), &source, inputs.contents, NAME)?;
                    Kind::File(File::inline(bytes.unwrap_or_default()))
                }
                kind => kind,
            };
            let mode = if rest.is_empty() { self.mode.unwrap_or(old.mode) } else { old.mode };
            let metadata = Metadata { mode: mode & !0o6000, ..metadata.clone() };
            editor.node(&to, kind, metadata)?;
        }
        Ok(Ok(()))
    }
}

/// Octal digits, after `~` and `:`, which are about what exists.
fn parse_mode(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(['~', ':']);
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (mode <= 0o7777 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(mode)
}

/// Replaces the specifiers that mean the same on every machine; `None` for others.
fn specifiers(text: &str) -> Option<String> {
    let mut result = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            result.push(character);
            continue;
        }
        result.push_str(match characters.next()? {
            '%' => "%",
            'C' => "/var/cache",
            'L' => "/var/log",
            'S' => "/var/lib",
            'T' => "/tmp",
            't' => "/run",
            'V' => "/var/tmp",
            'h' => "/root",
            'u' | 'g' => "root",
            'U' | 'G' => "0",
            _ => return None,
        });
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, add, dump, tree};
    use crate::finish::{accounts, sysusers};

    fn run(fixture: &Fixture, root: &mut Tree) -> Report {
        let mut report = Report::default();
        let inputs = fixture.inputs();
        let mut accounts = accounts::collect(root, &inputs, accounts::Masters::default()).unwrap();
        sysusers::offer(root, &mut accounts, &inputs, &mut report).unwrap();
        apply(root, &mut accounts, &inputs, &mut report).unwrap();
        accounts::write(root, &accounts, &inputs, &mut report).unwrap();
        report
    }

    fn run_lines(root: &mut Tree, text: &str) -> Report {
        add(root, "usr/lib/tmpfiles.d/x.conf", text);
        let mut fixture = Fixture::default();
        fixture.yaml(
            "accounts:\n  users:\n    - name: x\n      uid: 70\n      gid: 71\n  \
             groups:\n    - name: y\n      gid: 71\n",
        );
        run(&fixture, root)
    }

    #[test]
    fn good_lines_make_what_they_say() {
        for (line, expected) in [
            ("d /run/x 0750 x y -", "/run/x directory 0750 70:71"),
            ("d /run/x", "/run/x directory 0755 0:0"),
            ("D! /run/x 2775 x y", "/run/x directory 0775 70:71"),
            ("d %t/x - 5 6", "/run/x directory 0755 5:6"),
            ("v /var/lib/x 700 :x :y", "/var/lib/x directory 0700 70:71"),
            ("f /run/x 0600 - - - text", "/run/x file 0600 0:0 4"),
            ("f+ /etc/old - - - - new", "/etc/old file 0644 0:0 3"),
            ("f /etc/old - - - - new", "/etc/old file 0644 0:0 7"),
            ("L /run/x - - - - ../etc/old", "/run/x symlink 0777 0:0 -> ../etc/old"),
            ("L /run/x", "/run/x symlink 0777 0:0 -> /usr/share/factory/run/x"),
            ("L+ /etc/old - - - - /etc/x", "/etc/old symlink 0777 0:0 -> /etc/x"),
            ("L /etc/old - - - - /etc/x", "/etc/old file 0644 0:0"),
            ("C /var/lib/x - x y - /usr/share/x", "/var/lib/x/a file 0644 70:71"),
            ("d \"/run/a b\"", "/run/a b directory 0755 0:0"),
            ("z /etc/old 0600 x y", "/etc/old file 0600 70:71"),
            ("Z /var/z - x y", "/var/z/f file 0644 70:71"),
            ("d /var/run/x", "/run/x directory 0755 0:0"),
        ] {
            let mut root = tree(&["etc/old", "usr/share/x/a", "var/z/f", "run/", "var/run->/run"]);
            let report = run_lines(&mut root, &format!("# remark\n\n{line}\n"));
            assert_eq!(report.warnings, [], "{line}");
            assert!(dump(&root).contains(expected), "{line}\n{}", dump(&root));
        }
    }

    #[test]
    fn lines_with_nothing_to_do_are_passed_over() {
        for line in [
            "r! /etc/passwd.lock",
            "R /var/x",
            "x /tmp/keep*",
            "w /sys/kernel/x - - - - 1",
            "c /dev/fuse 0666 root root - 10:229",
            "d /dev/shm/x",
            "z /var/x-*",
            "e /var/missing 0700",
            "C /var/x - - - - /usr/missing",
        ] {
            let mut root = tree(&["etc/", "var/", "home/", "run/"]);
            let report = run_lines(&mut root, line);
            let is_device = line.starts_with('c');
            assert_eq!(report.warnings.len(), usize::from(is_device), "{line}");
            assert!(!dump(&root).contains("/var/x"), "{line}");
        }
    }

    #[test]
    fn bad_lines_are_reported_and_do_nothing() {
        for line in [
            "c /run/null 0666 - - - 1:3",
            "b /run/b",
            "p /run/fifo",
            "a /run/x - - - - u:x:rwx",
            "t /run/x - - - - user.a=b",
            "d /usr/bin/x",
            "d relative",
            "d /run/../x",
            "d /run/x 9999",
            "d /run/x 07777777",
            "d /run/x - unknown",
            "d /run/x - - unknown",
            "d /run/%b",
            "d /run/%",
            "y /run/x",
            "d",
            "d* /run/x",
            "d \"/run/x",
            "d /run/x*",
            "f+ /etc/d",
            "L+ /etc/d - - - - x",
        ] {
            let mut root = tree(&["etc/d/f", "run/"]);
            let before = dump(&root);
            let report = run_lines(&mut root, line);
            assert_eq!(report.warnings.len(), 1, "{line}");
            assert_eq!(report.warnings[0].lines, Some((1, 1)), "{line}");
            let after = dump(&root);
            for old in before.lines() {
                assert!(after.contains(old), "{line}: {old}");
            }
            assert!(!after.contains("/run/x") && !after.contains("/run/f"), "{line}\n{after}");
        }
    }

    #[test]
    fn links_do_not_lead_out() {
        let mut root = tree(&["var/a->../../../..", "run/"]);
        let report = run_lines(&mut root, "d /var/a/run/b\n");
        assert_eq!(report.warnings, []);
        assert!(dump(&root).contains("/run/b directory"));
    }

    #[test]
    fn users_of_packages_come_only_when_needed() {
        let mut root = tree(&[]);
        add(&mut root, "usr/lib/sysusers.d/p.conf", "u svc 123 \"A service\" /var/svc\nu idle -\n");
        add(&mut root, "usr/lib/tmpfiles.d/p.conf", "d /run/svc 0755 svc svc -\n");
        let mut dev = root.clone();
        run(&Fixture::default(), &mut root);
        let text = Fixture::default().text(&root, "etc/passwd");
        assert_eq!(text, "svc:x:123:123:A service:/var/svc:/usr/sbin/nologin\n");
        assert!(dump(&root).contains("/run/svc directory 0755 123:123"));
        let fixture = Fixture::default().dev();
        run(&fixture, &mut dev);
        let idle = accounts::stable_id("idle");
        let text = fixture.text(&dev, "etc/passwd");
        assert!(text.contains(&format!("\nidle:x:{idle}:{idle}:")), "{text}");
    }

    #[test]
    fn the_definition_decides() {
        let mut root = tree(&["run/"]);
        add(&mut root, "usr/lib/tmpfiles.d/p.conf", "d /run/svc 0755 nobody-declared\n");
        let mut fixture = Fixture::default();
        fixture.yaml("paths:\n  - type: directory\n    path: /run/svc\n");
        assert_eq!(run(&fixture, &mut root).warnings, []);
        assert!(!dump(&root).contains("/run/svc"));
    }
}
