// SPDX-License-Identifier: Apache-2.0
//! Which packages answer a demand.

mod alpine;
mod debian;
mod pin;

use hardpan_definition::Platform;
use hardpan_package::segment::Format;
use hardpan_package::solve::{RequestProblem, SolveError};

use crate::demand::{ArchiveDemand, Demand};
use crate::error::Error;
use crate::indexes::{Indexes, Suite};
use crate::lock::LockedPackage;
use crate::session::Session;

impl Session<'_> {
    /// Chooses packages from the suites of archives. What an index does not say of the chosen is looked up in the
    /// packages, which are fetched for that.
    pub(crate) fn choose(
        &self,
        platform: Platform,
        demand: &Demand,
        archives: &[ArchiveDemand],
        suites: &[Suite],
    ) -> Result<Vec<LockedPackage>, Error> {
        // A platform may name fewer archives than the others.
        let wanted = archives.iter().zip(suites).filter(|(one, _)| demand.archives.contains(one));
        match demand.format {
            Format::Deb => {
                let mut indexes = Vec::new();
                for (_, suite) in wanted {
                    if let Indexes::Deb(parsed) = &suite.indexes {
                        indexes.extend(parsed.get(demand.architecture).into_iter().flatten());
                    }
                }
                debian::choose(platform, demand, &indexes)
            }
            Format::Apk => {
                let mut sources = Vec::new();
                for (archive, suite) in wanted {
                    if let Indexes::Apk(parsed) = &suite.indexes
                        && let Some(index) = parsed.get(demand.architecture)
                    {
                        sources.push(alpine::Source { archive, index });
                    }
                }
                let chosen = alpine::choose(platform, demand, &sources)?;
                self.pin_alpine(&chosen)
            }
        }
    }
}

/// Says which of the definition's lines take part.
fn solve_error(platform: Platform, demand: &Demand, source: SolveError) -> Error {
    let numbers: Vec<usize> = match &source {
        SolveError::Requests(problems) => {
            problems.iter().map(RequestProblem::source_number).collect()
        }
        SolveError::Unsolvable { sources, .. } => sources.clone(),
        _ => Vec::new(),
    };
    let spans = numbers.iter().filter_map(|&number| demand.packages.get(number)).map(|p| p.span);
    Error::Solve { platform, spans: spans.collect(), source: Box::new(source) }
}
