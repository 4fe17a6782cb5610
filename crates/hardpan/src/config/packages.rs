// SPDX-License-Identifier: Apache-2.0
//! Packages that stand in for those that definitions name.

use serde::{Deserialize, Serialize};

use super::{Workspace, is_distribution, match_pattern};

/// `[packages]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackagesSection {
    /// The first rule that matches a name counts.
    pub substitute: Vec<PackageSubstitution>,
}

/// `[[packages.substitute]]`: exactly one of `to` and `drop`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackageSubstitution {
    /// A package name as definitions write it; one `*` stands for any text.
    pub from: String,
    /// The package instead; a `*` is what `from`'s matched.
    pub to: Option<String>,
    /// Leave the package out.
    pub drop: bool,
    /// Packages to exclude together with this rule, as `!name` in the definition would.
    pub exclude: Vec<String>,
    /// `debian` or `alpine`: the rule is for definitions of that distribution alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
}

/// What becomes of a package that a definition asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Substituted<'w> {
    /// The package to ask for; `None` where a rule leaves it out.
    pub name: Option<String>,
    /// Packages to exclude.
    pub exclude: &'w [String],
    /// Whether a rule applied.
    pub by_rule: bool,
}

impl PackagesSection {
    /// Checks the rules; a mistake comes with the text that it is in.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        for rule in &self.substitute {
            let fail = |message: &str| {
                Err((format!("packages.substitute {:?}: {message}", rule.from), rule.from.clone()))
            };
            if rule.from.is_empty() || rule.from.matches('*').count() > 1 {
                return fail("\"from\" needs a name with at most one \"*\"");
            }
            if !is_distribution(rule.distribution.as_ref()) {
                return fail("\"distribution\" is \"debian\" or \"alpine\"");
            }
            match (&rule.to, rule.drop) {
                (Some(_), true) => return fail("\"to\" and \"drop\" exclude each other"),
                (None, false) => return fail("needs \"to\" or \"drop = true\""),
                (Some(to), false) if to.contains('*') && !rule.from.contains('*') => {
                    return fail("\"to\" has a \"*\" but \"from\" has none");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Workspace {
    /// Returns what stands in for a package in a definition of `debian` or `alpine`; without a rule the package itself.
    pub fn substitute_package(&self, name: &str, distribution: &str) -> Substituted<'_> {
        let Some(rule) = self.package_substitution(name, distribution) else {
            return Substituted { name: Some(name.to_owned()), exclude: &[], by_rule: false };
        };
        let wildcard = match_pattern(&rule.from, name).unwrap_or_default();
        let name = rule.to.as_ref().map(|to| to.replacen('*', wildcard, 1));
        Substituted { name, exclude: &rule.exclude, by_rule: true }
    }

    /// Returns the rule for a package in a definition of `debian` or `alpine`, if there is one.
    pub(crate) fn package_substitution(
        &self,
        name: &str,
        distribution: &str,
    ) -> Option<&PackageSubstitution> {
        self.packages.substitute.iter().find(|rule| {
            rule.distribution.as_deref().is_none_or(|only| only == distribution)
                && match_pattern(&rule.from, name).is_some()
        })
    }
}
