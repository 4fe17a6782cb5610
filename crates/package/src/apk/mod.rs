// SPDX-License-Identifier: Apache-2.0
//! Alpine's formats: versions, dependencies, indexes, signatures, packages.

pub mod adb;
pub mod dependency;
pub mod graph;
pub mod index;
mod info;
pub mod key;
mod members;
pub mod package;
pub(crate) mod replaces;
pub mod signature;
pub mod signed;
pub mod solve;
pub mod unpack;
pub mod version;
