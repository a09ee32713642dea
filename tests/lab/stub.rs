//! What stands in for an agent here: answers every connection and datagram with its identity until its input ends.

use papertiger::core::model::flow::{Family, Protocol};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

/// How long a probe waits. Nothing in the lab is slow, and what is dropped stays dropped.
const PATIENCE: Duration = Duration::from_millis(300);

pub(crate) const PORTS: [u16; 2] = [8080, 8081];

/// Runs until standard input ends.
pub(crate) fn run(identity: &str) {
    for port in PORTS {
        // An unspecified IPv6 address takes both families.
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let listener = TcpListener::bind(any).expect("a free port");
        let name = identity.to_owned();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _gone = stream.write_all(name.as_bytes());
            }
        });
        let socket = UdpSocket::bind(any).expect("a free port");
        let name = identity.to_owned();
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                let _gone = socket.send_to(name.as_bytes(), from);
            }
        });
    }
    // The first byte says that the ports are open.
    let control = std::io::stdin().as_fd().try_clone_to_owned().expect("a control stream");
    let mut control = UnixStream::from(control);
    control.write_all(b"!").expect("a control stream");
    let mut rest = Vec::new();
    let _ended = control.read_to_end(&mut rest);
}

/// A source port that no datagram had lately. Connection tracking lets one pass that looks like the rest of an earlier
/// exchange, whatever the rules say by now, and a port that the system draws may make it look so.
fn next_source_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 40_000
}

/// Who answers at an address, from the network that this thread is in.
pub(crate) fn ask(to: SocketAddr, protocol: Protocol) -> Option<String> {
    match protocol {
        Protocol::Tcp => {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            Some(answer)
        }
        Protocol::Udp => {
            let local: IpAddr = match Family::of(to.ip()) {
                Family::Ipv4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
                Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((local, next_source_port())).ok()?;
            socket.set_read_timeout(Some(PATIENCE)).ok()?;
            socket.connect(to).ok()?;
            socket.send(b"?").ok()?;
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        }
        Protocol::Sctp => None,
    }
}
