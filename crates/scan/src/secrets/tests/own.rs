// SPDX-License-Identifier: Apache-2.0
//! Our own rules, each with what it finds and what it doesn't.

use std::collections::BTreeSet;

use super::*;

/// Rule, path, what it finds, and what it does not find.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "private-key",
        "app/k.txt",
        "-----BEGIN RSA PRIVATE KEY-----\n<b64>\n<b64>\n",
        "-----BEGIN RSA PRIVATE KEY-----\n<b20>\n",
    ),
    (
        "private-key",
        "app/k.json",
        r#""-----BEGIN PRIVATE KEY-----\n<b64>\n<b64>""#,
        "-----BEGIN PUBLIC KEY-----\n<b64>\n<b64>\n",
    ),
    (
        "private-key",
        "app/k",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,<h32>\n\n<b64>\n",
        "write -----BEGIN PRIVATE KEY----- before the words of the key that was made",
    ),
    (
        "putty-private-key",
        "a.ppk",
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 1\n<b64>\nPrivate-Lines: 1\n<b48>\n",
        "PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 1\n<b64>\n",
    ),
    (
        "age-secret-key",
        "k",
        "AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE",
        "AGE-SECRET-KEY-1QPZRY9X8",
    ),
    (
        "wireguard-private-key",
        "etc/wg0.conf",
        "[Interface]\nPrivateKey = <b42>A=\n",
        "[Peer]\nPublicKey = <b42>A=\n",
    ),
    ("key-store", "app/identity.p12", "x", ""),
    ("password-hash", "etc/shadow", "root:$6$abc$<a60>:19000:0\n", "root:*:19000:0\nx:!:1\n"),
    ("jwt", "a.txt", "t=eyJ<a30>.eyJ<a60>.<a43>\n", "t=eyJ<a30>.<a60>.<a43>\n"),
    (
        "password-in-url",
        "app/run.sh",
        "curl https://bob:<a14>@repo.corp.internal/x",
        "curl https://bob:password@repo.corp.internal/x https://repo.corp.internal/<a14>@x",
    ),
    (
        "authorization-basic",
        "app/run.sh",
        "Authorization: Basic <a30>==",
        "Authorization: Basic dXNlcm5hbWU6cGFzc3dvcmQ=",
    ),
    (
        "authorization-bearer",
        "app/run.sh",
        "Authorization: Bearer <a40>",
        "Authorization: Bearer your-own-token-goes-right-here",
    ),
    ("netrc-password", "root/.netrc", "machine a login b password <a12>\n", "machine a login b\n"),
    ("pgpass-password", "root/.pgpass", "db:5432:app:bob:<a12>\n", "# db:5432:app:bob:<a12>\n"),
    (
        "mysql-client-password",
        "root/.my.cnf",
        "[client]\npassword = <a12>\n",
        "[client]\nuser = <a12>\n",
    ),
    (
        "docker-config-auth",
        "root/.docker/config.json",
        r#"{"auths":{"r.example":{"auth":"<a24>"}}}"#,
        r#"{"auths":{"r.example":{}},"credsStore":"pass"}"#,
    ),
    (
        "kubeconfig-credential",
        "root/.kube/config",
        "users:\n- name: a\n  user:\n    token: <a40>\n",
        "users:\n- name: a\n  user:\n    exec: {}\n",
    ),
    (
        "npmrc-credential",
        "root/.npmrc",
        "//r.example/:_authToken=<a36>\n",
        "//r.example/:_authToken=${TOKEN}\n",
    ),
    (
        "pypirc-password",
        "root/.pypirc",
        "[pypi]\nusername = a\npassword = <a20>\n",
        "[pypi]\nusername = a\npassword = %(env)s\n",
    ),
    (
        "cargo-credential",
        "root/.cargo/credentials.toml",
        "[registry]\ntoken = \"<a32>\"\n",
        "[registry]\ntoken = \"\"\n",
    ),
    (
        "maven-password",
        "root/.m2/settings.xml",
        "<password><a16></password>",
        "<password>${env.PW}</password>",
    ),
    ("aws-access-key-id", "a", "AKIA<z16>", "AKIAIOSFODNN7EXAMPLE"),
    (
        "aws-secret-access-key",
        "a",
        "aws_secret_access_key = <b40>\n",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    ),
    ("aws-session-token", "a", "AWS_SESSION_TOKEN=<b200>", "AWS_SESSION_TOKEN=<b40>"),
    ("gcp-api-key", "a", "AIza<a35>", "AIza<a20>"),
    (
        "gcp-service-account",
        "a.json",
        r#"{"private_key_id": "<h40>"}"#,
        r#"{"private_key_id": ""}"#,
    ),
    ("gcp-oauth-client-secret", "a", "GOCSPX-<a28>", "GOCSPX-<a10>"),
    ("gcp-access-token", "a", "ya29.<a120>", "ya29.<a20>"),
    (
        "azure-storage-key",
        "a",
        "AccountName=a;AccountKey=<b86>==;",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    ),
    ("azure-shared-access-key", "a", "SharedAccessKey=<b43>=", "SharedAccessKey=<b20>="),
    (
        "azure-sas-signature",
        "a",
        "https://a.blob/x?sv=2024-01-01&sp=r&sig=<a43>%3D",
        "https://a.blob/x?sv=2024-01-01&sp=r",
    ),
    ("azure-client-secret", "a", "secret: <a3>8Q~<a32>\n", "secret: <a3>8Q~<a12>\n"),
    ("digitalocean-token", "a", "dop_v1_<h64>", "dop_v1_<h12>"),
    ("heroku-api-key", "a", "HRKU-<a60>", "HRKU-<a20>"),
    ("alibaba-access-key-id", "a", "LTAI<a20>", "LTAI<a6>"),
    ("databricks-token", "a", "dapi<h32>", "dapi<h8>"),
    ("fly-token", "a", "fo1_<a43>", "fo1_<a20>"),
    ("github-token", "a", "ghp_<a36>", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ("github-fine-grained-token", "a", "github_pat_<a22>_<a59>", "github_pat_<a22>"),
    ("gitlab-token", "a", "glpat-<a20>", "glpat-xxxxxxxxxxxxxxxxxxxx"),
    ("bitbucket-token", "a", "ATBB<a32>", "ATBB<a12>"),
    ("npm-token", "a", "npm_<a36>", "npm_config_registry_and_other_variables_of_it"),
    ("pypi-token", "a", "pypi-AgEIcHlwaS5vcmc<a80>", "pypi-AgEIcHlw"),
    ("crates-io-token", "a", "cio<a32>", "cio<l32>"),
    ("rubygems-token", "a", "rubygems_<h48>", "rubygems_<h12>"),
    ("nuget-token", "a", "oy2<s43>", "oy2<s12>"),
    ("docker-hub-token", "a", "dckr_pat_<a27>", "dckr_pat_<a8>"),
    ("artifactory-token", "a", "AKCp<a69>", "AKCp<a20>"),
    ("slack-token", "a", "xoxb-<d12>-<d12>-<a24>", "xoxb-your-own-token-in-here-please"),
    (
        "slack-webhook",
        "a",
        "https://hooks.slack.com/services/T<u9>/B<u9>/<a24>",
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    ),
    (
        "discord-webhook",
        "a",
        "https://discord.com/api/webhooks/<d18>/<a68>",
        "https://discord.com/api/webhooks/<d18>",
    ),
    ("telegram-bot-token", "a", "<d9>:AA<a33>", "<d9>:AA<a10>"),
    ("stripe-key", "a", "sk_live_<a24>", "sk_test_<a24>"),
    ("stripe-webhook-secret", "a", "whsec_<b32>", "whsec_<b8>"),
    ("square-token", "a", "sq0atp-<a22>", "sq0atp-<a8>"),
    ("shopify-token", "a", "shpat_<h32>", "shpat_<h8>"),
    ("twilio-key", "a", "twilio_key: SK<h32>", "key: SK<h32>"),
    ("sendgrid-key", "a", "SG.<a22>.<a43>", "SG.<a22>"),
    ("mailgun-key", "a", "mailgun: key-<h32>", "key-<h32>"),
    ("mailchimp-key", "a", "mailchimp = <h32>-us12", "mailchimp = <h32>"),
    ("openai-key", "a", "sk-proj-<a40>T3BlbkFJ<a40>", "sk-proj-<a12>"),
    ("anthropic-key", "a", "sk-ant-api03-<a93>", "sk-ant-api03-<a20>"),
    ("hugging-face-token", "a", "hf_<l34>", "hf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("vault-token", "a", "hvs.<a90>", "hvs.<a8>"),
    ("terraform-cloud-token", "a", "<a14>.atlasv1.<a67>", "<a14>.atlasv1.<a8>"),
    ("pulumi-token", "a", "pul-<h40>", "pul-<h8>"),
    ("grafana-token", "a", "glsa_<a32>_<h8>", "glsa_<a32>"),
    ("new-relic-key", "a", "NRAK-<u27>", "NRAK-<u8>"),
    ("sentry-token", "a", "sntrys_eyJ<a120>", "sntrys_eyJ"),
    ("sonar-token", "a", "sqp_<h40>", "sqp_<h8>"),
    ("tailscale-key", "a", "tskey-auth-<a12>-<a24>", "tskey-auth-<a4>"),
    ("postman-key", "a", "PMAK-<h24>-<h34>", "PMAK-<h24>"),
    ("linear-key", "a", "lin_api_<a40>", "lin_api_<a8>"),
    ("notion-token", "a", "ntn_<d11><a35>", "ntn_<d11>"),
    ("doppler-token", "a", "dp.pt.<a43>", "dp.pt.<a8>"),
    ("planetscale-token", "a", "pscale_pw_<a43>", "pscale_pw_<a8>"),
    ("cloudflare-origin-key", "a", "v1.0-<h24>-<h146>", "v1.0-<h24>"),
    ("circleci-token", "a", "CCIPAT_<a22>_<h40>", "CCIPAT_<a22>"),
    ("buildkite-token", "a", "bkua_<h40>", "bkua_<h8>"),
    (
        "generic-assignment",
        "app/settings.py",
        "DB_PASSWORD = 'kV9#<a14>'",
        "DB_PASSWORD = 'changeme-please'\nCSRF_TOKEN = 'kV9<a14>'\nPASSWORD_FIELD = 'user_password_field'",
    ),
    (
        "generic-assignment",
        "app/src/a.js",
        "const apiKey = \"<a32>\"",
        "const apiKey = getSecret(\"<a32>\")",
    ),
    (
        "env-assignment",
        "app/.env",
        "API_KEY=<a24>\n",
        "API_KEY=${KEY}\nPASSWORD=\nLOG_LEVEL=<a24>\nTOKEN_FILE=/run/secrets/x\n",
    ),
    ("env-assignment", "srv/.aws/credentials", "secret_key=<a24>\n", "region=eu-central-1\n"),
];

#[test]
fn each_rule_finds_its_own_and_nothing_else() {
    let rules = Rules::builtin();
    let mut wrong = Vec::new();
    for &(rule, path, yes, no) in CASES {
        let (yes, no) = (fill(yes), fill(no));
        let mut expect = |path: &str, text: &str, expected: &[&str], what: &str| {
            let found = found(&rules, path, text);
            if found != expected {
                wrong.push(format!("{rule}: {what}: {found:?}"));
            }
        };
        expect(path, &yes, &[rule], &yes);
        // Text around it, and its place, change nothing.
        let (before, after) = ("filler words of a text\n".repeat(30_000), "more\n".repeat(1000));
        expect(path, &format!("{before}\n{yes}\n{after}"), &[rule], "in a long file");
        let path = if rule == "key-store" { "app/identity.pem" } else { path };
        expect(path, &no, &[], &no);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tested: BTreeSet<&str> = CASES.iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<&str> = rules.iter().map(|rule| rule.id).collect();
    assert_eq!(all, tested);
}

#[test]
fn rules_for_paths_need_them() {
    let rules = Rules::builtin();
    for (path, template, expected) in [
        ("etc/shadow", "a:$6$x$<a60>:1\n", 1),
        ("etc/shadow-", "a:$6$x$<a60>:1\n", 1),
        ("srv/.htpasswd", "a:$apr1$x$<a22>\n", 1),
        ("srv/shadow.txt", "a:$6$x$<a60>:1\n", 0),
        ("app/.env.production", "SECRET_KEY=<a24>\n", 1),
        ("app/run.sh", "SECRET_KEY=<a24>\n", 0),
        // What others bring for their own tests and handbooks.
        ("usr/lib/python3/dist-packages/django/conf/settings.py", "SECRET_KEY = 'kV9#<a30>'\n", 0),
        (
            "srv/app/node_modules/x/test/key.pem",
            "-----BEGIN RSA PRIVATE KEY-----\n<b64>\n<b64>\n",
            0,
        ),
        (
            "srv/app/node_modules/x/lib/key.pem",
            "-----BEGIN RSA PRIVATE KEY-----\n<b64>\n<b64>\n",
            1,
        ),
        ("usr/share/doc/x/examples/key.pem", "-----BEGIN RSA PRIVATE KEY-----\n<b64>\n<b64>\n", 0),
        // Tokens of services are nowhere at home.
        ("srv/app/node_modules/x/test/a.js", "ghp_<a36>", 1),
        ("usr/share/doc/x/README.md", "ghp_<a36>", 1),
    ] {
        assert_eq!(found(&rules, path, &fill(template)).len(), expected, "{path} {template}");
    }
}

#[test]
fn wide_and_binary_files() {
    let rules = Rules::builtin();
    let token = fill("ghp_<a36>");
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(token.bytes().flat_map(|byte| [byte, 0])).collect();
    let binary = [b"\x7fELF\0\0\x01", token.as_bytes(), b"\0\0"].concat();
    for (name, bytes, line) in [("wide", &wide, Some(1)), ("binary", &binary, None)] {
        let report = scan(&rules, &[tar(&[(name, bytes)])]);
        assert_eq!(report.findings.len(), 1, "{name}");
        let Place::File { line: found, .. } = report.findings[0].place else { panic!("{name}") };
        assert_eq!(found, line, "{name}");
    }
    // Words of programs are no settings.
    let text = fill("\0password = 'kV9#<a14>'\0");
    assert_eq!(found(&rules, "bin/x", &text), [""; 0]);
}

#[test]
fn what_stands_at_the_edge_of_a_window_is_found() {
    let rules = Rules::builtin();
    let token = fill("ghp_<a36>");
    for before in (0..90)
        .step_by(7)
        .map(|off| (512 << 10) - 50 + off)
        .chain([(512 << 10) - (16 << 10) - 5, 1 << 20])
    {
        let text = format!("{}\n{token}\n{}", "x".repeat(before), "y".repeat(20_000));
        let report = scan(&rules, &[tar(&[("a", text.as_bytes())])]);
        assert_eq!(report.findings.len(), 1, "{before}");
        assert_eq!(report.findings[0].count, 1, "{before}");
        assert!(report.findings[0].to_string().starts_with("/a:2 (layer 0)"), "{before}");
    }
}
