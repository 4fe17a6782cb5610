// SPDX-License-Identifier: Apache-2.0
//! Why something that needs a program could not be done while an image was put together.

use hardpan_definition::Platform;

use crate::error::Trouble;
use crate::sandbox::SandboxError;

/// How many of a program's last lines an error has.
pub(super) const LOG_LINES_MAX: usize = 20;

/// Why something that needs a program could not be done while an image was put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxedError {
    /// The program could not be run.
    #[error("can't {work}")]
    Sandbox {
        /// What it was to do.
        work: Work,
        /// Why.
        source: SandboxError,
    },
    /// The lock has no program for this machine.
    #[error("can't {work} for {platform}: the lock has no {program} that this machine can run")]
    NoRunner {
        /// What it was to do.
        work: Work,
        /// The platform of the image.
        platform: Platform,
        /// The program.
        program: String,
    },
    /// The program ended badly.
    #[error("can't {work}: {program} {how}")]
    Failed {
        /// What it was to do.
        work: Work,
        /// The program, or the package and its script.
        program: String,
        /// How it ended.
        how: String,
        /// The last lines that it printed.
        log: Vec<String>,
    },
    /// The program printed something else than it should.
    #[error("can't {work}: {program} printed something else than it should: {reason}")]
    Output {
        /// What it was to do.
        work: Work,
        /// The program.
        program: String,
        /// What is wrong.
        reason: String,
    },
    /// Scripts are to run, but the image has nothing to run them.
    #[error(
        "can't {work}: neither image nor lock has a /bin/sh, which the {script} of {package} needs"
    )]
    NoShell {
        /// What was to be done.
        work: Work,
        /// The package.
        package: String,
        /// Its script.
        script: String,
    },
    /// A script changed what is not the image's.
    #[error(
        "the {script} of {package} changes {path}, which is not the image's but that of the tool {tool}"
    )]
    Tool {
        /// The package.
        package: String,
        /// Its script.
        script: String,
        /// The path.
        path: String,
        /// The package of the lock's tools that has it.
        tool: String,
    },
    /// What a script left can't be part of an image.
    #[error("a script of {package} left {path}: {reason}")]
    Left {
        /// The package.
        package: String,
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Work that needs a program of the image's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Work {
    /// Compiling Python modules.
    Pyc,
    /// Making the indexes that triggers of packages make.
    Caches,
    /// Running maintainer scripts.
    Scripts,
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pyc => "compile Python modules",
            Self::Caches => "make the indexes of packages",
            Self::Scripts => "run maintainer scripts",
        })
    }
}

impl Work {
    /// Says how to do without.
    pub(crate) fn switch(self) -> &'static str {
        match self {
            Self::Pyc => {
                "`pyc = false` in `[build]` of hardpan.toml, or `x-hardpan: pyc: false` in the definition, \
                 builds without compiled modules"
            }
            Self::Caches => {
                "`caches = false` in `[build]` of hardpan.toml, or `x-hardpan: caches: false` in the \
                 definition, builds without these indexes"
            }
            Self::Scripts => {
                "`x-hardpan: scripts: declarative`, the default, runs no script and names what nothing covers"
            }
        }
    }
}

impl SandboxedError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::NoRunner { .. } | Self::NoShell { .. } => Trouble::Usage,
            Self::Sandbox { .. }
            | Self::Failed { .. }
            | Self::Output { .. }
            | Self::Tool { .. }
            | Self::Left { .. } => Trouble::Step,
        }
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Sandbox { work, source } => {
                let mut hints = Vec::new();
                if let SandboxError::Forbidden { help, .. } = source {
                    hints.push(help.clone());
                }
                hints.push(work.switch().to_owned());
                hints
            }
            Self::NoRunner { work, .. } => {
                let emulator = "install an emulator for that platform (a static qemu-user, which is looked for on \
                                the PATH)";
                // Scripts run with the programs of their own platform alone.
                let others = match work {
                    Work::Scripts => "",
                    Work::Pyc | Work::Caches => {
                        ", or add this machine's own to the definition's `platforms`: its packages then do the \
                         work for both"
                    }
                };
                vec![format!("{emulator}{others}"), work.switch().to_owned()]
            }
            Self::Failed { work, log, .. } => {
                let mut hints = Vec::new();
                if !log.is_empty() {
                    hints.push(format!("its last lines: {}", log.join(" | ")));
                }
                hints.push(work.switch().to_owned());
                hints
            }
            Self::Output { work, .. } | Self::NoShell { work, .. } => {
                vec![work.switch().to_owned()]
            }
            Self::Tool { tool, .. } => vec![
                format!(
                    "scripts of an image without a shell run with tools beside it, of which nothing gets into the \
                     image; with `{tool}` in `contents.packages` the change would be one of the image"
                ),
                Work::Scripts.switch().to_owned(),
            ],
            Self::Left { .. } => vec![Work::Scripts.switch().to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_sandbox_is_allowed_the_error_says_what_to_change_and_what_builds_without() {
        let source = SandboxError::Forbidden {
            what: "user namespaces".to_owned(),
            help: "set the sysctl".to_owned(),
        };
        let error = SandboxedError::Sandbox { work: Work::Pyc, source };
        assert_eq!(error.to_string(), "can't compile Python modules");
        let hints = error.hints();
        assert_eq!(hints[0], "set the sysctl");
        assert!(hints[1].contains("`pyc = false`"), "{hints:?}");
        assert_eq!(error.trouble(), Trouble::Step);
    }

    #[test]
    fn only_what_other_platforms_can_do_is_offered_to_them() {
        for (work, expected) in [(Work::Pyc, true), (Work::Caches, true), (Work::Scripts, false)] {
            let (platform, program) = (Platform::LinuxArm64, "x".to_owned());
            let hints = SandboxedError::NoRunner { work, platform, program }.hints();
            assert_eq!(hints[0].contains("`platforms`"), expected, "{hints:?}");
        }
    }

    #[test]
    fn every_error_says_how_to_do_without() {
        for (work, switch) in [
            (Work::Pyc, "pyc: false"),
            (Work::Caches, "caches: false"),
            (Work::Scripts, "scripts: declarative"),
        ] {
            let program = "x".to_owned();
            let errors = [
                SandboxedError::NoRunner {
                    work,
                    platform: Platform::LinuxArm64,
                    program: program.clone(),
                },
                SandboxedError::Failed {
                    work,
                    program: program.clone(),
                    how: "ended".to_owned(),
                    log: Vec::new(),
                },
                SandboxedError::Output { work, program, reason: "it is wrong".to_owned() },
            ];
            for error in errors {
                assert!(error.hints().join(" ").contains(switch), "{error}");
            }
        }
    }
}
