// SPDX-License-Identifier: Apache-2.0
//! What the image's configuration says: how it is started, where programs and libraries are looked for, volumes, ports,
//! signals.

use std::collections::BTreeSet;

use hardpan_tree::TreePath;

use super::identity::Account;
use super::report::Report;
use super::view::{PATH_DEFAULT, View};
use super::{ControlId, commands, health, places, programs, tools};

/// Variables whose value is a list of places from which a program loads code.
const LOADER_PATHS: [&str; 17] = [
    "CLASSPATH",
    "GCONV_PATH",
    "GEM_PATH",
    "GIO_MODULE_DIR",
    "GTK_PATH",
    "LD_LIBRARY_PATH",
    "LUA_CPATH",
    "LUA_PATH",
    "NODE_PATH",
    "PERL5LIB",
    "PERLLIB",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "QT_PLUGIN_PATH",
    "RUBYLIB",
    "TCLLIBPATH",
];
/// Variables with options of an interpreter, and the options that load code.
const LOADER_OPTIONS: [(&str, &[&str]); 6] = [
    ("JAVA_TOOL_OPTIONS", &["-javaagent", "-agentpath", "-agentlib", "-Xbootclasspath"]),
    ("JDK_JAVA_OPTIONS", &["-javaagent", "-agentpath", "-agentlib", "-Xbootclasspath"]),
    ("_JAVA_OPTIONS", &["-javaagent", "-agentpath", "-agentlib", "-Xbootclasspath"]),
    ("NODE_OPTIONS", &["--require", "-r ", "--import", "--loader", "--experimental-loader"]),
    ("PERL5OPT", &["-M", "-m", "-I"]),
    ("RUBYOPT", &["-r", "-I"]),
];
/// Variables that load a library into every program.
const PRELOADS: [&str; 2] = ["LD_AUDIT", "LD_PRELOAD"];
/// Places that a volume must not take, and those below which it must not be either.
const SYSTEM: [&str; 12] = [
    "bin",
    "boot",
    "etc",
    "lib",
    "lib64",
    "sbin",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/sbin",
    "usr/local/bin",
];
const SYSTEM_BELOW: [&str; 5] =
    ["dev", "proc", "sys", "run/docker.sock", "run/containerd/containerd.sock"];
/// What says where an image comes from.
const LABELS: [&str; 4] = ["source", "revision", "version", "licenses"];
const LABEL_PREFIX: &str = "org.opencontainers.image.";
/// The names of signals, without `SIG`.
const SIGNALS: [&str; 33] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN",
    "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];
const SIGNAL_KILL: u32 = 9;
const SIGNAL_STOP: u32 = 19;
const SIGNAL_MAX: u32 = 64;

/// Checks the configuration; `shells` are the files that turned out to be shells.
pub(super) fn check(
    view: &View<'_>,
    account: &Account,
    shells: &BTreeSet<TreePath>,
    report: &mut Report<'_>,
) {
    check_preload(view, report);
    check_path(view, account, report);
    check_loader_variables(view, report);
    check_start(view, shells, report);
    health::check(view, account, shells, report);
    let config = match view.config() {
        Ok(config) => config,
        Err(why) => {
            let controls = [
                ControlId::PrivilegedPort,
                ControlId::SystemVolume,
                ControlId::StopSignal,
                ControlId::Labels,
                ControlId::TagLatest,
            ];
            return report.all_unmeasured(&controls, why);
        }
    };
    for port in config.exposed_ports.iter().filter(|port| is_privileged(port)) {
        let text = format!("port {port} is below 1024");
        report.image(ControlId::PrivilegedPort, text);
    }
    for volume in &config.volumes {
        let place = places::resolved(view.tree, volume);
        let is_system = place.is_root()
            || SYSTEM.iter().any(|system| place.as_bytes() == system.as_bytes())
            || places::is_below(&place, &SYSTEM_BELOW)
            || volume.trim_matches('/') == "var/run/docker.sock";
        if is_system {
            let text = format!("the volume {volume} takes the place of {place}");
            report.image(ControlId::SystemVolume, text);
        }
    }
    check_signal(&config.stop_signal, report);
    check_names(view, report);
}

fn check_preload(view: &View<'_>, report: &mut Report<'_>) {
    let control = ControlId::LoaderPreload;
    for name in PRELOADS {
        let is_set = view.input.environment.get(name).is_some_and(|text| !text.trim().is_empty());
        let is_given = commands::started(view).iter().any(|word| {
            word.strip_prefix(name).is_some_and(|rest| rest.len() > 1 && rest.starts_with('='))
        });
        if is_set {
            report.image(control, format!("the environment sets {name}"));
        } else if is_given {
            report.image(control, format!("the entrypoint sets {name}"));
        }
    }
    let preload = TreePath::literal("/etc/ld.so.preload");
    let has_names = view.text(&preload).known().map_or(true, |text| {
        text.lines().any(|line| !line.split('#').next().unwrap_or_default().trim().is_empty())
    });
    let file = view.follow(&preload).and_then(|(path, _)| view.tree.file(&path));
    if file.is_some_and(|(_, file)| file.size_bytes > 0) && has_names {
        report.path(control, &preload, "loads a library into every program");
    }
}

fn check_path(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    if view.is_without_configuration() {
        let why = "a root file system has no environment";
        return report.all_unmeasured(&[ControlId::UnsafePath, ControlId::LoaderPath], why);
    }
    let set = view.input.environment.get("PATH").map_or(PATH_DEFAULT, String::as_str);
    for directory in set.split(':') {
        if !directory.starts_with('/') {
            let text = format!("PATH has the relative directory {directory:?}");
            report.image(ControlId::UnsafePath, text);
            continue;
        }
        if let Some(who) = places::directory_writer(view.tree, account, directory) {
            let text = format!("is in PATH and can be written by {who}");
            let path = places::resolved(view.tree, directory);
            report.path(ControlId::UnsafePath, &path, text);
        }
    }
}

/// A definition says itself what it sets; of other images nobody knows whether it was meant.
fn check_loader_variables(view: &View<'_>, report: &mut Report<'_>) {
    let most = view.noted_in_a_build();
    for (name, value) in view.input.environment {
        if value.trim().is_empty() {
            continue;
        }
        if LOADER_PATHS.contains(&name.as_str()) {
            let text = format!("the environment sets {name}");
            report.image_at_most(ControlId::LoaderPath, text, most);
        }
        for (_, options) in LOADER_OPTIONS.iter().filter(|(option, _)| option == name) {
            if let Some(option) = options.iter().find(|option| has_option(value, option)) {
                let text = format!("the environment has {} in {name}", option.trim());
                report.image_at_most(ControlId::LoaderPath, text, most);
            }
        }
    }
}

fn has_option(value: &str, option: &str) -> bool {
    value.split_ascii_whitespace().any(|word| match option.strip_suffix(' ') {
        Some(whole) => word == whole,
        None => word.starts_with(option),
    })
}

/// A shell in front of the program, or in its place.
fn check_start(view: &View<'_>, shells: &BTreeSet<TreePath>, report: &mut Report<'_>) {
    if view.is_without_configuration() {
        let why = "a root file system has no entrypoint";
        let controls = [
            ControlId::EntrypointShell,
            ControlId::EntrypointMissing,
            ControlId::EntrypointNotExecutable,
            ControlId::EntrypointInterpreter,
            ControlId::EntrypointLibrary,
        ];
        return report.all_unmeasured(&controls, why);
    }
    let words = commands::started(view);
    let mut words = commands::after_starters(&words);
    let Some(shell) = words.first() else { return };
    let Some(path) = programs::look_up(view, shell) else { return };
    if !shells.contains(&path) {
        return;
    }
    // `busybox sh -c …`; any other name after it is a program in itself.
    if is_multi_call(shell) {
        match words.get(1) {
            Some(name) if !tools::is_shell_name(name) => return,
            Some(_) => words = &words[1..],
            None => {}
        }
    }
    let options = words[1..].iter().take_while(|word| word.starts_with(['-', '+']));
    if options.clone().any(|word| !word.starts_with("--") && word.contains('c')) {
        let text = format!("the entrypoint is a text for the shell {shell}");
        report.image(ControlId::EntrypointShell, text);
    } else if words.len() == 1 + options.count() && !is_asked_for(view, &path) {
        report.image(ControlId::EntrypointShell, format!("the entrypoint is the shell {shell}"));
    }
}

/// Whether the definition names the package of a shell: then starting it is what the image is for.
fn is_asked_for(view: &View<'_>, shell: &TreePath) -> bool {
    view.follow(shell).is_some_and(|(path, node)| view.is_requested(&path, node.origin))
}

fn is_multi_call(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name.starts_with("busybox") || name.starts_with("toybox")
}

/// `80/tcp`, `443`, `20-25/tcp`.
fn is_privileged(port: &str) -> bool {
    let number = port.split(['/', '-']).next().unwrap_or_default();
    number.trim().parse::<u16>().is_ok_and(|number| number < 1024)
}

/// Returns the number behind the sign in `+3`. What anybody wrote there may be a character of several bytes.
fn offset(rest: &str) -> Option<u32> {
    rest.get(1..)?.parse().ok()
}

fn check_signal(text: &str, report: &mut Report<'_>) {
    let name = text.trim().to_ascii_uppercase();
    if name.is_empty() {
        return;
    }
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let number: Option<u32> = name.parse().ok();
    let is_realtime = name.strip_prefix("RTM").is_some_and(|rest| {
        let rest = rest.strip_prefix("IN").or(rest.strip_prefix("AX"));
        rest.is_some_and(|rest| rest.is_empty() || offset(rest).is_some_and(|n| n < 32))
    });
    let ends_at_once =
        matches!(name, "KILL" | "STOP") || matches!(number, Some(SIGNAL_KILL | SIGNAL_STOP));
    let is_signal = SIGNALS.contains(&name)
        || is_realtime
        || number.is_some_and(|number| (1..=SIGNAL_MAX).contains(&number));
    if ends_at_once {
        let text = format!("the stop signal {text} can't be handled by the program");
        report.image(ControlId::StopSignal, text);
    } else if !is_signal {
        report.image(ControlId::StopSignal, format!("the stop signal {text} is none"));
    }
}

fn check_names(view: &View<'_>, report: &mut Report<'_>) {
    let Ok(facts) = view.facts() else { return };
    match facts.tag.as_deref() {
        Some("latest") => report.image(ControlId::TagLatest, "the image is called latest"),
        Some(_) => {}
        None => report.unmeasured(ControlId::TagLatest, "the image was not asked for by a tag"),
    }
    let labels = facts.config.as_ref().map(|config| &config.config.labels);
    let is_there = |name: &str| {
        let name = format!("{LABEL_PREFIX}{name}");
        let is_set = |text: Option<&String>| text.is_some_and(|text| !text.trim().is_empty());
        is_set(facts.annotations.get(&name)) || is_set(labels.and_then(|labels| labels.get(&name)))
    };
    let missing: Vec<&str> = LABELS.into_iter().filter(|name| !is_there(name)).collect();
    if !missing.is_empty() {
        let text = format!("the image has no label {LABEL_PREFIX}{}", missing.join(", "));
        report.image(ControlId::Labels, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for (port, expected) in [
            ("80/tcp", true),
            ("443", true),
            ("20-25/tcp", true),
            ("1023/udp", true),
            ("1024/tcp", false),
            ("8080/tcp", false),
            ("65536", false),
            ("", false),
            ("http", false),
        ] {
            assert_eq!(is_privileged(port), expected, "{port:?}");
        }
    }

    #[test]
    fn options_are_whole_words() {
        for (value, option, expected) in [
            ("-r ./x.js", "-r ", true),
            ("--require=./x.js", "--require", true),
            ("--max-old-space-size=4096", "-r ", false),
            ("--redirect-warnings=x", "--require", false),
            ("-javaagent:/x.jar", "-javaagent", true),
            ("-Xmx1g", "-javaagent", false),
        ] {
            assert_eq!(has_option(value, option), expected, "{value} {option}");
        }
    }
}
