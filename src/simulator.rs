//! A simulated D7: plain TCP, one script an answer, every byte of it chosen.
//!
//! What `demo` and the tests talk to. Because it writes bytes and not messages
//! it can do what D7's edge may do on a bad day: break off, stall, reset, drip,
//! flood, and lie about lengths. It serves on a thread of its own.

pub mod account;

use std::{
    collections::{HashSet, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{oneshot, watch},
};

/// What D7 answers where all is well, as its documentation has it.
pub const BALANCE: &str = r#"{"balance": 99.9999999}"#;

/// What D7 answers to a token that it does not accept.
pub const REJECTION: &str = r#"{"detail": {"code": "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED", "message": "It looks like your requests were failed due to a missing or invalid 'Access Token'. Please check the access token and try again."}}"#;

/// One thing that the simulator does on a connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes bytes.
    Send(Vec<u8>),
    /// Writes the same bytes over and over, as long as they are taken.
    Flood(Vec<u8>),
    /// Waits for a gate to open.
    Await(Gate),
    /// Waits.
    Pause(Duration),
    /// Says nothing more and keeps the connection until the other side ends it.
    Hang,
    /// Ends the connection by RST.
    Reset,
}

/// What the simulator does with one request; then it closes the connection.
pub type Script = Vec<Step>;

/// Says what a request is answered, by its head.
type Chooser = Box<dyn FnMut(&str) -> Script + Send>;

/// A gate that holds answers back until it is opened.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A gate that is closed.
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        let mut opened = self.0.subscribe();
        if opened.wait_for(|is_open| *is_open).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A whole answer with a JSON body.
pub fn answer(status: u16, body: &str) -> Script {
    answer_with(status, "content-type: application/json\r\n", body)
}

/// A whole answer with header lines of its own, each ended by CR LF.
pub fn answer_with(status: u16, headers: &str, body: &str) -> Script {
    let length = body.len();
    bytes(format!(
        "HTTP/1.1 {status} Scripted\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))
}

/// Bytes as they are, then the end of the connection.
pub fn bytes(bytes: impl Into<Vec<u8>>) -> Script {
    vec![Step::Send(bytes.into())]
}

/// A simulated D7. Dropping it ends its thread and all of its connections.
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    rejected: HashSet<String>,
    usual: Chooser,
    next: VecDeque<Script>,
    heads: Vec<String>,
    bodies: Vec<String>,
    sent: u64,
}

impl Simulator {
    /// Starts on a free port of the loopback interface, and answers [`BALANCE`]
    /// until it is told otherwise.
    ///
    /// # Errors
    /// Where no port can be bound or no thread started.
    pub fn start() -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared {
            rejected: HashSet::new(),
            usual: Box::new(|_| answer(200, BALANCE)),
            next: VecDeque::new(),
            heads: Vec::new(),
            bodies: Vec::new(),
            sent: 0,
        }));
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        // Without a listener there is nothing to simulate, and
                        // whoever connects sees that at once.
                        _ = serve(listener, state) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            addr,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL for `D7B_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sets what every request is answered that has no answer of its own.
    pub fn always(&self, script: Script) {
        self.choose(move |_| script.clone());
    }

    /// Has `chooser` say, by its head, what every request is answered that has no
    /// answer of its own. It is asked as the requests come, one after the other.
    pub fn choose(&self, chooser: impl FnMut(&str) -> Script + Send + 'static) {
        self.lock().usual = Box::new(chooser);
    }

    /// Sets the answer of one request, after those already set.
    pub fn next(&self, script: Script) {
        self.lock().next.push_back(script);
    }

    /// Has [`REJECTION`] answered to every request that shows `token`, whatever
    /// else is set.
    pub fn reject(&self, token: &str) {
        self.lock().rejected.insert(token.to_owned());
    }

    /// Takes [`Simulator::reject`] back.
    pub fn accept(&self, token: &str) {
        self.lock().rejected.remove(token);
    }

    /// How many requests have come.
    pub fn count(&self) -> usize {
        self.lock().heads.len()
    }

    /// The heads of all requests, as they came.
    pub fn heads(&self) -> Vec<String> {
        self.lock().heads.clone()
    }

    /// The bodies of all requests, in the order of [`Simulator::heads`].
    pub fn bodies(&self) -> Vec<String> {
        self.lock().bodies.clone()
    }

    /// How many bytes the other sides have taken.
    pub fn sent(&self) -> u64 {
        self.lock().sent
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told by the panic hook.
            drop(thread.join());
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: StdListener, shared: Arc<Mutex<Shared>>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let shared = Arc::clone(&shared);
        // A broken connection is that connection's end, and often the point.
        tokio::spawn(async move { drop(converse(stream, &shared).await) });
    }
}

async fn converse(mut stream: TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    let (head, body) = read_request(&mut stream).await?;
    let script = {
        let mut shared = lock(shared);
        let is_rejected = token_in(&head).is_some_and(|token| shared.rejected.contains(token));
        let script = if is_rejected {
            answer(401, REJECTION)
        } else {
            let next = shared.next.pop_front();
            next.unwrap_or_else(|| (shared.usual)(&head))
        };
        shared.heads.push(head);
        shared.bodies.push(body);
        script
    };
    for step in script {
        match step {
            Step::Send(bytes) => {
                stream.write_all(&bytes).await?;
                lock(shared).sent += bytes.len() as u64;
            }
            Step::Flood(bytes) => loop {
                stream.write_all(&bytes).await?;
                lock(shared).sent += bytes.len() as u64;
            },
            Step::Await(gate) => gate.passed().await,
            Step::Pause(duration) => tokio::time::sleep(duration).await,
            Step::Hang => while stream.read(&mut [0; 64]).await? > 0 {},
            Step::Reset => stream.set_zero_linger()?,
        }
    }
    Ok(())
}

/// The bearer token of a request.
fn token_in(head: &str) -> Option<&str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization")
            .then(|| value.strip_prefix("Bearer "))
            .flatten()
    })
}

/// The length of a request's body.
fn length_in(head: &str) -> usize {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().ok())
            .flatten()
    });
    length.unwrap_or_default()
}

/// Reads a head, and as much of a body as the head says.
async fn read_request(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut read = Vec::new();
    let head_ends = loop {
        let end = read.windows(4).position(|window| window == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None => read_more(stream, &mut read).await?,
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let head = text(&read[..head_ends]);
    let body_ends = head_ends.saturating_add(length_in(&head));
    while read.len() < body_ends {
        read_more(stream, &mut read).await?;
    }
    Ok((head, text(&read[head_ends..body_ends])))
}

async fn read_more(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(read).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
