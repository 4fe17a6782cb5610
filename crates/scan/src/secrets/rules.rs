// SPDX-License-Identifier: Apache-2.0
//! Rules, compiled and ready.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::allowlist::{Allowlist, Suspect};
use super::format::{self, AllowlistText, RuleFile, RuleText};
use super::private_key;
use crate::re2::Pattern;

/// Our own rules.
const BUILTIN: &str = include_str!("rules.toml");
/// The most bytes of all keywords together: what looks for them takes a few hundred times as much.
const KEYWORD_BYTES_MAX: usize = 256 << 10;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) all: Vec<Rule>,
    allowlists: Vec<(Allowlist, Vec<String>)>,
    remarks: Vec<String>,
    /// Finds all keywords of all rules in one pass.
    pub(super) keywords: AhoCorasick,
    /// For each keyword the rules that have it.
    pub(super) of_keyword: Vec<Vec<usize>>,
    /// Rules that have an expression and no keywords.
    pub(super) always: Vec<usize>,
    /// Rules that are about paths alone.
    pub(super) by_path: Vec<usize>,
}

/// A rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
    pub(super) regex: Option<Pattern>,
    pub(super) path: Option<Pattern>,
    pub(super) secret_group: usize,
    pub(super) entropy_min: f64,
    /// Whether its keywords are in whatever it matches.
    pub(super) is_local: bool,
    pub(super) is_generic: bool,
    pub(super) is_for_text: bool,
    /// What an expression can't say.
    check: Option<fn(&[u8]) -> bool>,
    allowlists: Vec<Allowlist>,
}

/// Why rules can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// Not TOML.
    #[error("the rule file is not TOML")]
    Toml(#[source] toml::de::Error),
    /// A key with another kind of value than it should have.
    #[error("the rule file is wrong: {place}: {reason}")]
    Value {
        /// The rule and the key.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A regular expression that can't be compiled.
    #[error("rule {rule:?} has an expression that can't be used: {pattern:?}: {reason}")]
    Pattern {
        /// The rule's id.
        rule: String,
        /// The expression, shortened.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// Two rules with one id.
    #[error("there are two rules with the id {rule:?}")]
    Twice {
        /// The id.
        rule: String,
    },
    /// A rule that is named and not there.
    #[error("there is no rule with the id {rule:?}, which {place} names")]
    NoSuchRule {
        /// The id.
        rule: String,
        /// Where it is named.
        place: &'static str,
    },
    /// More than a limit allows.
    #[error("the rule file has more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

/// What is known of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo<'r> {
    /// Its id.
    pub id: &'r str,
    /// What it finds.
    pub description: &'r str,
    /// Words that it is sorted by.
    pub tags: &'r [String],
}

impl Rules {
    /// Returns our own rules.
    pub fn builtin() -> Self {
        let file = format::read(BUILTIN).expect("a test reads our own rules");
        Self::compile(file.rules, file.allowlists, Vec::new(), None)
            .expect("a test compiles our own rules")
    }

    /// Reads a rule file in gitleaks' format. With `extend.useDefault` its rules come to our own; one with the id of
    /// one of ours changes that one, as far as it says something.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let RuleFile { use_default, disabled, rules, mut allowlists, remarks } =
            format::read(text)?;
        let mut all = Vec::new();
        if use_default {
            let builtin = format::read(BUILTIN)?;
            all = builtin.rules;
            allowlists.extend(builtin.allowlists);
        }
        for id in &disabled {
            if !all.iter().any(|rule| rule.id == *id) {
                let place = "extend.disabledRules";
                return Err(RulesError::NoSuchRule { rule: id.clone(), place });
            }
        }
        all.retain(|rule| !disabled.contains(&rule.id));
        // Expressions of a user are tried at once; ours when they are needed.
        let mut theirs = BTreeMap::new();
        for rule in rules {
            theirs.insert(rule.id.clone(), rule.regex.is_some());
            match all.iter_mut().find(|own| own.id == rule.id) {
                Some(own) => change(own, rule),
                None => all.push(rule),
            }
        }
        let ids: Vec<String> = all.iter().map(|rule| rule.id.clone()).collect();
        for list in &allowlists {
            let mut named = list.rules.iter();
            if let Some(rule) = named.find(|id| !ids.contains(id) && !disabled.contains(id)) {
                let place = "targetRules";
                return Err(RulesError::NoSuchRule { rule: rule.clone(), place });
            }
        }
        Self::compile(all, allowlists, remarks, Some(&theirs))
    }

    /// Returns what a rule file has that is not understood or of no use here. The rules hold nevertheless.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Returns all rules, in their order.
    pub fn iter(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.all.iter().map(|rule| RuleInfo {
            id: &rule.id,
            description: &rule.description,
            tags: &rule.tags,
        })
    }

    /// `theirs` has the rules that a user's file names, with whether it has an expression for them; without it there is no
    /// file of a user.
    fn compile(
        texts: Vec<RuleText>,
        allowlists: Vec<AllowlistText>,
        remarks: Vec<String>,
        theirs: Option<&BTreeMap<String, bool>>,
    ) -> Result<Self, RulesError> {
        let mut words: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let (mut rules, mut always, mut by_path) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            let number = rules.len();
            let has_regex = theirs.and_then(|theirs| theirs.get(&text.id).copied());
            let is_own = has_regex.is_none();
            let has_own_regex = !has_regex.unwrap_or_default();
            let rule = Rule::compile(&text, is_own, has_own_regex)?;
            match &rule.regex {
                None => by_path.push(number),
                Some(_) if text.keywords.is_empty() => always.push(number),
                Some(_) => {
                    for word in text.keywords {
                        words.entry(word).or_default().push(number);
                    }
                }
            }
            rules.push(rule);
        }
        if words.keys().map(String::len).sum::<usize>() > KEYWORD_BYTES_MAX {
            return Err(RulesError::TooMany { what: "bytes of keywords", max: KEYWORD_BYTES_MAX });
        }
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind((words.len() < 2_000).then_some(AhoCorasickKind::DFA))
            .build(words.keys())
            .map_err(|_| RulesError::TooMany { what: "keywords", max: words.len() })?;
        let mut lists = Vec::with_capacity(allowlists.len());
        for list in allowlists {
            lists.push((compile_list(&list, "allowlists", theirs.is_none())?, list.rules));
        }
        let of_keyword = words.into_values().collect();
        let allowlists = lists;
        Ok(Self { all: rules, allowlists, remarks, keywords, of_keyword, always, by_path })
    }

    /// Returns whether something that a rule found is no secret.
    pub(super) fn is_allowed(&self, rule: &Rule, suspect: &Suspect<'_>) -> bool {
        rule.check.is_some_and(|check| !check(suspect.secret))
            || rule.allowlists.iter().any(|list| list.allows(suspect))
            || self.allowlists.iter().any(|(list, rules)| {
                (rules.is_empty() || rules.contains(&rule.id)) && list.allows(suspect)
            })
    }
}

/// Changes one of our own rules as far as another one says something.
fn change(own: &mut RuleText, other: RuleText) {
    let RuleText {
        description,
        regex,
        secret_group,
        entropy,
        keywords,
        path,
        tags,
        allowlists,
        ..
    } = other;
    own.description = description.or(own.description.take());
    own.regex = regex.or(own.regex.take());
    own.secret_group = secret_group.or(own.secret_group);
    own.entropy = entropy.or(own.entropy);
    own.path = path.or(own.path.take());
    own.keywords.extend(keywords);
    own.tags.extend(tags);
    own.allowlists.extend(allowlists);
}

impl Rule {
    fn compile(text: &RuleText, is_own: bool, has_own_regex: bool) -> Result<Self, RulesError> {
        let RuleText { id, regex, path, .. } = text;
        if regex.is_none() && path.is_none() {
            let reason = "it has neither a regex nor a path".to_owned();
            return Err(RulesError::Value { place: format!("rule {id:?}"), reason });
        }
        let pattern = |source: &Option<String>, is_own: bool| match source {
            None => Ok(None),
            Some(source) if is_own => Ok(Some(Pattern::trusted(source))),
            Some(source) => parse(source, id).map(Some),
        };
        let compiled = pattern(regex, has_own_regex)?;
        let secret_group = text.secret_group.unwrap_or_default();
        // Our own have none that is not there.
        if let Some(compiled) = compiled.as_ref().filter(|_| !is_own)
            && secret_group >= compiled.regex().captures_len()
        {
            let reason = format!("the expression has no group {secret_group}");
            return Err(RulesError::Value { place: format!("rule {id:?}: secretGroup"), reason });
        }
        let mut allowlists = Vec::with_capacity(text.allowlists.len());
        for list in &text.allowlists {
            allowlists.push(compile_list(list, id, is_own)?);
        }
        let has = |tag: &str| text.tags.iter().any(|other| other == tag);
        Ok(Self {
            id: id.clone(),
            description: text.description.clone().unwrap_or_else(|| id.clone()),
            tags: text.tags.clone(),
            regex: compiled,
            path: pattern(path, is_own)?,
            secret_group,
            entropy_min: text.entropy.unwrap_or_default(),
            is_local: is_own,
            is_generic: has("generic"),
            is_for_text: has_own_regex && has("text"),
            check: (has_own_regex && id == "private-key").then_some(private_key::is_body),
            allowlists,
        })
    }
}

fn parse(source: &str, rule: &str) -> Result<Pattern, RulesError> {
    Pattern::parse(source).map_err(|error| RulesError::Pattern {
        rule: rule.to_owned(),
        pattern: source.chars().take(200).collect(),
        reason: error.reason,
    })
}

fn compile_list(list: &AllowlistText, rule: &str, is_own: bool) -> Result<Allowlist, RulesError> {
    let compile = |sources: &[String]| -> Result<Vec<Pattern>, RulesError> {
        let pattern = |source: &String| {
            if is_own { Ok(Pattern::trusted(source)) } else { parse(source, rule) }
        };
        sources.iter().map(pattern).collect()
    };
    Ok(Allowlist {
        needs_all: list.needs_all,
        paths: compile(&list.paths)?,
        regexes: compile(&list.regexes)?,
        target: list.target,
        stopwords: list.stopwords.clone(),
    })
}
