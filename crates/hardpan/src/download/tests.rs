// SPDX-License-Identifier: Apache-2.0
//! Downloads from a server on the loopback: pinned, fetched and placed.

mod archives;
mod git;
mod hostile;
mod makers;
mod pinning;
mod placing;
mod spdx;
mod support;
