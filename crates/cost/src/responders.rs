//! The servers that are probed. They answer as fast as they can and are not general.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use boring::{
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod},
    x509::X509,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
};

/// The name that DNS probes ask for.
pub(crate) const QUESTION: &str = "www.example.org";

const ADDRESSES: u8 = 8;
const SMALL: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";
/// Bytes in the big page's body.
const BIG: usize = 1 << 20;

/// All servers; they run on threads of their own until this is dropped.
pub(crate) struct Responders {
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) https: Vec<SocketAddr>,
    pub(crate) dns: Vec<SocketAddr>,
    /// Takes requests and does not answer them.
    pub(crate) silent: Silent,
    /// The certificate that HTTPS probes trust.
    pub(crate) authority: PathBuf,
    folder: TempDir,
    /// Two threads: handshakes should not wait for each other more than exporters make them.
    _runtime: Runtime,
}

impl Responders {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = folder.path().join("authority.pem");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let _inside = runtime.enter();
        let acceptor = certify(&authority);
        let big: Arc<[u8]> = big_page().into();
        Self {
            http: each_address(|host| http(host, &big)),
            https: each_address(|host| https(host, &acceptor, &big)),
            dns: each_address(dns),
            silent: Silent::start(),
            authority,
            folder,
            _runtime: runtime,
        }
    }

    /// A path for a file that lives as long as the servers.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn each_address(start: impl Fn(&str) -> SocketAddr) -> Vec<SocketAddr> {
    (1..=ADDRESSES).map(|last| start(&format!("127.0.0.{last}:0"))).collect()
}

fn listen(host: &str) -> (TcpListener, SocketAddr) {
    let address: SocketAddr = host.parse().expect("an address");
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(address).expect("a port");
    let listener = socket.listen(4096).expect("a listener");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().await.expect("a connection");
    stream.set_nodelay(true).ok();
    stream
}

fn http(host: &str, big: &Arc<[u8]>) -> SocketAddr {
    let (listener, address) = listen(host);
    let big = Arc::clone(big);
    tokio::spawn(async move {
        loop {
            tokio::spawn(serve(accept(&listener).await, Arc::clone(&big)));
        }
    });
    address
}

fn https(host: &str, acceptor: &SslAcceptor, big: &Arc<[u8]>) -> SocketAddr {
    let (listener, address) = listen(host);
    let (acceptor, big) = (acceptor.clone(), Arc::clone(big));
    tokio::spawn(async move {
        loop {
            let stream = accept(&listener).await;
            let (acceptor, big) = (acceptor.clone(), Arc::clone(&big));
            tokio::spawn(async move {
                if let Ok(stream) = tokio_boring::accept(&acceptor, stream).await {
                    serve(stream, big).await;
                }
            });
        }
    });
    address
}

/// Answers requests without a body until the client leaves.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, big: Arc<[u8]>) {
    let mut head = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut head[filled..]).await {
            Ok(length @ 1..) => filled += length,
            Ok(0) | Err(_) => return,
        }
        if head[..filled].ends_with(b"\r\n\r\n") {
            let page = if head.starts_with(b"GET /big ") { &*big } else { SMALL.as_bytes() };
            if stream.write_all(page).await.is_err() {
                return;
            }
            filled = 0;
        }
    }
}

/// Text lines, and what the pattern looks for at their very end.
fn big_page() -> Vec<u8> {
    const LAST: &str = "the end of this page\n";
    let line = "Some words of a page that is long, each line of it like the one before it.\n";
    let mut body: String = line.chars().cycle().take(BIG - LAST.len()).collect();
    body.push_str(LAST);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length";
    format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Writes a new authority's certificate to `path`; the acceptor shows a leaf and an intermediate
/// certificate below it, all with keys on P-256.
fn certify(path: &std::path::Path) -> SslAcceptor {
    let key = || KeyPair::generate().expect("a key");
    let authority = |name: &str| {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root = CertifiedIssuer::self_signed(authority("Root"), key()).expect("a root");
    let below = CertifiedIssuer::signed_by(authority("Intermediate"), key(), &root);
    let below = below.expect("an intermediate authority");
    let names: Vec<String> = (1..=ADDRESSES).map(|last| format!("127.0.0.{last}")).collect();
    let leaf_key = key();
    let leaf = CertificateParams::new(names).expect("addresses").signed_by(&leaf_key, &below);
    fs::write(path, root.pem()).expect("a file");

    let certificate = |pem: &str| X509::from_pem(pem.as_bytes()).expect("a certificate");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("an acceptor");
    let private = PKey::private_key_from_pem(leaf_key.serialize_pem().as_bytes()).expect("a key");
    acceptor.set_private_key(&private).expect("the key");
    acceptor.set_certificate(&certificate(&leaf.expect("a leaf").pem())).expect("the leaf");
    acceptor.add_extra_chain_cert(certificate(&below.pem())).expect("the chain");
    acceptor.build()
}

/// Answers each question with one address.
fn dns(host: &str) -> SocketAddr {
    let socket = UdpSocket::bind(host).expect("a port");
    let address = socket.local_addr().expect("its address");
    thread::spawn(move || {
        let mut message = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            let answer = answer(&message[..length]);
            socket.send_to(&answer, from).ok();
        }
    });
    address
}

/// Names of the host with this address, with its port, as targets. There are many, as targets of
/// Prometheus have: a resolver may ask once for several who want the same name at the same time.
pub(crate) fn named(address: SocketAddr) -> impl Iterator<Item = String> {
    const NAMES: usize = 64;
    let [.., last] = match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => unreachable!("all servers have IPv4 addresses"),
    };
    (0..NAMES).map(move |number| format!("host{last}-{number}.bench.test:{}", address.port()))
}

/// The name server of `hostN-M.bench.test`, at port 53 of 127.0.0.1.
pub(crate) fn serve_names() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))
        .expect("binding port 53 requires root: run make bench-names as root");
    thread::spawn(move || {
        let mut message = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            socket.send_to(&answer_of_name(&message[..length]), from).ok();
        }
    });
}

/// An A record with the number of the host, or nothing about IPv6 addresses.
fn answer_of_name(query: &[u8]) -> Vec<u8> {
    let mut answer = answer(query);
    let name = query[12..].iter().position(|byte| *byte == 0).expect("a question");
    if query[12 + name + 2] == 1 {
        let last = answer.last_mut().expect("a record");
        *last = query[12 + "host".len() + 1] - b'0';
    } else {
        // No record, and no count of one.
        answer.truncate(12 + name + 5);
        answer[7] = 0;
    }
    answer
}

/// The header, the question and an A record whose owner points at the question's name.
fn answer(query: &[u8]) -> Vec<u8> {
    let name = query[12..].iter().position(|byte| *byte == 0).expect("a question");
    let question = &query[12..12 + name + 5];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend(question);
    answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 127, 0, 0, 1]);
    answer
}

/// A server that takes requests and keeps quiet until it is told to hang up.
pub(crate) struct Silent {
    pub(crate) address: SocketAddr,
    held: Arc<AtomicUsize>,
    hang_up: watch::Sender<()>,
}

impl Silent {
    fn start() -> Self {
        let (listener, address) = listen("127.0.0.1:0");
        let held = Arc::new(AtomicUsize::new(0));
        let hang_up = watch::Sender::new(());
        let (counter, end) = (Arc::clone(&held), hang_up.clone());
        tokio::spawn(async move {
            loop {
                let stream = accept(&listener).await;
                tokio::spawn(hold(stream, Arc::clone(&counter), end.subscribe()));
            }
        });
        Self { address, held, hang_up }
    }

    /// The number of requests that wait for an answer.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Closes all connections.
    pub(crate) fn hang_up(&self) {
        self.hang_up.send_replace(());
    }
}

async fn hold(mut stream: TcpStream, count: Arc<AtomicUsize>, mut end: watch::Receiver<()>) {
    let mut request = [0; 1024];
    if matches!(stream.read(&mut request).await, Ok(1..)) {
        count.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            _ = end.changed() => {}
            _ = stream.read(&mut request) => {}
        }
        count.fetch_sub(1, Ordering::Relaxed);
    }
}
