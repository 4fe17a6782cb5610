// SPDX-License-Identifier: Apache-2.0
//! Which requests go through a proxy.

use std::fmt;

use crate::url::{Url, redact};

/// Proxies, in the form of the usual environment variables; the caller reads those.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// The proxy for `http:` URLs (`http_proxy`).
    pub http: Option<String>,
    /// The proxy for `https:` URLs (`HTTPS_PROXY`).
    pub https: Option<String>,
    /// Hosts that are reached without proxy, separated by commas (`NO_PROXY`): `example.org` also
    /// means the hosts below it, a port restricts it, `*` means all.
    pub none_for: Option<String>,
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyOptions")
            .field("http", &self.http.as_deref().map(redact))
            .field("https", &self.https.as_deref().map(redact))
            .field("none_for", &self.none_for)
            .finish()
    }
}

/// Which connection a URL uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    HttpProxy,
    HttpsProxy,
}

impl ProxyOptions {
    pub(crate) fn way(&self, url: &Url) -> Way {
        let excluded = self
            .none_for
            .as_ref()
            .is_some_and(|list| list.split(',').any(|item| covers(item, url)));
        let set = |proxy: &Option<String>| proxy.as_ref().is_some_and(|p| !p.trim().is_empty());
        match url.scheme() {
            "http" if set(&self.http) && !excluded => Way::HttpProxy,
            "https" if set(&self.https) && !excluded => Way::HttpsProxy,
            _ => Way::Direct,
        }
    }
}

/// Whether an item of the exclusion list covers a URL.
fn covers(item: &str, url: &Url) -> bool {
    let item = item.trim().to_ascii_lowercase();
    if item == "*" {
        return true;
    }
    let (name, port) = match item.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (item.as_str(), None),
    };
    if port.is_some_and(|port| port.parse() != Ok(url.port())) {
        return false;
    }
    let name = name.trim_start_matches('*').trim_start_matches('.').trim_matches(['[', ']']);
    let host = url.host();
    !name.is_empty()
        && (host == name || host.strip_suffix(name).is_some_and(|above| above.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        let proxies = ProxyOptions {
            http: Some("http://proxy:3128".into()),
            https: None,
            none_for: Some("localhost, .example.org,other.net:81,10.0.0.1,[::1]".into()),
        };
        for (url, way) in [
            ("http://host/x", Way::HttpProxy),
            ("https://host/x", Way::Direct),
            ("http://LOCALHOST:8080/x", Way::Direct),
            ("http://example.org/x", Way::Direct),
            ("http://a.example.org/x", Way::Direct),
            ("http://notexample.org/x", Way::HttpProxy),
            ("http://other.net/x", Way::HttpProxy),
            ("http://other.net:81/x", Way::Direct),
            ("http://10.0.0.1/x", Way::Direct),
            ("http://[::1]/x", Way::Direct),
        ] {
            assert_eq!(proxies.way(&url.parse().unwrap()), way, "{url}");
        }
        let all = ProxyOptions { none_for: Some("*".into()), ..proxies };
        assert_eq!(all.way(&"http://host/x".parse().unwrap()), Way::Direct);
    }
}
