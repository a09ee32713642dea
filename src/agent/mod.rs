//! The agent: it sends probes, answers them, and reports what it saw. It knows nothing of policies.
//!
//! A controller gives the orders of [`wire`](crate::core::wire) over one stream; the first may stand in its arguments. The
//! agent dials only what an order lists, or who announces himself as an order says, and obeys only who knows its token.
//! [`Agent`] and [`Gate`] work over any stream and any [`Net`]: with [`Sockets`] in a pod, with a model of a network in a
//! simulation.

mod args;
mod arrivals;
mod book;
mod clock;
mod control;
mod echo;
mod handshake;
mod link;
mod net;
mod orders;
mod pacing;
mod prober;
mod process;
mod random;
mod session;
mod sockets;

#[cfg(test)]
mod tests;

pub use args::{AgentConfig, Control, TOKEN_VARIABLE};
pub use arrivals::Arrivals;
pub use clock::Clock;
pub use control::{ORPHANED, serve_streams};
pub use handshake::{Gate, HANDSHAKE, Link};
pub use link::{FrameReader, FrameWriter, LinkError};
pub use net::Net;
pub use orders::Agent;
pub use process::run;
pub use session::{SILENCE, SessionEnd};
pub use sockets::Sockets;

use tokio::io::{AsyncRead, AsyncWrite};

/// A whole agent for one conversation: from the controller's first word until it hangs up.
pub async fn serve<S: AsyncRead + AsyncWrite, N: Net>(stream: S, gate: Gate, mut agent: Agent<N>) -> SessionEnd {
    match gate.admit(stream, SILENCE).await {
        Ok(link) => agent.serve(link).await,
        Err(end) => end,
    }
}
