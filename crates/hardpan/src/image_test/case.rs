// SPDX-License-Identifier: Apache-2.0
//! Tests of definitions, in both forms, as one kind of thing.

use std::collections::BTreeMap;
use std::time::Duration;

use hardpan_definition::{Ask, ContainerTest, Definition, Test};

use super::TestError;
use super::structure::StructureCase;

/// How long a test may take that does not say so itself.
const TIME_DEFAULT: Duration = Duration::from_mins(1);
/// The longest that a test may ask for: a day.
const TIME_MAX: Duration = Duration::from_hours(24);

/// A test.
#[derive(Debug, Clone)]
pub struct TestCase {
    pub(super) name: String,
    /// The file that it stands in, where that is not the definition.
    pub(super) file: Option<String>,
    pub(super) time: Duration,
    pub(super) kind: TestKind,
}

/// What a test does.
#[derive(Debug, Clone)]
pub(super) enum TestKind {
    /// A test of a definition.
    Container(Box<ContainerCase>),
    /// A test of a file of container-structure-test.
    Structure(Box<StructureCase>),
}

/// A test of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ContainerCase {
    /// Relative to the root of the catalog.
    pub(super) directory: Option<String>,
    pub(super) user: Option<String>,
    pub(super) environment: BTreeMap<String, String>,
    /// Paths that can be written to; what is written stays until the test's end.
    pub(super) writable: Vec<String>,
    /// Commands that must end with 0.
    pub(super) before: Vec<String>,
    /// Whether the image's own program runs beside.
    pub(super) service: bool,
    pub(super) commands: Vec<String>,
    pub(super) ask: Option<Ask>,
    pub(super) exit_code: i64,
    pub(super) output: Option<String>,
}

impl TestCase {
    /// Returns a definition's tests, those of `tests` first.
    pub fn of(definition: &Definition) -> Vec<Self> {
        let published = definition.tests.iter().map(|test| &test.value).enumerate();
        let own = definition.x_hardpan.tests.iter().map(|test| &test.value);
        published
            .map(|(number, test)| published_case(number, test))
            .chain(own.map(own_case))
            .collect()
    }

    /// Returns the test's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the tests whose names have one of these texts in them; with no text all.
    pub fn filter(cases: Vec<Self>, texts: &[String]) -> Result<Vec<Self>, TestError> {
        for text in texts {
            if !cases.iter().any(|case| case.name.contains(text.as_str())) {
                let names = cases.iter().map(Self::name);
                let near = hardpan_definition::nearest(text, names).map(str::to_owned);
                let known = cases.iter().map(|case| case.name.clone()).collect();
                return Err(TestError::NoTest { text: text.clone(), near, known });
            }
        }
        let is_wanted = |case: &Self| {
            texts.is_empty() || texts.iter().any(|text| case.name.contains(text.as_str()))
        };
        Ok(cases.into_iter().filter(is_wanted).collect())
    }
}

fn published_case(number: usize, test: &Test) -> TestCase {
    let name = test.name.clone().unwrap_or_else(|| format!("test {}", number + 1));
    let case = ContainerCase {
        directory: test.directory.as_ref().map(|directory| directory.value.clone()),
        commands: test.commands.clone(),
        exit_code: test.exit_code,
        output: test.output.clone(),
        ..ContainerCase::default()
    };
    of_definition(name, test.timeout, case)
}

fn own_case(test: &ContainerTest) -> TestCase {
    let value = |(name, value): (&String, &hardpan_definition::Spanned<String>)| {
        (name.clone(), value.value.clone())
    };
    let case = ContainerCase {
        directory: test.directory.as_ref().map(|directory| directory.value.clone()),
        user: test.user.clone(),
        environment: test.environment.iter().map(value).collect(),
        writable: test.writable.iter().map(|path| path.value.clone()).collect(),
        before: test.before.clone(),
        service: test.service,
        ask: test.ask.clone(),
        commands: test.commands.clone(),
        exit_code: test.exit_code,
        output: test.output.clone(),
    };
    of_definition(test.name.clone(), test.timeout, case)
}

fn of_definition(name: String, timeout: Option<u64>, case: ContainerCase) -> TestCase {
    TestCase { name, file: None, time: time(timeout), kind: TestKind::Container(Box::new(case)) }
}

pub(super) fn time(seconds: Option<u64>) -> Duration {
    seconds.map_or(TIME_DEFAULT, Duration::from_secs).min(TIME_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(names: &[&str]) -> Vec<TestCase> {
        names
            .iter()
            .map(|name| of_definition((*name).to_owned(), None, ContainerCase::default()))
            .collect()
    }

    fn kept(texts: &[&str]) -> Result<Vec<String>, TestError> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let kept = TestCase::filter(cases(&["version", "serves", "serves twice"]), &texts)?;
        Ok(kept.into_iter().map(|case| case.name).collect())
    }

    #[test]
    fn tests_are_chosen_by_parts_of_names() {
        for (texts, expected) in [
            (&[][..], &["version", "serves", "serves twice"][..]),
            (&["serves"], &["serves", "serves twice"]),
            (&["ver"], &["version"]),
            (&["twice", "version"], &["version", "serves twice"]),
        ] {
            assert_eq!(kept(texts).unwrap(), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_text_that_chooses_nothing_is_an_error() {
        for (text, expected) in [("vresion", Some("version")), ("zzz", None)] {
            let Err(TestError::NoTest { near, known, .. }) = kept(&["serves", text]) else {
                panic!("{text} chooses something");
            };
            assert_eq!((near.as_deref(), known.len()), (expected, 3), "{text}");
        }
        assert!(matches!(
            TestCase::filter(Vec::new(), &["a".to_owned()]),
            Err(TestError::NoTest { .. })
        ));
    }

    #[test]
    fn times_have_a_default_and_a_limit() {
        assert_eq!(time(None), TIME_DEFAULT);
        assert_eq!(time(Some(5)), Duration::from_secs(5));
        assert_eq!(time(Some(u64::MAX)), TIME_MAX);
    }
}
