// SPDX-License-Identifier: Apache-2.0
//! Test support.

pub mod deb;

pub use deb::deb;
