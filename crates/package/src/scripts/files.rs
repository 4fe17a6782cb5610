// SPDX-License-Identifier: Apache-2.0
//! Commands that change files.

use crate::segment::Format;

use super::arguments::{Arguments, octal, owner};
use super::commands::{Context, Outcome};
use super::evaluate::{Evaluator, is_scratch};
use super::{Look, Operation, OwnerChange};

/// The finisher that does these.
const FINISHER: &str = "scripts";

/// Treats commands that change files.
pub(super) fn treat(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Option<Outcome> {
    let parsed = match context.name {
        "mkdir" => mkdir(context),
        "ln" => link(context),
        "cp" => copy(context),
        "mv" => moves(context),
        "rm" | "unlink" => remove(evaluator, context),
        "rmdir" => rmdir(evaluator, context),
        "touch" => touch(context),
        "chmod" => chmod(context),
        "chown" | "chgrp" => chown(context),
        "install" => install(context),
        "tee" => Some(Vec::new()),
        _ => return None,
    };
    let Some(operations) = parsed else { return Some(Outcome::unknown_argument()) };
    Some(settle(evaluator, operations))
}

/// Drops what only concerns scratch files, and refuses paths that are not absolute.
fn settle(evaluator: &Evaluator<'_>, mut operations: Vec<Operation>) -> Outcome {
    for operation in &mut operations {
        for path in paths_of(operation) {
            *path = evaluator.absolute(std::mem::take(path));
        }
    }
    if evaluator.input.format == Format::Apk {
        // Scripts of Alpine go on when a command fails, and this one does nothing but fail.
        operations.retain(|operation| match operation {
            Operation::Mode { path, .. } | Operation::Owner { path, .. } => {
                evaluator.look(path, true) != Look::Missing
            }
            _ => true,
        });
        if operations.is_empty() {
            return Outcome::ignored("nothing is there to be changed");
        }
    }
    let from_scratch = operations.iter().any(|operation| match operation {
        Operation::Copy { from, to, .. } | Operation::Move { from, to } => {
            is_scratch(from) && !is_scratch(to)
        }
        _ => false,
    });
    if from_scratch {
        return Outcome::unhandled("installs a file that other commands made");
    }
    operations.retain(|operation| path_of(operation).is_none_or(|path| !is_scratch(path)));
    let relative = operations.iter().filter_map(path_of).find(|path| !path.starts_with('/'));
    if let Some(path) = relative {
        return Outcome::unhandled(format!("{path} is not an absolute path"));
    }
    if operations.is_empty() {
        return Outcome::ignored("concerns scratch files or none at all");
    }
    Outcome::handled(FINISHER, operations)
}

/// Returns all paths of an operation but the targets of links.
fn paths_of(operation: &mut Operation) -> Vec<&mut String> {
    match operation {
        Operation::MakeDirectory { path, .. }
        | Operation::Symlink { path, .. }
        | Operation::Touch { path, .. }
        | Operation::Remove { path, .. }
        | Operation::RemoveDirectory { path }
        | Operation::Mode { path, .. }
        | Operation::Owner { path, .. } => vec![path],
        Operation::Copy { from, to, .. } | Operation::Move { from, to } => vec![from, to],
        _ => Vec::new(),
    }
}

fn path_of(operation: &Operation) -> Option<&str> {
    Some(match operation {
        Operation::MakeDirectory { path, .. }
        | Operation::Symlink { path, .. }
        | Operation::Touch { path, .. }
        | Operation::Remove { path, .. }
        | Operation::RemoveDirectory { path }
        | Operation::Mode { path, .. }
        | Operation::Owner { path, .. } => path,
        Operation::Copy { to, .. } | Operation::Move { to, .. } => to,
        _ => return None,
    })
}

fn mkdir(context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &["m", "mode"])?;
    let mode = arguments.value(&["m", "mode"]).map(octal);
    let mode = if let Some(mode) = mode { Some(mode?) } else { None };
    let with_parents = arguments.has(&["p", "parents"]);
    let make = |path: &String| Operation::MakeDirectory {
        path: path.clone(),
        mode,
        owner: OwnerChange::default(),
        with_parents,
    };
    Some(arguments.operands.iter().map(make).collect())
}

fn link(context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &["S", "t", "target-directory"])?;
    let [target, path] = arguments.operands.as_slice() else { return None };
    // A hard link or a relative link would need the shape of the tree.
    if !arguments.has(&["s", "symbolic"]) || arguments.has(&["r", "relative"]) {
        return None;
    }
    Some(vec![Operation::Symlink {
        target: target.clone(),
        path: path.clone(),
        replaces: arguments.has(&["f", "force"]),
        no_dereference: arguments.has(&["n", "T", "no-dereference", "no-target-directory"]),
    }])
}

fn copy(context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &["S", "t", "target-directory"])?;
    let (to, from) = arguments.operands.split_last()?;
    let archive = arguments.has(&["a", "archive"]);
    let copies = from.iter().map(|from| Operation::Copy {
        from: from.clone(),
        to: to.clone(),
        mode: None,
        owner: OwnerChange::default(),
        keeps_time: archive || arguments.has(&["p"]) || arguments.value(&["preserve"]).is_some(),
        keeps_existing: arguments.has(&["n", "no-clobber"]),
        recursive: archive || arguments.has(&["r", "R", "recursive"]),
    });
    (!from.is_empty()).then(|| copies.collect())
}

fn moves(context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &["S", "t"])?;
    let (to, from) = arguments.operands.split_last()?;
    let moves = from.iter().map(|from| Operation::Move { from: from.clone(), to: to.clone() });
    (!from.is_empty()).then(|| moves.collect())
}

fn remove(evaluator: &Evaluator<'_>, context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &[])?;
    let recursive = arguments.has(&["r", "R", "recursive"]);
    let doomed =
        arguments.operands.iter().filter(|path| evaluator.look(path, false) != Look::Missing);
    Some(doomed.map(|path| Operation::Remove { path: path.clone(), recursive }).collect())
}

fn rmdir(evaluator: &Evaluator<'_>, context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &[])?;
    let doomed =
        arguments.operands.iter().filter(|path| evaluator.look(path, false) != Look::Missing);
    Some(doomed.map(|path| Operation::RemoveDirectory { path: path.clone() }).collect())
}

fn touch(context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &["r", "d", "t", "date", "reference"])?;
    Some(
        arguments
            .operands
            .iter()
            .map(|path| Operation::Touch { path: path.clone(), mode: 0o666 })
            .collect(),
    )
}

fn chmod(context: &Context<'_>) -> Option<Vec<Operation>> {
    // A symbolic mode may begin with a hyphen (`chmod -x file`); such are left to the parser as flags, and so refused.
    let arguments = Arguments::parse(context.arguments, &["reference"])?;
    let (mode, paths) = arguments.operands.split_first()?;
    let recursive = arguments.has(&["R", "recursive"]);
    let change =
        |path: &String| Operation::Mode { path: path.clone(), mode: mode.clone(), recursive };
    (!paths.is_empty()).then(|| paths.iter().map(change).collect())
}

fn chown(context: &Context<'_>) -> Option<Vec<Operation>> {
    let arguments = Arguments::parse(context.arguments, &["reference", "from"])?;
    if arguments.value(&["reference", "from"]).is_some() {
        return None;
    }
    let (who, paths) = arguments.operands.split_first()?;
    let owner = if context.name == "chgrp" {
        OwnerChange { user: None, group: Some(who.clone()) }
    } else {
        owner(who)
    };
    let change = |path: &String| Operation::Owner {
        path: path.clone(),
        owner: owner.clone(),
        recursive: arguments.has(&["R", "recursive"]),
        no_dereference: arguments.has(&["h", "no-dereference"]),
    };
    (!paths.is_empty()).then(|| paths.iter().map(change).collect())
}

fn install(context: &Context<'_>) -> Option<Vec<Operation>> {
    let with_value = ["m", "mode", "o", "owner", "g", "group", "t", "target-directory", "S"];
    let arguments = Arguments::parse(context.arguments, &with_value)?;
    let mode = match arguments.value(&["m", "mode"]) {
        Some(text) => Some(octal(text)?),
        None => None,
    };
    let owner = OwnerChange {
        user: arguments.value(&["o", "owner"]).map(str::to_owned),
        group: arguments.value(&["g", "group"]).map(str::to_owned),
    };
    if arguments.has(&["d", "directory"]) {
        let make = |path: &String| Operation::MakeDirectory {
            path: path.clone(),
            mode: Some(mode.unwrap_or(0o755)),
            owner: owner.clone(),
            with_parents: true,
        };
        return Some(arguments.operands.iter().map(make).collect());
    }
    let (to, from) = arguments.operands.split_last()?;
    let copies = from.iter().map(|from| Operation::Copy {
        from: from.clone(),
        to: to.clone(),
        mode: Some(mode.unwrap_or(0o755)),
        owner: owner.clone(),
        keeps_time: arguments.has(&["p"]),
        keeps_existing: false,
        recursive: false,
    });
    (!from.is_empty()).then(|| copies.collect())
}

/// `ucf new old`: on a first installation a copy.
pub(super) fn ucf(evaluator: &Evaluator<'_>, context: &Context<'_>) -> Outcome {
    let with_value = ["src-dir", "state-dir", "debconf-template", "sum-file", "package", "s"];
    let Some(arguments) = Arguments::parse(context.arguments, &with_value) else {
        return Outcome::unknown_argument();
    };
    if arguments.has(&["p", "purge"]) {
        return Outcome::ignored("acts on upgrades only");
    }
    let [from, to] = arguments.operands.as_slice() else { return Outcome::unknown_argument() };
    settle(
        evaluator,
        vec![Operation::Copy {
            from: from.clone(),
            to: to.clone(),
            mode: None,
            owner: OwnerChange::default(),
            keeps_time: true,
            keeps_existing: true,
            recursive: false,
        }],
    )
}

/// `dpkg-statoverride --add --update user group mode path`.
pub(super) fn override_mode(context: &Context<'_>) -> Outcome {
    let Some(arguments) = Arguments::parse(context.arguments, &["admindir", "root"]) else {
        return Outcome::unknown_argument();
    };
    let [user, group, mode, path] = arguments.operands.as_slice() else {
        return Outcome::unknown_argument();
    };
    if !arguments.has(&["update"]) {
        return Outcome::unhandled("an override for files that come later");
    }
    let owner = OwnerChange { user: Some(user.clone()), group: Some(group.clone()) };
    Outcome::handled(
        FINISHER,
        vec![
            Operation::Owner { path: path.clone(), owner, recursive: false, no_dereference: false },
            Operation::Mode { path: path.clone(), mode: mode.clone(), recursive: false },
        ],
    )
}
