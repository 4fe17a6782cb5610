// SPDX-License-Identifier: Apache-2.0
//! Who is let in.

use std::collections::BTreeMap;

use super::refuse;
use crate::http::{Reply, Request};

/// Who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    #[default]
    Open,
    /// Who sends this header.
    Basic(&'static str),
    /// Who has a token.
    Token {
        /// Who gets one: everybody, or who sends this header.
        basic: Option<&'static str>,
        /// A token for which another one is had.
        identity: Option<&'static str>,
        /// For how many requests a token is good.
        uses: usize,
    },
    /// Who sends this header. For others, there are no repositories.
    Hidden(&'static str),
    /// Nobody, whatever is sent.
    Nobody,
}

/// What a token is good for.
#[derive(Debug)]
struct Grant {
    /// For how many requests.
    uses: usize,
    /// `repository:NAME:ACTION,…`
    scopes: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Tokens {
    auth: Auth,
    granted: BTreeMap<String, Grant>,
}

impl Tokens {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth, granted: BTreeMap::new() }
    }

    /// Returns how a request is refused, if it is.
    pub(super) fn refuse(&mut self, request: &Request) -> Option<Reply> {
        if self.lets_in(request) {
            return None;
        }
        if matches!(self.auth, Auth::Hidden(_)) && request.path != "/v2/" {
            return Some(Reply::status(404));
        }
        let challenge = if let Auth::Basic(_) | Auth::Hidden(_) = self.auth {
            "Basic realm=\"test\"".to_owned()
        } else {
            let host = request.header("host");
            format!("Bearer realm=\"http://{host}/token\",service=\"test registry\"")
        };
        let reply = refuse(401, "UNAUTHORIZED", "who are you?");
        Some(reply.with("WWW-Authenticate", &challenge))
    }

    fn lets_in(&mut self, request: &Request) -> bool {
        let sent = request.header("authorization");
        match &self.auth {
            Auth::Open => true,
            Auth::Nobody => false,
            Auth::Basic(header) | Auth::Hidden(header) => sent == *header,
            Auth::Token { .. } => {
                let token = sent.strip_prefix("Bearer ").unwrap_or_default();
                let action =
                    if matches!(request.method.as_str(), "GET" | "HEAD") { "pull" } else { "push" };
                match self.granted.get_mut(token) {
                    Some(grant) if grant.uses > 0 && grant.allows(&request.path, action) => {
                        grant.uses -= 1;
                        true
                    }
                    _ => false,
                }
            }
        }
    }

    /// Whether who sends a request may read another repository.
    pub(super) fn may_pull(&self, request: &Request, repository: &str) -> bool {
        let Auth::Token { .. } = self.auth else { return true };
        let token = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let path = format!("/v2/{repository}/");
        self.granted.get(token).is_some_and(|grant| grant.allows(&path, "pull"))
    }

    /// Answers who asks for a token.
    pub(super) fn give(&mut self, request: &Request) -> Reply {
        let form = match request.method.as_str() {
            "POST" => String::from_utf8_lossy(&request.body).into_owned(),
            _ => request.query.clone(),
        };
        let uses = match &self.auth {
            Auth::Token { basic, identity, uses } => {
                let is_known = match (request.method.as_str(), basic, identity) {
                    ("POST", _, Some(identity)) => {
                        form.split('&').any(|field| field == format!("refresh_token={identity}"))
                    }
                    ("GET", Some(basic), _) => request.header("authorization") == *basic,
                    ("GET", None, None) => true,
                    _ => false,
                };
                if !is_known {
                    return Reply::status(401);
                }
                *uses
            }
            // For nobody, tokens are worth nothing.
            _ => 0,
        };
        let fields = form.split('&').filter_map(|field| field.strip_prefix("scope="));
        let scopes: Vec<String> = fields
            .flat_map(|value| {
                let scopes = value.replace("%2C", ",").replace("%20", " ");
                scopes.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>()
            })
            .collect();
        let token = format!("token-{}", self.granted.len());
        self.granted.insert(token.clone(), Grant { uses, scopes });
        let name = if request.method == "POST" { "access_token" } else { "token" };
        let body = serde_json::json!({name: token, "expires_in": 300});
        Reply::body("application/json", body.to_string().into_bytes())
    }
}

impl Grant {
    /// Whether it is good for an action on what is at a path.
    fn allows(&self, path: &str, action: &str) -> bool {
        self.scopes.iter().any(|scope| {
            let mut parts = scope.splitn(3, ':');
            let (kind, repository) = (parts.next(), parts.next().unwrap_or_default());
            let actions = parts.next().unwrap_or_default();
            let is_there = path == "/v2/" || path.starts_with(&format!("/v2/{repository}/"));
            kind == Some("repository") && is_there && actions.split(',').any(|it| it == action)
        })
    }
}
