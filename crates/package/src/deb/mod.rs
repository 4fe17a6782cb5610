// SPDX-License-Identifier: Apache-2.0
//! Debian's formats: control data, versions, archives, packages.

pub mod ar;
pub mod archive;
pub mod control;
pub mod index;
mod index_cache;
mod index_writer;
pub mod relation;
pub mod release;
pub mod sources;
pub mod unpack;
pub mod version;
