// SPDX-License-Identifier: Apache-2.0
//! `update-alternatives` and `dpkg-divert`.

use super::commands::{Context, Outcome};
use super::evaluate::Evaluator;
use super::{Alternative, AlternativeLink, Look, Operation};

/// `update-alternatives`.
pub(super) fn treat(context: &Context<'_>) -> Outcome {
    if context.has(&["--remove", "--remove-all", "--auto"]) {
        return Outcome::ignored("acts on upgrades only");
    }
    if context.has(&["--list", "--display", "--query", "--get-selections"]) {
        // Nothing is registered before a first installation, but other packages may have done so.
        return Outcome::asks(None);
    }
    if !context.has(&["--install"]) {
        return Outcome::unhandled("this use of update-alternatives is not known");
    }
    match parse(context) {
        Some(alternative) => {
            Outcome::handled("alternatives", vec![Operation::Alternative(alternative)])
        }
        None => Outcome::unknown_argument(),
    }
}

fn parse(context: &Context<'_>) -> Option<Alternative> {
    let words: Option<Vec<&str>> = context.arguments.iter().map(Option::as_deref).collect();
    let mut words = words?.into_iter();
    let mut found: Option<Alternative> = None;
    while let Some(word) = words.next() {
        let mut link = || {
            let link = absolute(words.next()?)?;
            let name = words.next().filter(|name| is_name(name))?.to_owned();
            Some(AlternativeLink { name, link, path: absolute(words.next()?)? })
        };
        match word {
            "--install" => {
                let master = link()?;
                let priority = words.next()?.parse().ok()?;
                found = Some(Alternative { master, priority, slaves: Vec::new() });
            }
            "--slave" | "--follower" => {
                let link = link()?;
                found.as_mut()?.slaves.push(link);
            }
            "--quiet" | "--force" | "--verbose" => {}
            _ => return None,
        }
    }
    found
}

fn absolute(path: &str) -> Option<String> {
    path.starts_with('/').then(|| path.to_owned())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name != ".." && !name.contains(['/', ' ', '\n'])
}

/// `dpkg-divert`.
pub(super) fn divert(evaluator: &Evaluator<'_>, context: &Context<'_>) -> Outcome {
    if context.has(&["--remove"]) {
        return Outcome::ignored("acts on upgrades only");
    }
    if context.has(&["--list", "--truename", "--listpackage"]) {
        return Outcome::asks(None);
    }
    let with_value = ["package", "divert", "admindir", "root", "instdir"];
    let Some(arguments) = super::arguments::Arguments::parse(context.arguments, &with_value) else {
        return Outcome::unknown_argument();
    };
    let [path] = arguments.operands.as_slice() else { return Outcome::unknown_argument() };
    let to = match arguments.value(&["divert"]) {
        Some(to) => to.to_owned(),
        None => format!("{path}.distrib"),
    };
    if to.ends_with(".usr-is-merged") {
        return Outcome::ignored("protects files during the merge of /usr, which is done here");
    }
    if evaluator.look(path, false) == Look::Missing {
        return Outcome::ignored("nothing is there to be diverted");
    }
    if evaluator.owner(path).as_deref() == Some(evaluator.input.package) {
        return Outcome::ignored("only the package's own file is there, which is never diverted");
    }
    Outcome::unhandled(format!("diverts {path} to {to}"))
}
