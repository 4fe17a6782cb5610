// SPDX-License-Identifier: Apache-2.0
//! Git repositories made by git, and a server that hands them out over HTTP through git's own
//! `upload-pack`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Whether git is there. Tests that need it say `skipped: …` without it.
pub fn has_git() -> bool {
    let git = Command::new("git").arg("--version").stdout(Stdio::null()).status();
    git.is_ok_and(|status| status.success())
}

/// A repository in a directory.
#[derive(Debug)]
pub struct Repository {
    directory: PathBuf,
}

impl Repository {
    /// Makes an empty one.
    pub fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory).expect("the directory can be made");
        let repository = Self { directory: directory.to_path_buf() };
        repository.git(&["init", "--quiet", "--initial-branch=main", "."]);
        repository
    }

    /// Runs git in it, with nothing of this machine's configuration, and returns what it printed.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_COMMITTER_NAME", "C")
            .env("GIT_COMMITTER_EMAIL", "c@example.com")
            .env("GIT_AUTHOR_DATE", "1700000000 +0100")
            .env("GIT_COMMITTER_DATE", "1700000100 +0000")
            .output()
            .expect("git runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file.
    pub fn write(&self, path: &str, bytes: &[u8], mode: u32) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("can make it");
        fs::write(&path, bytes).expect("can write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("can set the mode");
    }

    /// Commits everything and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Returns its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// What goes wrong with a server of repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitFault {
    /// It serves files only.
    Dumb,
    /// It speaks the protocol of before version 2.
    Old,
    /// It breaks off an answer to a request after so many bytes.
    Truncate(usize),
    /// It answers a request that fetches with other bytes.
    Answer(Vec<u8>),
    /// It first answers with a status, so many times.
    Status(u16, usize),
    /// It redirects to another server, by the URL of the repository there.
    Redirect(String),
}

/// A request that the server got: its path, and the `Authorization` header.
pub type GitRequest = (String, String);

#[derive(Debug, Default)]
struct State {
    faults: Vec<GitFault>,
    log: Vec<GitRequest>,
    is_stopped: bool,
}

/// A server of one repository. It stops when it is dropped.
#[derive(Debug)]
pub struct GitServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    acceptor: Option<JoinHandle<()>>,
}

impl GitServer {
    /// Serves a repository.
    pub fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let directory = directory.to_path_buf();
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap_or_else(PoisonError::into_inner).is_stopped {
                    break;
                }
                if let Ok(stream) = stream {
                    // A client that goes away early is the client's business.
                    drop(serve(stream, &directory, &shared));
                }
            }
        });
        Self { address, state, acceptor: Some(acceptor) }
    }

    /// Returns the repository's URL.
    pub fn url(&self) -> String {
        format!("http://{}/team/project.git", self.address)
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: GitFault) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).faults.push(fault);
    }

    /// Takes all faults away, and returns the requests until now.
    pub fn heal(&self) -> Vec<GitRequest> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.faults.clear();
        std::mem::take(&mut state.log)
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_stopped = true;
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn serve(stream: TcpStream, directory: &Path, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let faults = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.log.push((path.clone(), header("authorization")));
        let now = state.faults.clone();
        for fault in &mut state.faults {
            if let GitFault::Status(_, times) = fault {
                *times = times.saturating_sub(1);
            }
        }
        now
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    answer(stream, directory, &path, &header("git-protocol"), &body, &faults)
}

fn answer(
    mut stream: TcpStream,
    directory: &Path,
    path: &str,
    protocol: &str,
    body: &[u8],
    faults: &[GitFault],
) -> std::io::Result<()> {
    let mut protocol = protocol;
    let is_advertisement = path == "/team/project.git/info/refs?service=git-upload-pack";
    let mut kind = "application/x-git-upload-pack-result";
    if is_advertisement {
        kind = "application/x-git-upload-pack-advertisement";
    } else if path != "/team/project.git/git-upload-pack" {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
    let (mut truncate, mut replaced) = (None, None);
    for fault in faults {
        match fault {
            GitFault::Dumb => kind = "text/plain",
            GitFault::Old => protocol = "version=0",
            GitFault::Truncate(bytes) if !is_advertisement => truncate = Some(*bytes),
            GitFault::Answer(bytes) if body.windows(13).any(|part| part == b"command=fetch") => {
                replaced = Some(bytes.clone());
            }
            GitFault::Status(status, times) if *times > 0 => {
                return write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            }
            GitFault::Redirect(url) => {
                let to = path.strip_prefix("/team/project.git").unwrap_or(path);
                let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ";
                return write!(stream, "{head}{url}{to}\r\n\r\n");
            }
            _ => {}
        }
    }
    let mut output = match replaced {
        Some(bytes) => bytes,
        None => upload_pack(directory, is_advertisement, protocol, body)?,
    };
    if is_advertisement && protocol != "version=2" {
        output.splice(0..0, *b"001e# service=git-upload-pack\n0000");
    }
    let length = output.len();
    output.truncate(truncate.unwrap_or(length));
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n")?;
    write!(stream, "Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&output)
}

/// Runs git's own server over one message.
fn upload_pack(
    directory: &Path,
    is_advertisement: bool,
    protocol: &str,
    body: &[u8],
) -> std::io::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(["-c", "safe.directory=*", "upload-pack", "--stateless-rpc"]);
    if is_advertisement {
        command.arg("--http-backend-info-refs");
    }
    let mut child = command
        .arg(directory)
        .env("GIT_PROTOCOL", protocol)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // It may refuse before it has read everything.
        drop(input.write_all(body));
    }
    Ok(child.wait_with_output()?.stdout)
}
