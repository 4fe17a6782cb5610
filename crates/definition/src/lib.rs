// SPDX-License-Identifier: Apache-2.0
//! The DHI definition format: YAML to typed [`Definition`]s, with diagnostics that point at the source.
//!
//! [`parse`] reads a definition with its includes and finds every problem at once;
//! [`Parsed::render`] gives the [`Definition`] for one platform, in which every value is concrete.
//! The crate is pure: files come through [`Includes`], nothing is printed, nothing depends on the environment.

mod action;
mod check;
mod data;
mod decode;
mod diagnostic;
mod document;
mod expression;
mod include;
mod model;
mod package_config;
mod place;
mod schema;
mod scope;
mod source;
mod structure;
mod syntax;
mod template;
mod yaml;

pub use action::parse_action;
pub use data::DataFile;
pub use diagnostic::{Code, Diagnostic, Label, Severity, nearest};
pub use document::{Parsed, parse, parse_info};
pub use model::*;
pub use package_config::{PackageConfig, parse_package_config};
pub use schema::json_schema;
pub use source::{
    IncludeError, Includes, MAX_SOURCE_BYTES, NoIncludes, Source, Span, Spanned, line_column,
};
pub use structure::parse_structure_tests;
