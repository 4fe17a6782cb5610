// SPDX-License-Identifier: Apache-2.0
//! The sandbox, with real programs in it.

mod beside;
mod changes;
mod isolation;
mod limits;
mod mounts;
mod ordinary;
mod running;
mod support;
