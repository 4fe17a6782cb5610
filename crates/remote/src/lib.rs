// SPDX-License-Identifier: Apache-2.0
//! HTTP fetch with resume, retries and limits.
//!
//! A [`Client`] fetches `http:`, `https:` and `file:` URLs. Small things come as bytes
//! ([`Client::get`]), large ones stream into a [`Sink`] that can be continued
//! ([`Client::download`]), many of them in parallel ([`Client::download_all`]).
//!
//! Every transfer is bounded: in size, in the time without progress, in attempts and in redirects.
//! When the expected digest is known it is checked while the bytes pass, so plain `http:` is as
//! good as any other way. Nothing here reads the environment: proxies and limits are [`Options`].
//!
//! URLs in errors and events never carry a user name or password.
//!
//! [`registry`] pulls images from OCI registries, and pushes to them, by the same means.

mod access;
mod attempt;
mod call;
mod cancel;
mod client;
mod download;
mod error;
mod event;
mod exchange;
pub mod git;
mod local;
mod parallel;
mod proxy;
pub mod registry;
mod sink;
mod url;

pub use access::Authorization;
pub use call::Call;
pub use cancel::Cancel;
pub use client::{Client, Fetched, Options, Request, RootCertificates, Validators};
pub use download::Downloaded;
pub use error::RemoteError;
pub use event::{Event, Observer, Silent};
pub use parallel::Job;
pub use proxy::ProxyOptions;
pub use sink::{FileSink, MemorySink, Sink};
pub use url::{Url, UrlError};
