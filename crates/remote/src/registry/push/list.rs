// SPDX-License-Identifier: Apache-2.0
//! Lists that come in pages (RFC 8288, `Link`).

use hardpan_image::ImageName;
use serde::Deserialize;

use super::super::error::RegistryError;
use super::super::{Registries, Watch};
use super::{Call, Door, protocol, refused};
use crate::attempt::redirect_to;
use crate::download::Patience;
use crate::error::{Failure, Remedy, RemoteError};
use crate::exchange::Reply;
use crate::url::Url;

/// Most pages that are fetched: a registry whose pages lead in a circle must not hold up anybody for ever.
const PAGES_MAX: u32 = 1_000;
/// Most tags that a repository may have: some years of builds every few minutes.
const TAGS_MAX: usize = 1_000_000;

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Registries {
    /// Returns the tags of a repository, sorted.
    pub fn tags(&self, name: &ImageName, watch: Watch<'_>) -> Result<Vec<String>, RegistryError> {
        let door = Door::to_read(self, name)?;
        let url = door.url("tags", "list")?;
        let mut tags = Vec::new();
        self.pages(&door, &url, &[], watch, &mut |reply| {
            let page: Tags = serde_json::from_slice(&reply.body)
                .map_err(|_| protocol(&url, "not a list of tags"))?;
            for tag in page.tags.unwrap_or_default() {
                name.with_tag(&tag).map_err(|_| protocol(&url, "the list has what is no tag"))?;
                tags.push(tag);
            }
            if tags.len() > TAGS_MAX {
                return Err(protocol(&url, "more tags than anybody has"));
            }
            Ok(())
        })?;
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// Fetches all pages of a list. They are at the registry itself: one that sends elsewhere, to a page for people
    /// for instance, has not answered.
    pub(super) fn pages(
        &self,
        door: &Door,
        first: &Url,
        headers: &[(&'static str, &str)],
        watch: Watch<'_>,
        take: &mut dyn FnMut(&Reply) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let mut url = first.clone();
        for _ in 0..PAGES_MAX {
            let reply = self.page(door, &url, headers, watch)?;
            take(&reply)?;
            let Some(next) = next_page(&reply) else { return Ok(()) };
            let next = url.join(&next).map_err(|_| protocol(first, "the next page is no URL"))?;
            if !next.is_same_server(&door.root) {
                return Err(protocol(first, "the next page is at another server"));
            }
            if next == url {
                return Err(protocol(first, "a page follows itself"));
            }
            url = next;
        }
        Err(protocol(first, "more pages than can be"))
    }

    /// Fetches one page. One that is elsewhere may be here the next time: a registry that has too much to do sends to
    /// a page that says so.
    fn page(
        &self,
        door: &Door,
        url: &Url,
        headers: &[(&'static str, &str)],
        watch: Watch<'_>,
    ) -> Result<Reply, RegistryError> {
        let mut patience = Patience::new(&self.client, url, watch.observer, watch.cancel);
        loop {
            if let Some(reply) = self.page_here(door, url, headers, watch)? {
                return Ok(reply);
            }
            let problem = "redirect to another host refused".to_owned();
            let error = Box::new(RemoteError::Redirect { url: url.clone(), problem });
            patience.failed(Failure { error, remedy: Remedy::Retry(None) })?;
        }
    }

    /// Fetches one page, also after redirects that stay at the registry; nothing if it is elsewhere.
    fn page_here(
        &self,
        door: &Door,
        url: &Url,
        headers: &[(&'static str, &str)],
        watch: Watch<'_>,
    ) -> Result<Option<Reply>, RegistryError> {
        let mut current = url.clone();
        for _ in 0..=self.client.options.redirects_max {
            let reply = self.ask(door, &Call::read(&current, headers), &[], watch)?;
            match reply.status {
                200 => return Ok(Some(reply)),
                301 | 302 | 303 | 307 | 308 => {
                    current = redirect_to(&current, url, reply.header("location"))?;
                    if !current.is_same_server(&door.root) {
                        return Ok(None);
                    }
                }
                _ => return Err(refused(url, &reply)),
            }
        }
        let problem = format!("more than {} redirects", self.client.options.redirects_max);
        Err(RemoteError::Redirect { url: url.clone(), problem }.into())
    }
}

/// Returns the reference to the next page, if there is one.
fn next_page(reply: &Reply) -> Option<String> {
    reply.headers("link").find_map(next_link)
}

/// Finds the link `rel="next"` in a header (RFC 8288).
pub fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (target, mut after) = rest.split_once('<')?.1.split_once('>')?;
        loop {
            let end = unquoted(after, &[';', ',']);
            let (name, value) = after[..end].split_once('=').unwrap_or_default();
            let mut values = value.trim().trim_matches('"').split_ascii_whitespace();
            if name.trim().eq_ignore_ascii_case("rel")
                && values.any(|value| value.eq_ignore_ascii_case("next"))
            {
                return Some(target.trim().to_owned());
            }
            after = &after[end..];
            match after.strip_prefix(';') {
                Some(further) => after = further,
                // A comma, behind which the next link is, or the end.
                None => break,
            }
        }
        rest = after;
    }
}

/// Returns where the first of some letters is that is in no quotes, or else the length.
fn unquoted(text: &str, letters: &[char]) -> usize {
    let mut is_quoted = false;
    let place = text.find(|letter: char| {
        is_quoted ^= letter == '"';
        !is_quoted && letters.contains(&letter)
    });
    place.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_next_page() {
        for (header, expected) in [
            ("</v2/a/tags/list?last=b&n=2>; rel=\"next\"", Some("/v2/a/tags/list?last=b&n=2")),
            ("<https://registry.example/x>;rel=next", Some("https://registry.example/x")),
            ("</x>; REL=Next", Some("/x")),
            ("</x>; title=\"a, b; rel=prev\"; rel=\"next\"", Some("/x")),
            ("</first>; rel=first, </second>; rel=\"last next\"", Some("/second")),
            ("</x>; rel=prev", None),
            ("</x>; title=next", None),
            ("</x>; title=\"<y>; rel=next\"", None),
            ("</x>", None),
            ("<never closed; rel=next", None),
            ("rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_link(header).as_deref(), expected, "{header}");
        }
    }
}
