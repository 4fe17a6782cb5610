// SPDX-License-Identifier: Apache-2.0
//! Rule files in gitleaks' format, as text: what they say, before anything of it is compiled.

use toml::{Table, Value};

use super::RulesError;
use super::allowlist::Target;

/// The largest rule file, in bytes; gitleaks' own has 100 kB.
const FILE_BYTES_MAX: usize = 4 << 20;
/// The most rules of a file; gitleaks' own has 222.
const RULES_MAX: usize = 5_000;
/// The most texts of one list, and lists of one rule.
const LIST_MAX: usize = 5_000;
/// The longest text of a list that is no expression, in bytes.
const WORD_BYTES_MAX: usize = 1_000;

/// A rule file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RuleFile {
    /// Whether it adds to our own rules.
    pub(super) use_default: bool,
    /// Which of our own rules it does not want.
    pub(super) disabled: Vec<String>,
    pub(super) rules: Vec<RuleText>,
    /// For rules in general.
    pub(super) allowlists: Vec<AllowlistText>,
    /// What was not understood, or is of no use here.
    pub(super) remarks: Vec<String>,
}

/// A rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RuleText {
    pub(super) id: String,
    pub(super) description: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) secret_group: Option<usize>,
    pub(super) entropy: Option<f64>,
    pub(super) keywords: Vec<String>,
    pub(super) path: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) allowlists: Vec<AllowlistText>,
}

/// A list of exceptions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AllowlistText {
    pub(super) needs_all: bool,
    pub(super) paths: Vec<String>,
    pub(super) regexes: Vec<String>,
    pub(super) target: Target,
    pub(super) stopwords: Vec<String>,
    /// The rules that it is for; all if there is none.
    pub(super) rules: Vec<String>,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Result<RuleFile, RulesError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(RulesError::TooMany { what: "bytes", max: FILE_BYTES_MAX });
    }
    let table: Table = toml::from_str(text).map_err(RulesError::Toml)?;
    let mut file = RuleFile::default();
    let mut keys = Keys { place: String::new(), table, remarks: Vec::new() };
    for ignored in ["title", "description", "minVersion"] {
        keys.text(ignored)?;
    }
    if let Some(mut extend) = keys.table("extend")? {
        file.use_default = extend.boolean("useDefault")?.unwrap_or_default();
        file.disabled = extend.list("disabledRules")?;
        for elsewhere in ["path", "url"] {
            if extend.text(elsewhere)?.is_some() {
                let reason = "rules come from one file: put both into it";
                return Err(extend.wrong(elsewhere, reason));
            }
        }
        file.remarks.extend(extend.end());
    }
    for list in keys.allowlists("allowlists", &mut file.remarks)? {
        file.allowlists.push(list);
    }
    let rules = keys.tables("rules")?;
    if rules.len() > RULES_MAX {
        return Err(RulesError::TooMany { what: "rules", max: RULES_MAX });
    }
    for rule in rules {
        let rule = read_rule(rule, &mut file.remarks)?;
        if file.rules.iter().any(|other| other.id == rule.id) {
            return Err(RulesError::Twice { rule: rule.id });
        }
        file.rules.push(rule);
    }
    file.remarks.extend(keys.end());
    file.remarks.sort();
    Ok(file)
}

fn read_rule(mut keys: Keys, remarks: &mut Vec<String>) -> Result<RuleText, RulesError> {
    let id = keys.text("id")?.filter(|id| !id.trim().is_empty());
    let Some(id) = id else { return Err(keys.wrong("id", "every rule has one")) };
    keys.place = format!("rule {id:?}");
    let rule = RuleText {
        description: keys.text("description")?,
        regex: keys.text("regex")?,
        secret_group: keys.number("secretGroup")?,
        entropy: keys.decimal("entropy")?,
        keywords: keys
            .list("keywords")?
            .into_iter()
            .map(|word| word.to_ascii_lowercase())
            .collect(),
        path: keys.text("path")?,
        tags: keys.list("tags")?,
        allowlists: keys.allowlists("allowlists", remarks)?,
        id,
    };
    if rule.keywords.iter().any(String::is_empty) {
        return Err(keys.wrong("keywords", "an empty word is in everything"));
    }
    if keys.boolean("skipReport")? == Some(true) {
        keys.remark("skipReport", "what it finds is reported here");
    }
    if keys.table.remove("required").is_some() {
        keys.remark("required", "rules that need other rules are not known here: it counts alone");
    }
    remarks.extend(keys.end());
    Ok(rule)
}

/// Takes keys out of a table, so that what is left was not understood.
struct Keys {
    /// Where it is, for messages; empty at the top.
    place: String,
    table: Table,
    remarks: Vec<String>,
}

impl Keys {
    fn name(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}: {key}", self.place) }
    }

    fn wrong(&self, key: &str, reason: &str) -> RulesError {
        RulesError::Value { place: self.name(key), reason: reason.to_owned() }
    }

    fn remark(&mut self, key: &str, text: &str) {
        let name = self.name(key);
        self.remarks.push(format!("{name}: {text}"));
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, RulesError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "it is not a text")),
        }
    }

    fn boolean(&mut self, key: &str) -> Result<Option<bool>, RulesError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Boolean(value)) => Ok(Some(value)),
            Some(_) => Err(self.wrong(key, "it is neither true nor false")),
        }
    }

    fn number(&mut self, key: &str) -> Result<Option<usize>, RulesError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Integer(value)) if (0..100).contains(&value) => {
                Ok(usize::try_from(value).ok())
            }
            Some(_) => Err(self.wrong(key, "it is not a number below 100")),
        }
    }

    fn decimal(&mut self, key: &str) -> Result<Option<f64>, RulesError> {
        let value = match self.table.remove(key) {
            None => return Ok(None),
            Some(Value::Float(value)) => value,
            Some(Value::Integer(value)) => f64::from(
                u8::try_from(value).map_err(|_| self.wrong(key, "it is not from 0 to 8"))?,
            ),
            Some(_) => return Err(self.wrong(key, "it is not a number")),
        };
        if !(0.0..=8.0).contains(&value) {
            return Err(self.wrong(key, "it is not from 0 to 8: it counts bits of a byte"));
        }
        Ok(Some(value))
    }

    fn list(&mut self, key: &str) -> Result<Vec<String>, RulesError> {
        let Some(value) = self.table.remove(key) else { return Ok(Vec::new()) };
        let Value::Array(values) = value else { return Err(self.wrong(key, "it is not a list")) };
        if values.len() > LIST_MAX {
            return Err(RulesError::TooMany { what: "texts in a list", max: LIST_MAX });
        }
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let Value::String(text) = value else {
                return Err(self.wrong(key, "it is not a list of texts"));
            };
            texts.push(text);
        }
        Ok(texts)
    }

    fn table(&mut self, key: &str) -> Result<Option<Self>, RulesError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Table(table)) => {
                Ok(Some(Self { place: self.name(key), table, remarks: Vec::new() }))
            }
            Some(_) => Err(self.wrong(key, "it is not a table")),
        }
    }

    fn tables(&mut self, key: &str) -> Result<Vec<Self>, RulesError> {
        let Some(value) = self.table.remove(key) else { return Ok(Vec::new()) };
        let Value::Array(values) = value else {
            return Err(self.wrong(key, &format!("it is not a list of tables: [[{key}]]")));
        };
        let mut tables = Vec::with_capacity(values.len());
        for (number, value) in values.into_iter().enumerate() {
            let place = format!("{} number {}", self.name(key), number + 1);
            let Value::Table(table) = value else {
                return Err(RulesError::Value { place, reason: "it is not a table".to_owned() });
            };
            tables.push(Self { place, table, remarks: Vec::new() });
        }
        Ok(tables)
    }

    /// Reads lists of exceptions, and the one that older files have.
    fn allowlists(
        &mut self,
        key: &str,
        remarks: &mut Vec<String>,
    ) -> Result<Vec<AllowlistText>, RulesError> {
        let mut tables = self.tables(key)?;
        tables.extend(self.table("allowlist")?);
        if tables.len() > LIST_MAX {
            return Err(RulesError::TooMany { what: "allowlists", max: LIST_MAX });
        }
        let mut lists = Vec::with_capacity(tables.len());
        for mut keys in tables {
            lists.push(keys.allowlist()?);
            remarks.extend(keys.end());
        }
        Ok(lists)
    }

    fn allowlist(&mut self) -> Result<AllowlistText, RulesError> {
        self.text("description")?;
        let needs_all = match self.text("condition")?.as_deref().map(str::to_ascii_uppercase) {
            None => false,
            Some(text) if matches!(text.as_str(), "OR" | "||" | "") => false,
            Some(text) if matches!(text.as_str(), "AND" | "&&") => true,
            Some(_) => return Err(self.wrong("condition", "it is neither AND nor OR")),
        };
        let target = match self.text("regexTarget")?.as_deref() {
            None | Some("" | "secret") => Target::Secret,
            Some("match") => Target::Match,
            Some("line") => Target::Line,
            Some(_) => {
                return Err(self.wrong("regexTarget", "it is none of secret, match and line"));
            }
        };
        let stopwords = self.list("stopwords")?;
        if stopwords.iter().any(|word| word.is_empty() || word.len() > WORD_BYTES_MAX) {
            return Err(self.wrong("stopwords", "one is empty or too long"));
        }
        if !self.list("commits")?.is_empty() {
            self.remark("commits", "an image has none");
        }
        let list = AllowlistText {
            needs_all,
            paths: self.list("paths")?,
            regexes: self.list("regexes")?,
            target,
            stopwords: stopwords.into_iter().map(|word| word.to_ascii_lowercase()).collect(),
            rules: self.list("targetRules")?,
        };
        if list.paths.is_empty() && list.regexes.is_empty() && list.stopwords.is_empty() {
            self.remark("paths", "without paths, regexes and stopwords it allows nothing");
        }
        Ok(list)
    }

    /// Returns remarks, also about what is left.
    fn end(mut self) -> Vec<String> {
        let left: Vec<String> = self.table.keys().cloned().collect();
        for key in left {
            self.remark(&key, "not known");
        }
        self.remarks
    }
}
