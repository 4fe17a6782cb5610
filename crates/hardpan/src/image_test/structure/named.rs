// SPDX-License-Identifier: Apache-2.0
//! Files of container-structure-test that a definition names: `x-hardpan: structure-tests`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hardpan_definition::{
    Code, Definition, Diagnostic, MAX_SOURCE_BYTES, Source, parse_structure_tests,
};

use super::{Compiler, StructureFile, refused};
use crate::error::Error;
use crate::finish::CatalogSource;
use crate::project::{CatalogRoot, Project};

/// A file that a definition names, looked at without an image.
#[derive(Debug)]
pub struct CheckedStructureFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its text, into which the problems point.
    pub source: Source,
}

impl StructureFile {
    /// Reads the files that definitions of a project name, each once. They are called by their paths in the catalog.
    /// `variable` gives the caller's variables, for those that a file names.
    pub fn of_project(
        project: &Project,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Self>, Error> {
        let mut files: Vec<Self> = Vec::new();
        for definition in project.definitions.values() {
            for named in &definition.x_hardpan.structure_tests {
                if files.iter().any(|file| file.name == named.value) {
                    continue;
                }
                let source = read(&project.root, &named.value).map_err(|reason| {
                    let diagnostic = not_there(named, &reason);
                    refused(&project.path, vec![diagnostic], project.parsed.sources().to_vec())
                })?;
                let path = project.root.path().join(&named.value);
                files.push(Self::of_source(&path, &source, variable)?);
            }
        }
        Ok(files)
    }

    /// Returns whether a definition names it.
    pub fn is_named_by(&self, definition: &Definition) -> bool {
        definition.x_hardpan.structure_tests.iter().any(|named| named.value == self.name)
    }
}

/// Looks at the files that a definition names. What it names and is not there is the definition's problem.
pub fn check_structure_files(
    definition: &Definition,
    root: &CatalogRoot,
) -> (Vec<CheckedStructureFile>, Vec<Diagnostic>) {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for named in &definition.x_hardpan.structure_tests {
        match (root.locate(&named.value), read(root, &named.value)) {
            (Ok(path), Ok(source)) => {
                let diagnostics = problems(&source);
                files.push(CheckedStructureFile { path, diagnostics, source });
            }
            (Err(error), _) => missing.push(not_there(named, &error.to_string())),
            (_, Err(reason)) => missing.push(not_there(named, &reason)),
        }
    }
    (files, missing)
}

/// Says what is wrong with a file, whatever the caller's variables are.
fn problems(source: &Source) -> Vec<Diagnostic> {
    let tests = match parse_structure_tests(source) {
        Ok(tests) => tests,
        Err(diagnostics) => return diagnostics,
    };
    let mut compiler = Compiler::default();
    compiler.cases(source, tests, BTreeMap::new());
    compiler.diagnostics
}

fn read(root: &CatalogRoot, name: &str) -> Result<Source, String> {
    let bytes = match root.read(name).map_err(|error| error.to_string())? {
        CatalogSource::File { bytes, .. } => bytes,
        CatalogSource::Directory(_) => return Err("it is a folder".to_owned()),
    };
    if bytes.len() > MAX_SOURCE_BYTES {
        return Err(format!("it has more than {MAX_SOURCE_BYTES} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is no text in UTF-8".to_owned())?;
    Ok(Source::new(name, text))
}

fn not_there(named: &hardpan_definition::Spanned<String>, reason: &str) -> Diagnostic {
    let message = format!("the structure tests `{}` can't be read: {reason}", named.value);
    Diagnostic::error(Code::BadPath, named.span, message)
        .help("paths of files are from the catalog's root")
}
