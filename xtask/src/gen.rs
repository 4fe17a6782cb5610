// SPDX-License-Identifier: Apache-2.0
//! Writes the pages of `docs/reference` that say what the code says, out of the code itself: arguments
//! from clap, controls and diagnostics from their tables, file formats from the comments on their types.

mod actions;
mod commands;
mod items;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use hardpan_definition::Code;
use hardpan_scan::audit::mappings::mapping;
use hardpan_scan::controls::{Control, Group, Profile, Severity, controls};

use items::{Field, Item, items};

/// Where the pages are, from the root of the repository.
const FOLDER: &str = "docs/reference";
/// What every page says of itself.
const NOTICE: &str =
    "<!-- Written by `cargo run -p xtask -- gen`. Change the code, not this page. -->\n";

/// What to do with the reference.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Only say whether a page differs from the code
    #[arg(long)]
    check: bool,
    /// Write manual pages for packagers to a folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "check")]
    man: Option<PathBuf>,
}

/// Writes or checks the reference.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.man {
        Some(folder) => write_man(folder),
        None if arguments.check => check(),
        None => write(),
    }
}

/// Writes all pages.
#[expect(clippy::print_stdout, reason = "this is what the task prints")]
fn write() -> anyhow::Result<ExitCode> {
    let root = root();
    fs::create_dir_all(root.join(FOLDER))?;
    let mut changed = 0;
    for (name, text) in pages(&root)? {
        let path = root.join(FOLDER).join(&name);
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(&path, text).with_context(|| format!("failed to write {name}"))?;
            println!("wrote {FOLDER}/{name}");
            changed += 1;
        }
    }
    println!("gen: {changed} pages changed");
    Ok(ExitCode::SUCCESS)
}

/// Compares all pages with the code; the exit code is 1 if one differs.
#[expect(clippy::print_stdout, reason = "this is what the task prints")]
fn check() -> anyhow::Result<ExitCode> {
    let root = root();
    let pages = pages(&root)?;
    let stale: Vec<&String> = (pages.iter())
        .filter(|(name, text)| {
            fs::read_to_string(root.join(FOLDER).join(name)).ok().as_ref() != Some(*text)
        })
        .map(|(name, _)| name)
        .collect();
    for name in &stale {
        println!("{FOLDER}/{name}: not what the code says; run `cargo run -p xtask -- gen`");
    }
    println!("gen: {} pages, {} stale", pages.len(), stale.len());
    Ok(ExitCode::from(u8::from(!stale.is_empty())))
}

/// Writes a manual page for each command, for packagers.
#[expect(clippy::print_stdout, reason = "this is what the task prints")]
fn write_man(folder: &Path) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(commands::command(), folder).context("failed to write the pages")?;
    println!("gen: wrote the manual pages to {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).unwrap_or(Path::new(".")).to_owned()
}

/// Returns every page by its name.
fn pages(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let source = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("failed to read {path}"))
    };
    let mut config = items(&source("crates/hardpan/src/config.rs")?);
    for part in ["audit", "images", "packages", "signing", "scan"] {
        config.extend(items(&source(&format!("crates/hardpan/src/config/{part}.rs"))?));
    }
    let mut lock = items(&source("crates/hardpan/src/lock.rs")?);
    for path in ["crates/hardpan/src/download/mod.rs", "crates/hardpan/src/artifact/mod.rs"] {
        lock.extend(items(&source(path)?));
    }
    let strip = items(&source("crates/package/src/strip.rs")?);
    let pages = [
        ("actions.md", actions::page(NOTICE)),
        ("cli.md", commands::page()),
        ("controls.md", controls_page()),
        ("definition.schema.json", schema()?),
        ("diagnostics.md", diagnostics_page()),
        ("lock.md", lock_page(&lock)?),
        ("strip-rules.md", strip_page(&strip)?),
        ("workspace.md", workspace_page(&config)?),
    ];
    Ok(pages.into_iter().map(|(name, text)| (name.to_owned(), text)).collect())
}

fn controls_page() -> String {
    let profiles = Profile::ALL.map(Profile::name);
    let mut text = format!(
        "# Hardening controls\n\n{NOTICE}\n\
        Every build measures these on the finished files of each platform, as far as they are about files: **fail** stops\n\
        the build with exit code 1, **warn** is printed and the build goes on, **info** only shows up in the JSON output.\n\
        [`hardpan audit`](../guide/audit.md) measures all of them on any image. **–** means that a control does not apply to\n\
        the profile. [Hardening](../concepts/hardening.md) says what a build does with them.\n",
    );
    for group in Group::ALL {
        let title = group.title();
        let _ = write!(
            text,
            "\n## {}{}\n\n| control | promise | {} |\n|---|---|{}\n",
            title[..1].to_uppercase(),
            &title[1..],
            profiles.join(" | "),
            "---|".repeat(profiles.len())
        );
        let of_group = || controls().iter().filter(|control| control.group == group);
        for control in of_group() {
            let name = control.id.name();
            let severities = Profile::ALL.map(|profile| severity(control.severity(profile)));
            let title = control.title;
            let _ =
                writeln!(text, "| [`{name}`](#{name}) | {title} | {} |", severities.join(" | "));
        }
        for control in of_group() {
            let Control { id, title, why, fix, .. } = control;
            let measured = control.measured();
            let _ = write!(
                text,
                "\n### {}\n\n**Promise**: {title}.\n\n**Why**: {why}\n\n**Measured**: {measured}\n\n**To fix**: {fix}.\n",
                id.name()
            );
            let guides = mapping(*id).texts();
            if !guides.is_empty() {
                let _ = write!(text, "\n**Evidence for**: {}.\n", guides.join(", "));
            }
        }
    }
    text
}

/// Returns what `hardpan schema` prints.
fn schema() -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(&hardpan_definition::json_schema())?;
    text.push('\n');
    Ok(text)
}

fn severity(severity: Option<Severity>) -> String {
    severity.map_or_else(|| "–".to_owned(), |severity| severity.to_string())
}

fn diagnostics_page() -> String {
    let mut text = format!(
        "# Diagnostics\n\n{NOTICE}\n\
        What `hardpan check` and every other command that reads a definition can say about it. The name stands in\n\
        brackets after `error` or `warning`, and as `code` in the JSON output. Names are stable.\n\n\
        | name | meaning |\n|---|---|\n"
    );
    for code in Code::ALL {
        let _ = writeln!(text, "| `{}` | {} |", code.name(), cell(code.description()));
    }
    text
}

fn strip_page(items: &BTreeMap<String, Item>) -> anyhow::Result<String> {
    let rules = named(items, "StripRule")?;
    let mut text = format!(
        "# Strip rules\n\n{NOTICE}\n\
        What is left out of packages when they are unpacked. All rules are on. `[build] keep` in\n\
        [hardpan.toml](workspace.md) switches some off, and the lock names the ones that were on.\n\n\
        | rule | what it removes |\n|---|---|\n"
    );
    for rule in &rules.fields {
        let _ = writeln!(text, "| `{}` | {} |", kebab(&rule.name), cell(&rule.doc));
    }
    Ok(text)
}

fn workspace_page(items: &BTreeMap<String, Item>) -> anyhow::Result<String> {
    let mut text = format!(
        "# hardpan.toml\n\n{NOTICE}\n\
        The workspace file says where things are and what stands in for what. It is found upwards from the definition,\n\
        and its folder is the root of the catalog: `includes` and `source` in definitions are relative to it. Without one\n\
        the root is the nearest folder with `.git`, or else the definition's own. Everything in it is optional; unknown keys\n\
        are errors. `hardpan init` writes one with everything commented out.\n"
    );
    let sections = [
        "StoreSection",
        "DebianArchives",
        "AlpineArchive",
        "ArchiveSubstitution",
        "KeyringsSection",
        "PackageSubstitution",
        "PathAlias",
        "PathAddition",
        "DownloadOverride",
        "ImageSubstitution",
        "RegistriesSection",
        "RegistryMirror",
        "BuildSection",
        "ActionsSection",
        "SigningSection",
        "ScanSection",
        "WorkspaceException",
    ];
    for section in sections {
        let item = named(items, section)?;
        let (title, rest) = item.doc.split_once(": ").unwrap_or((item.doc.as_str(), ""));
        let _ = write!(text, "\n## {}\n\n", title.trim_end_matches('.'));
        if !rest.is_empty() {
            let _ = writeln!(text, "Needs {rest}\n");
        }
        text.push_str("| key | value | meaning |\n|---|---|---|\n");
        for field in &item.fields {
            let value = value_of(&field.kind, items);
            let _ = writeln!(text, "| `{}` | {value} | {} |", key(field), cell(&field.doc));
        }
        for field in &item.fields {
            write_choices(&mut text, field, items);
        }
    }
    ensure!(
        (items.values()).filter(|item| item.doc.starts_with("`[")).count() == sections.len() + 6,
        "config.rs has a section that the page does not have"
    );
    Ok(text)
}

/// Says what each value of a field means, where its values are a list.
fn write_choices(text: &mut String, field: &Field, items: &BTreeMap<String, Item>) {
    let Some(choices) = items.get(inner(&field.kind)).filter(|item| item.is_enum) else { return };
    let _ = write!(text, "\nValues of `{}`:\n\n", key(field));
    for choice in &choices.fields {
        let default = if choice.is_default { " (the default)" } else { "" };
        let _ = match choice.doc.trim_matches('`') {
            doc if doc == kebab(&choice.name) => writeln!(text, "- `{doc}`{default}"),
            doc => writeln!(text, "- `\"{}\"`{default}: {doc}", kebab(&choice.name)),
        };
    }
}

fn lock_page(items: &BTreeMap<String, Item>) -> anyhow::Result<String> {
    let mut text = format!(
        "# The lock\n\n{NOTICE}\n\
        `DEFINITION.lock`, beside its definition: the exact inputs of an image, for all of its platforms. It is JSON with\n\
        one package to a line, so that a changed package is a changed line. The same resolution always gives\n\
        the same bytes. Unknown keys are errors, and so are packages that are out of order.\n\
        [Locks and updates](../guide/locks-and-updates.md) shows how to live with it.\n"
    );
    let parts = [
        ("Lock", "The whole"),
        ("LockedArchive", "`archives[]`"),
        ("LockedPlatform", "`platforms.PLATFORM`"),
        ("LockedPackage", "`platforms.PLATFORM.packages[]`"),
        ("LockedFile", "`platforms.PLATFORM.files[]`"),
        ("LockedArtifact", "`platforms.PLATFORM.images[]`"),
        ("LockedStage", "`platforms.PLATFORM.stages.NAME`"),
    ];
    for (name, title) in parts {
        let item = named(items, name)?;
        let _ = write!(
            text,
            "\n## {title}\n\n{}\n\n| key | value | meaning |\n|---|---|---|\n",
            item.doc
        );
        for field in &item.fields {
            let value = value_of(&field.kind, items);
            let meaning = if field.name == "version" && name == "Lock" {
                "The version of the format: 1.".to_owned()
            } else {
                cell(&field.doc)
            };
            let _ = writeln!(text, "| `{}` | {value} | {meaning} |", kebab(&field.name));
        }
    }
    let stale = named(items, "Stale")?;
    text.push_str("\n## When a lock no longer fits\n\nAny of these; none of them needs the network to be found:\n\n");
    for reason in &stale.fields {
        let _ = writeln!(text, "- {}", reason.doc);
    }
    Ok(text)
}

fn named<'i>(items: &'i BTreeMap<String, Item>, name: &str) -> anyhow::Result<&'i Item> {
    items.get(name).with_context(|| format!("the source has no {name}"))
}

/// Returns the key of a field in TOML: the sections write their names as they are, but for hyphens.
fn key(field: &Field) -> String {
    // A word of Rust's own can't be a field's name.
    if field.name == "kind" { "type".to_owned() } else { kebab(&field.name) }
}

/// Says in words what a value of a Rust type looks like in a file.
fn value_of(kind: &str, items: &BTreeMap<String, Item>) -> String {
    if let Some(inner) = kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>')) {
        return format!("{}, optional", value_of(inner, items));
    }
    for list in ["Vec<", "BTreeSet<"] {
        if let Some(inner) = kind.strip_prefix(list).and_then(|kind| kind.strip_suffix('>')) {
            return format!("list of {}s", value_of(inner, items));
        }
    }
    match kind {
        "String" => "string".to_owned(),
        "bool" => "boolean".to_owned(),
        "u32" | "u64" | "i64" => "number".to_owned(),
        "Digest" => "`sha256:…`".to_owned(),
        "OverrideChecksum" => "`sha256:…` or a commit".to_owned(),
        map if map.starts_with("BTreeMap<") => "object".to_owned(),
        name if items.get(name).is_some_and(|item| item.is_enum) => "string".to_owned(),
        _ => "object".to_owned(),
    }
}

fn inner(kind: &str) -> &str {
    kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind)
}

/// Returns a Rust name as files write it: `ReportBug` and `report_bug` are `report-bug`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for (position, letter) in name.chars().enumerate() {
        if letter == '_' {
            text.push('-');
        } else if letter.is_ascii_uppercase() {
            if position > 0 {
                text.push('-');
            }
            text.push(letter.to_ascii_lowercase());
        } else {
            text.push(letter);
        }
    }
    text
}

/// Returns a text as the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("[`VERSION`]", "the format's version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_what_the_code_says() {
        let root = root();
        for (name, text) in pages(&root).unwrap() {
            let found = fs::read_to_string(root.join(FOLDER).join(&name)).unwrap_or_default();
            assert!(found == text, "{FOLDER}/{name} is stale; run `cargo run -p xtask -- gen`");
        }
    }

    #[test]
    fn names_in_files() {
        for (name, expected) in
            [("ReportBug", "report-bug"), ("size_bytes", "size-bytes"), ("docs", "docs"), ("", "")]
        {
            assert_eq!(kebab(name), expected);
        }
    }
}
