// SPDX-License-Identifier: Apache-2.0
//! Logins, as docker and podman keep them.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::place::DEFAULT_REGISTRY;
pub(super) use file::LoginFile;
pub use file::LoginFileError;

/// The user name by which a credential helper says that what follows is no password.
const TOKEN_USER: &str = "<token>";

/// What lets the caller in at a registry. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that other tokens are had for (RFC 6749, "refresh token").
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    fn new(username: String, secret: String) -> Option<Self> {
        if secret.is_empty() || username.is_empty() {
            None
        } else if username == TOKEN_USER {
            Some(Self::IdentityToken(secret))
        } else {
            Some(Self::Password { username, password: secret })
        }
    }
}

/// What a credential helper printed. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub enum HelperReply {
    /// A login, as JSON.
    Output(Vec<u8>),
    /// That it has none.
    NotFound,
}

impl fmt::Debug for HelperReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Output(_) => "Output",
            Self::NotFound => "NotFound",
        })
    }
}

/// Runs `docker-credential-NAME get` with a registry's name as input. Errors are words for the user, and
/// never have what the helper printed in them.
type Helper = dyn Fn(&str, &str) -> Result<HelperReply, String> + Send + Sync;

/// What helpers said, by what each is called and what it was asked for.
type Answers = BTreeMap<(String, String), Result<Option<Credential>, String>>;

/// The logins that a machine has. The first file that has one for a registry counts.
#[derive(Clone, Default)]
pub struct Logins {
    files: Vec<Arc<LoginFile>>,
    looked: Vec<String>,
    problems: Vec<String>,
    helper: Option<Arc<Helper>>,
    /// Helpers may ask their user for a password, so each is asked once.
    answers: Arc<Mutex<Answers>>,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins")
            .field("looked", &self.looked)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// What was found for a repository.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    pub(super) credential: Option<Credential>,
    /// Where it came from.
    pub(super) source: Option<String>,
    /// All places that were looked at.
    pub(super) looked: Vec<String>,
    /// What went wrong on the way. Public images need no login, so nothing of this is an error yet.
    pub(super) problems: Vec<String>,
}

/// What `docker-credential-NAME get` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperOutput {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

impl Logins {
    /// Starts with no logins; `helper` runs credential helpers.
    pub fn new(
        helper: impl Fn(&str, &str) -> Result<HelperReply, String> + Send + Sync + 'static,
    ) -> Self {
        Self { helper: Some(Arc::new(helper)), ..Self::default() }
    }

    /// Adds a file's logins (docker's `config.json`, containers-auth.json(5)) behind those that are there.
    /// `name` is for messages. A file that can't be understood is a problem only for who needs a login.
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) {
        self.looked.push(name.to_owned());
        match LoginFile::parse(name, bytes) {
            Ok(file) => self.files.push(Arc::new(file)),
            Err(problem) => self.problems.push(format!("{name}: {problem}")),
        }
    }

    /// Notes a file that is not there, so that messages can name it.
    pub fn add_missing_file(&mut self, name: &str) {
        self.looked.push(name.to_owned());
    }

    /// Notes a file that can't be read.
    pub fn add_unreadable_file(&mut self, name: &str, problem: &str) {
        self.looked.push(name.to_owned());
        self.problems.push(format!("{name}: {problem}"));
    }

    /// Finds the login for a repository.
    pub(super) fn find(&self, registry: &str, repository: &str) -> Lookup {
        let mut lookup = Lookup {
            looked: self.looked.clone(),
            problems: self.problems.clone(),
            ..Lookup::default()
        };
        for file in &self.files {
            let asked = |helper: Option<&str>, lookup: &mut Lookup| {
                let helper = helper?;
                match self.ask(helper, registry) {
                    Ok(found) => Some((found?, format!("docker-credential-{helper}"))),
                    Err(problem) => {
                        lookup.problems.push(problem);
                        None
                    }
                }
            };
            let found = asked(file.helper(registry), &mut lookup)
                .or_else(|| Some((file.login(registry, repository)?, file.name.clone())))
                .or_else(|| asked(file.store(), &mut lookup));
            if let Some((credential, source)) = found {
                lookup.credential = Some(credential);
                lookup.source = Some(source);
                break;
            }
        }
        lookup
    }

    fn ask(&self, helper: &str, registry: &str) -> Result<Option<Credential>, String> {
        let Some(run) = &self.helper else { return Ok(None) };
        let server = server_name(registry);
        let question = (helper.to_owned(), server.clone());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.entry(question).or_insert_with(|| match run(helper, &server)? {
            HelperReply::NotFound => Ok(None),
            HelperReply::Output(bytes) => {
                // The parser's words may quote what it read.
                let output: HelperOutput = serde_json::from_slice(&bytes)
                    .map_err(|_| format!("what docker-credential-{helper} prints is no login"))?;
                Ok(Credential::new(output.username, output.secret))
            }
        });
        answer.clone()
    }
}

/// Returns the name that a registry has for credential helpers: Docker's own is a URL of its first API.
fn server_name(registry: &str) -> String {
    if registry == DEFAULT_REGISTRY {
        format!("https://index.{DEFAULT_REGISTRY}/v1/")
    } else {
        registry.to_owned()
    }
}

#[cfg(test)]
mod tests;
