// SPDX-License-Identifier: Apache-2.0
//! Parsing a definition and rendering it per platform.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decode::{self, Decoder};
use crate::diagnostic::{self, Code, Diagnostic};
use crate::include;
use crate::model::{Definition, Info, Platform, Syntax};
use crate::scope::Scope;
use crate::source::{Includes, Source, Span};
use crate::syntax;
use crate::yaml::{self, Kind, Node};

/// The outcome of [`parse`]: what was understood, and every problem at once.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub(crate) sources: Vec<Source>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) renderings: BTreeMap<Platform, Arc<Definition>>,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) platforms_span: Span,
}

impl Parsed {
    /// The definition and its includes; spans point into them.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Every problem, sorted by place, without repetitions.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is no error (warnings are fine).
    pub fn is_ok(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The platforms that the definition asks for, sorted.
    pub fn platforms(&self) -> &[Platform] {
        &self.platforms
    }

    /// The definition for one platform, with variables, expressions and conditions evaluated.
    ///
    /// # Errors
    /// All errors of the definition, or that `platforms` does not list the platform.
    pub fn render(&self, platform: Platform) -> Result<Arc<Definition>, Vec<Diagnostic>> {
        let errors: Vec<Diagnostic> =
            self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).cloned().collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        self.renderings.get(&platform).cloned().ok_or_else(|| {
            let known: Vec<_> = self.platforms.iter().map(|known| known.name()).collect();
            vec![
                Diagnostic::error(
                    Code::PlatformNotListed,
                    self.platforms_span,
                    format!("the definition is not for {platform}"),
                )
                .help(format!("it is for {}", known.join(" and "))),
            ]
        })
    }
}

/// Parses a definition, merges its includes, and checks it for every platform it asks for.
///
/// This never fails: everything wrong is in [`Parsed::diagnostics`].
pub fn parse(source: &Source, includes: &dyn Includes) -> Parsed {
    let mut sources = vec![source.clone()];
    let mut diagnostics = Vec::new();
    let syntax = match syntax::read(source, 0) {
        Ok(syntax) => Some(syntax),
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            None
        }
    };
    let mut parsed = Parsed {
        sources: Vec::new(),
        diagnostics: Vec::new(),
        renderings: BTreeMap::new(),
        platforms: Platform::ALL.to_vec(),
        platforms_span: Span::default(),
    };
    if let Some(root) = yaml::read(source, 0, &mut diagnostics) {
        let root = include::merge(root, includes, &mut sources, &mut diagnostics);
        if let Some((platforms, span)) = listed_platforms(&root) {
            parsed.platforms = platforms;
            parsed.platforms_span = span;
        }
        for &platform in &parsed.platforms {
            let definition = render(&sources, &root, platform, syntax, &mut diagnostics);
            parsed.renderings.extend(definition.map(|found| (platform, Arc::new(found))));
        }
    }
    diagnostic::normalise(&mut diagnostics);
    parsed.sources = sources;
    parsed.diagnostics = diagnostics;
    if !parsed.is_ok() {
        parsed.renderings.clear();
    }
    parsed
}

/// Parses an `info.yaml`. There is an [`Info`] exactly if no diagnostic is an error.
pub fn parse_info(source: &Source) -> (Option<Info>, Vec<Diagnostic>) {
    decode::info(source)
}

/// The platforms that a definition lists and hardpan knows, to know what to render. Reports nothing.
fn listed_platforms(root: &Node) -> Option<(Vec<Platform>, Span)> {
    let entry = root.get("platforms")?;
    let Kind::List(items) = &entry.value.kind else {
        return None;
    };
    let mut platforms: Vec<Platform> = items
        .iter()
        .filter_map(|item| match &item.kind {
            Kind::Scalar(scalar) => scalar.text.parse().ok(),
            _ => None,
        })
        .collect();
    platforms.sort_unstable();
    platforms.dedup();
    (!platforms.is_empty()).then_some((platforms, entry.key_span))
}

fn render(
    sources: &[Source],
    root: &Node,
    platform: Platform,
    syntax: Option<Syntax>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Definition> {
    let facts = decode::facts(root, platform);
    let vars = root.get("vars").map(|entry| &entry.value);
    let (scope, mut found) = Scope::new(sources, facts, vars);
    diagnostics.append(&mut found);
    let distribution = syntax.map(|syntax| syntax.distribution);
    let mut decoder = Decoder::new(sources, scope, platform, distribution);
    let definition = decoder.root(root, syntax);
    diagnostics.append(&mut decoder.into_diagnostics());
    definition
}
