// SPDX-License-Identifier: Apache-2.0
//! A small HTTP server on this machine's loopback, for servers with a mind of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, with its slash in front and without a query.
    pub path: String,
    /// The query, as sent.
    pub query: String,
    /// The headers; their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether all of the body came; if not, the client is gone.
    pub is_whole: bool,
}

impl Request {
    /// Returns a header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers beside `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// After how many bytes of the body the connection breaks.
    pub breaks_after: Option<usize>,
    /// Whether the connection ends without an answer.
    pub is_lost: bool,
}

impl Reply {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// An answer with a body.
    pub fn body(media_type: &str, body: Vec<u8>) -> Self {
        Self { status: 200, body, ..Self::default() }.with("Content-Type", media_type)
    }

    /// This answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

type Handler = dyn Fn(Request) -> Reply + Send + Sync;

/// A server. It stops when it is dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    connections: Arc<Mutex<Option<Vec<TcpStream>>>>,
    acceptor: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Starts to answer.
    pub fn start(handler: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(Mutex::new(Some(Vec::new())));
        let (shared, handler): (_, Arc<Handler>) = (Arc::clone(&connections), Arc::new(handler));
        let acceptor = std::thread::spawn(move || accept(&listener, &shared, &handler));
        Self { address, connections, acceptor: Some(acceptor) }
    }

    /// Returns the address, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let open = self.connections.lock().unwrap_or_else(PoisonError::into_inner).take();
        for connection in open.into_iter().flatten() {
            drop(connection.shutdown(Shutdown::Both));
        }
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept(
    listener: &TcpListener,
    connections: &Mutex<Option<Vec<TcpStream>>>,
    handler: &Arc<Handler>,
) {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        match connections.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(open) => open.extend(stream.try_clone()),
            None => break,
        }
        let handler = Arc::clone(handler);
        threads.push(std::thread::spawn(move || {
            // The client may go away at any time: that is its right.
            let _ = serve(&stream, &*handler);
            let _ = stream.shutdown(Shutdown::Both);
        }));
    }
    for thread in threads {
        drop(thread.join());
    }
}

/// Serves requests until the connection ends.
fn serve(mut stream: &TcpStream, handler: &Handler) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_request(&mut reader, stream)? {
        let is_head = request.method == "HEAD";
        let reply = handler(request);
        if reply.is_lost {
            break;
        }
        let headers: Vec<String> =
            reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (status, length) = (reply.status, reply.body.len());
        // A success without content may not have a length (RFC 9110, section 8.6).
        let length = match status {
            204 => String::new(),
            _ => format!("Content-Length: {length}\r\n"),
        };
        let head = format!("HTTP/1.1 {status} Status\r\n{}{length}\r\n", headers.concat());
        stream.write_all(head.as_bytes())?;
        let sent = reply.breaks_after.unwrap_or(usize::MAX).min(reply.body.len());
        if !is_head {
            stream.write_all(&reply.body[..sent])?;
        }
        if sent < reply.body.len() {
            break;
        }
    }
    Ok(())
}

fn read_request(
    reader: &mut BufReader<TcpStream>,
    mut stream: &TcpStream,
) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.by_ref().take(64 << 10).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method,
        path: path.into(),
        query: query.into(),
        is_whole: true,
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        if reader.by_ref().take(64 << 10).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if request.header("expect").eq_ignore_ascii_case("100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        read_chunks(reader, &mut request.body)?;
        return Ok(Some(request));
    }
    let length_bytes: u64 = request.header("content-length").parse().unwrap_or(0);
    let wanted_bytes = BODY_BYTES_MAX.min(length_bytes);
    let came_bytes = reader.take(wanted_bytes).read_to_end(&mut request.body)? as u64;
    request.is_whole = came_bytes == length_bytes;
    Ok(Some(request))
}

/// Reads a body in chunks (RFC 9112, section 7.1).
fn read_chunks(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        reader.by_ref().take(1024).read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size_bytes = u64::from_str_radix(size, 16).unwrap_or(0).min(BODY_BYTES_MAX);
        if size_bytes == 0 || body.len() as u64 > BODY_BYTES_MAX {
            break;
        }
        reader.by_ref().take(size_bytes).read_to_end(body)?;
        line.clear();
        reader.by_ref().take(1024).read_line(&mut line)?;
    }
    line.clear();
    reader.by_ref().take(1024).read_line(&mut line)?;
    Ok(())
}
