//! A strict HTTP/1.1 client: it believes nothing that it has not counted.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Longer than any answer takes; a test that hits it has failed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request to be sent.
#[derive(Clone)]
pub(crate) struct Request {
    addr: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(addr: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            addr,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("host".to_owned(), addr.to_string())],
            body: Vec::new(),
        }
    }

    /// Where it is sent to.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Adds a header line, beside those of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes all lines of a header away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Sets a body, with its length.
    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let length = body.len().to_string();
        self.header("content-length", &length)
    }

    /// The bytes as they are sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub(crate) fn send(&self) -> Response {
        let mut connection = Connection::open(self.addr);
        connection.write(&self.bytes());
        connection.read(&self.method)
    }

    /// Sends it on a connection that is there.
    pub(crate) fn send_on(&self, connection: &mut Connection) -> Response {
        connection.write(&self.bytes());
        connection.read(&self.method)
    }
}

/// A connection to the service.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Ends this side of the connection by FIN: nothing more is sent.
    pub(crate) fn end_writing(&mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection by RST, as a client does that is killed.
    pub(crate) fn reset(self) {
        let stream = self.0.into_inner();
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let _context = runtime.enter();
        tokio::net::TcpStream::from_std(stream)
            .unwrap()
            .set_zero_linger()
            .unwrap();
    }

    /// Reads a status line and nothing more.
    pub(crate) fn read_status(&mut self) -> u16 {
        let status_line = self.line();
        status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {status_line:?}"))
    }

    /// Reads one answer to a request with `method`.
    pub(crate) fn read(&mut self, method: &str) -> Response {
        let status = self.read_status();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        let length = response
            .header("content-length")
            .map(|length| length.parse().unwrap());
        assert_eq!(
            response.header("transfer-encoding"),
            None,
            "answers have a length"
        );
        if method != "HEAD" && status != 304 && status != 204 {
            response.body = vec![0; length.expect("an answer with a body has a length")];
            self.0.read_exact(&mut response.body).unwrap();
        }
        if response.header("connection") == Some("close") {
            self.assert_closed();
        }
        response
    }

    /// Asserts that the service says nothing more and closes.
    pub(crate) fn assert_closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(rest, b"", "nothing comes after an answer"),
            Err(error) => panic!("the connection is not closed in order: {error}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        match line.strip_suffix("\r\n") {
            Some(line) => line.to_owned(),
            None => panic!("the answer breaks off in its head: {line:?}"),
        }
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header that may come once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes once at the most");
        value
    }

    /// The value of a header that has to be there.
    pub(crate) fn expect(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// `cache-status` without the name of the cache.
    pub(crate) fn cache_status(&self) -> &str {
        self.expect("cache-status")
            .strip_prefix("d7-balance; ")
            .unwrap()
    }

    /// The body of a problem, after everything has been checked that all
    /// problems have in common.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.expect("content-type"), "application/problem+json");
        assert_eq!(self.expect("cache-control"), "no-store");
        for name in ["cache-status", "age", "etag", "vary"] {
            assert_eq!(self.header(name), None, "no {name} on errors");
        }
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(
            body["type"],
            format!("/problems/{}", body["code"].as_str().unwrap())
        );
        assert_eq!(body["request_id"], self.expect("x-request-id"));
        let retry_after = self
            .header("retry-after")
            .map(|seconds| seconds.parse::<u64>().unwrap());
        assert_eq!(body.get("retry_after").and_then(Value::as_u64), retry_after);
        assert_eq!(body["retryable"], retry_after.is_some());
        body
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.problem()["code"].as_str().unwrap().to_owned()
    }
}
