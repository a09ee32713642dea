//! One conversation with a controller.
//!
//! Three things go on at once: reading, which never waits for anything but the stream; the work; and writing. Orders and
//! answers pass between them through bounded queues, and a controller that lets one of them run over loses the link.

use crate::agent::clock::Clock;
use crate::agent::handshake::Link;
use crate::agent::link::{FrameReader, FrameWriter, LinkError};
use crate::agent::net::Net;
use crate::agent::orders::{Agent, Refusal};
use crate::core::wire::{FromAgent, ToAgent};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

/// A controller that says nothing for so long is gone, even though the stream still stands.
pub const SILENCE: Duration = Duration::from_secs(120);

/// A frame that the controller does not take in so long ends the link.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Frames of each kind that may wait.
const QUEUE: usize = 64;

/// How a conversation ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The controller closed the stream.
    #[error("the controller hung up")]
    Closed,
    /// The controller was silent for too long.
    #[error("the controller said nothing for too long")]
    Silent,
    /// The agent ended it, and said why.
    #[error("refused: {0}")]
    Refused(String),
    /// The stream failed.
    #[error(transparent)]
    Broken(#[from] LinkError),
}

/// What the reader passes on.
enum Order {
    Message(ToAgent),
    Nonsense(String),
}

impl<N: Net> Agent<N> {
    /// Serves a controller until the conversation ends. An epoch goes on without it: the next controller is told again
    /// everything that is remembered of the epoch, under the same numbers. So this future may be dropped at any time, for
    /// a newer controller: what an order had begun is ended by repeating it.
    pub async fn serve<S: AsyncRead + AsyncWrite>(&mut self, link: Link<S>) -> SessionEnd {
        let (urgent, urgent_queue) = mpsc::channel(QUEUE);
        let (answers, answer_queue) = mpsc::channel(QUEUE);
        let (orders, order_queue) = mpsc::channel(QUEUE);
        let welcome = link.welcome(self.newest());
        let reading = read(link.reader, self.clock(), urgent, orders);
        let mut writing = Box::pin(write(link.writer, urgent_queue, answer_queue));
        let working = self.work(welcome, order_queue, answers);
        let end = tokio::select! {
            end = &mut writing => return end.map_or_else(SessionEnd::from, |()| SessionEnd::Closed),
            end = reading => return end,
            end = working => end,
        };
        // A refusal, or the answers to a controller that says no more but still listens.
        let _ = timeout(FAREWELL, writing).await;
        end
    }

    async fn work(
        &mut self,
        welcome: FromAgent,
        mut orders: mpsc::Receiver<Order>,
        answers: mpsc::Sender<FromAgent>,
    ) -> SessionEnd {
        // The queue is empty and its other end lives as long as this.
        let _ = answers.send(welcome).await;
        self.tell_again();
        loop {
            let due = self.due();
            let done = tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Message(message)) => self.obey(message, &answers).await,
                    Some(Order::Nonsense(reason)) => Err(Refusal(reason)),
                    None => return SessionEnd::Closed,
                },
                () = self.due_changed() => Ok(()),
                () = sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                    self.report(&answers).await;
                    Ok(())
                }
            };
            if let Err(Refusal(reason)) = done {
                let _ = answers.send(FromAgent::Refused { reason: reason.clone() }).await;
                return SessionEnd::Refused(reason);
            }
        }
    }
}

async fn read<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    clock: Clock,
    urgent: mpsc::Sender<FromAgent>,
    orders: mpsc::Sender<Order>,
) -> SessionEnd {
    loop {
        let Ok(message) = timeout(SILENCE, reader.read()).await else {
            return SessionEnd::Silent;
        };
        let taken = match message {
            Ok(Some(ToAgent::Ping { id })) => {
                urgent.try_send(FromAgent::Pong { id, at_us: clock.now_us() }).map_err(|_| ())
            }
            Ok(Some(message)) => orders.try_send(Order::Message(message)).map_err(|_| ()),
            Ok(None) => break,
            Err(LinkError::Frame(broken)) => {
                if orders.try_send(Order::Nonsense(broken.to_string())).is_err() {
                    return SessionEnd::Broken(broken.into());
                }
                break;
            }
            Err(broken) => return SessionEnd::Broken(broken),
        };
        if taken.is_err() {
            return SessionEnd::Refused("the controller does not read its answers".to_owned());
        }
    }
    // The orders that were given are still obeyed; whoever takes the last one ends the conversation.
    drop(orders);
    std::future::pending().await
}

/// Ends well once nobody can answer any more and the last answer is written.
async fn write<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    mut urgent: mpsc::Receiver<FromAgent>,
    mut answers: mpsc::Receiver<FromAgent>,
) -> Result<(), LinkError> {
    loop {
        let message = tokio::select! {
            biased;
            Some(message) = urgent.recv() => message,
            message = answers.recv() => match message {
                Some(message) => message,
                None => return writer.finish().await,
            },
        };
        timeout(WRITE_LIMIT, writer.write(&message)).await.map_err(std::io::Error::from)??;
    }
}
