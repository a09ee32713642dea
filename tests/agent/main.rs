//! The agent as a process: what starts it, what it obeys, what ends it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy takes a test's helpers for production code"
)]

mod process;

use nix::sys::signal::Signal;
use papertiger::agent::TOKEN_VARIABLE;
use papertiger::core::model::flow::Protocol;
use papertiger::core::model::observation::Outcome;
use papertiger::core::wire::{FromAgent, ListenPort, Pace, ProbeFlow, ToAgent};
use process::{Agent, Controller, TOKEN, free_port, output, unread};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Fast, and as fast after a thousand attempts.
const PACE: Pace = Pace {
    deadline_ms: 50,
    blocked_ms: 10,
    blocked_attempts: 1_000,
    blocked_max_ms: 10,
    through_ms: 10,
    through_attempts: 1,
    through_max_ms: 20,
};

#[tokio::test]
async fn the_end_of_its_socket_ends_it() {
    let (agent, mut controller) = Agent::on_socket("x/a");
    controller.say_hello(TOKEN).await;
    drop(controller);
    assert_eq!(agent.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_signal_is_a_clean_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (agent, mut controller) = Agent::on_socket("x/a");
        controller.say_hello(TOKEN).await;
        controller.probe(1, vec![]).await;
        agent.kill(signal);
        assert_eq!(agent.exit_code().await, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_wrong_token_ends_an_agent_on_a_socket_but_not_one_on_a_port() {
    let (agent, mut controller) = Agent::on_socket("x/a");
    assert!(matches!(controller.say_hello("guess").await, FromAgent::Refused { .. }));
    assert_eq!(agent.exit_code().await, Some(0));

    let (agent, port) = Agent::on_port("x/a");
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let mut stranger = Controller::at(ip, port).await;
        assert!(matches!(stranger.say_hello("guess").await, FromAgent::Refused { .. }));
        let mut controller = Controller::at(ip, port).await;
        assert!(matches!(controller.say_hello(TOKEN).await, FromAgent::Welcome { .. }));
    }
    agent.kill(Signal::SIGTERM);
    assert_eq!(agent.exit_code().await, Some(0));
}

/// The local addresses, as the kernel writes them, of the sockets that listen on a TCP port.
fn listening_on(port: u16) -> Vec<String> {
    let tables =
        ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let rows =
        tables.iter().flat_map(|table| table.lines().skip(1)).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let listening = rows.filter(|row| row[3] == "0A").filter_map(|row| row[1].split_once(':'));
    listening.filter(|(_, of)| u16::from_str_radix(of, 16) == Ok(port)).map(|(address, _)| address.to_owned()).collect()
}

#[tokio::test]
async fn nobody_outside_the_pod_can_ask_for_control() {
    let (_agent, port) = Agent::on_port("x/a");
    Controller::at(Ipv4Addr::LOCALHOST.into(), port).await;
    let loopback = [u32::from_ne_bytes([127, 0, 0, 1]), u32::from_ne_bytes([0, 0, 0, 1])];
    let [four, last] = loopback.map(|word| format!("{word:08X}"));
    let six = format!("{:024}{last}", 0);
    let mut listening = listening_on(port);
    assert!(!listening.is_empty());
    listening.retain(|address| *address != four && *address != six);
    assert!(listening.is_empty(), "{listening:?}");
}

#[tokio::test]
async fn a_stranger_who_announces_himself_is_not_probed() {
    let (_agent, mut controller) = Agent::on_socket("x/a");
    controller.say_hello(TOKEN).await;
    let port = free_port(Protocol::Udp);
    controller.say(ToAgent::Listen { ports: vec![ListenPort { protocol: Protocol::Udp, port }] }).await;
    assert_eq!(controller.hear().await, FromAgent::Listening { failed: vec![] });
    let stranger = tokio::net::UdpSocket::from_std(unread()).unwrap();
    let flow = ProbeFlow {
        flow: 1,
        to: (Ipv4Addr::UNSPECIFIED, stranger.local_addr().unwrap().port()).into(),
        protocol: Protocol::Udp,
        identity: "y/b".to_owned(),
        pace: PACE,
        standing: None,
        announced_by: Some(77),
    };
    controller.probe(1, vec![flow]).await;
    let mut datagram = [0; 200];
    // Another number, another epoch, and then what only the right one was told.
    for (epoch, number, probed) in [(1_u32, 78_u32, false), (2, 77, false), (1, 77, true)] {
        let mut request = [0; 176];
        request[..5].copy_from_slice(b"PTrq\x01");
        request[8..12].copy_from_slice(&epoch.to_be_bytes());
        request[12..16].copy_from_slice(&number.to_be_bytes());
        stranger.send_to(&request, (Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (_, answers) = stranger.recv_from(&mut datagram).await.unwrap();
        assert_eq!((answers.port(), &datagram[..5]), (port, &b"PTan\x01"[..]), "every request is answered");
        let probe = tokio::time::timeout(Duration::from_millis(300), stranger.recv_from(&mut datagram)).await;
        assert_eq!(probe.is_ok_and(|_| datagram.starts_with(b"PTrq")), probed, "epoch {epoch}, number {number}");
    }
}

#[tokio::test]
async fn a_controller_that_comes_back_finds_the_same_agent() {
    let (_agent, port) = Agent::on_port("x/a");
    let mut lost = Controller::at(Ipv4Addr::LOCALHOST.into(), port).await;
    let welcome = lost.say_hello(TOKEN).await;
    // The agent has not noticed yet that the first stream is lost.
    let mut back = Controller::at(Ipv4Addr::LOCALHOST.into(), port).await;
    assert_eq!(back.say_hello(TOKEN).await, welcome);
    back.say(ToAgent::Sync { id: 3 }).await;
    assert_eq!(back.hear().await, FromAgent::Synced { id: 3 });
    assert!(lost.is_over().await, "one controller at a time");
}

#[tokio::test]
async fn a_stream_that_is_cut_in_the_middle_of_an_epoch_costs_nothing() {
    let (_agent, port) = Agent::on_port("x/a");
    let silent = unread();
    let to = silent.local_addr().unwrap();
    let flow = ProbeFlow {
        flow: 7,
        to,
        protocol: Protocol::Udp,
        identity: "y/b".to_owned(),
        pace: PACE,
        standing: None,
        announced_by: None,
    };
    let mut controller = Controller::at(Ipv4Addr::LOCALHOST.into(), port).await;
    let FromAgent::Welcome { start, epoch: None, .. } = controller.say_hello(TOKEN).await else { panic!("no welcome") };
    controller.probe(3, vec![flow]).await;
    let before = controller.until(3, |seen| seen.get(&7).is_some_and(|streak| streak.count >= 5)).await;
    drop(controller);

    let mut controller = Controller::at(Ipv6Addr::LOCALHOST.into(), port).await;
    let welcome = controller.say_hello(TOKEN).await;
    assert!(
        matches!(welcome, FromAgent::Welcome { start: same, epoch: Some(3), .. } if same == start),
        "the same process, which was told to probe: {welcome:?}"
    );
    let count = before[&7].count + 20;
    let after = controller.until(3, |seen| seen.get(&7).is_some_and(|streak| streak.count >= count)).await;
    assert_eq!(after[&7].first_us, before[&7].first_us, "one streak, before and after");
    controller.say(ToAgent::Stop { epoch: 3 }).await;
    let mut answer = controller.hear().await;
    while matches!(answer, FromAgent::Streaks { epoch: 3, .. }) {
        answer = controller.hear().await;
    }
    assert_eq!(answer, FromAgent::Stopped { epoch: 3 });
}

#[tokio::test]
async fn misuse_is_told_apart_from_failure() {
    for (arguments, code, part) in [
        (&["--identity", "x/a"][..], 2, "--control"),
        (&["--control", "stdin"], 2, "--identity"),
        (&["--help"], 0, ""),
        (&["--identity", "x/a", "--control", "stdin"], 1, "not a connected Unix socket"),
    ] {
        let output = output(&mut Agent::command(arguments));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(part), "{arguments:?}");
    }
    let output = output(Agent::command(&["--identity", "x/a", "--control", "stdin"]).env_remove(TOKEN_VARIABLE));
    assert_eq!(output.status.code(), Some(2), "without a token");
}

#[tokio::test]
async fn two_agents_find_out_what_is_open() {
    let (_receiver, mut receiving) = Agent::on_socket("y/b");
    let (_sender, mut sending) = Agent::on_socket("x/a");
    receiving.say_hello(TOKEN).await;
    sending.say_hello(TOKEN).await;
    let ports = [Protocol::Tcp, Protocol::Udp].map(|protocol| ListenPort { protocol, port: free_port(protocol) });
    receiving.say(ToAgent::Listen { ports: ports.to_vec() }).await;
    assert_eq!(receiving.hear().await, FromAgent::Listening { failed: vec![] });

    let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let pace = Pace { deadline_ms: 900, blocked_ms: 100, blocked_max_ms: 100, ..PACE };
    let identity = "y/b".to_owned();
    let mut flows = Vec::new();
    for (ip, port) in loopbacks.into_iter().flat_map(|ip| ports.map(|port| (ip, port))) {
        let (flow, protocol) = (u32::try_from(flows.len()).unwrap(), port.protocol);
        flows.push(ProbeFlow {
            flow,
            to: (ip, port.port).into(),
            protocol,
            identity: identity.clone(),
            pace,
            standing: None,
            announced_by: None,
        });
    }
    let silent = unread();
    let to = silent.local_addr().unwrap();
    flows.push(ProbeFlow {
        flow: 4,
        to,
        protocol: Protocol::Udp,
        identity,
        pace: Pace { deadline_ms: 50, ..pace },
        standing: None,
        announced_by: None,
    });
    sending.probe(1, flows).await;

    let seen = sending.until(1, |seen| seen.len() == 5 && seen.values().all(|streak| streak.count >= 5)).await;
    for (flow, streak) in seen {
        let expected = match flow {
            0 | 1 => Outcome::Connected { source: loopbacks[0] },
            2 | 3 => Outcome::Connected { source: loopbacks[1] },
            _ => Outcome::TimedOut,
        };
        assert_eq!(streak.outcome, expected, "flow {flow}");
    }
    receiving.say(ToAgent::Sync { id: 1 }).await;
    let mut arrived = std::collections::BTreeMap::new();
    loop {
        match receiving.hear().await {
            FromAgent::Arrivals { arrivals } => {
                arrived.extend(arrivals.into_iter().map(|arrival| (arrival.flow, arrival.count)));
            }
            FromAgent::Synced { id: 1 } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(arrived.keys().copied().collect::<Vec<_>>(), [1, 3]);
    assert!(arrived.values().all(|count| *count >= 5));
}

#[tokio::test]
async fn the_end_of_an_epoch_takes_no_deadline() {
    let (_agent, mut controller) = Agent::on_socket("x/a");
    controller.say_hello(TOKEN).await;
    let silent = unread();
    let to = silent.local_addr().unwrap();
    let pace = Pace { deadline_ms: 999, ..PACE };
    let flow = ProbeFlow {
        flow: 1,
        to,
        protocol: Protocol::Udp,
        identity: "y/b".to_owned(),
        pace,
        standing: None,
        announced_by: None,
    };
    controller.probe(1, vec![flow]).await;
    let (silent, mut datagram) = (tokio::net::UdpSocket::from_std(silent).unwrap(), [0; 1]);
    silent.recv(&mut datagram).await.unwrap();
    controller.say(ToAgent::Stop { epoch: 1 }).await;
    let stopped = tokio::time::timeout(Duration::from_millis(900), controller.hear()).await;
    assert_eq!(stopped.unwrap(), FromAgent::Stopped { epoch: 1 });
}
