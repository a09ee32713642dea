//! Connections that stand: each is opened once, and every attempt is a request on it.
//!
//! Requests overlap, as attempts do. An answer belongs to the request with its nonce, however late it comes: what TCP kept
//! back while something blocked it says nothing any more about the attempt that was given up.

use super::errors::outcome;
use super::{Shared, judge, tcp, udp};
use crate::agent::echo::{Answer, LENGTH, Nonce, Packet, Request};
use crate::core::model::flow::Protocol;
use crate::core::model::observation::Outcome;
use crate::core::wire::ProbeFlow;
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

/// What may wait to be written while a connection is blocked, in bytes. What comes then is not sent.
const UNSENT: usize = 256 * LENGTH;

/// The standing connections of one agent.
#[derive(Default)]
pub(super) struct Standing {
    slots: Mutex<BTreeMap<Key, Slot>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    since: u32,
    to: SocketAddr,
    protocol: Protocol,
}

/// A connection, or nothing before it was opened; whoever opens it holds the lock.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Line>>>>;

impl Standing {
    /// The place of a connection. Those that are older than `key` allows are closed.
    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|other, _| other.since >= key.since);
        Arc::clone(slots.entry(key).or_default())
    }
}

/// One request, on the connection that was opened in the epoch `since` or later, or on a new one where there is none.
pub(super) async fn attempt(
    shared: &Shared,
    flow: &ProbeFlow,
    since: u32,
    request: Request,
    deadline: Instant,
) -> Outcome {
    let exchange = async {
        let key = Key { since, to: flow.to, protocol: flow.protocol };
        let slot = shared.standing.slot(key);
        let line = {
            let mut slot = slot.lock().await;
            match &*slot {
                Some(line) => Arc::clone(line),
                None => Arc::clone(slot.insert(Arc::new(Line::open(shared, flow).await?))),
            }
        };
        line.ask(request, &flow.identity).await
    };
    match timeout_at(deadline, exchange).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::TimedOut,
    }
}

/// One connection.
struct Line {
    socket: Arc<Socket>,
    asked: Arc<Mutex<Asked>>,
    reader: AbortHandle,
}

enum Socket {
    Stream(TcpStream),
    Datagram(UdpSocket),
}

/// What is under way on a connection.
#[derive(Default)]
struct Asked {
    waiting: HashMap<Nonce, oneshot::Sender<Result<Answer, Outcome>>>,
    /// The rest of what a stream did not take yet.
    unsent: Vec<u8>,
    /// What ended it.
    ended: Option<Outcome>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Line {
    async fn open(shared: &Shared, flow: &ProbeFlow) -> Result<Self, Outcome> {
        let socket = match flow.protocol {
            Protocol::Tcp | Protocol::Sctp => {
                let stream = tcp::connect(shared, flow).await?;
                stream.set_nodelay(true).map_err(|error| outcome(&error))?;
                Socket::Stream(stream)
            }
            Protocol::Udp => Socket::Datagram(udp::connect(shared, flow)?),
        };
        let socket = Arc::new(socket);
        let asked = Arc::new(Mutex::default());
        let reader = tokio::spawn(read(Arc::clone(&socket), Arc::clone(&asked))).abort_handle();
        Ok(Self { socket, asked, reader })
    }

    async fn ask(&self, request: Request, expected: &str) -> Result<Outcome, Outcome> {
        let (tell, told) = oneshot::channel();
        {
            let mut asked = lock(&self.asked);
            if let Some(end) = &asked.ended {
                return Err(end.clone());
            }
            asked.waiting.retain(|_, waiting| !waiting.is_closed());
            asked.waiting.insert(request.nonce, tell);
        }
        self.send(&request.to_bytes()).await?;
        // Whoever ends the connection tells everybody first.
        let answer = told.await.unwrap_or(Err(Outcome::Reset))?;
        Ok(judge(answer, request, expected).unwrap_or(Outcome::NoEcho))
    }

    async fn send(&self, packet: &Packet) -> Result<(), Outcome> {
        match &*self.socket {
            Socket::Datagram(socket) => match socket.send(packet).await {
                Ok(_) => Ok(()),
                Err(error) => Err(outcome(&error)),
            },
            Socket::Stream(stream) => {
                let mut asked = lock(&self.asked);
                if asked.unsent.len() < UNSENT {
                    asked.unsent.extend_from_slice(packet);
                }
                while !asked.unsent.is_empty() {
                    match stream.try_write(&asked.unsent) {
                        Ok(written) => drop(asked.unsent.drain(..written)),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(asked.end(outcome(&error))),
                    }
                }
                Ok(())
            }
        }
    }
}

impl Asked {
    fn answered(&mut self, answer: Answer) {
        if let Some(waiting) = self.waiting.remove(&answer.nonce) {
            // It may have been given up.
            let _ = waiting.send(Ok(answer));
        }
    }

    fn tell_all(&mut self, outcome: &Outcome) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.send(Err(outcome.clone()));
        }
    }

    fn end(&mut self, outcome: Outcome) -> Outcome {
        self.tell_all(&outcome);
        self.ended.get_or_insert(outcome).clone()
    }
}

/// Takes in answers for as long as the connection lasts.
async fn read(socket: Arc<Socket>, asked: Arc<Mutex<Asked>>) {
    match &*socket {
        Socket::Stream(stream) => {
            let end = read_stream(stream, &asked).await;
            lock(&asked).end(end);
        }
        Socket::Datagram(socket) => read_datagrams(socket, &asked).await,
    }
}

/// Gives what ended it.
async fn read_stream(stream: &TcpStream, asked: &Mutex<Asked>) -> Outcome {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * LENGTH];
    loop {
        if let Err(error) = stream.readable().await {
            return outcome(&error);
        }
        match stream.try_read(&mut piece) {
            Ok(0) => return Outcome::Reset,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return outcome(&error),
        }
        while let Some((packet, _)) = bytes.split_first_chunk::<LENGTH>() {
            let Some(answer) = Answer::parse(packet) else { return Outcome::NoEcho };
            lock(asked).answered(answer);
            bytes.drain(..LENGTH);
        }
    }
}

/// An error tells of one datagram, and the next one may fare better.
async fn read_datagrams(socket: &UdpSocket, asked: &Mutex<Asked>) {
    // One byte more than an answer has, to tell it from a longer datagram.
    let mut bytes = [0; LENGTH + 1];
    loop {
        match socket.recv(&mut bytes).await {
            Ok(length) => {
                if let Some(answer) = Answer::parse(&bytes[..length]) {
                    lock(asked).answered(answer);
                }
            }
            Err(error) => lock(asked).tell_all(&outcome(&error)),
        }
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}
