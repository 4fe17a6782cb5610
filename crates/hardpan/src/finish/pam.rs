// SPDX-License-Identifier: Apache-2.0
//! `/etc/pam.d/common-*`: what `pam-auth-update` makes of `/usr/share/pam-configs` on a first installation.
//!
//! Every profile whose `Default` is `yes` is enabled, by falling `Priority`. A profile's lines go
//! to the template's block of its type, where `end` in a jump becomes the number of lines left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hardpan_tree::{Kind, Tree, TreePath};

use super::edit::read;
use super::{Editor, FinishError, Inputs, Report};

/// The finisher's name.
pub const NAME: &str = "pam";

const TYPES: [&str; 5] = ["auth", "account", "password", "session", "session-noninteractive"];
const PRIMARY: &str = "# here are the per-package modules (the \"Primary\" block)";
const FALLBACK: &str = "# here's the fallback if no module succeeds";
const ADDITIONAL: &str = "# and here are more per-package modules (the \"Additional\" block)";
const END: &str = "# end of pam-auth-update config";
/// A module that ignores failures of old versions and is refused by `pam-auth-update` itself.
const REFUSED_MODULE: &str = "pam_tally";

/// Makes the files, if libpam-runtime is there and nobody else brings them.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    if !inputs.has("libpam-runtime") {
        return Ok(());
    }
    let profiles = profiles(tree, inputs)?;
    let enabled: Vec<&Profile> = enabled(&profiles);
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for kind in TYPES {
        let template = path(format!("usr/share/pam/common-{kind}"));
        let target = path(format!("etc/pam.d/common-{kind}"));
        let Some(template) = editor.read(&template, inputs.contents)? else { continue };
        let template = String::from_utf8_lossy(&template).into_owned();
        let Some(text) = render(&template, kind, &enabled) else { continue };
        let metadata = editor.metadata(0o644);
        if !editor.exists(&target) {
            editor.file(&target, text.into_bytes(), metadata.clone())?;
        }
        if inputs.is_complete() {
            let saved = path(format!("var/lib/pam/{kind}"));
            editor.file(&saved, saved_text(kind, &enabled).into_bytes(), metadata)?;
        }
    }
    if inputs.is_complete() {
        let mut seen = String::new();
        for profile in &profiles {
            let _ = writeln!(seen, "{}", profile.name);
        }
        let metadata = editor.metadata(0o644);
        editor.file(&TreePath::literal("var/lib/pam/seen"), seen.into_bytes(), metadata)?;
    }
    report.actions.extend(editor.finish(Some("libpam-runtime")));
    Ok(())
}

fn path(text: String) -> TreePath {
    TreePath::parse(text).expect("a literal path is valid")
}

struct Profile {
    name: String,
    priority: i64,
    fields: BTreeMap<String, String>,
}

impl Profile {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Returns the lines for a type of module: the first profile of a block may have its own.
    fn lines(&self, kind: &str, is_first: bool) -> &str {
        let initial = self.field(&format!("{kind}-Initial")).filter(|_| is_first);
        initial.or_else(|| self.field(kind)).unwrap_or_default()
    }
}

/// Reads the profiles, by falling priority.
fn profiles(tree: &Tree, inputs: &Inputs<'_>) -> Result<Vec<Profile>, FinishError> {
    let mut profiles = Vec::new();
    for (path, node) in tree.children(&TreePath::literal("usr/share/pam-configs")) {
        let name = String::from_utf8_lossy(path.name()).into_owned();
        if name.ends_with('~') || matches!(node.kind, Kind::Directory) {
            continue;
        }
        let Some(bytes) = read(tree, path, inputs.contents, NAME)? else { continue };
        let fields = parse(&String::from_utf8_lossy(&bytes));
        if fields.values().any(|text| text.contains(REFUSED_MODULE)) {
            continue;
        }
        let priority = fields.get("Priority").and_then(|text| text.parse().ok()).unwrap_or(0);
        profiles.push(Profile { name, priority, fields });
    }
    profiles.sort_by(|a, b| (b.priority, &b.name).cmp(&(a.priority, &a.name)));
    Ok(profiles)
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let header = line.split_once(':').filter(|(name, rest)| {
            !name.is_empty()
                && !name.contains(char::is_whitespace)
                && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        });
        if let Some((name, value)) = header {
            // An old name for the same.
            name.strip_suffix("-Final").unwrap_or(name).clone_into(&mut current);
            fields.insert(current.clone(), value.trim().to_owned());
        } else if !line.trim().is_empty() {
            let value = fields.entry(current.clone()).or_default();
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(line.trim());
        }
    }
    if fields.get("Session-Interactive-Only").is_none_or(|only| only != "yes") {
        for suffix in ["", "-Type", "-Initial"] {
            if let Some(value) = fields.get(&format!("Session{suffix}")).cloned() {
                fields.insert(format!("Session-noninteractive{suffix}"), value);
            }
        }
    }
    fields
}

/// Returns the profiles that are on; of two that conflict, the one of higher priority.
fn enabled(profiles: &[Profile]) -> Vec<&Profile> {
    let mut enabled: Vec<&Profile> = Vec::new();
    for profile in profiles.iter().filter(|profile| profile.field("Default") == Some("yes")) {
        let conflicts = |one: &Profile, other: &Profile| {
            let names: BTreeSet<&str> =
                one.field("Conflicts").unwrap_or_default().split(", ").collect();
            names.contains(other.name.as_str())
        };
        if !enabled.iter().any(|other| conflicts(profile, other) || conflicts(other, profile)) {
            enabled.push(profile);
        }
    }
    enabled
}

fn capitalised(kind: &str) -> String {
    let (first, rest) = kind.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// Fills in a template; `None` if it does not have all of the marks.
fn render(template: &str, kind: &str, enabled: &[&Profile]) -> Option<String> {
    let field = capitalised(kind);
    let word = kind.trim_end_matches("-noninteractive");
    let mut text = String::new();
    let mut lines = template.lines();
    for (start, end, block) in [(PRIMARY, FALLBACK, "Primary"), (ADDITIONAL, END, "Additional")] {
        loop {
            let line = lines.next()?;
            let _ = writeln!(text, "{line}");
            if line.starts_with(start) {
                break;
            }
        }
        text.push_str(&block_text(&field, word, block, enabled));
        let line = lines.by_ref().find(|line| line.starts_with(end))?;
        let _ = writeln!(text, "{line}");
    }
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    Some(text)
}

fn block_text(field: &str, word: &str, block: &str, enabled: &[&Profile]) -> String {
    let members: Vec<&&Profile> = enabled
        .iter()
        .filter(|profile| profile.field(&format!("{field}-Type")) == Some(block))
        .collect();
    let lines: Vec<&str> = members
        .iter()
        .enumerate()
        .flat_map(|(place, profile)| profile.lines(field, place == 0).lines())
        .collect();
    if lines.is_empty() && block == "Primary" {
        return format!("{word}\t[default=1]\t\t\tpam_permit.so\n");
    }
    // A jump to the end of the additional block must not go over the end of the file.
    let first = if block == "Additional" { lines.len().saturating_sub(1) } else { lines.len() };
    let mut text = String::new();
    for (place, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "{word}\t{}", with_jumps(line, first.saturating_sub(place)));
    }
    text
}

/// Writes a line as `pam-auth-update` does: `control  module`, jumps resolved, one space, options.
fn with_jumps(line: &str, left: usize) -> String {
    let control_end = match line.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|end| end + 2),
        None => line.find(char::is_whitespace),
    };
    let Some(control_end) = control_end else { return line.to_owned() };
    let rest = &line[control_end..];
    let module_start = rest.len() - rest.trim_start().len();
    let module_end =
        rest[module_start..].find(char::is_whitespace).map_or(rest.len(), |end| module_start + end);
    let head = line[..control_end + module_end].replace("end", &left.to_string());
    let options: Vec<&str> = rest[module_end..].split_whitespace().collect();
    format!("{head} {}", options.join(" "))
}

/// What `pam-auth-update` notes, to find changes by hand later.
fn saved_text(kind: &str, enabled: &[&Profile]) -> String {
    let field = capitalised(kind);
    let mut text = String::new();
    for (block, other) in [("Primary", "Additional"), ("Additional", "Primary")] {
        let mut count = 0;
        for profile in enabled {
            let Some(of) = profile.field(&format!("{field}-Type")) else { continue };
            if of == other {
                continue;
            }
            let lines = profile.lines(&field, count == 0);
            count += 1;
            if !lines.is_empty() {
                let _ = writeln!(text, "Module: {}\n{lines}", profile.name);
            }
        }
        if block == "Primary" && count == 0 {
            text.push_str("Module: null\n[default=1]\t\t\tpam_permit.so\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::Fixture;
    use hardpan_testkit::deb::deb;

    const UNIX: &str = "Name: Unix authentication\nDefault: yes\nPriority: 256\nAuth-Type: Primary\n\
        Auth:\n\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass\nAuth-Initial:\n\
        \t[success=end default=ignore]\tpam_unix.so nullok\nSession-Type: Additional\nSession:\n\
        \trequired\tpam_unix.so\n";
    const HOME: &str = "Name: Home\nDefault: no\nPriority: 0\nSession-Type: Additional\n\
        Session:\n\toptional\tpam_mkhomedir.so\n";
    const LDAP: &str = "Name: LDAP\nDefault: yes\nPriority: 128\nAuth-Type: Primary\nAuth:\n\
        \t[success=end default=ignore]\tpam_ldap.so use_first_pass\n";

    fn template(kind: &str) -> String {
        format!("# {kind}\n{PRIMARY}\n$auth\n{FALLBACK}\ndeny\n{ADDITIONAL}\n$more\n{END}\n")
    }

    fn run(profiles: &[(&str, &str)], dev: bool) -> (Fixture, Tree) {
        let mut package = deb("libpam-runtime", "1");
        for kind in TYPES {
            package = package.file(&format!("/usr/share/pam/common-{kind}"), template(kind));
        }
        for (name, text) in profiles {
            package = package.file(&format!("/usr/share/pam-configs/{name}"), text);
        }
        let mut fixture = Fixture::default();
        if dev {
            fixture = fixture.dev();
        }
        let mut tree = fixture.install(&[package]);
        apply(&mut tree, &fixture.inputs(), &mut Report::default()).unwrap();
        (fixture, tree)
    }

    #[test]
    fn enabled_profiles_fill_the_blocks() {
        let (fixture, tree) = run(&[("unix", UNIX), ("mkhomedir", HOME), ("ldap", LDAP)], true);
        let auth = fixture.text(&tree, "etc/pam.d/common-auth");
        assert_eq!(
            auth,
            format!(
                "# auth\n{PRIMARY}\nauth\t[success=2 default=ignore]\tpam_unix.so nullok\n\
                 auth\t[success=1 default=ignore]\tpam_ldap.so use_first_pass\n\
                 {FALLBACK}\ndeny\n{ADDITIONAL}\n{END}\n"
            )
        );
        let session = fixture.text(&tree, "etc/pam.d/common-session-noninteractive");
        assert_eq!(
            session,
            format!(
                "# session-noninteractive\n{PRIMARY}\nsession\t[default=1]\t\t\tpam_permit.so\n\
                 {FALLBACK}\ndeny\n{ADDITIONAL}\nsession\trequired\tpam_unix.so \n{END}\n"
            )
        );
        assert_eq!(fixture.text(&tree, "var/lib/pam/seen"), "unix\nldap\nmkhomedir\n");
        assert_eq!(
            fixture.text(&tree, "var/lib/pam/session"),
            "Module: null\n[default=1]\t\t\tpam_permit.so\nModule: unix\nrequired\tpam_unix.so\n"
        );
    }

    #[test]
    fn profiles_that_are_off_refused_or_in_conflict_are_left_out() {
        let tally = LDAP.replace("pam_ldap", "pam_tally");
        let rival = LDAP.replace("Default", "Conflicts: unix\nDefault");
        let (fixture, tree) =
            run(&[("unix", UNIX), ("a", HOME), ("b", &tally), ("c", &rival)], false);
        let auth = fixture.text(&tree, "etc/pam.d/common-auth");
        assert!(auth.contains("[success=1 default=ignore]\tpam_unix.so nullok\n"), "{auth}");
        assert!(!auth.contains("pam_tally") && !auth.contains("pam_ldap"), "{auth}");
        assert!(!tree.contains(&TreePath::literal("var/lib/pam")));
    }

    #[test]
    fn broken_templates_and_profiles_do_no_harm() {
        for template in ["", PRIMARY, "# nothing\n", &format!("{PRIMARY}\n{FALLBACK}\n")] {
            assert_eq!(render(template, "auth", &[]), None, "{template:?}");
        }
        for line in ["", "[open", "required", "x  y"] {
            let _ = with_jumps(line, 1);
        }
        assert!(parse("no field\n: x\n").keys().all(String::is_empty));
    }
}
