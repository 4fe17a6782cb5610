// SPDX-License-Identifier: Apache-2.0
//! Timestamps (RFC 3161): somebody who is trusted with the time says that a signature was there.
//!
//! [`TimestampRequest`] is what an authority is sent, [`Timestamp`] what it answers and what a bundle holds.
//! [`Timestamp::check`] compares the answer with what was asked, [`Timestamp::verify`] is for those who trust some
//! authorities and no bundle.

mod asn1;
mod cms;
mod token;

#[cfg(test)]
mod tests;

pub use token::{TIMESTAMP_BYTES_MAX, Timestamp, TimestampError, TimestampRequest, VerifiedTime};
