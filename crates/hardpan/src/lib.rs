// SPDX-License-Identifier: Apache-2.0
//! Builds hardened container images from declarative definitions.

pub mod finish;
