//! What a run probes: a lab on this machine, a simulation, a cluster. The runner knows only these traits.

pub mod cluster;
pub mod lab;
pub mod sim;

use crate::core::event::{ForeignPolicy, Untested};
use crate::core::model::change::Change;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::world::World;
use crate::core::wire::{ListenPort, ToAgent};
use std::fmt::Display;
use std::future::Future;
use std::ops::Range;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// A two-way byte stream to an agent.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Something that can be probed.
pub trait Target: Send + Sync + 'static {
    /// A lane of this target.
    type Lane: Lane;

    /// About as many steps another lane could take while one is opened.
    const OPENING: usize = 0;

    /// What reports call it: `lab`, `sim`, `cluster`.
    fn kind(&self) -> &'static str;

    /// The nodes that can be probed.
    fn nodes(&self) -> Vec<String>;

    /// The nodes that it has besides, each with the reason why it is not probed.
    fn untested(&self) -> Vec<Untested> {
        Vec::new()
    }

    /// How long its nodes remember connections.
    fn tracking(&self) -> Tracking {
        Tracking::LINUX
    }

    /// What the target finds out by itself. Taken once, before the first lane is opened.
    fn alerts(&self) -> Option<mpsc::UnboundedReceiver<Alert>> {
        None
    }

    /// Makes a world: namespaces, pods with running agents, Services. Ready when every agent accepts a control stream.
    fn open_lane(&self, names: LaneNames, stand: Stand)
    -> impl Future<Output = Result<Self::Lane, TargetError>> + Send;

    /// Removes whatever is left. Called once, after every lane was closed or dropped; may be called when lanes are still
    /// being opened, whose remains it removes too.
    fn close(&self) -> impl Future<Output = Result<(), TargetError>> + Send;
}

/// How long a node remembers a connection in which nothing happens any more: its connection-tracking timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// A SYN without an answer (`nf_conntrack_tcp_timeout_syn_sent`).
    pub syn_sent: Duration,
    /// A TCP connection after its RST (`nf_conntrack_tcp_timeout_close`).
    pub closed: Duration,
    /// A datagram, answered or not (`nf_conntrack_udp_timeout`).
    pub datagram: Duration,
    /// What has timed out is still counted for so long, until the kernel sweeps it up.
    pub sweep: Duration,
}

impl Tracking {
    /// What Linux does unless it is told otherwise.
    pub const LINUX: Self = Self {
        syn_sent: Duration::from_secs(120),
        closed: Duration::from_secs(10),
        datagram: Duration::from_secs(30),
        // It sweeps the sooner, the sooner entries die, and at least once a minute: on 6.18, of 2,000 datagrams at once, all
        // were swept up after 12 s; of as many over 30 s, each after 10 s on average, and it is their sum that counts.
        sweep: Duration::from_secs(10),
    };
}

/// What a target finds out by itself while it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// Somebody else's policy is there that can touch what is probed, or is there no more.
    Foreign(ForeignPolicy),
    /// A node turned out to take no pod.
    LeftOut(Untested),
    /// A sentence for the report.
    Note(String),
    /// How far something is that takes its time; for progress only.
    Progress(String),
}

/// A world of its own, and the policies in it.
pub trait Lane: Send + 'static {
    /// The way to its agents.
    type Dial: Dial;

    /// Whether its nodes have kubelets, which probe pods by themselves.
    const KUBELETS: bool = false;

    /// Whether its namespaces are somebody else's, which are never changed and have labels that do not tell lanes apart.
    fn has_given_namespaces(&self) -> bool {
        false
    }

    /// The world as it now is: labels as read back, nodes and addresses as given.
    fn world(&self) -> &World;

    /// Makes a change and returns when it was accepted, which says nothing about when it takes effect. What is recreated
    /// runs by then, under other addresses and with other agents than before.
    fn apply(&mut self, change: &Change) -> impl Future<Output = Result<(), TargetError>> + Send;

    /// Makes several changes that have nothing to do with each other, at once where the target can.
    fn apply_all(&mut self, changes: &[Change]) -> impl Future<Output = Result<(), TargetError>> + Send {
        async move {
            for change in changes {
                self.apply(change).await?;
            }
            Ok(())
        }
    }

    /// From the next time on that this pod is made, its agent obeys these orders before any controller comes, beginning with
    /// its first instruction.
    fn instruct(&mut self, pod: &PodId, plan: Vec<ToAgent>) -> impl Future<Output = Result<(), TargetError>> + Send;

    /// Whether the kubelet of a node gets through to a pod of its own in a namespace, by its short name, beside the world
    /// and under whatever selects every pod there; says so as soon as that is sure. Where there are no kubelets, none does.
    fn kubelet_gets_through(&mut self, _namespace: &str) -> impl Future<Output = Result<bool, TargetError>> + Send {
        async { Ok(false) }
    }

    /// The way to its agents, which outlives what is done with the lane itself: a stream may have to be opened again while
    /// a change is being made, or while the lane waits for its turn.
    fn dial(&self) -> Self::Dial;

    /// Removes the world.
    fn close(self) -> impl Future<Output = Result<(), TargetError>> + Send;
}

/// The way to the agents of a lane.
pub trait Dial: Clone + Send + Sync + 'static {
    /// Another control stream to an endpoint's agent; the former one may still seem to stand, and is of no more use.
    ///
    /// It is called again and again, for several endpoints at once, and dropped when it takes too long. Every failure is
    /// taken for a passing one, except [`TargetError::gone`]. That the agent is still the same process need not be found
    /// out here: it says so itself.
    fn connect(&self, endpoint: &Endpoint) -> impl Future<Output = Result<Box<dyn Stream>, TargetError>> + Send;
}

/// Where the pods of a lane stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stand {
    /// Those of the world, on a few nodes.
    Spread,
    /// Two on each of the nodes at these places in [`Target::nodes`]. Those of a node that takes none are left out, and an
    /// alert says so.
    OnEach(Range<usize>),
}

/// What tells one lane's objects from every other's: `run` and `lane` go into names and label values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneNames {
    /// The run: lower-case letters and digits, 6 characters.
    pub run: String,
    /// The lane's number, from 0; a lane that replaces another has a number of its own.
    pub lane: u32,
    /// The secret that the agents of this run ask for.
    pub token: String,
}

impl LaneNames {
    /// The suffix of names and label values: run and lane. The run has a fixed length, so no two lanes share one.
    pub fn suffix(&self) -> String {
        format!("{}{}", self.run, self.lane)
    }
}

/// A target that cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed: {cause}{}", hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default())]
pub struct TargetError {
    /// What was attempted, as a noun phrase: "creating a network namespace".
    pub step: String,
    /// What the system said.
    pub cause: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// Whether it will never be otherwise, because what it was asked of is not there any more.
    pub gone: bool,
}

impl TargetError {
    /// What it was asked of is not there any more: trying again is of no use.
    pub fn gone(step: impl Into<String>, cause: impl Display) -> Self {
        Self { step: step.into(), cause: cause.to_string(), hint: None, gone: true }
    }
}

/// An error without advice.
fn failed(step: impl Into<String>, cause: impl Display) -> TargetError {
    TargetError { step: step.into(), cause: cause.to_string(), hint: None, gone: false }
}

/// The ports that an agent has to open for its endpoint.
pub fn listen_ports(world: &World, endpoint: &Endpoint) -> Vec<ListenPort> {
    world.ports(endpoint).iter().map(|port| ListenPort { protocol: port.protocol, port: port.port }).collect()
}

/// What the agent of an endpoint answers to probes: nobody else in any lane of any run answers the same.
pub fn identity(suffix: &str, endpoint: &Endpoint) -> String {
    format!("{endpoint}@{suffix}")
}
