//! Sockets before their first packet.

use super::Shared;
use super::errors::{port_taken, unable};
use super::source_port::Receiver;
use crate::core::model::flow::{Family, Protocol};
use crate::core::model::observation::Outcome;
use crate::core::wire::ProbeFlow;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

/// How many source ports are tried before an attempt is given up.
const TRIES: usize = 16;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// What is asked for; the system may give less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Sockets for an attempt, each bound to the next source port. The connection may still find one taken: then the next
/// socket will do.
pub(super) fn sources(shared: &Shared, flow: &ProbeFlow, kind: Type) -> impl Iterator<Item = Result<Socket, Outcome>> {
    let family = Family::of(flow.to.ip());
    let receiver = Receiver { identity: flow.identity.clone(), protocol: flow.protocol, family };
    (0..TRIES).filter_map(move |_| {
        let Some(port) = shared.ports.next(&receiver, || shared.random.number()) else {
            let message = "every source port was used within the last five minutes".to_owned();
            return Some(Err(Outcome::ProbeError { message }));
        };
        match source(family, kind, port) {
            Err(error) if port_taken(&error) => None,
            made => Some(made.map_err(|error| unable(&error))),
        }
    })
}

fn source(family: Family, kind: Type, port: u16) -> io::Result<Socket> {
    let (domain, any) = match family {
        Family::Ipv4 => (Domain::IPV4, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        Family::Ipv6 => (Domain::IPV6, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    };
    let socket = Socket::new(domain, kind.nonblocking(), None)?;
    if family == Family::Ipv6 {
        socket.set_only_v6(true)?;
    }
    // Sockets to other receivers may have the same port.
    socket.set_reuse_address(true)?;
    if kind == Type::STREAM {
        // However an attempt ends, a reset takes it out of every table on the way.
        socket.set_linger(Some(Duration::ZERO))?;
    }
    socket.bind(&SocketAddr::new(any, port).into())?;
    Ok(socket)
}

pub(super) fn tcp_listener(port: u16) -> io::Result<TcpListener> {
    both_families(Protocol::Tcp, port).map(Into::into)
}

pub(super) fn udp_listener(port: u16) -> io::Result<UdpSocket> {
    both_families(Protocol::Udp, port).map(Into::into)
}

/// One socket for both families, or for IPv4 where the system has no IPv6.
fn both_families(protocol: Protocol, port: u16) -> io::Result<Socket> {
    let without_ipv6 = [io::ErrorKind::AddrNotAvailable, io::ErrorKind::Unsupported];
    match listener(protocol, Ipv6Addr::UNSPECIFIED.into(), port) {
        Err(error) if without_ipv6.contains(&error.kind()) || error.raw_os_error() == Some(NO_SUCH_FAMILY) => {
            listener(protocol, Ipv4Addr::UNSPECIFIED.into(), port)
        }
        done => done,
    }
}

/// `EAFNOSUPPORT`, which std has no kind for.
const NO_SUCH_FAMILY: i32 = 97;

fn listener(protocol: Protocol, any: IpAddr, port: u16) -> io::Result<Socket> {
    let address = SocketAddr::new(any, port);
    let stream = protocol == Protocol::Tcp;
    let kind = if stream { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if stream {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
    } else {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&address.into())?;
    }
    Ok(socket)
}
