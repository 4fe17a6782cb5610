// SPDX-License-Identifier: Apache-2.0
//! gpg/verify, cosign/verify-blob.

use crate::support::Catalog;

/// Makes signatures of two keys in a step, and verifies one in the next.
const BUILDS: &str = "    - name: signed
      contents: {packages: [bash, coreutils, cosign, gpg, gpg-agent, openssl]}
      pipeline:
        - name: sign
          runs: |
            set -eu
            export GNUPGHOME=/tmp/signer
            mkdir -m 700 $GNUPGHOME
            echo text >file
            for name in one two; do
              gpg --batch --quiet --passphrase '' --quick-gen-key $name@example.org ed25519 sign never
              gpg --armor --export $name@example.org >$name.asc
              openssl ecparam -name prime256v1 -genkey -noout -out $name.pem
              openssl ec -in $name.pem -pubout -out $name.pub
            done
            gpg --batch --armor --local-user one@example.org --output file.asc --detach-sign file
            openssl dgst -sha256 -sign one.pem file | base64 -w0 >file.sig
            gpgconf --kill all
        - name: gpg
          uses: gpg/verify@v1
          with: {file: file, signature: file.asc, keys: one.asc}
        - name: cosign
          uses: cosign/verify-blob@v1
          with: {blob: file, signature: file.sig, key: one.pub, tlog: false}
      outputs:
        - {source: file, target: /file}
";

#[test]
fn what_is_signed_goes_on_and_what_is_not_stops() {
    let Some(catalog) = Catalog::new("what_is_signed_goes_on_and_what_is_not_stops") else {
        return;
    };
    catalog.define("base-files", BUILDS);
    // gpg writes its remarks in pieces, and the line may begin amid one of them.
    catalog.build().expect(0, &["signed by ", "Verified OK"]);
    assert_eq!(catalog.image().text("file"), "text\n");
    let bad = "            gpgconf --kill all\n            echo other >file\n";
    let changed = BUILDS.replace("            gpgconf --kill all\n", bad);
    for (builds, step, reason) in [
        (changed.clone(), "gpg", "BAD signature"),
        (BUILDS.replace("keys: one.asc", "keys: two.asc"), "gpg", "No public key"),
        (BUILDS.replace("key: one.pub", "key: two.pub"), "cosign", "invalid signature"),
    ] {
        catalog.define("base-files", &builds);
        let failed = format!("signed, step {step} failed with exit code ");
        catalog.build().expect(5, &[&failed, reason]);
    }
}
