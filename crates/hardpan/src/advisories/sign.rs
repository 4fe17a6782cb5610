// SPDX-License-Identifier: Apache-2.0
//! A signed statement about a database.

use hardpan_attest::key::Signer;
use hardpan_attest::predicate::Time;
use hardpan_attest::signature::SignedStatement;
use hardpan_attest::{Statement, Subject};
use hardpan_scan::advisory::Advisories as _;
use hardpan_scan::advisory::database::Database;
use hardpan_tree::Digest;
use serde::Serialize;

use super::AdvisoriesError;
use crate::error::Error;
use crate::trust::TrustError;

/// What the statement is called. It has no version of its own: the database has.
pub(super) const PREDICATE_TYPE: &str = "https://hardpan.dev/advisory-database/v1";
/// What the file is called in the statement.
const NAME: &str = "advisories.hpdb";

/// The predicate: where the data came from, for whoever reads the statement without the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    sources: Vec<SourceEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceEntry {
    name: String,
    digest: SourceDigest,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    records: u32,
}

#[derive(Serialize)]
struct SourceDigest {
    sha256: String,
}

/// Signs a database. Returns the bundle that belongs beside it.
///
/// # Errors
/// If the bytes are no database, or the key can't sign.
pub fn sign_advisories(bytes: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, Error> {
    let database = Database::open(bytes).map_err(AdvisoriesError::Database)?;
    let sources = (database.sources().iter())
        .map(|source| SourceEntry {
            name: source.name.to_string(),
            digest: SourceDigest { sha256: Digest::from_bytes(source.sha256).to_hex() },
            time: source.time.map(|seconds| Time::from_seconds(seconds).to_string()),
            records: source.records,
        })
        .collect();
    let subject = Subject::new(NAME, Digest::of(bytes));
    let statement = Statement::new(vec![subject], PREDICATE_TYPE, &Predicate { sources })
        .map_err(|source| TrustError::Json { predicate_type: PREDICATE_TYPE.to_owned(), source })?;
    Ok(SignedStatement::new(statement, signer).map_err(TrustError::from)?.to_bundle())
}
