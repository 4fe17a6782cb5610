// SPDX-License-Identifier: Apache-2.0
//! Makes small indexes for tests, and checks solutions without the solver's code.

#![allow(dead_code, reason = "every test binary uses another part")]

use std::collections::{BTreeMap, BTreeSet};

use hardpan_package::apk::dependency::{
    Dependency, parse_dependencies, parse_provides, parse_request,
};
use hardpan_package::apk::index::{Index, Package};
use hardpan_package::apk::solve::{IndexRef, Solution, SolveError, SolveTask, solve};
use hardpan_package::apk::version::VersionRef;

/// Returns the text of an index. Each line of `lines` is `name version` and then fields as
/// `; D:value`; what is not given has a plain default.
pub(crate) fn index_text(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text += "C:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\n";
        text += &format!("P:{name}\nV:{version}\nA:noarch\nS:1\nI:1\n");
        for field in parts {
            text += &format!("{field}\n");
        }
        text += "\n";
    }
    text
}

pub(crate) fn index(lines: &str) -> Index {
    Index::parse("", index_text(lines).as_bytes(), "x86_64").unwrap()
}

/// Makes a task of words, each of which is a line of a definition.
pub(crate) fn task(words: &str) -> SolveTask {
    let mut task = SolveTask::default();
    for (source, word) in words.split_whitespace().enumerate() {
        task.add(word, source).unwrap();
    }
    task
}

/// Solves over indexes with their tags; an empty one is none.
pub(crate) fn try_solve(indexes: &[(&str, &Index)], words: &str) -> Result<Solution, SolveError> {
    let indexes: Vec<IndexRef<'_>> = indexes
        .iter()
        .map(|(tag, index)| IndexRef { index, tag: Some(*tag).filter(|tag| !tag.is_empty()) })
        .collect();
    solve(&indexes, &task(words))
}

/// Returns `name=version` of every chosen package, on one line.
pub(crate) fn names(solution: &Solution) -> String {
    let names: Vec<String> = solution
        .packages
        .iter()
        .map(|chosen| format!("{}={}", chosen.package.name, chosen.package.version))
        .collect();
    names.join(" ")
}

/// Solves over one index and returns the packages, or the text of the error.
pub(crate) fn result(lines: &str, words: &str) -> String {
    match try_solve(&[("", &index(lines))], words) {
        Ok(solution) => names(&solution),
        Err(error) => error.to_string(),
    }
}

/// The most packages of which all sets are tried.
const FEW: usize = 12;

/// A package with its relations, parsed.
pub(crate) struct Known<'i> {
    pub(crate) package: &'i Package,
    depends: Vec<Dependency<'i>>,
    install_if: Vec<Dependency<'i>>,
    /// What it is there as.
    names: Vec<(&'i str, Option<VersionRef<'i>>)>,
}

impl<'i> Known<'i> {
    pub(crate) fn new(package: &'i Package) -> Self {
        let mut names =
            vec![(package.name.as_str(), Some(VersionRef::of_package(&package.version).unwrap()))];
        let provides = parse_provides(&package.provides).unwrap();
        names.extend(provides.into_iter().map(|provide| (provide.name, provide.version)));
        Self {
            package,
            depends: parse_dependencies(&package.depends).unwrap_or_default(),
            install_if: parse_dependencies(&package.install_if).unwrap_or_default(),
            names,
        }
    }

    fn meets(&self, dependency: &Dependency<'_>) -> bool {
        self.names
            .iter()
            .any(|(name, version)| *name == dependency.name && dependency.admits(version.as_ref()))
    }

    fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.package, other.package)
    }

    /// Whether both may not be there at once, as far as this one says so.
    fn refuses(&self, other: &Self) -> bool {
        let conflicts = self.depends.iter().any(|d| d.conflict && other.meets(d));
        let owned = self.names.iter().any(|(name, version)| {
            version.is_some() && other.names.iter().any(|(theirs, _)| theirs == name)
        });
        !self.is(other) && (conflicts || owned)
    }
}

/// All packages of some indexes.
pub(crate) struct Checker<'i> {
    all: Vec<Known<'i>>,
    /// Names of packages by what they provide.
    providers: BTreeMap<&'i str, BTreeSet<&'i str>>,
}

impl<'i> Checker<'i> {
    pub(crate) fn new(indexes: &[&'i Index]) -> Self {
        let all: Vec<Known<'i>> =
            indexes.iter().flat_map(|index| &index.packages).map(Known::new).collect();
        let mut providers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for known in &all {
            for (name, _) in &known.names {
                providers.entry(name).or_default().insert(&known.package.name);
            }
        }
        Self { all, providers }
    }

    /// Returns the packages of a solution among all.
    fn members(&'i self, solution: &Solution) -> Vec<&'i Known<'i>> {
        let same = |known: &&Known<'i>| {
            solution.packages.iter().any(|chosen| chosen.package == *known.package)
        };
        let members: Vec<_> = self.all.iter().filter(same).collect();
        assert_eq!(members.len(), solution.packages.len(), "each is in an index, none twice");
        members
    }

    /// Returns what is wrong with a solution of requests without tags and exclusions.
    pub(crate) fn problems(&'i self, solution: &Solution, requests: &str) -> Vec<String> {
        let members = self.members(solution);
        let requests: Vec<Dependency<'_>> =
            requests.split_whitespace().map(|word| parse_request(word).unwrap()).collect();
        let mut problems = broken(&members, &requests);
        for (position, member) in members.iter().enumerate() {
            for other in &members[position + 1..] {
                if member.refuses(other) || other.refuses(member) {
                    problems.push(format!("{} with {}", name(member), name(other)));
                }
            }
            let rest: Vec<_> = members.iter().filter(|other| !other.is(member)).copied().collect();
            // What came along later may do without it, but would not be there.
            let before: Vec<_> = rest.iter().filter(|m| !brought(m, &members)).copied().collect();
            let left = self.reasoned(&rest, &requests);
            let brings = members.iter().any(|m| brought(m, &members) && !brought(m, &left));
            let enough = |left: &[&'i Known<'i>]| {
                let reasoned = self.reasoned(left, &requests);
                broken(&reasoned, &requests).is_empty() && !brought(member, &reasoned)
            };
            if enough(&rest) && enough(&before) && !brings {
                problems.push(format!("nothing needs {}", name(member)));
            }
        }
        let reasoned = self.reasoned(&members, &requests);
        for member in members.iter().filter(|member| !reasoned.iter().any(|r| r.is(member))) {
            problems.push(format!("no reason for {}", name(member)));
        }
        for known in &self.all {
            let there = members.iter().any(|member| name(member) == name(known));
            let blocked = || {
                let with: Vec<_> = members.iter().copied().chain([known]).collect();
                members.iter().any(|m| m.refuses(known) || known.refuses(m))
                    || self.all.len() <= FEW && !self.is_possible_with(&requests, &with)
            };
            if !there && brought(known, &members) && !blocked() {
                problems.push(format!("{} should come along", name(known)));
            }
        }
        problems
    }

    /// Returns those of some packages that apk may choose: what is requested, what one of them
    /// depends on and need not be chosen among virtual packages, and what comes along.
    fn reasoned(
        &self,
        members: &[&'i Known<'i>],
        requests: &[Dependency<'_>],
    ) -> Vec<&'i Known<'i>> {
        let mut by_name: BTreeMap<&str, Vec<(&'i Known<'i>, Option<VersionRef<'i>>)>> =
            BTreeMap::new();
        for member in members {
            for (name, version) in &member.names {
                by_name.entry(name).or_default().push((member, *version));
            }
        }
        let conditional: Vec<_> = members.iter().filter(|m| !m.install_if.is_empty()).collect();
        let (mut seen, mut reasoned) = (BTreeSet::new(), Vec::new());
        // Those that satisfy a request or a dependency and may be chosen for that.
        let choices = |dependency: &Dependency<'_>| -> Vec<&'i Known<'i>> {
            let alone = self.providers.get(dependency.name).is_some_and(|p| p.len() == 1);
            let found = by_name.get(dependency.name).into_iter().flatten();
            let choice = |(member, version): &&(&'i Known<'i>, Option<VersionRef<'i>>)| {
                dependency.admits(version.as_ref())
                    && (version.is_some() || alone || member.package.provider_priority > 0)
            };
            found.filter(choice).map(|(member, _)| *member).collect()
        };
        let mut open: Vec<&'i Known<'i>> = requests.iter().flat_map(choices).collect();
        loop {
            while let Some(member) = open.pop() {
                if !seen.insert(name(member)) {
                    continue;
                }
                reasoned.push(member);
                for dependency in member.depends.iter().filter(|dependency| !dependency.conflict) {
                    open.extend(choices(dependency));
                }
            }
            let more = conditional.iter().filter(|member| !seen.contains(name(member)));
            open.extend(more.filter(|member| brought(member, &reasoned)).copied().copied());
            if open.is_empty() {
                return reasoned;
            }
        }
    }

    /// Whether apk may not choose some of the packages for what they provide.
    pub(crate) fn has_providers_without_priority(&self) -> bool {
        let virtuals = |known: &Known<'_>| known.names.iter().any(|(_, version)| version.is_none());
        self.all.iter().any(|known| known.package.provider_priority == 0 && virtuals(known))
    }

    /// Whether any set of the packages satisfies requests, each there for a reason; for few
    /// packages only.
    pub(crate) fn is_possible(&'i self, requests: &str) -> bool {
        let requests: Vec<Dependency<'_>> =
            requests.split_whitespace().map(|word| parse_request(word).unwrap()).collect();
        self.is_possible_with(&requests, &[])
    }

    fn is_possible_with(&'i self, requests: &[Dependency<'_>], kept: &[&'i Known<'i>]) -> bool {
        assert!(self.all.len() <= FEW);
        (0..1u32 << self.all.len()).any(|set| {
            let members: Vec<&'i Known<'i>> = (0..self.all.len())
                .filter(|bit| set & (1 << bit) != 0)
                .map(|bit| &self.all[bit])
                .collect();
            let apart = |member: &&Known<'i>| {
                members.iter().all(|other| other.is(member) || !member.refuses(other))
            };
            kept.iter().all(|kept| members.iter().any(|member| member.is(kept)))
                && members.iter().all(apart)
                && broken(&members, requests).is_empty()
                && self.reasoned(&members, requests).len() == members.len()
        })
    }
}

fn name<'i>(known: &Known<'i>) -> &'i str {
    &known.package.name
}

/// Returns which requests and dependencies are not met.
fn broken(members: &[&Known<'_>], requests: &[Dependency<'_>]) -> Vec<String> {
    let mut names: BTreeMap<&str, Vec<Option<VersionRef<'_>>>> = BTreeMap::new();
    for (name, version) in members.iter().flat_map(|member| &member.names) {
        names.entry(name).or_default().push(*version);
    }
    let met = |d: &Dependency<'_>| {
        names.get(d.name).is_some_and(|versions| versions.iter().any(|v| d.admits(v.as_ref())))
    };
    let mut broken: Vec<String> =
        requests.iter().filter(|d| !met(d)).map(|d| format!("request {d}")).collect();
    for member in members {
        for dependency in member.depends.iter().filter(|d| !d.conflict && !met(d)) {
            broken.push(format!("{} lacks {dependency}", name(member)));
        }
    }
    broken
}

/// Returns whether the others bring a package along.
fn brought(known: &Known<'_>, others: &[&Known<'_>]) -> bool {
    let met = |d: &Dependency<'_>| {
        others.iter().any(|other| !other.is(known) && other.meets(d)) != d.conflict
    };
    !known.install_if.is_empty() && known.install_if.iter().all(met)
}
