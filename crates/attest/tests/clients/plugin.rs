// SPDX-License-Identifier: Apache-2.0
//! Keys behind programs.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use hardpan_attest::key::plugin::{Call, PluginSigner, Reference, Reply, Request, answer};
use hardpan_attest::key::{PrivateKey, PublicKey, Signer as _, sign_and_check};

use crate::{Cosign, attempt, clients, run, signing_config};

const KEY: &[u8] = include_bytes!("../../testdata/keys/pkcs8.pem");
const NAME: &str = "sigstore-kms-hardpantest";
/// What the plugin is asked, and where its answer goes: this program is the plugin, too.
const ARGUMENTS: [&str; 2] = ["HARDPAN_TEST_PLUGIN_VERSION", "HARDPAN_TEST_PLUGIN_REQUEST"];
const REPLY: &str = "HARDPAN_TEST_PLUGIN_REPLY";

/// Writes the plugin: a script that has this program run [`acts_as_a_plugin`].
fn plugin(folder: &Path) -> PublicKey {
    let (this, reply) = (std::env::current_exe().unwrap(), folder.join("reply"));
    let ([version, request], this, reply) = (ARGUMENTS, this.display(), reply.display());
    let script = format!(
        "#!/bin/sh\n{version}=$1 {request}=$2 {REPLY}='{reply}' '{this}' --exact plugin::acts_as_a_plugin >/dev/null\n\
         exec /bin/cat '{reply}'\n"
    );
    std::fs::write(folder.join("key.pem"), KEY).unwrap();
    // A file that this process wrote can't be run while another thread of it forks.
    let path = folder.join(NAME);
    std::fs::write(path.with_extension("sh"), script).unwrap();
    run({
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(path.with_extension("sh")).arg(path);
        install
    });
    PrivateKey::parse(KEY, None).unwrap().public_key().clone()
}

#[test]
fn acts_as_a_plugin() {
    let Some(file) = std::env::var_os(REPLY) else { return };
    let arguments = ARGUMENTS.map(|name| std::env::var(name).unwrap());
    let request = Request::parse(&arguments).unwrap();
    let mut message = Vec::new();
    std::io::stdin().read_to_end(&mut message).unwrap();
    let reply = match std::fs::read(&request.key) {
        Ok(pem) => answer(&request, &message, &PrivateKey::parse(&pem, None).unwrap()),
        Err(error) => Reply::Error(error.to_string()),
    };
    std::fs::write(file, reply.to_bytes()).unwrap();
}

#[test]
fn cosign_signs_through_our_plugin() {
    let clients = clients!();
    let public = plugin(clients.work.path());
    let config = signing_config(&clients);
    clients.write("message", b"message");
    for which in Cosign::BOTH {
        let pem = run(clients.cosign(which, &["public-key", "--key", "hardpantest://key.pem"]));
        assert_eq!(PublicKey::parse_pem(&pem).unwrap(), public, "{which:?}");
        let mut arguments = vec!["sign-blob", "--yes", "--key", "hardpantest://key.pem", "message"];
        arguments.extend(["--bundle", "message.json"]);
        match which {
            Cosign::Two => arguments.extend(["--tlog-upload=false", "--new-bundle-format"]),
            Cosign::Three => arguments.extend(["--signing-config", config]),
        }
        run(clients.cosign(which, &arguments));
        let bundle: serde_json::Value =
            serde_json::from_slice(&clients.read("message.json")).unwrap();
        let signature = bundle["messageSignature"]["signature"].as_str().unwrap();
        let signature = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(signature).unwrap()
        };
        public.verify(b"message", &signature).unwrap();
        let missing = clients.cosign(which, &["public-key", "--key", "hardpantest://missing.pem"]);
        let error = attempt(missing).unwrap_err();
        assert!(error.contains("No such file"), "{which:?}: {error}");
    }
}

#[test]
fn we_sign_through_a_program() {
    let work = tempfile::tempdir().unwrap();
    let public = plugin(work.path());
    let path = work.path().join("key.pem");
    let reference: Reference = format!("hardpantest://{}", path.display()).parse().unwrap();
    let start = |call: Call<'_>| {
        assert_eq!(call.program, NAME);
        let mut command = Command::new(work.path().join(NAME));
        command.args(call.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().unwrap().write_all(call.input)?;
        Ok(child.wait_with_output()?.stdout)
    };
    let signer = PluginSigner::open(reference, &start).unwrap();
    assert_eq!(*signer.public_key(), public);
    sign_and_check(&signer, b"message").unwrap();
    let missing: Reference = "hardpantest:///missing.pem".parse().unwrap();
    let error = PluginSigner::open(missing, &start).unwrap_err().to_string();
    assert!(error.contains("the plugin says: No such file"), "{error}");
}
