// SPDX-License-Identifier: Apache-2.0
//! Logins by file, scope and helper.

use super::*;

fn password(username: &str, password: &str) -> Credential {
    Credential::Password { username: username.into(), password: password.into() }
}

fn found(files: &[&str], name: &str) -> (Option<Credential>, Option<String>) {
    let mut logins = Logins::new(|helper, server| match helper {
        "good" => Ok(HelperReply::Output(
            format!(r#"{{"ServerURL":"{server}","Username":"h","Secret":"for {server}"}}"#).into(),
        )),
        "token" => Ok(HelperReply::Output(br#"{"Username":"<token>","Secret":"t"}"#.to_vec())),
        "empty" => Ok(HelperReply::NotFound),
        "garbage" => Ok(HelperReply::Output(b"secret=hunter2".to_vec())),
        _ => Err(format!("docker-credential-{helper} is not there")),
    });
    for (number, text) in files.iter().enumerate() {
        logins.add_file(&format!("file {number}"), text.as_bytes());
    }
    let (registry, repository) = name.split_once('/').unwrap();
    let lookup = logins.find(registry, repository);
    (lookup.credential, lookup.source)
}

#[test]
fn the_most_exact_login_counts() {
    // a:1, b:2 and c:3
    let file = r#"{"auths": {
        "registry.example": {"auth": "YToxAA=="},
        "registry.example/team": {"auth": "Yjoy"},
        "registry.example/team/app": {"auth": "Yzoz"},
        "plain.example": {"username": "d", "password": "4"},
        "identity.example": {"auth": "YTox", "identitytoken": "i"},
        "empty.example": {},
        "null.example": null
    }}"#;
    for (name, expected) in [
        ("registry.example/other", Some(password("a", "1"))),
        ("registry.example/teams/app", Some(password("a", "1"))),
        ("registry.example/team/x/y", Some(password("b", "2"))),
        ("registry.example/team/app", Some(password("c", "3"))),
        ("plain.example/a", Some(password("d", "4"))),
        ("identity.example/a", Some(Credential::IdentityToken("i".into()))),
        ("empty.example/a", None),
        ("null.example/a", None),
        ("registry.example:443/a", None),
        ("other.example/a", None),
    ] {
        assert_eq!(found(&[file], name).0, expected, "{name}");
    }
}

#[test]
fn helpers_and_files_have_an_order() {
    let login = r#"{"auths": {"a.example": {"auth": "YTox"}}}"#;
    let store = r#"{"auths": {"a.example": {}}, "credsStore": "good"}"#;
    let own =
        r#"{"auths": {"a.example": {"auth": "Yjoy"}}, "credHelpers": {"a.example": "token"}}"#;
    let empty = r#"{"credsStore": "empty"}"#;
    let missing = r#"{"credsStore": "missing", "auths": {"a.example": {"auth": "Yjoy"}}}"#;
    let helped = || Some(password("h", "for a.example"));
    for (files, expected, source) in [
        (&[login, store][..], Some(password("a", "1")), Some("file 0")),
        (&[store, login], helped(), Some("docker-credential-good")),
        (
            &[own, login],
            Some(Credential::IdentityToken("t".into())),
            Some("docker-credential-token"),
        ),
        (&[empty, login], Some(password("a", "1")), Some("file 1")),
        (&[missing], Some(password("b", "2")), Some("file 0")),
        (&[r#"{"credsStore": "missing"}"#, login], Some(password("a", "1")), Some("file 1")),
        (&[r#"{"credsStore": "garbage"}"#], None, None),
        (&["{}"], None, None),
    ] {
        let (credential, from) = found(files, "a.example/x");
        assert_eq!((credential, from.as_deref()), (expected, source), "{files:?}");
    }
    let hub = found(&[store], "docker.io/library/a").0.unwrap();
    assert_eq!(hub, password("h", &format!("for https://index.{DEFAULT_REGISTRY}/v1/")));
}

#[test]
fn helpers_are_asked_once() {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let mut logins = Logins::new(move |_, _| {
        *counted.lock().unwrap() += 1;
        Ok(HelperReply::NotFound)
    });
    logins.add_file("file", br#"{"credsStore": "x"}"#);
    for _ in 0..3 {
        logins.clone().find("a.example", "a");
    }
    assert_eq!(*count.lock().unwrap(), 1);
}

#[test]
fn nothing_secret_is_shown() {
    let mut logins = Logins::new(|_, _| Ok(HelperReply::Output(b"secret=hunter2".to_vec())));
    for text in [
        r#"{"auths": {"a.example": {"auth": "aHVudGVyMjpodW50ZXIy"}}, "credsStore": "x"}"#,
        r#"{"auths": "hunter2"}"#,
        r#"{"auths": {"a": {"auth": ["hunter2"]}}}"#,
        r#"{"auths": {"a": {"auth": "hunter2!"}}}"#,
        r#"{"auths": {"a": {"auth": "hunter2"#,
        "hunter2",
    ] {
        logins.add_file("file", text.as_bytes());
    }
    let lookup = logins.find("b.example", "b");
    assert_eq!(lookup.problems.len(), 6, "{:?}", lookup.problems);
    let lookup_of_a = logins.find("a.example", "b");
    assert!(lookup_of_a.credential.is_some());
    let shown = format!("{logins:?} {lookup:?} {lookup_of_a:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("aHVud"), "{shown}");
    let reply = HelperReply::Output(b"hunter2".to_vec());
    assert_eq!(format!("{reply:?}"), "Output");
}

#[test]
fn files_that_are_none_are_refused() {
    for (text, error) in [
        (String::new(), LoginFileError::Malformed { line: 1, column: 0 }),
        ("[]".into(), LoginFileError::Malformed { line: 1, column: 2 }),
        (
            r#"{"auths": {"a": {"auth": "YTox!"}}}"#.into(),
            LoginFileError::Login { key: "a".into() },
        ),
        (r#"{"auths": {"a": {"auth": "YQ=="}}}"#.into(), LoginFileError::Login { key: "a".into() }),
        (" ".repeat(1 << 21), LoginFileError::TooLarge),
    ] {
        let parsed = file::LoginFile::parse("file", text.as_bytes()).err();
        assert_eq!(parsed, Some(error), "{text:.80}");
    }
}
