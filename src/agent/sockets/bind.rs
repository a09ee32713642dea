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
pub(super) fn sources(shared: &Shared, flow: &ProbeFlow) -> impl Iterator<Item = Result<Socket, Outcome>> {
    let family = Family::of(flow.to.ip());
    let protocol = flow.protocol;
    let receiver = Receiver { identity: flow.identity.clone(), protocol, family };
    (0..TRIES).filter_map(move |_| {
        let Some(port) = shared.ports.next(&receiver, || shared.random.number()) else {
            let message = "every source port was used within the last five minutes".to_owned();
            return Some(Err(Outcome::ProbeError { message }));
        };
        match source(family, protocol, port) {
            Err(error) if port_taken(&error) => None,
            made => Some(made.map_err(|error| unable(&error))),
        }
    })
}

fn source(family: Family, protocol: Protocol, port: u16) -> io::Result<Socket> {
    let (domain, any) = match family {
        Family::Ipv4 => (Domain::IPV4, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        Family::Ipv6 => (Domain::IPV6, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    };
    let socket = unbound(domain, protocol)?;
    if family == Family::Ipv6 {
        socket.set_only_v6(true)?;
    }
    // Sockets to other receivers may have the same port.
    socket.set_reuse_address(true)?;
    if is_stream(protocol) {
        // However an attempt ends, a reset takes it out of every table on the way.
        socket.set_linger(Some(Duration::ZERO))?;
    }
    socket.bind(&SocketAddr::new(any, port).into())?;
    Ok(socket)
}

fn unbound(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    let kind = if is_stream(protocol) { Type::STREAM } else { Type::DGRAM };
    let special = match protocol {
        Protocol::Tcp | Protocol::Udp => None,
        Protocol::Sctp => Some(IPPROTO_SCTP.into()),
    };
    Socket::new(domain, kind.nonblocking(), special)
}

/// The protocol's number, for which socket2 has a name only with all its features.
pub(super) const IPPROTO_SCTP: i32 = 132;

fn is_stream(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Tcp | Protocol::Sctp => true,
        Protocol::Udp => false,
    }
}

/// A listener for connections of `protocol`. Fails where the kernel does not have it.
pub(super) fn stream_listener(protocol: Protocol, port: u16) -> io::Result<TcpListener> {
    both_families(protocol, port).map(Into::into)
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
    let socket = unbound(Domain::for_address(address), protocol)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if is_stream(protocol) {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
    } else {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&address.into())?;
    }
    Ok(socket)
}
