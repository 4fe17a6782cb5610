// SPDX-License-Identifier: Apache-2.0
//! Logging in: what to send after a challenge, and the tokens that are still good.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;

use serde::Deserialize;

use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::login::Credential;
use super::place::Place;
use super::{Registries, Watch};
use crate::access::{Access, Authorization};
use crate::attempt;
use crate::client::Request;
use crate::download::{Transfer, retry};
use crate::error::RemoteError;
use crate::sink::MemorySink;
use crate::url::Url;

/// The largest answer with a token, in bytes.
const REPLY_BYTES_MAX: u64 = 1 << 20;
/// The longest token, in bytes: servers take headers of up to 8 or 16 KiB.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// The name under which hardpan asks for tokens.
const CLIENT_ID: &str = "hardpan";

/// What registries were told, by host and scope. There is no clock here: what has run out is found out
/// when it is refused.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    granted: BTreeMap<(String, String), Authorization>,
    /// Hosts that said that they want no login.
    open: BTreeSet<String>,
}

impl Tokens {
    pub(super) fn get(&self, place: &Place, scope: &str) -> Option<Authorization> {
        self.granted.get(&(place.host.clone(), scope.to_owned())).cloned()
    }

    pub(super) fn is_open(&self, place: &Place) -> bool {
        self.open.contains(&place.host)
    }

    pub(super) fn set_open(&mut self, place: &Place) {
        self.open.insert(place.host.clone());
    }

    fn set(&mut self, place: &Place, scope: &str, authorization: Authorization) {
        self.granted.insert((place.host.clone(), scope.to_owned()), authorization);
    }
}

/// What comes from a token endpoint. There are two names for the token, by two specifications.
#[derive(Deserialize)]
struct Reply {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registries {
    /// Answers a registry's challenges; `refused` is what was sent without success. Returns whether there
    /// is something new to send.
    pub(super) fn log_in(
        &self,
        place: &Place,
        scope: &str,
        challenges: &[String],
        refused: Option<&Authorization>,
        watch: Watch<'_>,
    ) -> Result<bool, RegistryError> {
        // Held for as long as it takes: of many transfers that are refused at once, one asks for a token.
        let mut tokens = self.lock_tokens();
        if tokens.get(place, scope).as_ref() != refused {
            return Ok(true);
        }
        let lookup = self.logins.find(&place.login, &place.repository);
        for challenge in challenge::parse(challenges) {
            let authorization = match (challenge, &lookup.credential) {
                (Challenge::Basic, Some(Credential::Password { username, password })) => {
                    Authorization::login(username, password)
                }
                (Challenge::Basic, _) => continue,
                (Challenge::Bearer { realm, service }, credential) => {
                    let source = Source { place, realm: &realm, service: service.as_deref() };
                    let url = source.url()?;
                    self.token(&source, &url, scope, credential.as_ref(), watch)?
                }
            };
            // The same name and password again will not be taken this time either.
            if Some(&authorization) == refused {
                continue;
            }
            tokens.set(place, scope, authorization);
            return Ok(true);
        }
        Ok(false)
    }

    /// Fetches a token.
    fn token(
        &self,
        source: &Source<'_>,
        url: &Url,
        scope: &str,
        credential: Option<&Credential>,
        watch: Watch<'_>,
    ) -> Result<Authorization, RegistryError> {
        let bytes = match credential {
            Some(Credential::IdentityToken(token)) => {
                let form = source.form(scope, token);
                retry(&self.client, url, watch.observer, watch.cancel, || {
                    let answer = attempt::post_form(&self.client, url, &form)?;
                    let mut bytes = Vec::new();
                    answer
                        .body
                        .take(REPLY_BYTES_MAX)
                        .read_to_end(&mut bytes)
                        .map_err(|error| attempt::map_error(url, error.into(), 0))?;
                    Ok(bytes)
                })
            }
            _ => self.ask_for_token(&source.query(url, scope), credential, watch),
        };
        let bytes = bytes.map_err(|error| {
            if error.is_denied() {
                return self.denied(source.place, error);
            }
            let registry = source.place.login.clone();
            RegistryError::Token { registry, source: Box::new(error) }
        })?;
        read_token(&bytes).ok_or_else(|| RegistryError::BadToken { url: url.clone() })
    }

    fn ask_for_token(
        &self,
        url: &str,
        credential: Option<&Credential>,
        watch: Watch<'_>,
    ) -> Result<Vec<u8>, RemoteError> {
        let request = Request::new(url, REPLY_BYTES_MAX)?;
        let authorization = match credential {
            Some(Credential::Password { username, password }) => {
                Some(Authorization::login(username, password))
            }
            _ => None,
        };
        let access = Access { accept: None, authorization };
        let mut sink = MemorySink::default();
        Transfer::new(&self.client, &request, watch.observer, watch.cancel)
            .with_access(&access)
            .run(&mut sink, false)?;
        Ok(sink.into_bytes())
    }
}

/// Where tokens come from.
struct Source<'s> {
    place: &'s Place,
    realm: &'s str,
    service: Option<&'s str>,
}

impl Source<'_> {
    /// Returns the realm as a URL. A registry with TLS may not have passwords sent without.
    fn url(&self) -> Result<Url, RegistryError> {
        let refuse = |problem| RegistryError::Realm {
            registry: self.place.login.clone(),
            realm: crate::url::redact(self.realm).chars().take(200).collect(),
            problem,
        };
        let url: Url = self.realm.parse().map_err(|_| refuse("that is not a URL"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.place.is_plain => Ok(url),
            "http" => Err(refuse("that is not secure, and the registry is")),
            _ => Err(refuse("that is not on the network")),
        }
    }

    fn query(&self, url: &Url, scope: &str) -> String {
        let mut text = url.as_str().to_owned();
        let mut separator = if text.contains('?') { '&' } else { '?' };
        // Several scopes are several fields.
        let scopes = scope.split(' ').map(|scope| ("scope", scope));
        let service = self.service.map(|service| ("service", service));
        for (name, value) in service.into_iter().chain(scopes) {
            text.push(separator);
            text.push_str(name);
            text.push('=');
            text.push_str(&encode(value));
            separator = '&';
        }
        text
    }

    /// The form of RFC 6749, section 6.
    fn form(&self, scope: &str, identity_token: &str) -> String {
        let service = self.service.unwrap_or(&self.place.host);
        format!(
            "grant_type=refresh_token&service={}&client_id={CLIENT_ID}&scope={}&refresh_token={}",
            encode(service),
            encode(scope),
            encode(identity_token)
        )
    }
}

pub(super) fn read_token(bytes: &[u8]) -> Option<Authorization> {
    let reply: Reply = serde_json::from_slice(bytes).ok()?;
    let is_some = |token: &String| !token.is_empty();
    let token = reply.token.filter(is_some).or(reply.access_token.filter(is_some))?;
    if token.len() > TOKEN_BYTES_MAX { None } else { Authorization::bearer(token.as_bytes()) }
}

/// Percent-encodes a value of a query or form.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => {
                // Writing to a text can't fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(is_plain: bool) -> Place {
        let text = |text: &str| text.to_owned();
        let (host, login) = (text("registry.example"), text("registry.example"));
        Place { host, is_plain, repository: text("a/b"), login }
    }

    #[test]
    fn realms_are_asked_with_service_and_scope() {
        let place = place(false);
        let source = |realm| Source { place: &place, realm, service: Some("a b&c") };
        for (realm, expected) in [
            (
                "https://auth.example/token",
                "https://auth.example/token?service=a%20b%26c&scope=repository:a/b:pull",
            ),
            (
                "https://auth.example/token?x=y",
                "https://auth.example/token?x=y&service=a%20b%26c&scope=repository:a/b:pull",
            ),
        ] {
            let source = source(realm);
            let query = source.query(&source.url().unwrap(), &place.scope("pull"));
            assert_eq!(query, expected);
        }
        assert_eq!(
            source("https://auth.example/").form("s", "t+t"),
            "grant_type=refresh_token&service=a%20b%26c&client_id=hardpan&scope=s&refresh_token=t%2Bt"
        );
    }

    #[test]
    fn realms_that_would_leak_are_refused() {
        for (realm, is_plain, is_good) in [
            ("https://auth.example/", false, true),
            ("https://auth.example/", true, true),
            ("http://auth.example/", true, true),
            ("http://auth.example/", false, false),
            ("file:///etc/passwd", true, false),
            ("/token", false, false),
            ("gopher://auth.example/", true, false),
        ] {
            let place = place(is_plain);
            let source = Source { place: &place, realm, service: None };
            assert_eq!(source.url().is_ok(), is_good, "{realm}");
        }
    }

    #[test]
    fn replies() {
        for (text, token) in [
            (r#"{"token":"a"}"#, Some("Bearer a")),
            (r#"{"access_token":"b","expires_in":60}"#, Some("Bearer b")),
            (r#"{"token":"","access_token":"b"}"#, Some("Bearer b")),
            (r#"{"token":"a","access_token":"b"}"#, Some("Bearer a")),
            (r#"{"token":"a\r\nb"}"#, None),
            (r#"{"token":7}"#, None),
            ("{}", None),
            ("<html>", None),
            ("", None),
        ] {
            let read = read_token(text.as_bytes());
            assert_eq!(read.as_ref().map(Authorization::value), token, "{text}");
        }
        let long = format!(r#"{{"token":"{}"}}"#, "a".repeat(TOKEN_BYTES_MAX + 1));
        assert_eq!(read_token(long.as_bytes()), None);
    }
}
