// SPDX-License-Identifier: Apache-2.0
//! The two commands of protocol version 2 that a checkout needs: `ls-refs` and `fetch`
//! (gitprotocol-v2).

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::packet::{Packet, PacketReader, push_delimiter, push_flush, push_line};
use super::transport::Service;
use super::{GitError, ObjectId};
use crate::cancel::Cancel;
use crate::client::{Client, Request};
use crate::event::{Event, Observer};
use crate::sink::Sink;

/// The most lines of an answer that are read: of capabilities and of branches and tags.
const LINES_MAX: usize = 100_000;
/// The longest message of a server that is shown, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 500;

impl Client {
    /// Finds the commit that a reference leads to: a full commit id, or the name of a tag or
    /// branch, which is looked for in the order of `git rev-parse`.
    ///
    /// Of the request its URL and authorization count.
    pub fn git_resolve(
        &self,
        request: &Request,
        reference: &str,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<ObjectId, GitError> {
        if let Ok(commit) = reference.parse() {
            return Ok(commit);
        }
        let candidates: Vec<String> = ["", "refs/", "refs/tags/", "refs/heads/"]
            .iter()
            .map(|prefix| format!("{prefix}{reference}"))
            .filter(|name| name == "HEAD" || name.starts_with("refs/"))
            .collect();
        self.git_retrying(request, observer, cancel, || {
            let service = Service::open(self, request)?;
            let references = list(&service, &candidates)?;
            let found = candidates.iter().find_map(|name| references.get(name.as_str()));
            found.copied().ok_or_else(|| GitError::NoReference {
                url: request.url.clone(),
                reference: reference.chars().take(200).collect(),
            })
        })
    }

    /// Fetches a commit with all of its files and none of its history into a sink, as a pack.
    ///
    /// Of the request its URL, authorization and `limit_bytes` count. The pack is not looked at:
    /// [`super::Pack::open`] does that.
    pub fn git_fetch(
        &self,
        request: &Request,
        commit: ObjectId,
        sink: &mut dyn Sink,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<(), GitError> {
        self.git_retrying(request, observer, cancel, || {
            let local = |source| GitError::Local { url: request.url.clone(), source };
            sink.discard().map_err(local)?;
            let service = Service::open(self, request)?;
            let event = Event::Started { url: &request.url, total_bytes: None, present_bytes: 0 };
            observer.event(&event);
            fetch(&service, request, commit, sink, observer, cancel)?;
            sink.finish().map_err(local)?;
            observer.event(&Event::Finished { url: &request.url });
            Ok(())
        })
    }
}

/// Lists the references that have one of these names, annotated tags as what they lead to.
fn list(service: &Service<'_>, names: &[String]) -> Result<BTreeMap<String, ObjectId>, GitError> {
    let mut request = service.command("ls-refs");
    push_delimiter(&mut request);
    push_line(&mut request, "peel");
    for name in names {
        push_line(&mut request, &format!("ref-prefix {name}"));
    }
    push_flush(&mut request);
    let mut packets = PacketReader::new(service.post(&request)?);
    references(&mut packets).map_err(|error| match error {
        ListError::Broken(error) => service.broken(error),
        ListError::Bad(what) => service.bad(what),
        ListError::Refused(message) => service.refused(&message),
    })
}

/// Why an answer lists no references.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    /// It ends too early, or is no sequence of packets.
    #[error(transparent)]
    Broken(io::Error),
    /// It has something else in it.
    #[error("{0}")]
    Bad(&'static str),
    /// The server says why it gives none.
    #[error("refused: {0}")]
    Refused(String),
}

/// Reads the answer to `ls-refs`.
pub(super) fn references<R: Read>(
    packets: &mut PacketReader<R>,
) -> Result<BTreeMap<String, ObjectId>, ListError> {
    let mut references = BTreeMap::new();
    for _ in 0..LINES_MAX {
        let packet = packets.next().map_err(ListError::Broken)?;
        if packet == Packet::Flush {
            return Ok(references);
        }
        let line = packet.line().ok_or(ListError::Bad("a reference that is no text"))?;
        if let Some(message) = line.strip_prefix("ERR ") {
            return Err(ListError::Refused(message.to_owned()));
        }
        let mut words = line.split(' ');
        let (Some(id), Some(name)) = (words.next(), words.next()) else {
            return Err(ListError::Bad("a reference without a name"));
        };
        let peeled = words.find_map(|word| word.strip_prefix("peeled:"));
        let Ok(id) = peeled.unwrap_or(id).parse() else {
            // A server may list a branch that has no commit yet.
            continue;
        };
        references.insert(name.to_owned(), id);
    }
    Err(ListError::Bad("too many references"))
}

fn fetch(
    service: &Service<'_>,
    request: &Request,
    commit: ObjectId,
    sink: &mut dyn Sink,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(), GitError> {
    let mut command = service.command("fetch");
    push_delimiter(&mut command);
    for line in ["no-progress", "ofs-delta", "deepen 1"] {
        push_line(&mut command, line);
    }
    push_line(&mut command, &format!("want {commit}"));
    push_line(&mut command, "done");
    push_flush(&mut command);
    let mut packets = PacketReader::new(service.post(&command)?);
    skip_to_pack(service, &mut packets, commit)?;
    let mut received_bytes = 0_u64;
    loop {
        if cancel.is_cancelled() {
            return Err(crate::error::RemoteError::Cancelled { url: request.url.clone() }.into());
        }
        let packet = packets.next().map_err(|error| service.interrupted(error, received_bytes))?;
        let Packet::Data(bytes) = packet else { return Ok(()) };
        match bytes.split_first() {
            Some((1, piece)) => {
                received_bytes += piece.len() as u64;
                if received_bytes > request.limit_bytes {
                    let limit_bytes = request.limit_bytes;
                    let url = request.url.clone();
                    return Err(crate::error::RemoteError::TooLarge { url, limit_bytes }.into());
                }
                sink.append(piece)
                    .map_err(|source| GitError::Local { url: request.url.clone(), source })?;
                let bytes = piece.len() as u64;
                observer.event(&Event::Received { url: &request.url, bytes });
            }
            Some((2, _)) => {}
            Some((3, message)) => return Err(refusal(service, message, commit)),
            _ => return Err(service.bad("an unknown band")),
        }
    }
}

/// Reads the sections before the pack.
fn skip_to_pack<R: Read>(
    service: &Service<'_>,
    packets: &mut PacketReader<R>,
    commit: ObjectId,
) -> Result<(), GitError> {
    for _ in 0..LINES_MAX {
        let packet = packets.next().map_err(|error| service.broken(error))?;
        let Some(line) = packet.line() else { continue };
        if line == "packfile" {
            return Ok(());
        }
        if let Some(message) = line.strip_prefix("ERR ") {
            return Err(refusal(service, message.as_bytes(), commit));
        }
    }
    Err(service.bad("no pack"))
}

/// What a server's message means.
fn refusal(service: &Service<'_>, message: &[u8], commit: ObjectId) -> GitError {
    let message = String::from_utf8_lossy(message);
    // The words of git's own upload-pack, also used by others.
    if message.contains("not our ref") || message.contains("unadvertised object") {
        return GitError::NoCommit { url: service.url().clone(), commit };
    }
    service.refused(&message)
}

/// Makes a server's message fit to be shown.
pub(super) fn shown(message: &str) -> String {
    let line = message.trim().chars().filter(|c| !c.is_control());
    line.take(MESSAGE_CHARACTERS_MAX).collect()
}

/// Reads the capabilities of a server; `None` if it does not speak version 2.
pub(super) fn capabilities<R: Read>(
    packets: &mut PacketReader<R>,
) -> io::Result<Option<BTreeMap<String, String>>> {
    let mut first = packets.next()?.line().unwrap_or_default().to_owned();
    if first.starts_with("# service=") {
        packets.next()?;
        packets.next()?.line().unwrap_or_default().clone_into(&mut first);
    }
    if first != "version 2" {
        return Ok(None);
    }
    let mut capabilities = BTreeMap::new();
    for _ in 0..LINES_MAX {
        let packet = packets.next()?;
        let Some(line) = packet.line() else { return Ok(Some(capabilities)) };
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        capabilities.insert(name.to_owned(), value.to_owned());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "too many capabilities"))
}
