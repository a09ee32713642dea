//! Controllers that come and go: the loopback port of an agent in a pod.

use crate::agent::handshake::{Gate, HANDSHAKE, Link};
use crate::agent::net::Net;
use crate::agent::orders::Agent;
use crate::agent::session::SessionEnd;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long an agent goes on without a controller.
pub const ORPHANED: Duration = Duration::from_secs(110);

/// Strangers that may be asked for the token at once.
const HANDSHAKES: usize = 8;

/// After a connection could not be accepted, which happens when there are no descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// Loopback alone: nobody outside the pod can even ask. Either address is enough, since a forwarded connection tries both.
pub(super) async fn listeners(port: u16) -> io::Result<Vec<TcpListener>> {
    let four = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let six = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await;
    match (four, six) {
        (Err(error), Err(_)) => Err(error),
        (four, six) => Ok(four.into_iter().chain(six).collect()),
    }
}

/// Serves the controllers that come by TCP.
pub(super) async fn serve<N: Net>(agent: &mut Agent<N>, gate: Gate, listeners: Vec<TcpListener>) {
    let (knocking, streams) = mpsc::channel(1);
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(accept(listener, knocking.clone()));
    }
    serve_streams(agent, gate, streams, ORPHANED).await;
}

async fn accept(listener: TcpListener, knocking: mpsc::Sender<TcpStream>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                if knocking.send(stream).await.is_err() {
                    return;
                }
            }
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// Serves whoever comes by one of `streams` and knows the token, one controller after the other, until there was none for
/// `patience`. One takes over from the one before at once: it is the same controller, back before its lost stream was
/// noticed. Whoever does not know the token disturbs nobody.
pub async fn serve_streams<N: Net, S: AsyncRead + AsyncWrite + Send + 'static>(
    agent: &mut Agent<N>,
    gate: Gate,
    streams: mpsc::Receiver<S>,
    patience: Duration,
) {
    let (admitted, mut links) = mpsc::channel(1);
    let mut doors = JoinSet::new();
    doors.spawn(admit(gate, streams, admitted));
    let mut next = None;
    loop {
        let link = match next.take() {
            Some(link) => link,
            None => match timeout(patience, links.recv()).await {
                Ok(Some(link)) => link,
                Ok(None) | Err(_) => return,
            },
        };
        next = tokio::select! {
            biased;
            Some(newer) = links.recv() => Some(newer),
            end = agent.serve(link) => match end {
                // It was gone all that time.
                SessionEnd::Silent => return,
                SessionEnd::Closed | SessionEnd::Refused(_) | SessionEnd::Broken(_) => None,
            },
        };
    }
}

async fn admit<S: AsyncRead + AsyncWrite + Send + 'static>(
    gate: Gate,
    mut streams: mpsc::Receiver<S>,
    admitted: mpsc::Sender<Link<S>>,
) {
    let (gate, handshakes) = (Arc::new(gate), Arc::new(Semaphore::new(HANDSHAKES)));
    while let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await
        && let Some(stream) = streams.recv().await
    {
        let (gate, admitted) = (Arc::clone(&gate), admitted.clone());
        tokio::spawn(async move {
            // A stranger's end is its own affair.
            if let Ok(link) = gate.admit(stream, HANDSHAKE).await {
                let _ = admitted.send(link).await;
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Clock, Sockets};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn an_agent_without_a_controller_ends() {
        let mut agent = Agent::new(Sockets::new("x/a".to_owned(), Clock::start()));
        let gate = Gate { identity: "x/a".to_owned(), token: "secret".to_owned(), start: 1 };
        let (_way, streams) = mpsc::channel::<TcpStream>(1);
        let begin = Instant::now();
        serve_streams(&mut agent, gate, streams, ORPHANED).await;
        assert_eq!(begin.elapsed().as_secs(), ORPHANED.as_secs());
    }
}
