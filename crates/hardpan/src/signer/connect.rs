// SPDX-License-Identifier: Apache-2.0
//! The end of whoever wants a signature.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardpan_attest::key::Signer;
use hardpan_attest::key::service::{REPLY_BYTES_MAX, ServiceError, ServiceSigner};

use super::{read_piece, write_piece};

/// The longest wait for a service: longer than it takes its own time for one question.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Asks the service on a socket for its key. `layout` is where the images are that will be signed, an absolute path.
pub fn connect(
    socket: &Path,
    layout: Option<&Path>,
) -> Result<Box<dyn Signer + Send + Sync>, ServiceError> {
    let socket: PathBuf = socket.to_owned();
    // A path that JSON can't hold is one that the service can't be told.
    let layout = layout.and_then(Path::to_str).map(str::to_owned);
    let send = move |header: &[u8], payload: Option<&[u8]>| ask(&socket, header, payload);
    Ok(Box::new(ServiceSigner::open(layout, send)?))
}

fn ask(socket: &Path, header: &[u8], payload: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    let mut write = || {
        write_piece(&mut stream, header)?;
        payload.map_or(Ok(()), |payload| write_piece(&mut stream, payload))
    };
    let written = write();
    // A service that refuses need not have read everything; then its reason says more than a broken pipe.
    match (read_piece(&mut stream, REPLY_BYTES_MAX), written) {
        (Ok(reply), _) => Ok(reply),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}
