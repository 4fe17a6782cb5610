// SPDX-License-Identifier: Apache-2.0
//! Programs that run on while they are asked something.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use hardpan::sandbox::{Exit, Network, Program, Root, Sandbox, SandboxError, Service};

use crate::support::{Place, has_process, program, sandbox};

const PORT: u16 = 8080;
const SERVER: [&str; 6] = ["busybox", "httpd", "-f", "-p", "8080", "-h"];

fn server() -> Program {
    program(&[&SERVER[..], &["/etc"]].concat())
}

fn with_loopback(place: &Place) -> Sandbox<'static> {
    Sandbox { network: Network::Loopback, ..sandbox(Root::ReadOnly(place.lower())) }
}

/// Connects as soon as somebody listens.
fn connect(service: &Service) -> TcpStream {
    for _ in 0..200 {
        match service.connect(PORT) {
            Ok(stream) => return stream,
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
    panic!("nobody listens: {:?}", service.connect(PORT));
}

fn fetch(service: &Service) -> String {
    let mut stream = connect(service);
    stream.write_all(b"GET /file HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_is_asked_and_ends() {
    let Some(place) = Place::new("a_server_is_asked_and_ends") else { return };
    let sandbox = with_loopback(&place);
    let mut printed = 0;
    // A realm for passwords, which nobody is asked for.
    let mark = format!("realm-{}", std::process::id());
    let server = program(&[&SERVER[..], &["/etc", "-r", &mark]].concat());
    let (answers, ended) = sandbox
        .run_beside(&server, &mut |_, bytes| printed += bytes.len(), |service| {
            let answers = [fetch(service), fetch(service)];
            assert_eq!(
                service.connect(PORT + 1).unwrap_err().kind(),
                std::io::ErrorKind::ConnectionRefused
            );
            assert!(!service.has_ended());
            answers
        })
        .unwrap();
    for answer in answers {
        assert!(answer.starts_with("HTTP/1") && answer.ends_with("below\n"), "{answer}");
    }
    assert_eq!(ended, None);
    assert!(!has_process(&mark));
}

#[test]
fn two_servers_have_a_loopback_each() {
    let Some(place) = Place::new("two_servers_have_a_loopback_each") else { return };
    let (first, second) = (with_loopback(&place), with_loopback(&place));
    let other = program(&[&SERVER[..], &["/data"]].concat());
    let (answers, _) = first
        .run_beside(&server(), &mut |_, _| {}, |one| {
            let ask = |two: &Service| [fetch(one), fetch(two)];
            second.run_beside(&other, &mut |_, _| {}, ask).unwrap().0
        })
        .unwrap();
    assert!(answers[0].contains("200 OK"), "{}", answers[0]);
    assert!(answers[1].contains("404 Not Found"), "{}", answers[1]);
}

#[test]
fn a_service_that_ends_by_itself() {
    let Some(place) = Place::new("a_service_that_ends_by_itself") else { return };
    let sandbox = with_loopback(&place);
    let mut printed = Vec::new();
    let (answer, ended) = sandbox
        .run_beside(
            &program(&["sh", "-c", "echo gone; exit 3"]),
            &mut |_, bytes| printed.extend_from_slice(bytes),
            |service| {
                while !service.has_ended() {
                    sleep(Duration::from_millis(10));
                }
                service.connect(PORT).is_err()
            },
        )
        .unwrap();
    assert!(answer);
    assert_eq!(ended.map(|finished| finished.exit), Some(Exit::Code(3)));
    assert_eq!(printed, b"gone\n");
}

#[test]
fn a_service_that_can_not_start() {
    let Some(place) = Place::new("a_service_that_can_not_start") else { return };
    let sandbox = with_loopback(&place);
    let ran = sandbox.run_beside(&program(&["nowhere"]), &mut |_, _| {}, |service| {
        while !service.has_ended() {
            sleep(Duration::from_millis(10));
        }
    });
    assert!(matches!(ran, Err(SandboxError::NoProgram { .. })), "{ran:?}");
}
