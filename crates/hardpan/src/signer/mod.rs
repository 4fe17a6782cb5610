// SPDX-License-Identifier: Apache-2.0
//! The signer service: a process that alone holds a private key, and signs what it has read.
//!
//! It listens on a Unix socket ([`Service`]) and takes one question per connection, from users that it was told of. What
//! it signs it parses and composes itself ([`hardpan_attest::key::service`]), and, where it was given directories to look
//! into, it signs only for images that it finds there. [`connect`] is the other end.
//!
//! On the wire, a question is a header and, if it asks for a signature, a payload; the answer is one piece. Each piece
//! has its length in front, as four bytes, the highest first.

mod answer;
mod connect;
mod layout;
mod serve;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::path::PathBuf;

pub use crate::sandbox::Peer;
pub use answer::Audit;
pub use connect::connect;
pub use hardpan_attest::key::service::ServiceError;
pub use serve::{Service, ServiceOptions};

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another one is there.
    #[error("a signer service listens on {} already", .0.display())]
    InUse(PathBuf),
    /// Something else has the socket's name.
    #[error("{} is there already, and no socket", .0.display())]
    NotASocket(PathBuf),
    /// The socket.
    #[error("can't {action} the socket {}", path.display())]
    Socket {
        /// What failed.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory with layouts.
    #[error("can't look into {}", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something of the system.
    #[error("can't {action}")]
    System {
        /// What failed.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads a piece of at most so many bytes. Memory grows with what comes, not with what is announced.
fn read_piece(stream: &mut impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length as usize > bytes_max {
        let problem = format!("{length} bytes, more than {bytes_max}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let mut bytes = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Writes a piece.
fn write_piece(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "more than 4 GiB"))?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(bytes)
}
