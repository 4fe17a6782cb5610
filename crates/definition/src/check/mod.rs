// SPDX-License-Identifier: Apache-2.0
//! Grammars of single values. Every function takes concrete text and says in words what is wrong with it.

mod image;
mod package;
mod system;
mod web;

pub(crate) use image::{image_name, image_reference, port, tag};
pub(crate) use package::{package, repository};
pub(crate) use system::{
    absolute_path, account_name, catalog_path, date, environment_name, glob, id, mode, signal,
    stage_path, variable_name,
};
pub(crate) use web::{checksum, file_url, http_url, purl};

/// What is wrong with a value, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Puts a value into a message.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", crate::template::shorten(text))
}

#[cfg(test)]
pub(crate) fn assert_grammar<T: std::fmt::Debug>(
    check: impl Fn(&str) -> Result<T, Refusal>,
    good: &[&str],
    bad: &[&str],
) {
    for text in good {
        if let Err(refusal) = check(text) {
            panic!("{text:?} is refused: {}", refusal.message);
        }
    }
    for text in bad {
        if let Ok(value) = check(text) {
            panic!("{text:?} is accepted as {value:?}");
        }
    }
}
