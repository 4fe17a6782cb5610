// SPDX-License-Identifier: Apache-2.0
//! How each control is measured, in words: what is looked at, what counts, and what does not.

use super::ControlId;

/// Says how a control is measured.
#[allow(clippy::too_many_lines, reason = "a table of texts")]
pub fn measured(control: ControlId) -> &'static str {
    use ControlId as Id;
    match control {
        Id::Shell => {
            "Programs and links that are called like a shell, wherever they stand; ELF files that have the texts of one (busybox and toybox by their table of applets, too); what runs a script called `….sh`; and files with the same bytes as any of these. In a build, the names of what packages bring are believed."
        }
        Id::PackageManager => {
            "ELF files and scripts in directories of programs, and links to such, by the names of apt, dpkg, apk, rpm, dnf and others, and files with the same bytes. The database of packages is none."
        }
        Id::LanguagePackageManager => {
            "ELF files and scripts in directories of programs that are called pip, npm, gem, uv, composer and so on."
        }
        Id::Compiler => {
            "ELF files anywhere, and scripts in directories of programs, by the names of compilers, assemblers, linkers and make, also with a version or a machine around the name, and by texts that GNU's have in them."
        }
        Id::Debugger => {
            "ELF files anywhere, and scripts in directories of programs, by the names of debuggers and tracers, and by what gdb and strace print of how to use them."
        }
        Id::NetworkTool => {
            "Programs in directories of programs, and links to such, that are called curl, wget, nc, ssh and so on, and ELF files anywhere that print how to use one of these."
        }
        Id::SetuidFile => {
            "The setuid and setgid bits of all files that a container sees, whoever may execute them. Those of files that an upper layer hides or changes are only told."
        }
        Id::FileCapability => {
            "The attribute security.capability of all files that a container sees."
        }
        Id::DevelopmentFile => {
            "Headers below directories called include, static libraries, object files by their ELF header, and descriptions for pkg-config, libtool and cmake. Modules of Python, Node and Ruby bring headers for themselves, which do not count."
        }
        Id::UnneededInterpreter => {
            "ELF programs of Python, Perl, Ruby, JavaScript, PHP, Lua, Tcl, Java, Scheme and others, by their names and by functions and variables that only an interpreter has. One is needed if entrypoint, command or health check name it, a script in its language, or a script in which its name is a word. An image that starts nothing is not measured."
        }
        Id::DynamicLoader => {
            "ELF files that are called like a loader or have its name inside, and all shared libraries. Only where the profile is runtime-static."
        }
        Id::PackageCache => {
            "Files in the directories where apt, apk, dnf, zypper, pacman, conda, pip, npm, yarn, cargo, gradle and go keep what they can fetch again, and files that end in .deb or .rpm."
        }
        Id::UserRoot => {
            "config.User as runtimes read it: an empty one, 0 in all spellings, and names that /etc/passwd gives the number 0, or no number, which runtimes take for 0."
        }
        Id::UserNotNumeric => "Whether the part of config.User before the colon is a number.",
        Id::UserUnknown => {
            "Names in config.User that /etc/passwd or /etc/group do not have. Numbers need no account, and are none of the names of accounts."
        }
        Id::GroupRoot => {
            "The group in config.User, or the one of the user's line in /etc/passwd, or 0 if there is no such line, which is what runtimes take."
        }
        Id::DuplicateRoot => {
            "Lines of /etc/passwd whose number a C library takes for 0, and whose name is not root: glibc with signs, spaces and leading zeros, musl also nothing at all and multiples of 2^32. Not measured where the file is not read."
        }
        Id::DuplicateUser => {
            "Names and numbers that two lines of /etc/passwd have, also short ones."
        }
        Id::LoginShell => {
            "The last field of each line of /etc/passwd, /bin/sh where it is empty: it counts if it leads to a program of the image that is not called nologin or false, or is and turns out to be a shell."
        }
        Id::Password => {
            "The second fields of passwd, shadow, group, gshadow, their backups and opasswd: whatever is not empty, `x`, or begins with `!` or `*`, and hashes behind these, too. Not measured where one of them is not read."
        }
        Id::RemoteAccess => {
            "authorized_keys in .ssh, homes, below /etc/ssh and where sshd_config says; .rhosts and .shosts; hosts.equiv in /etc: if there is a line in it that is no comment."
        }
        Id::ShadowReadable => {
            "Mode and owner of shadow, gshadow, their backups, opasswd and master.passwd, where links lead: others must not have any right, and the image's user must not be able to read it."
        }
        Id::WorldWritableFile => "The mode of all files that a container sees.",
        Id::WorldWritableDirectory => {
            "The mode of all directories that a container sees, but for volumes and those with the sticky bit."
        }
        Id::WritableSystemFile => {
            "Owner and mode of the files of accounts, loader, sudo and PAM in /etc, and of the directories of the system's configuration, programs and libraries."
        }
        Id::WritableProgram => {
            "ELF files and executable scripts that the image's user or one of its groups may write, and the entrypoint where it may write the directory. Root is not asked."
        }
        Id::MachineId => "Whether /etc/machine-id or D-Bus's is there and not empty.",
        Id::InterpreterMissing => {
            "The `#!` line of executable scripts and the loader of ELF programs: whether what it names is in the image. Modules of languages, examples and scripts of services are not started and do not count."
        }
        Id::LinkDangling => {
            "Symbolic links whose target is not in the image, but for what runtimes and strip rules fill and empty."
        }
        Id::UnownedFile => {
            "Owner and group of everything that a container sees, by /etc/passwd and /etc/group. Numbers below 100, 65534 and those of the image's user are known everywhere."
        }
        Id::SpecialFile => {
            "Entries of layers that are devices, pipes or sockets and that a container sees. Pipes and sockets are at most a warning, and devices in /dev that each runtime makes are only told."
        }
        Id::WhiteoutFile => {
            "Names that begin with `.wh.` where nothing is hidden by them, as far as layers or the tree have them."
        }
        Id::WritablePath => {
            "Directories and files that the image's user may write and that are no volume and not in /tmp, /var/tmp or /run. Not measured for root, who may write everything."
        }
        Id::Secret => {
            "Contents by the rules of `hardpan secrets`, which trust files that are as their packages brought them; names of key files and credentials; /etc/ssl/private. Debian's key for tests, /etc/ssl/private/ssl-cert-snakeoil.key, is only told. Not measured where a file was not searched to its end."
        }
        Id::SecretDeleted => {
            "The same rules over all layers: files that an upper layer deletes or changes."
        }
        Id::SecretConfiguration => {
            "The same rules over the environment, labels, annotations, history, entrypoint, command, shell, health check and OnBuild."
        }
        Id::VersionControl => {
            "Directories with HEAD, objects and refs, whatever they are called, those of Mercurial, Subversion, Bazaar and CVS, and files called .git that say where the repository is."
        }
        Id::EntrypointMissing
        | Id::EntrypointNotExecutable
        | Id::EntrypointInterpreter
        | Id::EntrypointLibrary => {
            "The first word of entrypoint or command is looked up as execvp does, `#!` lines are followed as the kernel does, permissions are those of the image's user, and libraries are searched for as the loader does."
        }
        Id::LibraryMissing => {
            "DT_NEEDED of all ELF files: whether a library of that name and machine is anywhere in the image."
        }
        Id::ExecutableStack => {
            "PT_GNU_STACK of all ELF programs and libraries; where glibc takes none for a wish, that there is one."
        }
        Id::WritableCode => {
            "PT_LOAD segments that are both writable and executable, and relocations in code (DT_TEXTREL)."
        }
        Id::UnsafeRunpath => {
            "Each part of DT_RUNPATH or DT_RPATH: empty and relative ones, /tmp, and directories that everybody or the image's user may write or make, $ORIGIN and links followed. Files that the user may write anyhow are left to writable-program."
        }
        Id::FixedAddress => {
            "The type of all ELF programs: ET_EXEC. Go's and static ones are so by nature."
        }
        Id::PartialRelro => {
            "PT_GNU_RELRO and DT_BIND_NOW, DF_BIND_NOW or DF_1_NOW of dynamic ELF files."
        }
        Id::NoStackProtector => {
            "Whether __stack_chk_fail is among the dynamic names of a program. Those in Go and Rust and static ones are not looked at."
        }
        Id::NoFortify => {
            "Whether a program that names functions which have a checked form names none of these. Those in Go and Rust and static ones are not looked at."
        }
        Id::LoaderPreload => {
            "LD_PRELOAD and LD_AUDIT in the environment and as words of the entrypoint, and lines in /etc/ld.so.preload."
        }
        Id::UnsafePath => {
            "Each part of PATH: empty and relative ones, /tmp, and directories that everybody or the image's user may write or make."
        }
        Id::LoaderPath => {
            "Variables with places of libraries and modules (LD_LIBRARY_PATH, PYTHONPATH, NODE_PATH, CLASSPATH, …), and options of interpreters that load code (-javaagent, --require, …)."
        }
        Id::EntrypointShell => {
            "Whether the first program of entrypoint and command, after tini, env and their like, is a file that is a shell, and what follows is a text for it, or nothing. A script may be an entrypoint."
        }
        Id::HealthcheckBroken => {
            "config.Healthcheck: whether its program, or its shell and the first word of its text, and what runs these, are in the image and can be started. That there is none is no finding."
        }
        Id::PrivilegedPort => "config.ExposedPorts, and of a range its first port.",
        Id::SystemVolume => {
            "config.Volumes after dots, slashes and links: the root, /etc, /usr, directories of programs and libraries, whatever is below /proc, /sys and /dev, and the sockets of runtimes."
        }
        Id::StopSignal => "config.StopSignal: KILL, STOP, and what is no signal of Linux.",
        Id::TagLatest => "The tag by which the image was asked for.",
        Id::Labels => "Four labels of the OCI image specification, or annotations of that name.",
        Id::ImageAge => {
            "config.created; a day in the future counts, too. Images that say that they were made before 1981 are not measured: builds that can be repeated write such a time."
        }
        Id::Signature | Id::Provenance | Id::Sbom | Id::Vex | Id::ScanAge | Id::Reproducible => {
            "Signatures and attestations in the registry or beside the layout, by the keys and names that are trusted here. Without any the control is not measured."
        }
        Id::SbomIncomplete => {
            "ELF files and Java archives that are in no package of the distribution or of a language and in no SBOM of the image. Other files are only counted."
        }
        Id::BaseDigest => {
            "The labels or annotations org.opencontainers.image.base.name and .digest."
        }
        Id::DistributionEnd => {
            "The distribution and release that the image says it has, and the end of their support in the advisory database."
        }
        Id::VulnerabilityFixable => {
            "Vulnerabilities of the packages that have a fix, by the advisory database and after VEX; each is at most as bad as its own severity."
        }
        Id::VulnerabilityExploited => {
            "Vulnerabilities of the packages that CISA knows to be exploited, after VEX."
        }
        Id::Documentation => {
            "Files in the directories of manual pages, info pages and documentation that are no licence."
        }
        Id::Locale => "Translations, sources of locales, and locales but C.UTF-8.",
        Id::WastedBytes => {
            "Sizes of files that an upper layer deletes or changes: more than 10 percent of all, and at least 1 MiB. The largest are named."
        }
        Id::DuplicateFile => {
            "Files of 1 MiB and more with the same digest. Hard links are one file."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::controls;

    #[test]
    fn every_text_is_a_sentence() {
        for control in controls() {
            let text = measured(control.id);
            assert!(text.ends_with('.') && text.len() > 20, "{}", control.id);
        }
    }
}
