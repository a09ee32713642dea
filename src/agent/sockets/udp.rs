//! Probes over UDP.

use super::bind::sources;
use super::errors::{no_source, outcome, port_taken};
use super::{RETRY, Shared, judge};
use crate::agent::echo::{Answer, LENGTH, Request};
use crate::core::model::observation::Outcome;
use crate::core::wire::ProbeFlow;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout_at};

/// Datagrams that are taken in before other work gets its turn.
const TURN: usize = 64;

/// More datagrams than a receive buffer holds: whoever reads so many has read all that were there at the beginning.
const DRAIN: usize = 16 * 1024;

/// One datagram, and the wait for its answer.
pub(super) async fn attempt(shared: &Shared, flow: &ProbeFlow, request: Request, deadline: Instant) -> Outcome {
    match timeout_at(deadline, exchange(shared, flow, request)).await {
        Ok(outcome) if Instant::now() < deadline => outcome,
        Ok(outcome @ Outcome::ProbeError { .. }) => outcome,
        Ok(_) | Err(_) => Outcome::TimedOut,
    }
}

async fn exchange(shared: &Shared, flow: &ProbeFlow, request: Request) -> Outcome {
    let socket = match connect(shared, flow) {
        Ok(socket) => socket,
        Err(outcome) => return outcome,
    };
    if let Err(error) = socket.send(&request.to_bytes()).await {
        return outcome(&error);
    }
    // One byte more than an answer has, to tell it from a longer datagram.
    let mut bytes = [0; LENGTH + 1];
    loop {
        match socket.recv(&mut bytes).await {
            Ok(length) => {
                let answer = Answer::parse(&bytes[..length]);
                if let Some(outcome) = answer.and_then(|answer| judge(answer, request, &flow.identity)) {
                    return outcome;
                }
            }
            Err(error) => return outcome(&error),
        }
    }
}

/// Connecting a datagram socket sends nothing; it lets the kernel deliver ICMP errors.
pub(super) fn connect(shared: &Shared, flow: &ProbeFlow) -> Result<UdpSocket, Outcome> {
    let mut taken = None;
    for socket in sources(shared, flow) {
        let socket = socket?;
        match socket.connect(&flow.to.into()).and_then(|()| UdpSocket::from_std(socket.into())) {
            Ok(socket) => return Ok(socket),
            Err(error) if port_taken(&error) => taken = Some(error),
            Err(error) => return Err(outcome(&error)),
        }
    }
    Err(no_source(taken))
}

/// A port that counts and answers datagrams.
pub(super) struct Receiver {
    /// Says when there is something to read.
    socket: UdpSocket,
    /// The same socket, to read from. Tokio's asks the kernel only after an event, but a drain has to see what arrived
    /// an instant ago.
    direct: std::net::UdpSocket,
    shared: Arc<Shared>,
}

impl Receiver {
    pub(super) fn new(direct: std::net::UdpSocket, shared: Arc<Shared>) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::from_std(direct.try_clone()?)?, direct, shared })
    }

    /// Takes in everything that is here now.
    pub(super) fn drain(&self) {
        // An error of the socket ends it too: there is nothing to read then.
        let _ = self.receive(DRAIN);
    }

    /// Takes in so many datagrams, or fewer and says why.
    fn receive(&self, datagrams: usize) -> io::Result<()> {
        (0..datagrams).try_for_each(|_| self.receive_one())
    }

    /// Takes in one datagram, counts it and answers.
    fn receive_one(&self) -> io::Result<()> {
        let mut bytes = [0; LENGTH + 1];
        let (length, source) = self.direct.recv_from(&mut bytes)?;
        if let Some(request) = Request::parse(&bytes[..length]) {
            self.shared.arrivals.record(request.epoch, request.flow, source);
            // The arrival counts even when the answer cannot leave.
            let _ = self.direct.send_to(&self.shared.answer(request, source).to_bytes(), source);
        }
        Ok(())
    }
}

/// Takes in datagrams as they come.
pub(super) async fn listen(receiver: Arc<Receiver>) {
    while receiver.socket.readable().await.is_ok() {
        match receiver.socket.try_io(Interest::READABLE, || receiver.receive(TURN)) {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => sleep(RETRY).await,
        }
    }
}
