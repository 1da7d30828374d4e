//! A far host that answers echo requests with other messages than the reply.

use std::{
    env, fs,
    io::Read as _,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    thread,
};

use socket2::{Domain, Protocol, Socket, Type};

/// Environment variable with the messages to send.
const FORGER: &str = "PROBE_EXPORTER_TEST_ICMP_FORGER";

/// Returns shell commands that start the forger on the far host, and wait until it is ready.
///
/// It sends `what`: "right" is four wrong replies and the right one, "nothing" only the wrong ones,
/// "notices" are messages that report no lost packet and the right reply, "redirect" is one, and
/// "3-1" is an ICMP message of that type and code about the request.
pub(super) fn forging(what: &str) -> String {
    format!(
        "ip netns exec far sysctl -q net.ipv4.icmp_echo_ignore_all=1 \
             net.ipv6.icmp.echo_ignore_all=1\n\
         mkfifo /run/ready\n\
         {FORGER}={what} ip netns exec far \"$0\" --exact icmp::forger::forger >&2 &\n\
         read _ready < /run/ready\n"
    )
}

/// Runs only when the other tests start it in a namespace.
#[test]
fn forger() {
    let Ok(what) = env::var(FORGER) else { return };
    let (four, six) = (Forger::v4(), Forger::v6());
    let what_six = what.clone();
    thread::spawn(move || six.answer(&what_six));
    fs::write("/run/ready", "ready\n").unwrap();
    four.answer(&what);
}

struct Forger {
    target: Socket,
    somebody_else: Socket,
    prober: SocketAddr,
    is_v6: bool,
}

impl Forger {
    fn v4() -> Self {
        let open = |address: [u8; 4]| open(address.into());
        let [target, somebody_else] = [[10, 77, 0, 2], [10, 77, 0, 3]].map(open);
        Self { target, somebody_else, prober: ([10, 66, 0, 2], 0).into(), is_v6: false }
    }

    fn v6() -> Self {
        let address: IpAddr = "fd77::2".parse().unwrap();
        let prober = SocketAddr::new("fd66::2".parse().unwrap(), 0);
        Self { target: open(address), somebody_else: open(address), prober, is_v6: true }
    }

    fn answer(&self, what: &str) {
        loop {
            let mut packet = [0; 2000];
            let length = (&self.target).read(&mut packet).unwrap();
            let packet = &packet[..length];
            // A raw socket returns the IP header only over IPv4.
            let (header, request) =
                if self.is_v6 { (&[][..], packet) } else { packet.split_at(20) };
            let echo_request = if self.is_v6 { 128 } else { 8 };
            if request[0] == echo_request {
                self.send_instead(what, header, request);
            }
        }
    }

    fn send_instead(&self, what: &str, header: &[u8], request: &[u8]) {
        let echo_reply = if self.is_v6 { 129 } else { 0 };
        let reply = [&[echo_reply], &request[1..]].concat();
        let quoted = if self.is_v6 { quoted_v6(request) } else { [header, request].concat() };
        let about = |kind, code| [&[kind, code][..], &[0; 6], &quoted].concat();
        match what {
            "notices" if self.is_v6 => {
                // Unassigned error types (RFC 4443, section 2.1).
                for kind in [5, 100, 127] {
                    self.send(&self.target, &about(kind, 0));
                }
                self.send(&self.target, &reply);
            }
            "notices" => {
                for (kind, code) in [(4, 0), (5, 0), (5, 1), (5, 3)] {
                    self.send(&self.somebody_else, &about(kind, code));
                }
                let mut another = about(3, 1);
                let number = another.len() - request.len() + SEQUENCE;
                another[number] ^= 1;
                self.send(&self.somebody_else, &another);
                self.send(&self.target, &reply);
            }
            "redirect" => self.send(&self.somebody_else, &about(5, 1)),
            "right" | "nothing" => {
                self.send(&self.somebody_else, &reply);
                for index in [IDENTIFIER, SEQUENCE, reply.len() - 1] {
                    let mut wrong = reply.clone();
                    wrong[index] ^= 1;
                    self.send(&self.target, &wrong);
                }
                if what == "right" {
                    self.send(&self.target, &reply);
                }
            }
            message => {
                let (kind, code) = message.split_once('-').unwrap();
                let message = about(kind.parse().unwrap(), code.parse().unwrap());
                self.send(&self.target, &message);
            }
        }
    }

    fn send(&self, from: &Socket, message: &[u8]) {
        // Over IPv6 the kernel computes the checksum.
        from.send_to(&with_checksum(message), &self.prober.into()).unwrap();
    }
}

fn open(address: IpAddr) -> Socket {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
    socket
}

/// Returns the request with its IPv6 header.
fn quoted_v6(request: &[u8]) -> Vec<u8> {
    const ICMPV6: u8 = 58;
    let [prober, target] = ["fd66::2", "fd77::2"].map(|ip| ip.parse::<Ipv6Addr>().unwrap());
    let length = u16::try_from(request.len()).unwrap().to_be_bytes();
    let head = [&[0x60, 0, 0, 0], &length[..], &[ICMPV6, 63]].concat();
    [&head, &prober.octets()[..], &target.octets(), request].concat()
}

const IDENTIFIER: usize = 4;
const SEQUENCE: usize = 6;

fn with_checksum(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    message[2..4].fill(0);
    let words = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    message
}
