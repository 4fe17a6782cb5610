// SPDX-License-Identifier: Apache-2.0
//! Refusals that are not the last word.
//!
//! Docker's registry, up to 2.8, writes down in a file that a repository has a blob, and writes it again, in place,
//! whenever the blob is pushed again. So while several push the same blob that file is empty for moments. Who asks for
//! the blob in such a moment hears of an inner error (500), and a document that names it is refused twice over: a digest is
//! invalid (that in the empty file), and the blob is unknown. Documents are written in the same way, and may be read when
//! half of them is there. Other registries see a blob some time after they took it.

use std::time::Duration;

use super::change::Random;
use super::{Reasons, reason};
use crate::cancel::Cancel;
use crate::client::Client;
use crate::exchange::Reply;
use crate::registry::RegistryError;
use crate::url::Url;

/// How often a refusal is doubted.
const TRIES_MAX: u32 = 6;
/// How often it is doubted that a registry has other bytes under a digest: it may be writing them just now.
const READS_MAX: u32 = 3;
/// The wait before the second attempt; it grows with each. All of them together take 3 seconds.
const PAUSE: Duration = Duration::from_millis(150);
/// The longest wait on top of that: who was refused together need not come back together.
const SPREAD: Duration = Duration::from_millis(100);

/// What a registry says that does not know, or can't read, something that a document names. The digest is never the
/// document's own: that was computed here.
const OF_PARTS: [&str; 4] =
    ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "DIGEST_INVALID"];
/// What a registry says that got other bytes than were sent.
const OF_BYTES: [&str; 3] = ["DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"];

/// How much longer a refusal is doubted.
pub(in crate::registry) struct Doubt {
    left: u32,
    pause: Duration,
    random: Random,
}

impl Doubt {
    /// `seed` tells writers in different processes apart.
    pub(super) fn new(seed: u64) -> Self {
        Self { left: TRIES_MAX, pause: PAUSE, random: Random(seed) }
    }

    /// Of who reads bytes that have another digest than the registry says.
    pub(in crate::registry) fn of_reading() -> Self {
        Self { left: READS_MAX, ..Self::new(0) }
    }

    /// Waits before the next attempt. Returns false if there shall be none.
    pub(in crate::registry) fn again(&mut self, client: &Client, cancel: &Cancel) -> bool {
        if self.left == 0 || cancel.is_cancelled() {
            return false;
        }
        let pause = self.pause + self.random.up_to(SPREAD);
        cancel.wait(pause.min(client.options.retry_delay_max));
        self.left -= 1;
        self.pause += PAUSE;
        true
    }
}

/// Whether a document is refused for something that it names. If it is, the error says so.
pub(super) fn of_parts(shown: &Url, reply: &Reply) -> Option<RegistryError> {
    let (url, status) = (shown.clone(), reply.status);
    (matches!(status, 400 | 404) && says(&reply.body, &OF_PARTS)).then(|| {
        let reason = reason(&reply.body);
        RegistryError::Incomplete { url, status, reason }
    })
}

/// Whether an upload is refused since other bytes arrived than were sent.
pub(super) fn is_of_bytes(reply: &Reply) -> bool {
    reply.status == 400 && says(&reply.body, &OF_BYTES)
}

/// Whether a registry names one of these codes as the reason of an error.
fn says(body: &[u8], codes: &[&str]) -> bool {
    let reasons = serde_json::from_slice(body).map(|read: Reasons| read.errors);
    reasons.is_ok_and(|reasons| reasons.iter().any(|one| codes.contains(&one.code.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_looked_for_where_they_stand() {
        for (body, of_parts, of_bytes) in [
            (r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]}"#, true, false),
            (r#"{"errors":[{"code":"A"},{"code":"DIGEST_INVALID"}]}"#, true, true),
            (r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}"#, false, true),
            (r#"{"errors":[{"code":"MANIFEST_INVALID","message":"BLOB_UNKNOWN"}]}"#, false, false),
            (r#"{"errors":[{"code":"DENIED"}]}"#, false, false),
            (r#"{"code":"BLOB_UNKNOWN"}"#, false, false),
            ("BLOB_UNKNOWN", false, false),
            ("", false, false),
        ] {
            assert_eq!(says(body.as_bytes(), &OF_PARTS), of_parts, "{body}");
            assert_eq!(says(body.as_bytes(), &OF_BYTES), of_bytes, "{body}");
        }
    }
}
