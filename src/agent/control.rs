//! Controllers that come and go: the loopback port of an agent in a pod.

use crate::agent::handshake::{Gate, Link};
use crate::agent::net::Net;
use crate::agent::orders::Agent;
use crate::agent::session::SessionEnd;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long an agent goes on without a controller.
pub(super) const ORPHANED: Duration = Duration::from_secs(120);

/// Strangers that may be asked for the token at once.
const HANDSHAKES: usize = 8;

/// Loopback alone: nobody outside the pod can even ask. Either address is enough, since a forwarded connection tries both.
pub(super) async fn listeners(port: u16) -> io::Result<Vec<TcpListener>> {
    let four = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let six = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await;
    match (four, six) {
        (Err(error), Err(_)) => Err(error),
        (four, six) => Ok(four.into_iter().chain(six).collect()),
    }
}

/// Serves one controller after the other, until there was none for `patience`. One that knows the token takes over from
/// the one before: it is the same controller, back before its lost stream was noticed.
pub(super) async fn serve<N: Net>(agent: &mut Agent<N>, gate: Gate, listeners: Vec<TcpListener>, patience: Duration) {
    let (admitted, mut links) = mpsc::channel(1);
    let (gate, handshakes) = (Arc::new(gate), Arc::new(Semaphore::new(HANDSHAKES)));
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(admit(listener, Arc::clone(&gate), Arc::clone(&handshakes), admitted.clone()));
    }
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
            end = agent.serve(link) => match end {
                // It was gone all that time.
                SessionEnd::Silent => return,
                SessionEnd::Closed | SessionEnd::Refused(_) | SessionEnd::Broken(_) => None,
            },
            newer = links.recv() => newer,
        };
    }
}

async fn admit(
    listener: TcpListener,
    gate: Arc<Gate>,
    handshakes: Arc<Semaphore>,
    admitted: mpsc::Sender<Link<TcpStream>>,
) {
    while let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (gate, admitted) = (Arc::clone(&gate), admitted.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // A stranger's end is its own affair.
            if let Ok(link) = gate.admit(stream).await {
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
        let begin = Instant::now();
        serve(&mut agent, gate, Vec::new(), ORPHANED).await;
        assert_eq!(begin.elapsed().as_secs(), ORPHANED.as_secs());
    }
}
