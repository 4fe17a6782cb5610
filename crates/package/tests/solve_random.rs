// SPDX-License-Identifier: Apache-2.0
//! Small random universes: the solver finds a solution exactly if trying everything does, and what
//! it finds satisfies every relation.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

mod solve_support;

use std::collections::BTreeSet;

use hardpan_package::deb::index::{Package, PackageIndex};
use hardpan_package::deb::relation::{Relation, parse_clauses, parse_provides};
use hardpan_package::deb::version::VersionRef;
use hardpan_package::solve::{Chosen, SolveError};
use proptest::prelude::*;
use solve_support::{index, names, try_solve};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn relation() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "v", "w"]);
    let condition = prop::sample::select(vec!["", "", "", " (>= 2)", " (<< 2)", " (= 1)"]);
    (name, condition).prop_map(|(name, condition)| format!("{name}{condition}"))
}

fn package_line() -> impl Strategy<Value = String> {
    (
        prop::sample::select(NAMES.to_vec()),
        1..3_u8,
        prop::collection::vec(prop::collection::vec(relation(), 1..3), 0..3),
        prop::collection::vec(relation(), 0..2),
        prop::sample::select(vec!["", "", "v", "w", "v (= 2), w (= 1)", "a (= 2)"]),
        prop::sample::select(vec!["required", "optional"]),
    )
        .prop_map(|(name, version, depends, conflicts, provides, priority)| {
            let mut line = format!("{name} {version}; Priority: {priority}");
            let depends: Vec<String> = depends.iter().map(|clause| clause.join(" | ")).collect();
            for (field, value) in [
                ("Depends", depends.join(", ")),
                ("Conflicts", conflicts.join(", ")),
                ("Provides", provides.to_owned()),
            ] {
                if !value.is_empty() {
                    line += &format!("; {field}: {value}");
                }
            }
            line
        })
}

fn satisfies(package: &Package<'_>, relation: &Relation<'_>) -> bool {
    let version = VersionRef::parse(package.version).unwrap();
    (package.name == relation.name && relation.admits(&version))
        || parse_provides(package.provides).unwrap().iter().any(|provide| {
            provide.name == relation.name && relation.admits_provided(provide.version.as_ref())
        })
}

/// Policy 7, word by word.
fn is_consistent(chosen: &[Package<'_>]) -> bool {
    chosen.iter().all(|package| {
        let depends = parse_clauses(package.depends).unwrap().iter().all(|clause| {
            clause.alternatives.iter().any(|r| chosen.iter().any(|other| satisfies(other, r)))
        });
        let conflicts = parse_clauses(package.conflicts).unwrap().iter().any(|clause| {
            let hit = |other: &Package<'_>| satisfies(other, &clause.alternatives[0]);
            chosen.iter().any(|other| other.name != package.name && hit(other))
        });
        depends && !conflicts
    })
}

/// Tries every choice of at most one version of each name.
fn is_solvable(index: &PackageIndex, requests: &[&str]) -> bool {
    let mut open = vec![(0, Vec::new())];
    while let Some((position, chosen)) = open.pop() {
        let Some(name) = NAMES.get(position) else {
            if is_consistent(&chosen) {
                return true;
            }
            continue;
        };
        if !requests.contains(name) {
            open.push((position + 1, chosen.clone()));
        }
        for number in index.versions_of(name).unwrap() {
            let mut chosen = chosen.clone();
            chosen.push(index.package(number).unwrap());
            open.push((position + 1, chosen));
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_trying_everything(
        lines in prop::collection::vec(package_line(), 1..9),
        requests in prop::sample::subsequence(NAMES.to_vec(), 1..3),
    ) {
        // An archive has no version of a package twice.
        let mut seen = BTreeSet::new();
        let once: Vec<String> = lines
            .into_iter()
            .filter(|line| seen.insert(line.split(';').next().map(str::to_owned)))
            .collect();
        let lines = once.join("\n");
        let index = index(&lines);
        match try_solve(&[&index], &requests.join(" ")) {
            Ok(solution) => {
                let chosen: Vec<Package<'_>> = solution
                    .packages
                    .iter()
                    .map(|chosen| {
                        let record = &chosen.package;
                        let mut numbers = index.versions_of(&record.name).unwrap();
                        let same = |n: &u32| index.package(*n).unwrap().to_record() == *record;
                        index.package(numbers.find(same).unwrap()).unwrap()
                    })
                    .collect();
                prop_assert!(is_consistent(&chosen), "{}", names(&solution));
                for name in &requests {
                    let virtual_name = index.versions_of(name).unwrap().is_empty();
                    let requested = solution.get(name).is_some_and(Chosen::requested);
                    prop_assert!(virtual_name || requested);
                }
                for chosen in &solution.packages {
                    let paths = solution.paths_to(&chosen.package.name);
                    prop_assert!(!paths.is_empty(), "nothing needs {}", chosen.package.name);
                }
                let again = try_solve(&[&index], &requests.join(" "));
                prop_assert_eq!(again, Ok(solution));
            }
            Err(SolveError::Unsolvable { explanation, sources }) => {
                prop_assert!(!is_solvable(&index, &requests), "{}", explanation);
                prop_assert!(!sources.is_empty() && !explanation.is_empty());
            }
            // A name that no package has, or a virtual one.
            Err(SolveError::Requests(_)) => {
                let missing = |name: &&str| index.versions_of(name).unwrap().is_empty();
                prop_assert!(requests.iter().any(missing));
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
