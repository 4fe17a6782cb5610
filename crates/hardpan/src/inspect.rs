// SPDX-License-Identifier: Apache-2.0
//! The hardening controls as a gate: an image that breaks one is not built.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::Definition;
use hardpan_scan::audit::exceptions::AcceptedFinding;
use hardpan_scan::controls::{
    self, ControlId, ControlPolicy, Finding, Inspection, PackageInfo, Severity,
};
use hardpan_tree::{Kind, Tree, TreePath};

use crate::assemble::Assembly;
use crate::audit;
use crate::contents::StoreContents;
use crate::demand::Demand;
use crate::error::Error;
use crate::session::Session;
use crate::settings;

const SECONDS_PER_DAY: i64 = 86_400;
/// How many paths of one control an image carries as accepted; of more it carries the directories that have nothing else
/// in them.
const ACCEPTED_PATHS_MAX: usize = 50;
/// How many paths and directories that may be: they are in the image's configuration.
const ACCEPTED_MAX: usize = 1_000;

/// What the gate lets through.
pub(crate) struct Inspected {
    /// What is worth a word.
    pub(crate) findings: Vec<Finding>,
    /// What the definition accepts: what it says so of, and what it asks for. The image carries it.
    pub(crate) accepted: Vec<AcceptedFinding>,
}

impl Session<'_> {
    /// Measures the controls over a finished tree; what breaks a control is an error. Whether an exception is over depends
    /// on the lock's time, so that a lock always gives the same.
    pub(crate) fn inspect(
        &self,
        definition: &Definition,
        assembly: &Assembly,
        environment: &BTreeMap<String, String>,
        epoch: i64,
    ) -> Result<Inspected, Error> {
        let packages: Vec<PackageInfo> = assembly
            .members
            .iter()
            .map(|member| PackageInfo { name: member.unpacked.name.clone() })
            .collect();
        let demand = Demand::of(definition, self.workspace)?;
        let requested_packages: BTreeSet<String> =
            demand.packages.iter().map(|package| package.name.clone()).collect();
        let requested_paths: BTreeSet<TreePath> = definition
            .paths
            .iter()
            .filter_map(|rule| TreePath::parse(rule.path.value.as_bytes()).ok())
            .collect();
        let accounts = &definition.accounts;
        let runs_as_root = accounts.run_as_ids().is_none_or(|ids| ids.uid == 0);
        let graph = &assembly.graph;
        let number = |package: u32| usize::try_from(package).unwrap_or(usize::MAX);
        let why = |package: u32| graph.path_text(number(package));
        let cut = |package: u32| {
            let package = number(package);
            (!graph.is_requested(package)).then(|| format!("!{}", graph.name(package)))
        };
        let user = settings::user(definition);
        let contents = StoreContents { store: self.store };
        let inspection = Inspection {
            tree: &assembly.tree,
            contents: &contents,
            packages: &packages,
            profile: audit::profile_of(definition),
            image: None,
            requested_packages: &requested_packages,
            requested_paths: &requested_paths,
            root_allowed: runs_as_root && accounts.run_as.is_some(),
            user: &user,
            entrypoint: &definition.entrypoint,
            command: &definition.cmd,
            environment,
            work_directory: definition.work_dir.as_ref().map_or("", |dir| dir.value.as_str()),
            why: &why,
            cut: &cut,
        };
        // They were checked when the definition was read.
        let mut accepted = audit::accepted(definition).unwrap_or_default();
        let today = u32::try_from(epoch / SECONDS_PER_DAY).ok();
        let (over, present): (Vec<AcceptedFinding>, Vec<AcceptedFinding>) =
            accepted.iter().cloned().partition(|exception| exception.is_over(today));
        let exceptions = present.iter().map(AcceptedFinding::rule).collect();
        let policy = ControlPolicy { exceptions, ..ControlPolicy::default() };
        let mut findings = controls::inspect(&inspection, &policy);
        findings.extend(over.iter().map(over_finding));
        let (broken, rest): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| finding.severity == Severity::Fail);
        if !broken.is_empty() {
            return Err(Error::Hardening { platform: definition.platform, findings: broken });
        }
        let strict = Inspection {
            requested_packages: &BTreeSet::new(),
            requested_paths: &BTreeSet::new(),
            root_allowed: false,
            ..inspection
        };
        accepted.extend(asked_for(&rest, &controls::inspect(&strict, &policy), &assembly.tree));
        Ok(Inspected { findings: rest, accepted })
    }
}

fn over_finding(exception: &AcceptedFinding) -> Finding {
    let until = exception.until.map(|day| day.to_string()).unwrap_or_default();
    Finding {
        control: exception.control,
        severity: Severity::Warn,
        message: format!(
            "the exception for {exception} ended on {until}, before the newest package of the lock"
        ),
        path: exception.path.clone(),
        more_paths: Vec::new(),
        package: None,
        layer: None,
        help: "mend what it accepts, or look at it again and give it a later day".to_owned(),
        exception: None,
    }
}

/// Returns what is let through only because the definition asks for it: who looks at the image later does not have the
/// definition.
fn asked_for(found: &[Finding], strictly: &[Finding], tree: &Tree) -> Vec<AcceptedFinding> {
    let is_broken = |finding: &&Finding| finding.severity > Severity::Info;
    let parts = |finding: &Finding| -> Vec<Part> {
        let paths: Vec<_> = finding.path.iter().chain(&finding.more_paths).cloned().collect();
        if paths.is_empty() {
            return vec![(None, Some(finding.message.clone()))];
        }
        paths.into_iter().map(|path| (Some(path), None)).collect()
    };
    let keyed = |finding: &Finding| {
        let (control, severity) = (finding.control, finding.severity);
        parts(finding).into_iter().map(move |part| (control, severity, part)).collect::<Vec<_>>()
    };
    let said: BTreeSet<_> = found.iter().filter(is_broken).flat_map(keyed).collect();
    let mut asked: BTreeMap<ControlId, Vec<Part>> = BTreeMap::new();
    for key in strictly.iter().filter(is_broken).flat_map(keyed) {
        if !said.contains(&key) {
            let (control, _, part) = key;
            asked.entry(control).or_default().push(part);
        }
    }
    let others = |control: ControlId| -> BTreeSet<TreePath> {
        let own = said.iter().filter(|(of, ..)| *of == control);
        own.filter_map(|(.., (path, _))| path.clone()).collect()
    };
    let of = |(control, parts)| accepted_parts(control, parts, &others(control), tree);
    asked.into_iter().flat_map(of).collect()
}

/// A path of a finding, or its message if it has none.
type Part = (Option<TreePath>, Option<String>);

/// `others` is what the same control breaks without being asked for.
fn accepted_parts(
    control: ControlId,
    mut parts: Vec<Part>,
    others: &BTreeSet<TreePath>,
    tree: &Tree,
) -> Vec<AcceptedFinding> {
    if parts.len() > ACCEPTED_PATHS_MAX {
        let paths = parts.iter().filter_map(|(path, _)| path.clone()).collect();
        parts.retain(|(path, _)| path.is_none());
        parts.extend(directories(&paths, others, tree).into_iter().map(|path| (Some(path), None)));
        // Of what is left over every audit says that nobody accepts it.
        parts.truncate(ACCEPTED_MAX);
    }
    let one = |(path, message)| AcceptedFinding {
        control,
        path,
        message,
        reason: "the definition asks for it".to_owned(),
        until: None,
    };
    parts.into_iter().map(one).collect()
}

/// Returns instead of paths the highest directories that have nothing else in them. What is beside is named itself.
fn directories(
    paths: &BTreeSet<TreePath>,
    others: &BTreeSet<TreePath>,
    tree: &Tree,
) -> BTreeSet<TreePath> {
    let mut mixed: BTreeSet<TreePath> = BTreeSet::from([TreePath::root()]);
    for (path, node) in tree.walk() {
        let counts = !matches!(node.kind, Kind::Directory) || others.contains(path);
        if counts && !paths.contains(path) {
            mixed.extend(path.ancestors());
            mixed.insert(path.clone());
        }
    }
    let highest = |path: &TreePath| {
        let above = path.ancestors().filter(|directory| !mixed.contains(directory));
        above.last().unwrap_or_else(|| path.clone())
    };
    paths.iter().map(highest).collect()
}

#[cfg(test)]
mod tests {
    use std::slice;

    use hardpan_tree::{File, Metadata, Node, Origin};

    use super::*;

    fn finding(severity: Severity, paths: &[&'static str]) -> Finding {
        let mut paths = paths.iter().map(|path| TreePath::literal(path));
        Finding {
            control: ControlId::Shell,
            severity,
            message: "a message".to_owned(),
            path: paths.next(),
            more_paths: paths.collect(),
            package: None,
            layer: None,
            help: String::new(),
            exception: None,
        }
    }

    fn asked(found: &[Finding], strictly: &[Finding]) -> Vec<String> {
        asked_in(&Tree::new(), found, strictly)
    }

    fn asked_in(tree: &Tree, found: &[Finding], strictly: &[Finding]) -> Vec<String> {
        asked_for(found, strictly, tree).iter().map(ToString::to_string).collect()
    }

    fn tree(files: impl IntoIterator<Item = String>) -> Tree {
        let mut tree = Tree::new();
        for file in files {
            let path = TreePath::parse(file).unwrap();
            let node = |kind| Node {
                metadata: Metadata::root(0o755, 0),
                kind,
                origin: Origin::Definition,
            };
            let mut above: Vec<TreePath> =
                path.ancestors().filter(|path| !path.is_root()).collect();
            above.reverse();
            for directory in above {
                if !tree.contains(&directory) {
                    tree.insert(directory, node(Kind::Directory)).unwrap();
                }
            }
            tree.insert(path, node(Kind::File(File::inline(Vec::new())))).unwrap();
        }
        tree
    }

    fn of_paths(severity: Severity, paths: impl IntoIterator<Item = String>) -> Finding {
        let mut paths = paths.into_iter().map(|path| TreePath::parse(path).unwrap());
        let path = paths.next();
        Finding { path, more_paths: paths.collect(), ..finding(severity, &[]) }
    }

    #[test]
    fn what_the_definition_asks_for_is_what_only_the_strict_look_breaks() {
        let both = finding(Severity::Fail, &["bin/sh", "bin/zsh"]);
        assert_eq!(asked(&[], slice::from_ref(&both)), ["shell at /bin/sh", "shell at /bin/zsh"]);
        // What is said either way is no exception, and what only informs is none.
        let one = finding(Severity::Warn, &["bin/sh"]);
        assert_eq!(asked(slice::from_ref(&one), slice::from_ref(&one)), [""; 0]);
        assert_eq!(asked(&[one], &[both]), ["shell at /bin/sh", "shell at /bin/zsh"]);
        assert_eq!(asked(&[], &[finding(Severity::Info, &["bin/sh"])]), [""; 0]);
        let image = asked_for(&[], &[finding(Severity::Fail, &[])], &Tree::new());
        assert_eq!(image[0].message.as_deref(), Some("a message"));
    }

    #[test]
    fn of_many_paths_the_directories_are_carried_that_have_nothing_else() {
        let names = || (0..60).map(|number| format!("usr/share/locale/{}/{number}", number % 3));
        let many = || of_paths(Severity::Fail, names().chain(["bin/sh".to_owned()]));
        let files = |more: &[&str]| {
            let more = more.iter().map(|name| (*name).to_owned());
            tree(names().chain(["bin/sh".to_owned(), "bin/x".to_owned()]).chain(more))
        };
        let all = ["shell at /bin/sh", "shell at /usr"];
        assert_eq!(asked_in(&files(&[]), &[], &[many()]), all);
        // What is beside is not accepted with it.
        let beside = ["shell at /bin/sh", "shell at /usr/share/locale"];
        assert_eq!(asked_in(&files(&["usr/share/other"]), &[], &[many()]), beside);
        let within = asked_in(&files(&["usr/share/locale/0/other"]), &[], &[many()]);
        assert_eq!(within.len(), 1 + 20 + 2, "{within:?}");
        assert!(within.contains(&"shell at /usr/share/locale/1".to_owned()), "{within:?}");
        assert!(within.contains(&"shell at /usr/share/locale/0/3".to_owned()), "{within:?}");
        // A directory that breaks the control itself, and is not asked for.
        let other = of_paths(Severity::Warn, ["usr/share/locale/2".to_owned()]);
        let own = asked_in(&files(&[]), slice::from_ref(&other), &[many(), other.clone()]);
        assert_eq!(own.len(), 1 + 2 + 20, "{own:?}");
        assert!(!own.contains(&"shell at /usr/share/locale/2".to_owned()), "{own:?}");
    }

    #[test]
    fn more_than_a_configuration_can_carry_is_not_accepted() {
        let names = || (0..1_500).map(|number| format!("usr/{number}"));
        let other = tree(names().chain(["usr/other".to_owned()]));
        let carried = asked_in(&other, &[], &[of_paths(Severity::Fail, names())]);
        assert_eq!(carried.len(), ACCEPTED_MAX);
        assert!(!carried.contains(&"shell at /usr".to_owned()));
    }
}
