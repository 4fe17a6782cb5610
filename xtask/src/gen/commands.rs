// SPDX-License-Identifier: Apache-2.0
//! The page about the command line, from the arguments themselves.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

// The program's own source: the arguments can't drift from what the page says of them.
#[path = "../../../crates/cli/src/args.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "only what clap knows of the arguments is of interest here"
)]
mod args;

/// Returns the program's arguments.
pub(super) fn command() -> Command {
    args::Arguments::command()
}

/// Returns the page.
pub(super) fn page() -> String {
    let mut root = command();
    root.build();
    let mut text = format!(
        "# The command line\n\n{}\n{}.\n\n```text\n{}\n```\n\n| command | what it does |\n|---|---|\n",
        super::NOTICE,
        about(&root),
        root.render_usage()
    );
    for command in visible(&root) {
        let name = command.get_name();
        let _ = writeln!(text, "| [`hardpan {name}`](#hardpan-{name}) | {} |", about(command));
    }
    text.push_str("\n## Common options\n\nEvery command has these.\n\n");
    options(&mut text, root.get_arguments().filter(|arg| arg.is_global_set()));
    text.push_str("\n[Exit codes](exit-codes.md) and [environment variables](environment.md) have pages of their own.\n");
    for command in visible(&root) {
        section(&mut text, command, "hardpan");
    }
    text
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn about(command: &Command) -> String {
    command.get_about().map_or_else(String::new, ToString::to_string)
}

fn section(text: &mut String, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let marks = if parent == "hardpan" { "##" } else { "###" };
    let usage = command.clone().render_usage().to_string();
    let _ = write!(text, "\n{marks} {name}\n\n{}.\n\n```text\n{usage}\n```\n", about(command));
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_global_set()).collect();
    let positional: Vec<&Arg> = own.iter().copied().filter(|arg| arg.is_positional()).collect();
    if !positional.is_empty() {
        text.push_str("\n| argument | meaning |\n|---|---|\n");
        for arg in positional {
            let name = arg.get_value_names().map_or_else(String::new, |names| names[0].to_string());
            let _ = writeln!(text, "| `{name}` | {} |", meaning(arg));
        }
    }
    let mut others =
        own.into_iter().filter(|arg| !arg.is_positional() && !is_built_in(arg)).peekable();
    if others.peek().is_some() {
        text.push('\n');
        options(text, others);
    }
    if let Some(after) = command.get_after_help() {
        let after = after.to_string();
        let (title, examples) = after.split_once('\n').unwrap_or(("", &after));
        let _ = write!(text, "\n{title}\n\n```text\n");
        for line in examples.lines() {
            let _ = writeln!(text, "{}", line.trim_start());
        }
        text.push_str("```\n");
    }
    for command in visible(command) {
        section(text, command, &name);
    }
}

fn is_built_in(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

fn options<'a>(text: &mut String, args: impl Iterator<Item = &'a Arg>) {
    text.push_str("| option | meaning |\n|---|---|\n");
    for arg in args.filter(|arg| !is_built_in(arg) && !arg.is_hide_set()) {
        let mut names: Vec<String> = Vec::new();
        names.extend(arg.get_short().map(|short| format!("-{short}")));
        names.extend(arg.get_long().map(|long| format!("--{long}")));
        let mut name = names.join("`, `");
        if arg.get_action().takes_values()
            && let Some(values) = arg.get_value_names()
        {
            let _ = write!(name, " {}", values[0]);
        }
        let _ = writeln!(text, "| `{name}` | {} |", meaning(arg));
    }
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map_or_else(String::new, ToString::to_string);
    let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(text, " [default: {}]", defaults.join(", "));
    }
    let choices: Vec<String> = (arg.get_possible_values().iter())
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !choices.is_empty() {
        let _ = write!(text, ": {}", choices.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " (or `{}`)", variable.to_string_lossy());
    }
    text.replace('|', "\\|")
}
