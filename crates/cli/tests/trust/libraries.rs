// SPDX-License-Identifier: Apache-2.0
//! Libraries of others that programs verify with: Sigstore's for JavaScript, and the one for Python that TUF and in-toto use.

#![allow(clippy::print_stdout, reason = "what is skipped says so")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::witnesses::bundles;
use crate::world::World;

/// A folder with `node_modules`.
const NODE: &str = "HARDPAN_TEST_NODE";
/// A folder with a Python that has securesystemslib.
const PYTHON: &str = "HARDPAN_TEST_SBOM_TOOLS";

const JAVASCRIPT: &str = "
import { readFileSync } from 'node:fs';
import { createPublicKey } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';
const [, , bundle, key] = process.argv;
const publicKey = createPublicKey(readFileSync(key));
const nobody = { tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
const material = toTrustMaterial(nobody, () => ({ publicKey, validFor: () => true }));
const verifier = new Verifier(material, { tlogThreshold: 0, tsaThreshold: 0, ctlogThreshold: 0 });
try {
  verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundle, 'utf8')))));
  console.log('verified');
} catch (error) {
  console.log(`refused ${error.code}`);
}
";

const PYTHON_PROGRAM: &str = "
import json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
envelope = json.load(open(sys.argv[1]))['dsseEnvelope']
pem = load_pem_public_key(open(sys.argv[2], 'rb').read())
key = SSlibKey.from_crypto(pem, scheme='ecdsa-sha2-nistp256')
for signature in envelope['signatures']:
    signature['keyid'] = key.keyid
try:
    Envelope.from_dict(envelope).verify([key], 1)
    print('verified')
except Exception as error:
    print('refused', type(error).__name__)
";

fn folder(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: the library is not there: {variable}");
    }
    found
}

/// Returns what a program prints of a bundle and a key.
fn said(program: &Path, script: &Path, bundle: &Path, key: &str) -> String {
    let output = Command::new(program).arg(script).arg(bundle).arg(key).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Shows every bundle of an image to a program: with the key, with another, and altered.
fn check(program: &Path, script: &Path, directory: &Path, refused: &str) {
    let world = World::signed();
    let all = bundles(&world, "out");
    assert!(all.len() > 3, "{:?}", all.keys());
    let file = directory.join("bundle.json");
    for (name, bundle) in &all {
        std::fs::write(&file, bundle.to_string()).unwrap();
        assert_eq!(said(program, script, &file, &world.public()), "verified", "{name}");
        assert_eq!(said(program, script, &file, &world.wrong_public()), refused, "{name}");
        let mut altered = bundle.clone();
        let payload = &mut altered["dsseEnvelope"]["payload"];
        let text = payload.as_str().unwrap().to_owned();
        // Still base64, and another payload.
        let begin = if text.starts_with('e') { "f" } else { "e" };
        *payload = format!("{begin}{}", &text[1..]).into();
        std::fs::write(&file, altered.to_string()).unwrap();
        assert_eq!(said(program, script, &file, &world.public()), refused, "{name}");
    }
}

#[test]
fn sigstores_library_for_javascript_verifies_bundles() {
    let Some(folder) = folder(NODE) else { return };
    // Modules are found from where the script is.
    let script = folder.join(format!("verify-{}.mjs", std::process::id()));
    std::fs::write(&script, JAVASCRIPT).unwrap();
    let directory = tempfile::tempdir().unwrap();
    check(Path::new("node"), &script, directory.path(), "refused SIGNATURE_ERROR");
    std::fs::remove_file(script).unwrap();
}

#[test]
fn securesystemslib_verifies_envelopes() {
    let Some(folder) = folder(PYTHON) else { return };
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("verify.py");
    std::fs::write(&script, PYTHON_PROGRAM).unwrap();
    check(&folder.join("python3"), &script, directory.path(), "refused VerificationError");
}
