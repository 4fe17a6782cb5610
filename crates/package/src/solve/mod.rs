// SPDX-License-Identifier: Apache-2.0
//! Dependency solving with apt's semantics, without `Recommends` and without an implied set of
//! essential packages.

mod error;
mod solution;
mod task;

pub use error::{RequestProblem, SolveError};
pub use solution::{Chosen, Dropped, Reason, RelationField, Solution, Step};
pub use task::{IndexRef, Limits, PRIORITY_DEFAULT, Request, SolveTask};
