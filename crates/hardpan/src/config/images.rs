// SPDX-License-Identifier: Apache-2.0
//! Images that stand in for those that definitions name.

use hardpan_image::ImageName;
use serde::{Deserialize, Serialize};

use super::{Workspace, match_pattern};

/// `[images]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesSection {
    /// The first rule that matches a name counts.
    pub substitute: Vec<ImageSubstitution>,
}

/// `[[images.substitute]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSubstitution {
    /// An image as `artifacts` and `uses` of definitions write it, tag and digest included, variables filled in;
    /// one `*` stands for any text.
    pub from: String,
    /// The image instead, with a tag or a digest. A `*` is what `from`'s matched.
    pub to: String,
}

impl ImagesSection {
    /// Whether definitions get what they name.
    pub(super) fn is_empty(&self) -> bool {
        self.substitute.is_empty()
    }

    /// Checks the rules; a mistake comes with the text that it is in.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        for rule in &self.substitute {
            rule.check().map_err(|message| {
                (format!("images.substitute {:?}: {message}", rule.from), rule.from.clone())
            })?;
        }
        Ok(())
    }
}

impl ImageSubstitution {
    fn check(&self) -> Result<(), &'static str> {
        let stars = |text: &str| text.matches('*').count();
        if self.from.is_empty() || stars(&self.from) > 1 {
            return Err("\"from\" needs the name of an image with at most one \"*\"");
        }
        if stars(&self.to) > stars(&self.from) {
            return Err("\"to\" has a \"*\" but \"from\" has none");
        }
        // What the `*` will be is not known, and may be what makes the name whole.
        let name: Result<ImageName, _> = self.to.parse();
        let is_exact = |name: ImageName| name.tag().is_some() || name.digest().is_some();
        if stars(&self.to) == 0 && !name.is_ok_and(is_exact) {
            return Err("\"to\" is the name of an image with a tag or a digest");
        }
        Ok(())
    }
}

impl Workspace {
    /// Returns the image that stands in for one, if there is a rule.
    pub(crate) fn image_substitution(&self, name: &str) -> Option<String> {
        let rule = self.image_rule(name)?;
        let wildcard = match_pattern(&rule.from, name)?;
        Some(rule.to.replacen('*', wildcard, 1))
    }

    /// Returns the rule for an image, if there is one.
    pub(crate) fn image_rule(&self, name: &str) -> Option<&ImageSubstitution> {
        self.images.substitute.iter().find(|rule| match_pattern(&rule.from, name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_first_rule_that_matches_counts() {
        let text = format!(
            "[[images.substitute]]\nfrom = \"example.org/go:1.2@{DIGEST}\"\nto = \"localhost/go@{DIGEST}\"\n\
             [[images.substitute]]\nfrom = \"example.org/go:*@{DIGEST}\"\nto = \"localhost/go:*\"\n\
             [[images.substitute]]\nfrom = \"example.org/go:*\"\nto = \"other.example/go:*\"\n"
        );
        let workspace = Workspace::parse(&text).unwrap();
        for (name, expected) in [
            (format!("example.org/go:1.2@{DIGEST}"), Some(format!("localhost/go@{DIGEST}"))),
            (format!("example.org/go:1.3@{DIGEST}"), Some("localhost/go:1.3".to_owned())),
            ("example.org/go:1.2".to_owned(), Some("other.example/go:1.2".to_owned())),
            ("example.org/golang:1.2".to_owned(), None),
            ("go:1.2".to_owned(), None),
        ] {
            assert_eq!(workspace.image_substitution(&name), expected, "{name}");
        }
        assert_ne!(workspace.digest(), Workspace::default().digest());
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (from, to, message) in [
            ("", "a:1", "needs the name of an image"),
            ("*a*", "a:1", "at most one"),
            ("a:1", "a:*", "but \"from\" has none"),
            ("a:1", "a", "with a tag or a digest"),
            ("a:1", "A B:1", "with a tag or a digest"),
            ("a:1", "a@sha256:12", "with a tag or a digest"),
            ("a:1", "", "with a tag or a digest"),
        ] {
            let text = format!("[[images.substitute]]\nfrom = {from:?}\nto = {to:?}\n");
            let error = Workspace::parse(&text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
        for text in ["from = \"a\"", "from = \"a\"\nto = \"b:1\"\ndigest = \"x\""] {
            assert!(Workspace::parse(&format!("[[images.substitute]]\n{text}\n")).is_err());
        }
    }
}
