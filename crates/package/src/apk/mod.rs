// SPDX-License-Identifier: Apache-2.0
//! Alpine's formats: versions, dependencies, indexes, signatures, packages.

pub mod dependency;
pub mod graph;
pub mod index;
pub mod solve;
pub mod unpack;
pub mod version;
