//! Real packets on the loopback interface, over both families.

use super::*;
use crate::agent::echo::{LENGTH, Packet};
use crate::core::wire::Pace;
use socket2::{Domain, SockRef, Socket, Type};
use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

fn sockets(identity: &str) -> Sockets {
    Sockets::new(identity.to_owned(), Clock::start())
}

fn flow(protocol: Protocol, to: SocketAddr, deadline_ms: u32) -> ProbeFlow {
    let pace = Pace {
        deadline_ms,
        blocked_ms: 100,
        blocked_attempts: 1_000,
        blocked_max_ms: 100,
        through_ms: 100,
        through_attempts: 1,
        through_max_ms: 1000,
    };
    ProbeFlow { flow: 3, to, protocol, identity: "y/b".to_owned(), pace, standing: None, announced_by: None }
}

/// Attempts that shall be answered have all the time there is.
async fn attempt(protocol: Protocol, to: SocketAddr) -> Outcome {
    sockets("x/a").attempt(&flow(protocol, to, 999), 1).await
}

async fn short_attempt(protocol: Protocol, to: SocketAddr) -> Outcome {
    sockets("x/a").attempt(&flow(protocol, to, 50), 1).await
}

/// Not every kernel has it; where it is missing the agent must say so, and where it is there it must work.
#[tokio::test]
async fn sctp_is_spoken_where_the_kernel_has_it() {
    let protocol = Protocol::Sctp;
    let missing = Socket::new(Domain::IPV4, Type::STREAM, Some(bind::IPPROTO_SCTP.into())).is_err();
    let receiver = sockets("y/b");
    let port = free_port(Protocol::Tcp);
    let failed = receiver.listen(&[ListenPort { protocol, port }]).await;
    assert_eq!(failed.len(), usize::from(missing), "{failed:?}");
    for ip in LOOPBACKS {
        match attempt(protocol, SocketAddr::new(ip, port)).await {
            Outcome::ProbeError { .. } if missing => {}
            outcome => assert_eq!(outcome, Outcome::Connected { source: ip }),
        }
    }
}

/// Opens a port that was free an instant ago.
async fn open(sockets: &Sockets, protocol: Protocol) -> u16 {
    for _ in 0..20 {
        let port = free_port(protocol);
        if sockets.listen(&[ListenPort { protocol, port }]).await.is_empty() {
            return port;
        }
    }
    panic!("no free port for {protocol}");
}

fn free_port(protocol: Protocol) -> u16 {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    match protocol {
        Protocol::Tcp => TcpListener::bind(any).unwrap().local_addr().unwrap().port(),
        Protocol::Udp => std::net::UdpSocket::bind(any).unwrap().local_addr().unwrap().port(),
        Protocol::Sctp => unreachable!(),
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let tried = timeout(Duration::from_secs(10), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(tried.await.is_ok(), "not in ten seconds: {what}");
}

#[tokio::test]
async fn an_echo_names_the_source_that_it_saw() {
    for protocol in PROTOCOLS {
        let receiver = sockets("y/b");
        let port = open(&receiver, protocol).await;
        for ip in LOOPBACKS {
            let outcome = attempt(protocol, (ip, port).into()).await;
            assert_eq!(outcome, Outcome::Connected { source: ip }, "{protocol} {ip}");
        }
    }
}

fn standing(protocol: Protocol, to: SocketAddr, deadline_ms: u32, since: u32) -> ProbeFlow {
    ProbeFlow { standing: Some(since), ..flow(protocol, to, deadline_ms) }
}

#[tokio::test]
async fn attempts_on_a_standing_connection_share_it() {
    for protocol in PROTOCOLS {
        let (sender, receiver) = (sockets("x/a"), sockets("y/b"));
        let port = open(&receiver, protocol).await;
        for ip in LOOPBACKS {
            let flow = standing(protocol, (ip, port).into(), 999, 5);
            let attempts = futures_util::future::join_all((0..20).map(|_| sender.attempt(&flow, 6))).await;
            assert_eq!(attempts, vec![Outcome::Connected { source: ip }; 20], "{protocol}");
            let first = sources_seen(&receiver, protocol).await;
            assert_eq!(sender.attempt(&flow, 7).await, Outcome::Connected { source: ip });
            assert_eq!(sources_seen(&receiver, protocol).await, first, "another epoch is no reason to close it");
            sender.attempt(&ProbeFlow { standing: Some(8), ..flow }, 8).await;
            assert!(protocol == Protocol::Tcp || sources_seen(&receiver, protocol).await != first);
        }
    }
}

/// The last source port that a receiver of datagrams saw; nothing over TCP.
async fn sources_seen(receiver: &Sockets, protocol: Protocol) -> HashSet<u16> {
    receiver.drain().await;
    receiver.arrivals().tell_again();
    let ports = receiver.arrivals().take().into_iter().max_by_key(|arrival| arrival.last_us).into_iter();
    ports.filter(|_| protocol == Protocol::Udp).map(|arrival| arrival.source.port()).collect()
}

/// Answers as y/b.
fn answer_by_hand(stream: &mut TcpStream, request: Request) {
    let answer = Answer { nonce: request.nonce, source: stream.peer_addr().unwrap(), identity: "y/b".to_owned() };
    std::io::Write::write_all(stream, &answer.to_bytes()).unwrap();
}

fn request_by_hand(stream: &mut TcpStream) -> Request {
    let mut packet: Packet = [0; LENGTH];
    stream.read_exact(&mut packet).unwrap();
    Request::parse(&packet).unwrap()
}

#[tokio::test]
async fn a_standing_connection_survives_silence_and_is_not_opened_again_when_it_was_cut() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let other_side = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let first = request_by_hand(&mut stream);
        assert!(first.more);
        answer_by_hand(&mut stream, first);
        // The answer to the second comes with that to the third, too late.
        let second = request_by_hand(&mut stream);
        let third = request_by_hand(&mut stream);
        answer_by_hand(&mut stream, second);
        answer_by_hand(&mut stream, third);
        request_by_hand(&mut stream);
        drop(stream);
        let (mut anew, _) = listener.accept().unwrap();
        let request = request_by_hand(&mut anew);
        answer_by_hand(&mut anew, request);
        let _ended = anew.read(&mut [0]);
    });
    let sender = sockets("x/a");
    let connected = Outcome::Connected { source: Ipv4Addr::LOCALHOST.into() };
    let tried =
        async |deadline_ms, since| sender.attempt(&standing(Protocol::Tcp, to, deadline_ms, since), since).await;
    assert_eq!(tried(999, 1).await, connected);
    assert_eq!(tried(50, 1).await, Outcome::TimedOut);
    assert_eq!(tried(999, 1).await, connected);
    assert_eq!(tried(999, 1).await, Outcome::Reset);
    assert_eq!(tried(999, 1).await, Outcome::Reset, "it is over for good");
    assert_eq!(tried(999, 2).await, connected, "but not for the next case");
    drop(sender);
    // Its socket closes when the runtime comes to it.
    tokio::task::spawn_blocking(move || other_side.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn another_receiver_is_named() {
    for protocol in PROTOCOLS {
        let receiver = sockets("z/c");
        let port = open(&receiver, protocol).await;
        let outcome = attempt(protocol, (LOOPBACKS[0], port).into()).await;
        assert_eq!(outcome, Outcome::WrongIdentity { answered: "z/c".to_owned() }, "{protocol}");
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    for protocol in PROTOCOLS {
        for ip in LOOPBACKS {
            let outcome = attempt(protocol, (ip, free_port(protocol)).into()).await;
            assert_eq!(outcome, Outcome::Refused, "{protocol} {ip}");
        }
    }
}

#[tokio::test]
async fn a_connection_without_echo_ends_by_reset() {
    let listener = TcpListener::bind((LOOPBACKS[0], 0)).unwrap();
    assert_eq!(short_attempt(Protocol::Tcp, listener.local_addr().unwrap()).await, Outcome::NoEcho);
    let (mut connection, _) = listener.accept().unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = Vec::new();
    assert_eq!(connection.read_to_end(&mut request).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_that_answers_nonsense_is_no_echo() {
    let listener = tokio::net::TcpListener::bind((LOOPBACKS[0], 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut connection, &[b'x'; LENGTH]).await.unwrap();
        connection
    });
    assert_eq!(attempt(Protocol::Tcp, to).await, Outcome::NoEcho);
    answering.await.unwrap();
}

#[tokio::test]
async fn a_reset_before_the_echo_is_a_reset() {
    let listener = tokio::net::TcpListener::bind((LOOPBACKS[0], 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    let resetting = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        SockRef::from(&connection).set_linger(Some(Duration::ZERO)).unwrap();
    });
    assert_eq!(attempt(Protocol::Tcp, to).await, Outcome::Reset);
    resetting.await.unwrap();
}

#[tokio::test]
async fn a_datagram_that_nobody_reads_times_out() {
    let silent = UdpSocket::bind((LOOPBACKS[0], 0)).await.unwrap();
    assert_eq!(short_attempt(Protocol::Udp, silent.local_addr().unwrap()).await, Outcome::TimedOut);
}

#[tokio::test]
async fn a_connection_that_nobody_answers_times_out() {
    // A listener whose queue is full drops every SYN.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((LOOPBACKS[0], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let to = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&to, Duration::from_millis(100)) {
        waiting.push(connection);
        assert!(waiting.len() < 100, "the queue is never full");
    }
    assert_eq!(short_attempt(Protocol::Tcp, to).await, Outcome::TimedOut);
}

#[tokio::test]
async fn an_answer_to_another_request_is_ignored() {
    let receiver = UdpSocket::bind((LOOPBACKS[0], 0)).await.unwrap();
    let to = receiver.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let mut request: Packet = [0; LENGTH];
        let (length, source) = receiver.recv_from(&mut request).await.unwrap();
        assert_eq!(length, LENGTH);
        let request = Request::parse(&request).unwrap();
        let mut answer = Answer { nonce: [0; 16], source, identity: "z/c".to_owned() };
        receiver.send_to(&answer.to_bytes(), source).await.unwrap();
        receiver.send_to(b"garbage", source).await.unwrap();
        answer = Answer { nonce: request.nonce, source, identity: "y/b".to_owned() };
        receiver.send_to(&answer.to_bytes(), source).await.unwrap();
    });
    assert_eq!(attempt(Protocol::Udp, to).await, Outcome::Connected { source: LOOPBACKS[0] });
    answering.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_given_before_proves_nothing() {
    let receiver = UdpSocket::bind((LOOPBACKS[0], 0)).await.unwrap();
    let to = receiver.local_addr().unwrap();
    let replaying = tokio::spawn(async move {
        let (mut packet, mut first): (Packet, _) = ([0; LENGTH], None);
        loop {
            let (_, source) = receiver.recv_from(&mut packet).await.unwrap();
            let nonce = Request::parse(&packet).unwrap().nonce;
            let answer = Answer { nonce, source, identity: "y/b".to_owned() };
            receiver.send_to(first.get_or_insert(answer.to_bytes()), source).await.unwrap();
        }
    });
    assert_eq!(attempt(Protocol::Udp, to).await, Outcome::Connected { source: LOOPBACKS[0] });
    assert_eq!(short_attempt(Protocol::Udp, to).await, Outcome::TimedOut);
    replaying.abort();

    let listener = TcpListener::bind((LOOPBACKS[0], 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let replaying = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let first = request_by_hand(&mut stream);
        answer_by_hand(&mut stream, first);
        let (mut stream, _) = listener.accept().unwrap();
        request_by_hand(&mut stream);
        answer_by_hand(&mut stream, first);
    });
    assert_eq!(attempt(Protocol::Tcp, to).await, Outcome::Connected { source: LOOPBACKS[0] });
    assert_eq!(attempt(Protocol::Tcp, to).await, Outcome::NoEcho);
    tokio::task::spawn_blocking(move || replaying.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn arrivals_count_even_when_the_answer_is_lost() {
    let receiver = sockets("y/b");
    let port = open(&receiver, Protocol::Udp).await;
    let request = Request { epoch: 4, flow: 9, nonce: [1; 16], more: false };
    let mut source = None;
    for _ in 0..3 {
        let sender = UdpSocket::bind((LOOPBACKS[0], 0)).await.unwrap();
        sender.send_to(&request.to_bytes(), (LOOPBACKS[0], port)).await.unwrap();
        source = Some(sender.local_addr().unwrap());
    }
    let mut told = Vec::new();
    until("three datagrams counted", async || {
        receiver.drain().await;
        told.extend(receiver.arrivals().take());
        told.last().is_some_and(|arrival| arrival.count == 3)
    })
    .await;
    let last = told.last().unwrap();
    assert_eq!((last.epoch, last.flow, Some(last.source)), (4, 9, source));
    assert!(last.first_us <= last.last_us);
}

#[tokio::test]
async fn garbage_is_neither_counted_nor_answered() {
    let receiver = sockets("y/b");
    let port = open(&receiver, Protocol::Udp).await;
    let sender = UdpSocket::bind((LOOPBACKS[0], 0)).await.unwrap();
    let request = Request { epoch: 4, flow: 9, nonce: [1; 16], more: false }.to_bytes();
    for datagram in [&request[..LENGTH - 1], &[&request[..], &[0]].concat(), b"", &request] {
        sender.send_to(datagram, (LOOPBACKS[0], port)).await.unwrap();
    }
    let mut answer = [0; LENGTH + 1];
    let answered = timeout(Duration::from_secs(10), sender.recv(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answered, LENGTH);
    assert_eq!(receiver.arrivals().take()[0].count, 1);
    assert_eq!(sender.try_recv(&mut answer).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn every_attempt_has_a_source_port_of_its_own() {
    let silent = UdpSocket::bind((LOOPBACKS[0], 0)).await.unwrap();
    let prober = sockets("x/a");
    let flow = flow(Protocol::Udp, silent.local_addr().unwrap(), 1);
    for _ in 0..200 {
        prober.attempt(&flow, 1).await;
    }
    let mut ports = HashSet::new();
    let mut datagram = [0; LENGTH];
    while ports.len() < 200 {
        let (_, source) = timeout(Duration::from_secs(10), silent.recv_from(&mut datagram)).await.unwrap().unwrap();
        assert!((20_000..61_000).contains(&source.port()));
        assert!(ports.insert(source.port()), "{source} came twice");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_and_an_open_one_stays_open() {
    let (first, second) = (sockets("y/b"), sockets("z/c"));
    for protocol in PROTOCOLS {
        let port = ListenPort { protocol, port: open(&first, protocol).await };
        assert!(first.listen(&[port]).await.is_empty());
        let failed = second.listen(&[port]).await;
        assert_eq!(failed.iter().map(|failure| failure.port).collect::<Vec<_>>(), [port]);
        assert!(failed[0].reason.contains("in use"), "{}", failed[0].reason);
    }
    let sctp = ListenPort { protocol: Protocol::Sctp, port: 9 };
    assert_eq!(first.listen(&[sctp]).await[0].port, sctp);
}
