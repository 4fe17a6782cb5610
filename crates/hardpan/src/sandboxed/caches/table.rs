// SPDX-License-Identifier: Apache-2.0
//! The indexes that are made, and by what.

use hardpan_definition::Platform;

/// An index that a package's trigger makes of files that other packages bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    /// What it is called in reports and errors.
    pub(super) name: &'static str,
    /// The program. In all paths `{triplet}` is the name of a platform's libraries.
    pub(super) program: &'static str,
    /// Its arguments.
    pub(super) arguments: Arguments,
    /// Where the files are that it is made of.
    pub(super) inputs: &'static str,
    /// How their names end.
    pub(super) suffixes: &'static [&'static str],
    /// What is made: a directory with all that is new in it, or one file.
    pub(super) output: Output,
    /// What the files are.
    pub(super) kind: Kind,
}

/// Arguments of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    /// These.
    Fixed(&'static [&'static str]),
    /// The inputs, sorted.
    Inputs,
}

/// What a program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// All that is new below this directory.
    Below(&'static str),
    /// This file.
    File(&'static str),
    /// This file, whose lines come in any order.
    Lines(&'static str),
    /// What it prints, in this file.
    Printed(&'static str),
}

/// What the files are that an index is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data: the program of any platform will do.
    Data,
    /// Libraries, which the program loads and asks. What they answer is the same on every platform, but for
    /// the paths.
    Modules,
}

/// All indexes.
///
/// Not here: what depends on the times of files, or on the paths of a machine, as those of `fc-cache` and
/// `gtk-update-icon-cache` do. Programs make them anew when they need them, or do without.
pub(super) const INDEXES: &[Index] = &[
    Index {
        name: "MIME database",
        program: "usr/bin/update-mime-database",
        arguments: Arguments::Fixed(&["/usr/share/mime"]),
        inputs: "usr/share/mime/packages",
        suffixes: &[".xml"],
        output: Output::Below("usr/share/mime"),
        kind: Kind::Data,
    },
    Index {
        name: "GSettings schemas",
        program: "usr/lib/{triplet}/glib-2.0/glib-compile-schemas",
        arguments: Arguments::Fixed(&["/usr/share/glib-2.0/schemas"]),
        inputs: "usr/share/glib-2.0/schemas",
        suffixes: &[".xml", ".override"],
        output: Output::File("usr/share/glib-2.0/schemas/gschemas.compiled"),
        kind: Kind::Data,
    },
    Index {
        name: "desktop entries",
        program: "usr/bin/update-desktop-database",
        arguments: Arguments::Fixed(&["-q", "/usr/share/applications"]),
        inputs: "usr/share/applications",
        suffixes: &[".desktop"],
        output: Output::File("usr/share/applications/mimeinfo.cache"),
        kind: Kind::Data,
    },
    Index {
        name: "GIO modules",
        program: "usr/lib/{triplet}/glib-2.0/gio-querymodules",
        arguments: Arguments::Fixed(&["/usr/lib/{triplet}/gio/modules"]),
        inputs: "usr/lib/{triplet}/gio/modules",
        suffixes: &[".so"],
        output: Output::Lines("usr/lib/{triplet}/gio/modules/giomodule.cache"),
        kind: Kind::Modules,
    },
    Index {
        name: "GdkPixbuf loaders",
        program: "usr/lib/{triplet}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders",
        arguments: Arguments::Inputs,
        inputs: "usr/lib/{triplet}/gdk-pixbuf-2.0/2.10.0/loaders",
        suffixes: &[".so"],
        output: Output::Printed("usr/lib/{triplet}/gdk-pixbuf-2.0/2.10.0/loaders.cache"),
        kind: Kind::Modules,
    },
    Index {
        name: "GTK input methods",
        program: "usr/lib/{triplet}/libgtk-3-0t64/gtk-query-immodules-3.0",
        arguments: Arguments::Inputs,
        inputs: "usr/lib/{triplet}/gtk-3.0/3.0.0/immodules",
        suffixes: &[".so"],
        output: Output::Printed("usr/lib/{triplet}/gtk-3.0/3.0.0/immodules.cache"),
        kind: Kind::Modules,
    },
    Index {
        name: "GTK input methods",
        program: "usr/lib/{triplet}/libgtk-3-0/gtk-query-immodules-3.0",
        arguments: Arguments::Inputs,
        inputs: "usr/lib/{triplet}/gtk-3.0/3.0.0/immodules",
        suffixes: &[".so"],
        output: Output::Printed("usr/lib/{triplet}/gtk-3.0/3.0.0/immodules.cache"),
        kind: Kind::Modules,
    },
];

/// Returns the name that the directory of a platform's libraries has.
pub(super) fn triplet(platform: Platform) -> &'static str {
    match platform.architecture() {
        "arm64" => "aarch64-linux-gnu",
        _ => "x86_64-linux-gnu",
    }
}

/// Puts a platform's name into a path of the table.
pub(super) fn expand(path: &str, platform: Platform) -> String {
    path.replace("{triplet}", triplet(platform))
}

impl Output {
    /// Returns the path of what is made, or of the directory that it is made in.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Below(path) | Self::File(path) | Self::Lines(path) | Self::Printed(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_table_is_one() {
        for index in INDEXES {
            for path in [index.program, index.inputs, index.output.path()] {
                for platform in Platform::ALL {
                    let path = expand(path, platform);
                    let parsed = hardpan_tree::TreePath::parse(&path).unwrap();
                    assert_eq!(format!("/{path}"), parsed.to_string());
                    assert!(!path.contains('{'), "{path}");
                }
            }
            assert!(!index.suffixes.is_empty(), "{}", index.name);
        }
    }

    #[test]
    fn platforms_have_directories_of_their_own() {
        let path = "usr/lib/{triplet}/gio/modules";
        assert_eq!(expand(path, Platform::LinuxAmd64), "usr/lib/x86_64-linux-gnu/gio/modules");
        assert_eq!(expand(path, Platform::LinuxArm64), "usr/lib/aarch64-linux-gnu/gio/modules");
    }
}
