// SPDX-License-Identifier: Apache-2.0
//! Local files, for mirrors on this machine.

use std::fs::File;
use std::io;

use crate::attempt::Answer;
use crate::client::Validators;
use crate::error::RemoteError;
use crate::url::Url;

/// Opens the file that a URL means, in the form of a server's answer.
pub(crate) fn open(url: &Url) -> Result<Answer, RemoteError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            RemoteError::NotFound { url: url.clone() }
        }
        _ => RemoteError::Local { url: url.clone(), action: "read the file", source },
    };
    let path =
        url.to_file_path().ok_or_else(|| error(io::Error::other("the path has a zero byte")))?;
    // Looked at before it is opened: to open a pipe would wait for a writer.
    let metadata = std::fs::metadata(&path).map_err(error)?;
    if !metadata.is_file() {
        return Err(error(io::Error::other("not a regular file")));
    }
    let file = File::open(&path).map_err(error)?;
    Ok(Answer {
        status: 200,
        length_bytes: Some(metadata.len()),
        range: None,
        validators: Validators::default(),
        content_type: None,
        content_digest: None,
        body: Box::new(file),
    })
}
