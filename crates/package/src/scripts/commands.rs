// SPDX-License-Identifier: Apache-2.0
//! What each command means in an image.

use crate::segment::Format;

use super::Operation;
use super::Treatment;
use super::evaluate::{Evaluator, SCRATCH, Status};
use super::expand::Value;
use super::{Look, accounts, alternatives, apk, debconf, files};

/// A command with its arguments.
pub(super) struct Context<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a [Value],
}

impl Context<'_> {
    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.arguments.iter().flatten().any(|argument| words.contains(&argument.as_str()))
    }
}

/// What becomes of a command.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) treatment: Treatment,
    pub(super) operations: Vec<Operation>,
    pub(super) status: Status,
    /// What it prints.
    pub(super) output: Output,
}

/// What a command prints on its standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Nothing,
    Text(String),
    Unknown,
    /// A finisher puts it where the script would.
    Made,
}

impl Outcome {
    fn of(treatment: Treatment, status: Status) -> Self {
        Self { treatment, operations: Vec::new(), status, output: Output::Nothing }
    }

    /// It has no effect in an image, and goes well.
    pub(super) fn ignored(reason: &str) -> Self {
        Self::of(Treatment::Ignored { reason: reason.to_owned() }, Some(true))
    }

    /// It asks something, with this answer.
    pub(super) fn asks(status: Status) -> Self {
        let treatment = Treatment::Ignored { reason: "asks, changes nothing".to_owned() };
        Self { output: Output::Unknown, ..Self::of(treatment, status) }
    }

    pub(super) fn handled(finisher: &str, operations: Vec<Operation>) -> Self {
        let treatment = Treatment::Handled { finisher: finisher.to_owned() };
        Self { operations, ..Self::of(treatment, Some(true)) }
    }

    pub(super) fn denied(reason: &str) -> Self {
        Self::of(Treatment::Denied { reason: reason.to_owned() }, Some(true))
    }

    pub(super) fn unhandled(reason: impl Into<String>) -> Self {
        let treatment = Treatment::Unhandled { reason: reason.into() };
        Self { output: Output::Unknown, ..Self::of(treatment, None) }
    }

    pub(super) fn unknown_argument() -> Self {
        Self::unhandled("an argument is not known")
    }
}

const INIT: &str = "an image has no init system";
const UPGRADE: &str = "acts on upgrades only";
const QUIET: &str = "only prints";
const DOCUMENTATION: &str = "an index of documentation, which an image does not have";
const CACHE: &str = "a cache that programs can do without";
const KEY: &str = "a private key must not be part of an image";
const CLUSTER: &str = "a database must not be created in an image";
const CAPABILITY: &str = "file capabilities do not belong in a hardened image";
const PROCESS: &str = "no process runs in an image while it is built";
const UPGRADE_NOTES: &str = "keeps notes for upgrades only";

/// Commands that only look and print. Those with options that write are not here.
const QUERIES: &[&str] = &[
    "[",
    "test",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "cut",
    "cat",
    "zcat",
    "head",
    "tail",
    "sort",
    "uniq",
    "tr",
    "wc",
    "ls",
    "stat",
    "readlink",
    "realpath",
    "dirname",
    "basename",
    "id",
    "getent",
    "dpkg-query",
    "dpkg-architecture",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "cmp",
    "diff",
    "uname",
    "expr",
    "seq",
    "pidof",
    "pgrep",
    "ps",
    "runlevel",
    "file",
    "nproc",
    "df",
    "du",
    "date",
    "awk",
    "mawk",
    "gawk",
    "comm",
    "join",
    "column",
    "rev",
    "tac",
    "od",
    "ischroot",
    "systemd-detect-virt",
    "findmnt",
    "lsb_release",
    "locale",
    "getconf",
    "ldd",
    "fold",
    "groups",
    "whoami",
    "tty",
    "lsmod",
    "ifconfig",
    "netstat",
    "ss",
    "hostname",
    "dnsdomainname",
    "logname",
    "debconf-get-selections",
    "ucfq",
    "php-config",
    "pg_lsclusters",
    "getcap",
    "get_pg_versions",
    "fc-list",
    "jot",
    "a2query",
    "pg_conftool",
    "objdump",
    "readelf",
    "xxd",
    "dh_listpackages",
    "postconf",
    "gettext",
    "gettext.sh",
    "eval_gettext",
    "strings",
    "iconv",
];

/// Tools that need not be in the image because their work is known.
const EMULATED: &[&str] = &[
    "update-alternatives",
    "adduser",
    "addgroup",
    "useradd",
    "groupadd",
    "usermod",
    "dpkg-statoverride",
    "dpkg-divert",
    "dpkg-maintscript-helper",
    "dpkg-trigger",
    "dpkg",
    "ucf",
    "ucfr",
    "ldconfig",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "update-rc.d",
    "invoke-rc.d",
    "py3compile",
    "pycompile",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "pam-auth-update",
    "update-shells",
    "add-shell",
];

/// Returns whether a tool's work is known, so that scripts find it.
pub(super) fn is_emulated(format: Format, name: &str) -> bool {
    match format {
        Format::Deb => EMULATED.contains(&name),
        Format::Apk => apk::EMULATED.contains(&name),
    }
}

/// Says what becomes of a command.
pub(super) fn treat(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Outcome {
    let name = context.name.rsplit('/').next().unwrap_or(context.name);
    let context = &Context { name, ..*context };
    None.or_else(|| apk::treat(evaluator, context))
        .or_else(|| tools(evaluator, context))
        .or_else(|| simple(context))
        .or_else(|| shell(evaluator, context))
        .or_else(|| dpkg(evaluator, context))
        .or_else(|| debconf::treat(evaluator, context))
        .or_else(|| accounts::treat(context))
        .or_else(|| files::treat(evaluator, context))
        .unwrap_or_else(|| Outcome::unhandled(format!("{name} is not known")))
}

/// Commands whose meaning does not depend on their arguments.
fn simple(context: &Context<'_>) -> Option<Outcome> {
    Some(match context.name {
        name if QUERIES.contains(&name) => Outcome::asks(None),
        "printf" => Outcome { output: Output::Unknown, ..Outcome::ignored(QUIET) },
        "logger" | "log_daemon_msg" | "log_end_msg" | "clear" | "tput" => Outcome::ignored(QUIET),
        // It is only ever asked about /proc, which a container has.
        "mountpoint" => Outcome::asks(Some(true)),
        "sleep" | "sync" | "nscd" | "kill" | "killall" | "pkill" | "mount" | "umount"
        | "swapon" | "sysctl" | "modprobe" | "udevadm" | "ip" | "aa-enabled"
        | "apparmor_parser" | "aa-status" | "restorecon" | "start-stop-daemon" | "wall"
        | "fuser" | "rndc" | "mktexlsr_daemon" => Outcome::ignored(PROCESS),
        "deb-systemd-helper" | "deb-systemd-invoke" => {
            Outcome { status: None, ..Outcome::ignored(INIT) }
        }
        "systemctl"
        | "invoke-rc.d"
        | "update-rc.d"
        | "service"
        | "initctl"
        | "telinit"
        | "init"
        | "systemd-notify"
        | "rc-update"
        | "runsvdir"
        | "update-inetd"
        | "busctl"
        | "loginctl"
        | "journalctl"
        | "bootctl"
        | "systemd-machine-id-setup"
        | "systemd-hwdb"
        | "insserv"
        | "update-initramfs"
        | "update-grub" => Outcome { status: None, ..Outcome::ignored(INIT) },
        "dpkg-maintscript-helper" => Outcome::ignored(UPGRADE),
        "py3compile" | "pycompile" | "pypy3compile" | "py3clean" | "pyclean" => {
            Outcome::handled("pyc", Vec::new())
        }
        "ldconfig" => Outcome::handled("ld.so.cache", Vec::new()),
        "update-ca-certificates" => Outcome::handled("ca-bundle", Vec::new()),
        "pam-auth-update" => Outcome::handled("pam", vec![Operation::Pam]),
        "ucfr" => Outcome::ignored(UPGRADE_NOTES),
        "fc-cache"
        | "update-icon-caches"
        | "gtk-update-icon-cache"
        | "apt-ftparchive"
        | "apt-cache"
        | "appstreamcli"
        | "update-command-not-found" => Outcome::ignored(CACHE),
        "install-info"
        | "update-info-dir"
        | "mandb"
        | "update-man-db"
        | "install-docs"
        | "doc-base"
        | "install-sgmlcatalog" => Outcome::ignored(DOCUMENTATION),
        "setcap" => Outcome::denied(CAPABILITY),
        "ssh-keygen" | "make-ssl-cert" | "gpg-zip" | "openssl" | "puppet-cert" | "sks"
        | "dbus-uuidgen" | "uuidgen" | "mcookie" | "pwgen" | "apg" | "makepasswd" => {
            Outcome::denied(KEY)
        }
        "pg_createcluster" | "configure_version" | "mysql_install_db" | "mariadb-install-db"
        | "mysqld" | "mariadbd" | "initdb" | "upgrade_version" => Outcome::denied(CLUSTER),
        "update-mime-database"
        | "update-desktop-database"
        | "glib-compile-schemas"
        | "gio-querymodules"
        | "gdk-pixbuf-query-loaders"
        | "gtk-query-immodules-3.0" => {
            Outcome { output: Output::Made, ..Outcome::handled("caches", Vec::new()) }
        }
        "gtk-query-immodules-2.0" => Outcome::unhandled(format!(
            "{} makes an index that programs need; it has to run in a build stage",
            context.name
        )),
        "locale-gen" | "localedef" => {
            Outcome::unhandled("locales are compiled by localedef; C.UTF-8 is there without it")
        }
        _ => return None,
    })
}

/// Commands of the shell and those that find commands.
fn shell(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Option<Outcome> {
    Some(match context.name {
        "echo" => {
            let words: Option<Vec<&str>> = context.arguments.iter().map(Option::as_deref).collect();
            let (words, end) = match words {
                Some(words) if words.first() == Some(&"-n") => (Some(words[1..].to_vec()), ""),
                words => (words, "\n"),
            };
            let words =
                words.filter(|words| !matches!(words.first(), Some(&("-e" | "-E" | "-ne"))));
            let text = words.map(|words| words.join(" ") + end);
            let output = text.map_or(Output::Unknown, Output::Text);
            Outcome { output, ..Outcome::ignored(QUIET) }
        }
        "command" | "which" | "type" | "pathfind" | "hash" => {
            Outcome::asks(exists(evaluator, context.arguments))
        }
        "." | "source" => source(evaluator, context),
        "sed" | "perl" | "ex" | "ed" => {
            let edits = context.arguments.iter().any(|argument| match argument {
                Some(text) => text.starts_with("-i") || text.starts_with("--in-place"),
                None => false,
            });
            let is_empty = context.has(&["-e"]) && context.has(&[""]) && context.name == "perl";
            if (context.name == "sed" && !edits) || is_empty {
                Outcome::asks(None)
            } else if edits
                && context.arguments.last().is_some_and(|last| is_missing(evaluator, last))
            {
                Outcome::asks(Some(true))
            } else {
                Outcome::unhandled(format!("{} edits files or runs a program", context.name))
            }
        }
        "find" => {
            let changes = context.has(&["-exec", "-execdir", "-delete", "-ok", "-fprint"]);
            let start = context.arguments.first().cloned().flatten();
            if !changes || start.is_some_and(|start| evaluator.look(&start, true) == Look::Missing)
            {
                Outcome::asks(None)
            } else {
                Outcome::unhandled("find changes files")
            }
        }
        "xargs" => {
            let known = context.arguments.iter().flatten().find(|word| !word.starts_with('-'));
            match known {
                Some(command) if QUERIES.contains(&command.as_str()) || command == "echo" => {
                    Outcome::asks(None)
                }
                _ => Outcome::unhandled("xargs runs a command for each line"),
            }
        }
        "mktemp" | "tempfile" => {
            Outcome { output: Output::Unknown, ..Outcome::ignored("makes a scratch file") }
        }
        _ => return None,
    })
}

fn is_missing(evaluator: &Evaluator<'_>, path: &Value) -> bool {
    path.as_deref().is_some_and(|path| evaluator.look(path, true) == Look::Missing)
}

fn source(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Outcome {
    match context.arguments.first() {
        Some(Some(path)) if path.ends_with("/debconf/confmodule") => {
            Outcome::ignored("loads debconf, whose answers are its defaults")
        }
        Some(Some(path)) if evaluator.look(path, true) == Look::Missing => {
            Outcome::asks(Some(false))
        }
        _ => {
            evaluator.state.may_be_set = true;
            Outcome::ignored("loads functions and variables")
        }
    }
}

/// Says whether a command exists.
fn exists(evaluator: &Evaluator<'_>, arguments: &[Value]) -> Status {
    let name = arguments.iter().flatten().find(|word| !word.starts_with('-'))?;
    if is_emulated(evaluator.input.format, name) {
        return Some(true);
    }
    let mut result = Some(false);
    for directory in ["/usr/bin", "/usr/sbin", "/bin", "/sbin"] {
        match evaluator.look(&format!("{directory}/{name}"), true) {
            Look::File { .. } => return Some(true),
            Look::Unknown => result = None,
            _ => {}
        }
    }
    result
}

fn dpkg(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Option<Outcome> {
    Some(match context.name {
        "dpkg" => {
            let words: Vec<Option<&str>> = context.arguments.iter().map(Option::as_deref).collect();
            match words.as_slice() {
                [Some("--compare-versions"), left, operator, right] => {
                    Outcome::asks(compare_versions(*left, *operator, *right))
                }
                [Some(option), ..]
                    if option.starts_with("--verify") || option.starts_with("--assert") =>
                {
                    Outcome::asks(Some(true))
                }
                [
                    Some(
                        "-s"
                        | "--status"
                        | "-l"
                        | "--list"
                        | "-L"
                        | "--listfiles"
                        | "-S"
                        | "--search"
                        | "--print-architecture"
                        | "--print-foreign-architectures"
                        | "-W"
                        | "--validate-version",
                    ),
                    ..,
                ] => Outcome::asks(None),
                _ => Outcome::unhandled("this use of dpkg is not known"),
            }
        }
        "dpkg-divert" => alternatives::divert(evaluator, context),
        "dpkg-statoverride" => {
            if context.has(&["--list"]) {
                // No override exists on a first installation.
                Outcome::asks(Some(false))
            } else if context.has(&["--remove"]) {
                Outcome::ignored(UPGRADE)
            } else {
                files::override_mode(context)
            }
        }
        "update-alternatives" => alternatives::treat(context),
        "dpkg-trigger" => trigger(context),
        "dpkg-reconfigure" | "apt-get" | "apt-mark" => {
            Outcome::unhandled(format!("{} changes the set of packages", context.name))
        }
        "systemd-sysusers" => {
            let names = operands(context);
            Outcome::handled("sysusers", vec![Operation::Sysusers { names }])
        }
        "systemd-tmpfiles" => {
            let names = operands(context);
            Outcome::handled("tmpfiles", vec![Operation::Tmpfiles { names }])
        }
        "update-shells" => Outcome::handled("shells", vec![Operation::Shells { add: Vec::new() }]),
        "add-shell" => {
            let add = operands(context);
            Outcome::handled("shells", vec![Operation::Shells { add }])
        }
        "remove-shell" => Outcome::ignored(UPGRADE),
        "ucf" => files::ucf(evaluator, context),
        _ => return None,
    })
}

fn operands(context: &Context<'_>) -> Vec<String> {
    let known = context.arguments.iter().flatten();
    known.filter(|word| !word.starts_with('-') && !word.is_empty()).cloned().collect()
}

/// `dpkg --compare-versions`, as far as one side is empty: an empty version is before all others,
/// but not for the `-nl` relations.
fn compare_versions(left: Option<&str>, operator: Option<&str>, right: Option<&str>) -> Status {
    let (left, operator, right) = (left?, operator?, right?);
    let order = match (left.is_empty(), right.is_empty()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) if left == right => std::cmp::Ordering::Equal,
        (false, false) => return None,
    };
    let is_first_later = if operator.ends_with("-nl") { order.reverse() } else { order };
    let order = if left.is_empty() || right.is_empty() { is_first_later } else { order };
    Some(match operator.trim_end_matches("-nl") {
        "lt" | "<<" | "<" => order.is_lt(),
        "le" | "<=" => order.is_le(),
        "eq" | "=" => order.is_eq(),
        "ne" => order.is_ne(),
        "ge" | ">=" => order.is_ge(),
        "gt" | ">>" | ">" => order.is_gt(),
        _ => return None,
    })
}

/// A trigger is as good as the finisher that does the work of those who wait for it.
fn trigger(context: &Context<'_>) -> Outcome {
    let name = context.arguments.iter().flatten().rfind(|word| !word.starts_with('-'));
    match name.map(String::as_str) {
        Some("ldconfig") => Outcome::handled("ld.so.cache", Vec::new()),
        Some("update-ca-certificates" | "update-ca-certificates-fresh") => {
            Outcome::handled("ca-bundle", Vec::new())
        }
        Some("update-ca-certificates-java" | "update-ca-certificates-java-fresh") => {
            Outcome::handled("java-store", Vec::new())
        }
        Some(name) if context.has(&["--check-supported"]) || name == "--check-supported" => {
            Outcome::asks(Some(true))
        }
        None => Outcome::asks(Some(true)),
        Some("update-initramfs") => Outcome::ignored(INIT),
        Some("libc-upgrade") => Outcome::ignored(UPGRADE),
        Some(name) => Outcome::unhandled(format!("trigger {name} is not known")),
    }
}

/// Tools of single packages.
fn tools(evaluator: &Evaluator<'_>, context: &Context<'_>) -> Option<Outcome> {
    let package = evaluator.input.package;
    let is_python = context.name.starts_with("python3") || context.name.starts_with("pypy3");
    if is_python && context.arguments.iter().flatten().any(|word| word.ends_with("py_compile.py")) {
        return Some(Outcome::handled("pyc", Vec::new()));
    }
    Some(match (package, context.name) {
        (_, "php_invoke") => php_invoke(context),
        (_, "phpenmod") => Outcome::unhandled("phpenmod outside of PHP's own packages"),
        (_, "phpquery") => Outcome::asks(None),
        (_, "update-menus") => Outcome::ignored(DOCUMENTATION),
        (_, "update-binfmts") => {
            Outcome::ignored("the kernel's table of formats is not part of an image")
        }
        (_, "pg_updatedicts") => {
            if evaluator.look("/usr/share/hunspell", true) == Look::Missing {
                Outcome::ignored("there are no dictionaries to convert")
            } else {
                Outcome::unhandled("converts the dictionaries of hunspell")
            }
        }
        (_, "configure_client_version" | "relink_postmaster_manpages") => {
            Outcome::ignored("alternatives of manual pages, which an image does not have")
        }
        ("postgresql-common", "pg_checksystem") => Outcome::ignored(QUIET),
        ("postgresql-common", "pg_updateaptconfig") => {
            Outcome::ignored("tells apt what not to remove on upgrades")
        }
        ("postgresql-common", "ucf")
            if context.has(&["/etc/postgresql-common/createcluster.conf"]) =>
        {
            Outcome::ignored("settings for making clusters, which are not made in an image")
        }
        // A directory that root has just made does not belong to the user.
        (_, "su") if is_ownership_question(context) => Outcome::asks(Some(false)),
        ("redis-server" | "redis-sentinel" | "valkey-server" | "valkey-sentinel", "find")
            if context.has(&["-empty"]) =>
        {
            Outcome::ignored("removes what earlier versions left")
        }
        _ => return None,
    })
}

/// `su user -c "test -O directory"`.
fn is_ownership_question(context: &Context<'_>) -> bool {
    let command = context.arguments.last().cloned().flatten().unwrap_or_default();
    let parts = command.split("&&").map(str::trim);
    let mut parts = parts.peekable();
    parts.peek().is_some()
        && parts.all(|part| {
            (part.starts_with("test -O ") || part.starts_with("test -G "))
                && !part.contains([';', '|', '>', '<', '`', '$', '\n'])
        })
}

/// `php_invoke enmod version interface module`, from PHP's own helper.
fn php_invoke(context: &Context<'_>) -> Outcome {
    match context.arguments {
        [Some(action), ..] if action == "dismod" => Outcome::ignored(UPGRADE),
        [Some(action), Some(version), Some(interface), module] if action == "enmod" => {
            let operation = Operation::PhpModules {
                version: version.clone(),
                interface: (interface != "ALL").then(|| interface.clone()),
                module: module.clone(),
            };
            Outcome::handled("php-modules", vec![operation])
        }
        _ => Outcome::unknown_argument(),
    }
}

/// Returns what a command prints, if that is known: for `$( )`.
pub(super) fn output(evaluator: &Evaluator<'_>, name: &str, arguments: &[Value]) -> Value {
    let arguments: Option<Vec<&str>> = arguments.iter().map(Option::as_deref).collect();
    let mut words = vec![name];
    words.extend(arguments?);
    match words.as_slice() {
        ["printf", "%s" | "%s\\n", text] => Some((*text).to_owned()),
        ["dirname", path] => {
            let path = path.trim_end_matches('/');
            Some(
                path.rsplit_once('/')
                    .map_or(".", |(head, _)| if head.is_empty() { "/" } else { head })
                    .to_owned(),
            )
        }
        ["basename", path, rest @ ..] => {
            let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let suffix = rest.first().copied().unwrap_or_default();
            Some(
                name.strip_suffix(suffix)
                    .filter(|rest| !rest.is_empty())
                    .unwrap_or(name)
                    .to_owned(),
            )
        }
        ["dpkg", "--print-architecture"] => Some(evaluator.input.architecture.to_owned()),
        ["dpkg-architecture", option] | ["dpkg-architecture", "-q", option] => {
            architecture_variable(evaluator.input.architecture, option.trim_start_matches("-q"))
        }
        ["command", "-v", name] | ["which", name] => {
            let found = exists(evaluator, &[Some((*name).to_owned())])?;
            Some(if found { format!("/usr/bin/{name}") } else { String::new() })
        }
        ["mktemp" | "tempfile", ..] => Some(SCRATCH.to_owned()),
        ["id", "-u"] => Some("0".to_owned()),
        ["uname"] | ["uname", "-s"] => Some("Linux".to_owned()),
        ["dpkg-divert", "--truename", path] => Some((*path).to_owned()),
        ["dpkg-statoverride", "--list", ..] | ["dpkg-divert", "--listpackage", ..] => {
            Some(String::new())
        }
        ["seq", bounds @ ..] => sequence(bounds),
        ["readlink", path] => evaluator.read_link(path).or_else(|| {
            let is_missing = evaluator.look(path, false) == Look::Missing;
            (evaluator.input.format == Format::Apk && is_missing).then(String::new)
        }),
        _ => None,
    }
}

/// Returns one of the variables of `dpkg-architecture` for the two architectures that images are built for.
fn architecture_variable(architecture: &str, name: &str) -> Value {
    let (triplet, cpu) = match architecture {
        "amd64" => ("x86_64-linux-gnu", "x86_64"),
        "arm64" => ("aarch64-linux-gnu", "aarch64"),
        _ => return None,
    };
    let name = name.trim_start_matches("DEB_HOST_").trim_start_matches("DEB_BUILD_");
    Some(
        match name {
            "MULTIARCH" | "GNU_TYPE" => triplet,
            "ARCH" | "ARCH_CPU" => architecture,
            "ARCH_OS" => "linux",
            "GNU_CPU" => cpu,
            _ => return None,
        }
        .to_owned(),
    )
}

/// `seq [first [step]] last`, as far as it is short.
fn sequence(bounds: &[&str]) -> Value {
    let bounds: Option<Vec<i64>> = bounds.iter().map(|text| text.parse().ok()).collect();
    let (first, step, last) = match bounds?.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return None,
    };
    if step == 0 || (last.saturating_sub(first) / step) > 1000 {
        return None;
    }
    let mut numbers = Vec::new();
    let mut next = first;
    while if step > 0 { next <= last } else { next >= last } {
        numbers.push(next.to_string());
        next = next.checked_add(step)?;
    }
    Some(numbers.join("\n"))
}
