// SPDX-License-Identifier: Apache-2.0
//! What is built: plain lists of packages, so that other tools can be given the same.

use std::fmt::Write as _;

/// A set of packages of Debian 13.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    /// What it is called.
    pub(super) name: &'static str,
    /// The packages; what they depend on comes along.
    packages: &'static [&'static str],
    /// Whether it is measured only when asked for.
    pub(super) is_big: bool,
}

/// Everything that can be measured.
pub(super) const SUBJECTS: [Subject; 4] = [
    Subject {
        name: "python",
        packages: &["base-files", "ca-certificates", "netbase", "python3.13", "tzdata"],
        is_big: false,
    },
    Subject {
        name: "nginx",
        packages: &["base-files", "ca-certificates", "netbase", "nginx", "tzdata"],
        is_big: false,
    },
    Subject {
        name: "jdk-llvm",
        packages: &["base-files", "clang-19", "llvm-19-dev", "openjdk-21-jdk-headless"],
        is_big: true,
    },
    Subject {
        name: "libreoffice",
        packages: &["base-files", "libreoffice", "texlive-latex-extra"],
        is_big: true,
    },
];

impl Subject {
    /// Returns a definition for this machine's architecture. It is a `-dev` variant, because what
    /// is compared is the packages with all that they pull in.
    pub(super) fn definition(&self, platform: &str) -> String {
        let mut packages = String::new();
        for package in self.packages {
            let _ = writeln!(packages, "    - {package}");
        }
        format!(
            "# syntax=dhi.io/build:2-debian13\n\n\
             name: {name} (bench)\nimage: bench/{name}\nvariant: dev\ntags:\n  - bench\n\
             platforms:\n  - {platform}\ncontents:\n  packages:\n{packages}\
             accounts:\n  root: true\n  run-as: root\n",
            name = self.name,
        )
    }
}
