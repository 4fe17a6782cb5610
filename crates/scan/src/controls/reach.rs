// SPDX-License-Identifier: Apache-2.0
//! What the image's user may start.

use std::collections::BTreeSet;

use hardpan_tree::{Content, Facts, File, Kind, TreePath};

use super::report::Report;
use super::view::View;
use super::{ControlPolicy, Inspection, identity, programs, tools, view};

/// Returns the programs that run what is written in a language, and that the image's user may start: shells, Python, Perl.
pub(crate) fn interpreters(input: &Inspection<'_>) -> BTreeSet<TreePath> {
    let view = View::new(input);
    // Who the user is comes with findings about it, which are somebody else's.
    let policy = ControlPolicy::default();
    let account = identity::check(&view, &mut Report::new(input, &policy));
    let mut found = BTreeSet::new();
    for (path, node) in input.tree.walk() {
        let file = match &node.kind {
            Kind::Directory => continue,
            Kind::File(_) => path.clone(),
            Kind::HardLink(target) => target.clone(),
            Kind::Symlink(_) => match input.tree.resolve(path) {
                Ok(target) => target,
                Err(_) => continue,
            },
        };
        // Names say what a program does only where programs are looked for by their names.
        let has_place =
            path.parent().is_some_and(|directory| view.is_program_directory(&directory));
        if !has_place || found.contains(&file) || !tools::is_interpreter(path.name()) {
            continue;
        }
        let Some((node, content)) = input.tree.file(&file) else { continue };
        if view::is_started(content)
            && programs::why_not_executable(input.tree, &account, &file, node).is_none()
        {
            found.insert(file);
        }
    }
    found
}

/// Whether a file is an ELF file, of whichever kind.
pub(crate) fn is_elf(file: &File) -> bool {
    match (file.facts.as_deref(), &file.content) {
        (Some(facts), _) => matches!(facts, Facts::Elf(_)),
        (None, Content::Inline(bytes)) => bytes.starts_with(b"\x7fELF"),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Image;

    #[test]
    fn interpreters_of_the_user() {
        for (image, expected) in [
            (Image::new(), ""),
            (Image::new().program("/usr/bin/python3.13"), "/usr/bin/python3.13"),
            (
                Image::new().program("/usr/bin/busybox").symlink("/usr/bin/sh", "busybox"),
                "/usr/bin/busybox",
            ),
            (Image::new().program("/usr/bin/tool").symlink("/usr/bin/sh", "tool"), "/usr/bin/tool"),
            (
                Image::new()
                    .program("/usr/bin/perl")
                    .hard_link("/usr/bin/perl5.40", "/usr/bin/perl"),
                "/usr/bin/perl",
            ),
            // What looks like one and is none, or not there for the user.
            (Image::new().program("/usr/lib/git-core/python"), ""),
            (Image::new().symlink("/usr/bin/sh", "nowhere"), ""),
            (Image::new().script("/usr/bin/perldoc", "/usr/bin/perl"), ""),
            (Image::new().text("/usr/bin/python", "hello"), ""),
            (Image::new().program("/usr/bin/server"), ""),
            (Image::new().program("/usr/bin/sh").metadata("/usr/bin/sh", |it| it.mode = 0o700), ""),
            (Image::new().program("/usr/bin/sh").metadata("/usr/bin", |it| it.mode = 0o700), ""),
            (
                Image::new()
                    .program("/usr/bin/sh")
                    .metadata("/usr/bin/sh", |it| it.mode = 0o700)
                    .user("0"),
                "/usr/bin/sh",
            ),
        ] {
            let found = image.with(super::interpreters);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected);
        }
    }
}
