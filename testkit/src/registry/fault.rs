// SPDX-License-Identifier: Apache-2.0
//! What goes wrong.

use super::{State, refuse};
use crate::http::{Reply, Request};

/// What goes wrong with requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another status, with a `Retry-After` header if given. The request is not done.
    Status(u16, Option<&'static str>),
    /// Another status, with an error of this code. The request is not done.
    Refuse(u16, &'static str),
    /// All repositories lose their blobs before the request is done.
    LoseBlobs,
    /// The connection breaks after so many bytes.
    Break(usize),
    /// Other bytes.
    Bytes(Vec<u8>),
    /// Another header: its name and value.
    Header(&'static str, String),
    /// A header less.
    WithoutHeader(&'static str),
    /// The connection breaks before the request is done.
    Unheard,
    /// The connection breaks after the request was done.
    Unanswered,
    /// Only half of the request's body arrives.
    Half,
}

/// How a request goes.
pub(super) enum Course {
    /// As it should.
    Usual,
    /// Something else is answered, and nothing done.
    Instead(Reply),
    /// With half of its body.
    Half,
    /// As it should, and then something goes wrong.
    Then(Fault),
}

/// Things go wrong by chance.
#[derive(Debug)]
pub(super) struct Chance {
    percent: u64,
    state: u64,
}

impl Chance {
    pub(super) fn new(percent: u64, seed: u64) -> Self {
        Self { percent, state: seed }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn draw(&mut self) -> Option<Fault> {
        if self.next() % 100 >= self.percent {
            return None;
        }
        Some(match self.next() % 5 {
            0 => Fault::Status(429, Some("0")),
            1 => Fault::Status(500, None),
            2 => Fault::Unheard,
            3 => Fault::Unanswered,
            _ => Fault::Half,
        })
    }
}

impl State {
    /// Says how a request goes.
    pub(super) fn course(&mut self, request: &Request) -> Course {
        let line = format!("{} {}?{}", request.method, request.path, request.query);
        let planned = self
            .faults
            .iter_mut()
            .find(|(part, _, times)| *times > 0 && line.contains(part.as_str()));
        let fault = match planned {
            Some((_, fault, times)) => {
                *times -= 1;
                Some(fault.clone())
            }
            None => self.chance.as_mut().and_then(Chance::draw),
        };
        let lost = || Course::Instead(Reply { is_lost: true, ..Reply::default() });
        match fault {
            None => Course::Usual,
            Some(Fault::Status(status, retry_after)) => {
                let reply = Reply::status(status);
                Course::Instead(match retry_after {
                    Some(value) => reply.with("Retry-After", value),
                    None => reply,
                })
            }
            Some(Fault::Refuse(status, code)) => {
                Course::Instead(refuse(status, code, "for a test"))
            }
            Some(Fault::LoseBlobs) => {
                self.owned.clear();
                Course::Usual
            }
            Some(Fault::Half) if !request.body.is_empty() => Course::Half,
            Some(Fault::Unheard | Fault::Half) => lost(),
            Some(other) => Course::Then(other),
        }
    }
}

impl Fault {
    /// Does to an answer what goes wrong after a request is done.
    pub(super) fn spoil(self, mut reply: Reply) -> Reply {
        let without = |reply: &mut Reply, name: &str| {
            reply.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        };
        match self {
            Self::Break(bytes) => reply.breaks_after = Some(bytes),
            Self::Bytes(bytes) => reply.body = bytes,
            Self::Header(name, value) => {
                without(&mut reply, name);
                return reply.with(name, &value);
            }
            Self::WithoutHeader(name) => without(&mut reply, name),
            Self::Unanswered => reply.is_lost = true,
            Self::Status(..) | Self::Refuse(..) | Self::LoseBlobs | Self::Unheard | Self::Half => {}
        }
        reply
    }
}
