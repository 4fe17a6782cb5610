// SPDX-License-Identifier: Apache-2.0
//! The table of controls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Severity::{self, Fail, Info, Warn};
use super::Variant;

/// One hardening check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Its stable name.
    pub id: ControlId,
    /// What holds where it passes, in a few words.
    pub title: &'static str,
    /// What an attacker or an operator has to do with it.
    pub why: &'static str,
    /// What to change in a definition that breaks it.
    pub fix: &'static str,
    /// Its severity in runtime images.
    pub runtime: Severity,
    /// Its severity in dev images; `None` where it does not apply.
    pub dev: Option<Severity>,
}

impl Control {
    /// Returns its severity for a variant.
    pub fn severity(&self, variant: Variant) -> Option<Severity> {
        match variant {
            Variant::Runtime => Some(self.runtime),
            Variant::Dev => self.dev,
        }
    }
}

/// A text that names no control.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no control is named {0:?}")]
pub struct UnknownControl(pub String);

macro_rules! catalog {
    ($($id:ident, $name:literal, $runtime:expr, $dev:expr, $title:literal, $why:literal, $fix:literal;)*) => {
        /// The name of a control. The text forms are stable: policies and labels hold them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ControlId {
            $(#[doc = $title] #[serde(rename = $name)] $id,)*
        }

        impl ControlId {
            /// Returns its text form.
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// Returns what is known of it.
            pub fn control(self) -> &'static Control {
                &CONTROLS[self as usize]
            }
        }

        static CONTROLS: &[Control] = &[
            $(Control {
                id: ControlId::$id,
                title: $title,
                why: $why,
                fix: $fix,
                runtime: $runtime,
                dev: $dev,
            },)*
        ];
    };
}

catalog! {
    Shell, "shell", Fail, None,
        "no shell",
        "Most exploits end by starting a shell; without one they need a second exploit.",
        "cut the package that brings it, or name it in contents.packages if the image needs it";
    PackageManager, "package-manager", Fail, None,
        "no package manager",
        "A package manager turns a foothold into any tool, and lets the image drift from its SBOM.",
        "cut the package that brings it; the package database stays without it";
    LanguagePackageManager, "language-package-manager", Warn, None,
        "no package manager of a language",
        "pip, npm and their like download and run code from outside the lock.",
        "leave it to the dev variant, or name it in contents.packages";
    Compiler, "compiler", Fail, None,
        "no compiler, assembler or linker",
        "With a compiler an attacker builds tools that the image does not have.",
        "leave it to the dev variant, or name it in contents.packages";
    Debugger, "debugger", Fail, None,
        "no debugger or tracer",
        "Debuggers read and change the memory of the program that the image runs.",
        "leave it to the dev variant, or name it in contents.packages";
    NetworkTool, "network-tool", Warn, None,
        "no network client or scanner",
        "Download tools and scanners are the first things an intruder looks for.",
        "cut the package that brings it, or name it in contents.packages";
    SetuidFile, "setuid-file", Fail, Some(Warn),
        "no setuid or setgid files",
        "A setuid program gives every user of the image the rights of its owner.",
        "leave the strip rule for setuid bits on, or give the file another mode in paths";
    FileCapability, "file-capability", Fail, Some(Warn),
        "no file capabilities",
        "A file capability gives every user of the image a part of root's rights.",
        "leave the strip rule for capabilities on; grant the capability to the container instead";
    WorldWritableFile, "world-writable-file", Fail, Some(Fail),
        "no file that everybody may write",
        "Whoever gets in as any user can change what others read or run.",
        "give the file a mode without write permission for others in paths";
    WorldWritableDirectory, "world-writable-directory", Fail, Some(Fail),
        "no directory that everybody may write, but sticky ones",
        "Without the sticky bit every user can replace the files of another.",
        "use mode 1777, or give the directory to the user that writes it";
    WritableSystemFile, "writable-system-file", Fail, Some(Fail),
        "only root may write the account and loader files",
        "Whoever writes /etc/passwd or the loader's configuration becomes root.",
        "give the file to 0:0 with mode 0644 or stricter";
    WritableProgram, "writable-program", Warn, None,
        "the image's user can't write programs and libraries",
        "A program that can rewrite itself keeps an intruder across restarts.",
        "give the files to 0:0, and only the data directories to the user";
    Documentation, "documentation", Fail, Some(Warn),
        "no manual pages and documentation",
        "They are never read in an image; only licence texts have to stay.",
        "leave the strip rules for docs, man and info pages on";
    Locale, "locale", Fail, Some(Warn),
        "no translations and locales but C.UTF-8",
        "They are the largest part of many packages and unused in most images.",
        "leave the strip rule for locales on, or name the locales package";
    PackageCache, "package-cache", Fail, Some(Warn),
        "no caches of a package manager",
        "Caches are dead weight and stale the moment the image is made.",
        "leave the strip rule for package-manager caches on";
    MachineId, "machine-id", Fail, Some(Fail),
        "no machine id",
        "Every container of the image would have the same identity.",
        "delete /etc/machine-id in paths";
    Secret, "secret", Fail, Some(Fail),
        "no private keys or credentials",
        "Whoever pulls the image has them.",
        "mount secrets when the container runs; delete the file in paths";
    Password, "password", Fail, Some(Fail),
        "no account with a password, set or empty",
        "Password hashes can be broken by whoever pulls the image, and empty ones need no breaking.",
        "use the locked password * for every account";
    LoaderPreload, "loader-preload", Warn, Some(Warn),
        "nothing is loaded into every program",
        "A preloaded library runs inside every program of the image.",
        "remove /etc/ld.so.preload, or LD_PRELOAD from the environment";
    UnsafePath, "unsafe-path", Warn, Some(Warn),
        "PATH names only absolute directories that the user can't write",
        "A writable or relative directory in PATH decides which program a name means.",
        "list absolute directories of root in PATH";
    UserRoot, "user-root", Fail, None,
        "the image does not run as root",
        "A root process needs one kernel or runtime bug less to leave its container.",
        "set accounts.run-as to a user of accounts.users, or say accounts.root: true";
    UserNotNumeric, "user-not-numeric", Fail, None,
        "the image's user is a number",
        "Kubernetes can't check runAsNonRoot for a name.",
        "set accounts.run-as to the user's number";
    UserUnknown, "user-unknown", Fail, Some(Fail),
        "the image's user exists",
        "A runtime refuses to start an image whose user or group it can't find.",
        "add the user to accounts.users, or the group to accounts.groups";
    GroupRoot, "group-root", Warn, None,
        "the image's user is not in root's group",
        "Files that root's group may write are then open to the program.",
        "give the user a group of its own in accounts";
    DuplicateRoot, "duplicate-root", Fail, Some(Fail),
        "only root has the user number 0",
        "A second name for root escapes every check by name.",
        "give the account another uid";
    EntrypointMissing, "entrypoint-missing", Fail, Some(Fail),
        "the entrypoint is in the image",
        "The container would not start.",
        "correct entrypoint or cmd, or add the package that has the program";
    EntrypointNotExecutable, "entrypoint-not-executable", Fail, Some(Fail),
        "the image's user may execute the entrypoint",
        "The container would not start.",
        "give the file and the directories above it execute permission";
    EntrypointInterpreter, "entrypoint-interpreter", Fail, Some(Fail),
        "the entrypoint's interpreter or loader is in the image",
        "The container would not start.",
        "add the package that has the interpreter, or use another entrypoint";
    EntrypointLibrary, "entrypoint-library", Fail, Some(Fail),
        "the entrypoint's libraries are in the image",
        "The container would not start.",
        "add the package that has the library, or take back the exclusion that cut it";
    LibraryMissing, "library-missing", Warn, Some(Info),
        "every library that a program needs is in the image",
        "The program fails when it is started, or the plugin when it is loaded.",
        "add the package that has the library, or cut the one that needs it";
    InterpreterMissing, "interpreter-missing", Warn, Some(Warn),
        "every script's interpreter is in the image",
        "The script fails when it is started. In a hardened image that is often intended.",
        "delete the scripts in paths, or add the interpreter if they are needed";
    LinkDangling, "link-dangling", Warn, Some(Info),
        "no symbolic link leads nowhere",
        "A link to what was cut is dead weight or a sign that something is missing.",
        "delete the link in paths, or add what it points at";
}

impl fmt::Display for ControlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ControlId {
    type Err = UnknownControl;

    fn from_str(text: &str) -> Result<Self, UnknownControl> {
        CONTROLS
            .iter()
            .map(|control| control.id)
            .find(|id| id.name() == text)
            .ok_or_else(|| UnknownControl(text.chars().take(100).collect()))
    }
}

/// Returns all controls, in the order in which findings of one severity are listed.
pub fn controls() -> &'static [Control] {
    CONTROLS
}
