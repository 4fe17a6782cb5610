// SPDX-License-Identifier: Apache-2.0
//! The table of controls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Severity::{Fail, Info, Warn};
use super::control::{Control, Group, UnknownControl};
macro_rules! catalog {
    ($($id:ident, $name:literal, $group:ident, $runtime:expr, $dev:expr, $title:literal, $why:literal, $fix:literal;)*) => {
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
                group: Group::$group,
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
    Shell, "shell", AttackSurface, Fail, None,
        "no shell",
        "Most exploits end by starting a shell; without one they need a second exploit.",
        "cut the package that brings it, or name it in contents.packages if the image needs it; in a Dockerfile: COPY --from what runs into a base without one";
    PackageManager, "package-manager", AttackSurface, Fail, None,
        "no package manager",
        "A package manager turns a foothold into any tool, and lets the image drift from its SBOM.",
        "cut the package that brings it; the package database stays without it; in a Dockerfile: COPY --from what runs into a base without one";
    LanguagePackageManager, "language-package-manager", AttackSurface, Warn, None,
        "no package manager of a language",
        "pip, npm and their like download and run code from outside the lock.",
        "leave it to the dev variant, or name it in contents.packages; in a Dockerfile: leave it to an earlier stage, and COPY --from that what runs";
    Compiler, "compiler", AttackSurface, Fail, None,
        "no compiler, assembler or linker",
        "With a compiler an attacker builds tools that the image does not have.",
        "leave it to the dev variant, or name it in contents.packages; in a Dockerfile: leave it to an earlier stage, and COPY --from that what runs";
    Debugger, "debugger", AttackSurface, Fail, None,
        "no debugger or tracer",
        "Debuggers read and change the memory of the program that the image runs.",
        "leave it to the dev variant, or name it in contents.packages; in a Dockerfile: leave it to an earlier stage, and COPY --from that what runs";
    NetworkTool, "network-tool", AttackSurface, Warn, None,
        "no network client or scanner",
        "Download tools and scanners are the first things an intruder looks for.",
        "cut the package that brings it, or name it in contents.packages; in a Dockerfile: leave it to an earlier stage, and COPY --from that what runs";
    SetuidFile, "setuid-file", AttackSurface, Fail, Some(Warn),
        "no setuid or setgid files",
        "A setuid program gives every user of the image the rights of its owner.",
        "leave the strip rule for setuid bits on, or give the file another mode in paths; in a Dockerfile: RUN chmod a-s FILE, in the RUN that brings it";
    FileCapability, "file-capability", AttackSurface, Fail, Some(Warn),
        "no file capabilities",
        "A file capability gives every user of the image a part of root's rights.",
        "leave the strip rule for capabilities on; grant the capability to the container instead; in a Dockerfile: RUN setcap -r FILE, in the RUN that brings it";
    WorldWritableFile, "world-writable-file", Files, Fail, Some(Fail),
        "no file that everybody may write",
        "Whoever gets in as any user can change what others read or run.",
        "give the file a mode without write permission for others in paths; in a Dockerfile: RUN chmod o-w FILE";
    WorldWritableDirectory, "world-writable-directory", Files, Fail, Some(Fail),
        "no directory that everybody may write, but sticky ones",
        "Without the sticky bit every user can replace the files of another.",
        "use mode 1777, or give the directory to the user that writes it; in a Dockerfile: RUN chmod 1777 DIRECTORY";
    WritableSystemFile, "writable-system-file", Files, Fail, Some(Fail),
        "only root may write the account and loader files",
        "Whoever writes /etc/passwd or the loader's configuration becomes root.",
        "give the file to 0:0 with mode 0644 or stricter; in a Dockerfile: RUN chown 0:0 FILE && chmod 0644 FILE";
    WritableProgram, "writable-program", Files, Warn, None,
        "the image's user can't write programs and libraries",
        "A program that can rewrite itself keeps an intruder across restarts.",
        "give the files to 0:0, and only the data directories to the user; in a Dockerfile: COPY it without --chown";
    Documentation, "documentation", Efficiency, Fail, Some(Warn),
        "no manual pages and documentation",
        "They are never read in an image; only licence texts have to stay.",
        "leave the strip rules for docs, man and info pages on";
    Locale, "locale", Efficiency, Fail, Some(Warn),
        "no translations and locales but C.UTF-8",
        "They are the largest part of many packages and unused in most images.",
        "leave the strip rule for locales on, or name the locales package";
    PackageCache, "package-cache", AttackSurface, Fail, Some(Warn),
        "no caches of a package manager",
        "Caches are dead weight and stale the moment the image is made.",
        "leave the strip rule for package-manager caches on; in a Dockerfile: RUN --mount=type=cache, or delete it in the RUN that fills it";
    MachineId, "machine-id", Files, Fail, Some(Fail),
        "no machine id",
        "Every container of the image would have the same identity.",
        "delete /etc/machine-id in paths; in a Dockerfile: delete it in the RUN that makes it";
    Secret, "secret", Secrets, Fail, Some(Fail),
        "no private keys or credentials",
        "Whoever pulls the image has them.",
        "mount secrets when the container runs; delete the file in paths; in a Dockerfile: RUN --mount=type=secret in place of COPY";
    Password, "password", Identity, Fail, Some(Fail),
        "no account with a password, set or empty",
        "Password hashes can be broken by whoever pulls the image, and empty ones need no breaking.",
        "use the locked password * for every account; in a Dockerfile: RUN usermod -p '*' NAME";
    LoaderPreload, "loader-preload", Configuration, Warn, Some(Warn),
        "nothing is loaded into every program",
        "A preloaded library runs inside every program of the image.",
        "remove /etc/ld.so.preload, or LD_PRELOAD from the environment";
    UnsafePath, "unsafe-path", Configuration, Warn, Some(Warn),
        "PATH names only absolute directories that the user can't write",
        "A writable or relative directory in PATH decides which program a name means.",
        "list absolute directories of root in PATH";
    UserRoot, "user-root", Identity, Fail, None,
        "the image does not run as root",
        "A root process needs one kernel or runtime bug less to leave its container.",
        "set accounts.run-as to a user of accounts.users, or say accounts.root: true; in a Dockerfile: USER 1000:1000";
    UserNotNumeric, "user-not-numeric", Identity, Fail, None,
        "the image's user is a number",
        "Kubernetes can't check runAsNonRoot for a name.",
        "set accounts.run-as to the user's number; in a Dockerfile: USER 1000:1000";
    UserUnknown, "user-unknown", Identity, Fail, Some(Fail),
        "the image's user exists",
        "A runtime refuses to start an image whose user or group it can't find.",
        "add the user to accounts.users, or the group to accounts.groups; in a Dockerfile: RUN useradd before USER, or a number";
    GroupRoot, "group-root", Identity, Warn, None,
        "the image's user is not in root's group",
        "Files that root's group may write are then open to the program.",
        "give the user a group of its own in accounts; in a Dockerfile: USER 1000:1000, with a group";
    DuplicateRoot, "duplicate-root", Identity, Fail, Some(Fail),
        "only root has the user number 0",
        "A second name for root escapes every check by name.",
        "give the account another uid";
    EntrypointMissing, "entrypoint-missing", Configuration, Fail, Some(Fail),
        "the entrypoint is in the image",
        "The container would not start.",
        "correct entrypoint or cmd, or add the package that has the program";
    EntrypointNotExecutable, "entrypoint-not-executable", Configuration, Fail, Some(Fail),
        "the image's user may execute the entrypoint",
        "The container would not start.",
        "give the file and the directories above it execute permission";
    EntrypointInterpreter, "entrypoint-interpreter", Configuration, Fail, Some(Fail),
        "the entrypoint's interpreter or loader is in the image",
        "The container would not start.",
        "add the package that has the interpreter, or use another entrypoint";
    EntrypointLibrary, "entrypoint-library", Binaries, Fail, Some(Fail),
        "the entrypoint's libraries are in the image",
        "The container would not start.",
        "add the package that has the library, or take back the exclusion that cut it";
    LibraryMissing, "library-missing", Binaries, Warn, Some(Info),
        "every library that a program needs is in the image",
        "The program fails when it is started, or the plugin when it is loaded.",
        "add the package that has the library, or cut the one that needs it";
    InterpreterMissing, "interpreter-missing", Files, Warn, Some(Warn),
        "every script's interpreter is in the image",
        "The script fails when it is started. In a hardened image that is often intended.",
        "delete the scripts in paths, or add the interpreter if they are needed";
    LinkDangling, "link-dangling", Files, Warn, Some(Info),
        "no symbolic link leads nowhere",
        "A link to what was cut is dead weight or a sign that something is missing.",
        "delete the link in paths, or add what it points at";
    DevelopmentFile, "development-file", AttackSurface, Warn, None,
        "no headers, static libraries and other files of development",
        "They serve only whoever compiles, and a runtime image compiles nothing.",
        "leave them to the dev variant; cut the -dev package that brings them; in a Dockerfile: leave them to an earlier stage, and COPY --from that what runs";
    UnneededInterpreter, "unneeded-interpreter", AttackSurface, Warn, None,
        "no interpreter that the entrypoint does not need",
        "An interpreter runs whatever an intruder writes, without a file that is a program.",
        "cut the package that brings it, or name it in contents.packages; in a Dockerfile: leave it to an earlier stage, and COPY --from that what runs";
    DynamicLoader, "dynamic-loader", AttackSurface, Fail, None,
        "no dynamic loader and no shared libraries",
        "A static image that has them runs other programs than its own.",
        "use the profile runtime, or cut the packages that bring them";
    LoginShell, "login-shell", Identity, Warn, Some(Info),
        "no account can log in",
        "A login shell that is there gives whoever becomes the account an interactive session.",
        "give the accounts /usr/sbin/nologin, which need not exist; in a Dockerfile: RUN usermod -s /usr/sbin/nologin NAME";
    DuplicateUser, "duplicate-user", Identity, Warn, Some(Warn),
        "no two accounts have one number or one name",
        "Who owns a file and who ran a process can't be told apart.",
        "give each account a number of its own";
    RemoteAccess, "remote-access", Identity, Fail, Some(Fail),
        "nobody is let in from elsewhere",
        "authorized_keys, .rhosts and hosts.equiv let whoever holds the other end log in.",
        "delete the file in paths; in a Dockerfile: delete it in the RUN that makes it";
    ShadowReadable, "shadow-readable", Identity, Fail, Some(Fail),
        "only root reads the passwords",
        "Whoever reads the hashes tries them elsewhere.",
        "give /etc/shadow and /etc/gshadow mode 0640 or stricter, owned by root";
    UnownedFile, "unowned-file", Files, Warn, Some(Info),
        "every file belongs to accounts of the image",
        "Whoever gets the number later, gets the file.",
        "give the file to an account of the image, or add the account";
    SpecialFile, "special-file", Files, Fail, Some(Fail),
        "no device nodes, sockets and pipes",
        "A device node opens hardware of the host to whoever may make use of it.",
        "delete it; runtimes make the devices that a container needs";
    WhiteoutFile, "whiteout-file", Files, Warn, Some(Warn),
        "no file is called like a whiteout",
        "Some runtimes hide other files because of it, some show it: no two see the same image.",
        "delete the file in the layer that makes it";
    WritablePath, "writable-path", Files, Info, Some(Info),
        "the image's user writes only volumes and temporary directories",
        "What it writes elsewhere is lost, and fails with a read-only root file system.",
        "declare a volume, or mount a tmpfs";
    SecretDeleted, "secret-deleted", Secrets, Fail, Some(Fail),
        "no secret in a file that a later layer deletes",
        "Layers stay as they are: whoever pulls the image has all of them.",
        "make the image without it, and take back the secret; in a Dockerfile: RUN --mount=type=secret in place of COPY and rm";
    SecretConfiguration, "secret-configuration", Secrets, Fail, Some(Fail),
        "no secret in environment, labels and history",
        "Whoever may read the image's configuration has it, and every process of the container.",
        "mount secrets when the container runs, and take back this one; in a Dockerfile: RUN --mount=type=secret in place of ARG and ENV";
    VersionControl, "version-control", Secrets, Warn, Some(Warn),
        "no repository of a version control system",
        "A repository holds what was deleted long ago, and often credentials of its origin.",
        "copy files and not the working directory; delete .git in paths; in a Dockerfile: name .git in .dockerignore";
    ExecutableStack, "executable-stack", Binaries, Fail, Some(Warn),
        "no program wants an executable stack",
        "An overflow on the stack then runs what it wrote.",
        "build it without nested functions in C, or mark its assembly with .note.GNU-stack";
    WritableCode, "writable-code", Binaries, Fail, Some(Warn),
        "no program has memory that is both writable and executable",
        "What an intruder writes there runs.",
        "link it with -z separate-code and without -N";
    UnsafeRunpath, "unsafe-runpath", Binaries, Fail, Some(Warn),
        "no program loads libraries from where others may put them",
        "Whoever writes the directory has code run in the program.",
        "remove the RUNPATH, or point it at directories of root";
    FixedAddress, "fixed-address", Binaries, Info, Some(Info),
        "programs run at an address that nobody can guess",
        "Addresses that are known make exploits reliable.",
        "build it as a position-independent executable";
    PartialRelro, "partial-relro", Binaries, Info, Some(Info),
        "tables of functions are read-only once a program runs",
        "Who writes the table decides which function is called.",
        "link it with -z relro -z now";
    NoStackProtector, "no-stack-protector", Binaries, Info, Some(Info),
        "programs notice that their stack was overwritten",
        "Without a canary an overflow returns to where it likes.",
        "compile it with -fstack-protector-strong";
    NoFortify, "no-fortify", Binaries, Info, Some(Info),
        "programs call the checked functions of the C library",
        "Checked functions end a program in place of writing past a buffer.",
        "compile it with -D_FORTIFY_SOURCE=3 -O2";
    EntrypointShell, "entrypoint-shell", Configuration, Warn, Some(Info),
        "the entrypoint is started without a shell",
        "A shell in between gets the signals, and needs to be there.",
        "write entrypoint and cmd as lists; in a Dockerfile: ENTRYPOINT [\"/app\"]";
    HealthcheckBroken, "healthcheck-broken", Configuration, Warn, Some(Warn),
        "the health check can run",
        "A check whose shell or program is not there says that every container is ill.",
        "write the check as a list whose first word is a program of the image; in a Dockerfile: HEALTHCHECK CMD [\"/app\", \"check\"]";
    PrivilegedPort, "privileged-port", Configuration, Info, Some(Info),
        "ports are 1024 and above",
        "Older runtimes need a capability of root for ports below.",
        "listen on a higher port";
    SystemVolume, "system-volume", Configuration, Fail, Some(Fail),
        "no volume in the place of the system",
        "A volume on /, /etc, /usr, /proc, /sys or /dev hides what the image has, or opens the host.",
        "declare volumes for data only";
    LoaderPath, "loader-path", Configuration, Warn, Some(Info),
        "no variable says where libraries and modules are",
        "LD_LIBRARY_PATH, PYTHONPATH and their like decide what code a program loads.",
        "install into directories that are searched anyway, or remove the variable";
    StopSignal, "stop-signal", Configuration, Warn, Some(Warn),
        "the image's program can end in order",
        "A program that is killed loses what it did not write.",
        "use SIGTERM or what the program wants; in a Dockerfile: STOPSIGNAL SIGTERM";
    TagLatest, "tag-latest", Configuration, Info, Some(Info),
        "the image is known by a tag that says which it is",
        "latest is another image tomorrow.",
        "name a version, or better the digest";
    ImageAge, "image-age", SupplyChain, Warn, Some(Warn),
        "the image is not older than 90 days",
        "What was made long ago has what was found since.",
        "build it again";
    Labels, "labels", Configuration, Info, Some(Info),
        "the image says what it is and where it comes from",
        "org.opencontainers.image.source, .revision, .version, .licenses are what tools look for.",
        "set them in annotations; in a Dockerfile: LABEL org.opencontainers.image.source=…";
    Signature, "signature", SupplyChain, Warn, Some(Warn),
        "somebody whom you trust signed the image",
        "Without a signature anybody who can write to the registry can replace it.",
        "build with --sign, or verify with the signer's key";
    Provenance, "provenance", SupplyChain, Warn, Some(Warn),
        "a signed statement says who built the image, and from what",
        "Without it nobody can tell whether the source is what was built.",
        "build with --sign";
    Sbom, "sbom", SupplyChain, Warn, Some(Warn),
        "a signed SBOM lists what is in the image",
        "Without it every scanner guesses.",
        "build with --sign";
    SbomIncomplete, "sbom-incomplete", SupplyChain, Warn, Some(Warn),
        "every file is in the SBOM",
        "What no SBOM has, no scanner looks up.",
        "install what you copy as packages, or describe it with an SBOM in the image";
    Vex, "vex", SupplyChain, Info, Some(Info),
        "signed VEX statements say which vulnerabilities matter",
        "Without them whoever uses the image does the triage again.",
        "build with --sign --vex";
    ScanAge, "scan-age", SupplyChain, Info, Some(Info),
        "a signed scan is not older than 30 days",
        "What nobody looked for, nobody found.",
        "attest a scan with each update of the database";
    BaseDigest, "base-digest", SupplyChain, Info, Some(Info),
        "the image says which image it is built on",
        "Without the digest of the base nobody knows when to rebuild.",
        "annotate org.opencontainers.image.base.name and .digest; in a Dockerfile: LABEL with the same names";
    DistributionEnd, "distribution-end", SupplyChain, Fail, Some(Fail),
        "the distribution is still looked after",
        "After its end nobody mends what is found.",
        "build on a release that is supported";
    Reproducible, "reproducible", SupplyChain, Info, Some(Info),
        "somebody built the image again and got the same bytes",
        "Then nothing can be in it that the sources do not have.",
        "run hardpan rebuild";
    VulnerabilityFixable, "vulnerability-fixable", Vulnerabilities, Fail, Some(Warn),
        "no serious vulnerability that has a fix",
        "The fix is there for attackers to read, too.",
        "build the image again with the fixed packages";
    VulnerabilityExploited, "vulnerability-exploited", Vulnerabilities, Fail, Some(Fail),
        "no vulnerability that is being exploited",
        "Somebody does use it, today.",
        "update or remove the package, or state in a VEX document why it does not matter";
    WastedBytes, "wasted-bytes", Efficiency, Warn, Some(Info),
        "layers do not hold what other layers hide",
        "It is pulled by everybody and seen by nobody.",
        "delete files in the layer that makes them";
    DuplicateFile, "duplicate-file", Efficiency, Info, Some(Info),
        "no large file is there twice",
        "Each copy is pulled and stored.",
        "link one to the other";
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
