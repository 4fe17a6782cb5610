// SPDX-License-Identifier: Apache-2.0
//! An HTTP server on this machine's loopback, with faults on demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hardpan_tree::Digest;

use crate::archive::Files;

/// The `Last-Modified` header of every file.
pub const LAST_MODIFIED: &str = "Thu, 02 Jan 2025 00:00:00 GMT";

/// What goes wrong with a file. A number of times counts the requests for which it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers with a status, so many times, with a `Retry-After` header if given.
    Status(u16, usize, Option<&'static str>),
    /// Answers nothing, and keeps the connection.
    Hang,
    /// Sends so many bytes of the body, then nothing, and keeps the connection; so many times.
    HangAfter(usize, usize),
    /// Sends pieces of so many bytes with pauses between them.
    Drip(usize, Duration),
    /// Closes the connection after so many bytes of the body, so many times.
    Truncate(usize, usize),
    /// Closes the connection instead of answering, so many times.
    Close(usize),
    /// Sends other bytes.
    Body(Vec<u8>),
    /// Knows no ranges: sends the whole.
    NoRanges,
    /// Answers a range with another one, from so many bytes further on.
    WrongRange(u64),
    /// Does not announce the size: the end of the connection is the end of the body.
    NoLength,
    /// Sends bytes without end.
    Endless,
    /// Sends no validators.
    NoValidators,
    /// Redirects with a status to somewhere.
    Redirect(u16, String),
    /// Sends something that is not HTTP.
    Garbage,
}

/// A request that the server got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The path, as sent.
    pub path: String,
    /// The headers; their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
}

impl Logged {
    /// Returns a header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Debug, Default)]
struct State {
    files: Files,
    faults: BTreeMap<String, Vec<Fault>>,
    log: Vec<Logged>,
    connections: Vec<TcpStream>,
    stopped: bool,
}

/// A server. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to serve files, by their paths without a slash in front.
    pub fn start(files: Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let shared = Arc::clone(&state);
        let acceptor = std::thread::spawn(move || accept(&listener, &shared));
        Self { address, state, acceptor: Some(acceptor) }
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}", self.address, path.trim_start_matches('/'))
    }

    /// Returns the address, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Serves a file, or other bytes in its place.
    pub fn set_file(&self, path: &str, bytes: Vec<u8>) {
        lock(&self.state).files.insert(path.to_owned(), bytes);
    }

    /// Stops serving a file.
    pub fn remove_file(&self, path: &str) {
        lock(&self.state).files.remove(path);
    }

    /// Adds a fault to a path.
    pub fn fault(&self, path: &str, fault: Fault) {
        lock(&self.state).faults.entry(path.to_owned()).or_default().push(fault);
    }

    /// Takes all faults of a path away.
    pub fn heal(&self, path: &str) {
        lock(&self.state).faults.remove(path);
    }

    /// Returns the requests until now.
    pub fn log(&self) -> Vec<Logged> {
        lock(&self.state).log.clone()
    }

    /// Returns the requests until now, and forgets them.
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut lock(&self.state).log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.state);
            state.stopped = true;
            for connection in state.connections.drain(..) {
                drop(connection.shutdown(Shutdown::Both));
            }
        }
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        {
            let mut state = lock(state);
            if state.stopped {
                break;
            }
            if let Ok(copy) = stream.try_clone() {
                state.connections.push(copy);
            }
        }
        let state = Arc::clone(state);
        threads.push(std::thread::spawn(move || {
            // The client may go away at any time: that is its right.
            let _ = serve(&stream, &state);
            let _ = stream.shutdown(Shutdown::Both);
        }));
    }
    for thread in threads {
        drop(thread.join());
    }
}

/// Serves requests until the connection ends.
fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_request(&mut reader)? {
        if !answer(stream, request, state)? {
            break;
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Logged>> {
    let mut line = String::new();
    if reader.by_ref().take(16_384).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.by_ref().take(16_384).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => return Ok(Some(Logged { path, headers, status: 0 })),
        }
    }
}

/// How a body is sent.
struct Plan {
    status: u16,
    headers: String,
    body: Vec<u8>,
    announced: Option<usize>,
    faults: Vec<Fault>,
}

/// Answers a request. Returns whether the connection may go on.
fn answer(mut stream: &TcpStream, request: Logged, state: &Mutex<State>) -> std::io::Result<bool> {
    // A proxy's client sends the whole URL.
    let target = match request.path.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path).to_owned(),
        None => request.path.trim_start_matches('/').to_owned(),
    };
    let path = percent_decode(&target);
    let plan = plan(&path, &request, &mut lock(state));
    lock(state).log.push(Logged { status: plan.status, ..request });
    let has = |fault: &Fault| plan.faults.contains(fault);
    if has(&Fault::Garbage) {
        stream.write_all(b"\x00\x01 this is not HTTP\r\n\r\n")?;
        return Ok(false);
    }
    if plan.status == 0 {
        if has(&Fault::Hang) {
            wait_for_end(stream);
        }
        return Ok(false);
    }
    let mut head = format!("HTTP/1.1 {} Status\r\n{}", plan.status, plan.headers);
    let length = match plan.announced {
        Some(length) => format!("Content-Length: {length}\r\n\r\n"),
        None => "Connection: close\r\n\r\n".to_owned(),
    };
    head.push_str(&length);
    stream.write_all(head.as_bytes())?;
    send_body(stream, &plan)?;
    Ok(plan.announced == Some(plan.body.len()))
}

fn send_body(mut stream: &TcpStream, plan: &Plan) -> std::io::Result<()> {
    if plan.status >= 300 {
        return stream.write_all(&plan.body);
    }
    for fault in &plan.faults {
        match fault {
            Fault::Endless => loop {
                stream.write_all(&[b'x'; 4096])?;
            },
            Fault::Drip(bytes, pause) => {
                for piece in plan.body.chunks((*bytes).max(1)) {
                    stream.write_all(piece)?;
                    std::thread::sleep(*pause);
                }
                return Ok(());
            }
            Fault::HangAfter(..) => {
                stream.write_all(&plan.body)?;
                wait_for_end(stream);
                return Ok(());
            }
            _ => {}
        }
    }
    stream.write_all(&plan.body)
}

/// Decides about status, headers and body.
fn plan(path: &str, request: &Logged, state: &mut State) -> Plan {
    let mut plan = Plan {
        status: 200,
        headers: String::new(),
        body: Vec::new(),
        announced: None,
        faults: Vec::new(),
    };
    for fault in state.faults.entry(path.to_owned()).or_default() {
        let times = match fault {
            Fault::Status(_, times, _)
            | Fault::Truncate(_, times)
            | Fault::HangAfter(_, times)
            | Fault::Close(times) => times,
            other => {
                plan.faults.push(other.clone());
                continue;
            }
        };
        if *times > 0 {
            *times -= 1;
            plan.faults.push(fault.clone());
        }
    }
    for fault in &plan.faults {
        match fault {
            Fault::Hang | Fault::Close(_) => plan.status = 0,
            Fault::Status(status, _, retry_after) => {
                plan.status = *status;
                plan.announced = Some(0);
                if let Some(value) = retry_after {
                    plan.headers = format!("Retry-After: {value}\r\n");
                }
            }
            Fault::Redirect(status, to) => {
                plan.status = *status;
                plan.announced = Some(0);
                plan.headers = format!("Location: {to}\r\n");
            }
            _ => {}
        }
    }
    if plan.status != 200 {
        return plan;
    }
    let Some(file) = state.files.get(path) else {
        return Plan { status: 404, announced: Some(0), ..plan };
    };
    let other = plan.faults.iter().find_map(|fault| match fault {
        Fault::Body(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let body = other.unwrap_or_else(|| file.clone());
    fill(plan, request, body)
}

/// Fills in what a file's answer consists of: validators, range, length.
fn fill(mut plan: Plan, request: &Logged, body: Vec<u8>) -> Plan {
    let etag = format!("\"{}\"", &Digest::of(&body).to_hex()[..16]);
    if !plan.faults.contains(&Fault::NoValidators) {
        plan.headers = format!("ETag: {etag}\r\nLast-Modified: {LAST_MODIFIED}\r\n");
        let unchanged = match request.header("if-none-match") {
            "" => request.header("if-modified-since") == LAST_MODIFIED,
            validator => validator == etag,
        };
        if unchanged {
            return Plan { status: 304, announced: Some(0), ..plan };
        }
    }
    let whole_bytes = body.len();
    plan.body = body;
    let range = request.header("range").strip_prefix("bytes=").and_then(|r| r.strip_suffix('-'));
    let same = matches!(request.header("if-range"), "" | LAST_MODIFIED)
        || request.header("if-range") == etag;
    if let Some(start) = range.filter(|_| same && !plan.faults.contains(&Fault::NoRanges)) {
        let mut start: usize = start.parse().unwrap_or(0);
        if start >= whole_bytes {
            return Plan { status: 416, announced: Some(0), body: Vec::new(), ..plan };
        }
        for fault in &plan.faults {
            if let Fault::WrongRange(further) = fault {
                start += usize::try_from(*further).unwrap_or(0);
            }
        }
        plan.body.drain(..start.min(whole_bytes));
        plan.status = 206;
        let last = whole_bytes - 1;
        let range = format!("Content-Range: bytes {start}-{last}/{whole_bytes}\r\n");
        plan.headers.push_str(&range);
    }
    plan.announced = Some(plan.body.len());
    for fault in &plan.faults {
        match fault {
            Fault::NoLength | Fault::Endless => plan.announced = None,
            Fault::Truncate(bytes, _) | Fault::HangAfter(bytes, _) => plan.body.truncate(*bytes),
            _ => {}
        }
    }
    plan
}

/// Waits until the client goes away or the server stops.
fn wait_for_end(mut stream: &TcpStream) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(count) if count > 0) {}
}

pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut position = 0;
    while position < bytes.len() {
        let code = text.get(position + 1..position + 3).filter(|_| bytes[position] == b'%');
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            decoded.push(byte);
            position += 3;
        } else {
            decoded.push(bytes[position]);
            position += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
