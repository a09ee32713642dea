//! A live Kubernetes cluster. The only home of the Kubernetes client.
//!
//! What a run creates stands in namespaces of its own, carries its label and its expiry, and goes with it. Nothing else in
//! the cluster is changed, and nothing is executed in a pod.

mod client;
mod dry_run;
mod errors;
mod foreign;
mod forward;
mod given;
mod kubelet;
mod lane;
mod names;
mod nodes;
mod objects;
mod open;
mod placement;
mod program;
mod remove;
mod rights;
mod waiting;

pub use client::{Access, Connection};
pub use given::GivenNamespaces;
pub use lane::{ClusterDial, ClusterLane};
pub use placement::NodeChoice;
pub use remove::Remains;
pub use rights::{CLEANUP_RIGHTS, GIVEN_CLEANUP_RIGHTS, GIVEN_RIGHTS, NODE_RIGHTS, PULL_SECRET_RIGHTS, RIGHTS, Right};

use crate::core::catalogue::{Blueprint, Case, LABELS_OF_GIVEN, PODS_ON_EACH, add_host_probes};
use crate::core::event::Untested;
use crate::core::model::world::{Namespace, Node, World};
use crate::target::{Alert, LaneNames, Stand, Target, TargetError};
use errors::{advised, failed, patiently, refused};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{self as core, Pod, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use names::Tag;
use nodes::{Candidate, Survey};
use objects::{PodStyle, Program};
use open::{Laggards, Maker};
use placement::Placement;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, RwLock};

/// The API group by which a platform shows that it gives pods their user ids.
const ASSIGNS_USERS: &str = "security.openshift.io";

/// How long the pods of one lane may have the nodes to themselves.
const HEAD_START: Duration = Duration::from_secs(3);

/// Pods that have not ended.
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// How long the end of a run waits for what it was creating.
const CREATES_END: Duration = Duration::from_secs(20);

/// How a cluster is to be probed.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The run's id: 6 lower-case letters and digits.
    pub run: String,
    /// Until when its objects may be in use.
    pub expires: Timestamp,
    /// Which nodes.
    pub nodes: NodeChoice,
    /// Taints to put up with: `KEY[=VALUE][:EFFECT]`.
    pub tolerate: Vec<String>,
    /// An image whose entry point is the agent; `None` takes the agent that papertiger carries.
    pub image: Option<String>,
    /// A secret for pulling it, `NAMESPACE/NAME` or `NAME`.
    pub pull_secret: Option<String>,
    /// Somebody else's namespaces to work in; `None` makes some.
    pub namespaces: Option<GivenNamespaces>,
    /// Whether everything is left where it is at the end.
    pub keep: bool,
    /// Whether pods on the nodes' own network probe too.
    pub host_probes: bool,
    /// Whether some case is of every node: then each has two pods of its own.
    pub every_node: bool,
    /// Whose turn it is where fewer nodes are wanted than there are: 0 takes the first, 1 those after them, and so on.
    pub turn: u64,
}

/// A cluster.
pub struct ClusterTarget {
    connection: Connection,
    options: ClusterOptions,
    blueprint: Blueprint,
    maker: Maker,
    placement: Placement,
    /// The namespaces that are given, as they are.
    given: Vec<Namespace>,
    nodes: Vec<Node>,
    untested: Vec<Untested>,
    alerts: UnboundedSender<Alert>,
    heard: StdMutex<Option<UnboundedReceiver<Alert>>>,
    watches: StdMutex<Vec<foreign::Watch>>,
    /// Lanes get their worlds one after the other, so that the first can work while the others' pods start.
    queue: Arc<Mutex<()>>,
    /// Whoever creates holds it for reading, so that removal begins when nothing is being created any more.
    gate: Arc<RwLock<()>>,
}

impl ClusterTarget {
    /// Looks before anything is created: rights, nodes, room, and what probe pods can run.
    pub async fn survey(connection: Connection, options: ClusterOptions) -> Result<Self, TargetError> {
        let client = connection.client.clone();
        let given = match &options.namespaces {
            None => {
                rights::check(&client, &RIGHTS).await?;
                Vec::new()
            }
            Some(given) => given.survey(&client).await?,
        };
        let nodes = Api::<core::Node>::all(client.clone());
        let nodes = nodes.list(&ListParams::default()).await.map_err(|error| refused("listing the nodes", &error))?;
        // Nobody who works in given namespaces needs to see the pods of others: there is room, or pods find no place.
        let pods = if options.namespaces.is_none() { others(&client).await? } else { Vec::new() };

        let blueprint = Blueprint::embedded();
        let tolerations: Vec<core::Toleration> = options.tolerate.iter().map(|text| nodes::toleration(text)).collect();
        let runs_on = |arch: &str| options.image.is_some() || program::executable(arch).is_some();
        let survey = Survey::of(&nodes.items, &pods, &tolerations, runs_on);
        let own_pods = if options.every_node { PODS_ON_EACH } else { 0 };
        let (mut candidates, untested) = options.nodes.choose(survey, options.turn, own_pods.max(1))?;
        if options.host_probes {
            // A lane has three pods on a node, and this is a fourth.
            candidates.iter_mut().for_each(|node| node.room = node.room * 3 / 4);
        }
        let placement = Placement::new(&blueprint, &candidates, own_pods)?;

        let program = program::choose(options.image.as_deref(), &candidates, assigns_users(&connection).await?);
        let secret = match &options.pull_secret {
            // Those who made the namespaces have put it there.
            Some(_) if options.namespaces.is_some() => None,
            Some(name) => {
                rights::check(&client, &PULL_SECRET_RIGHTS).await?;
                Some(pull_secret(&connection, name).await?)
            }
            None => None,
        };
        let secret_name = secret.as_ref().map(ResourceExt::name_any).or_else(|| options.pull_secret.clone());
        let style = PodStyle { program, tolerations, pull_secret: secret_name };
        let tag = Tag { run: options.run.clone(), expires: options.expires };
        let archs = candidates.iter().map(|node| (node.name.clone(), node.arch.clone())).collect();
        let (alerts, heard) = unbounded_channel();
        Ok(Self {
            maker: Maker { client, tag, style, archs, pull_secret: secret, given: options.namespaces.clone() },
            given,
            nodes: candidates
                .iter()
                .map(|Candidate { name, addresses, .. }| Node { name: name.clone(), addresses: addresses.clone() })
                .collect(),
            connection,
            options,
            blueprint,
            placement,
            untested,
            alerts,
            heard: StdMutex::new(Some(heard)),
            watches: StdMutex::default(),
            queue: Arc::default(),
            gate: Arc::default(),
        })
    }

    /// Settles on a number of lanes, as many as are wanted and the nodes have room for, and returns it. Nodes on which
    /// none of them stands are not tested.
    pub fn settle_on(&mut self, lanes: usize) -> usize {
        // Given namespaces hold one world.
        let most = if self.maker.given.is_some() { 1 } else { self.placement.lanes() };
        let lanes = lanes.min(most);
        self.placement.keep(lanes);
        if self.options.every_node {
            return lanes;
        }
        let placement = &self.placement;
        let (probed, beyond) =
            std::mem::take(&mut self.nodes).into_iter().partition(|node| placement.reaches(&node.name));
        self.nodes = probed;
        let reason = || format!("none of the {lanes} lanes stands on it; --lanes and --nodes choose others");
        self.untested.extend(beyond.into_iter().map(|node: Node| Untested { node: node.name, reason: reason() }));
        lanes
    }

    /// The suffix of a lane's label values.
    fn label_suffix(&self, lane: &LaneNames) -> String {
        if self.maker.given.is_some() { LABELS_OF_GIVEN.to_owned() } else { lane.suffix() }
    }

    fn world(&self, lane: &LaneNames, stand: &Stand) -> World {
        let mut world = self.blueprint.world(&self.label_suffix(lane));
        if self.maker.given.is_some() {
            world.namespaces.clone_from(&self.given);
        }
        world.externals.clear();
        world.nodes.clone_from(&self.nodes);
        match stand {
            Stand::Spread => {
                self.placement.place(&mut world, lane.lane);
                if self.options.host_probes {
                    add_host_probes(&mut world, &lane.suffix(), lane.lane);
                }
            }
            Stand::OnEach(places) => world.stand_on_each(&self.nodes(), places),
        }
        world.forget_idle_nodes();
        world
    }

    /// Notes which cases cannot be run in given namespaces, and returns the words; `None` where all can.
    pub fn note_left_out(&self, cases: &[Case]) -> Option<String> {
        let left_out: Vec<&str> =
            cases.iter().filter(|case| case.changes_a_namespace()).map(|case| case.id.as_str()).collect();
        if self.maker.given.is_none() || left_out.is_empty() {
            return None;
        }
        let text = format!(
            "in given namespaces {} of {} cases cannot run, because they change a namespace: {}",
            left_out.len(),
            cases.len(),
            left_out.join(", ")
        );
        self.tell(Alert::Note(text.clone()));
        Some(text)
    }

    fn tell(&self, alert: Alert) {
        // Nobody listens any more only when the run has ended.
        let _ = self.alerts.send(alert);
    }
}

impl Target for ClusterTarget {
    type Lane = ClusterLane;

    // Its pods take some seconds to start, and each of them takes from what the nodes have for the others.
    const OPENING: usize = 2;

    fn kind(&self) -> &'static str {
        "cluster"
    }

    fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    fn untested(&self) -> Vec<Untested> {
        self.untested.clone()
    }

    fn alerts(&self) -> Option<UnboundedReceiver<Alert>> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.tell(Alert::Note(format!(
            "Kubernetes {} at {}; probe pods run {}",
            self.connection.version,
            self.connection.server,
            match &self.maker.style.program {
                Program::Carried { image, .. } => format!("the agent that papertiger carries, in the image {image}"),
                Program::Image(image) => format!("the image {image}"),
            }
        )));
        heard
    }

    async fn open_lane(&self, names: LaneNames, stand: Stand) -> Result<ClusterLane, TargetError> {
        let turn = Arc::clone(&self.queue).lock_owned().await;
        // Where pods are slow to start for other reasons than the others beside them, waiting longer gains nothing.
        let turn = tokio::spawn(async move {
            tokio::time::sleep(HEAD_START).await;
            drop(turn);
        });
        let opening = Arc::clone(&self.gate).read_owned().await;
        let world = self.world(&names, &stand);
        if names.lane == 0 {
            let watches = foreign::in_cluster(&self.maker.client, &names.run, &world.namespaces, &self.alerts).await;
            *self.watches.lock().unwrap_or_else(PoisonError::into_inner) = watches;
        }
        let (maker, alerts, keep) = (self.maker.clone(), self.alerts.clone(), self.options.keep);
        let gate = Arc::clone(&self.gate);
        // A task of its own: when nobody waits for it any more, what it has begun to create must still be known to have
        // been created before the end of the run removes it.
        let made = tokio::spawn(async move {
            let lane = names.lane;
            let progress = |running: usize, all: usize| {
                // What comes before the pods of the next world is made while the last of these starts.
                if running + 1 >= all {
                    turn.abort();
                }
                let text = format!("lane {}: {running} of {all} probe pods run", lane + 1);
                drop(alerts.send(Alert::Progress(text)));
            };
            if let Some(given) = &maker.given {
                // What stands in the way: an earlier run's remains, or a lane that this one replaces.
                match lane {
                    0 => given.remove_expired(&maker.client).await?,
                    _ => given.remove(&maker.client, &names.run).await?,
                }
            }
            let created = maker.create(world, &names).await?;
            drop(opening);
            let laggards = match stand {
                Stand::Spread => Laggards::Fail,
                Stand::OnEach(_) => Laggards::LeaveOut,
            };
            let (world, left_out) = maker.started(created, laggards, progress).await?;
            left_out.into_iter().for_each(|node| drop(alerts.send(Alert::LeftOut(node))));
            turn.abort();
            let shared = Arc::new(StdMutex::new(world));
            let watches = foreign::in_lane(&maker.client, &names.run, lane, &shared, &alerts).await;
            Ok(ClusterLane::new(maker, names, gate, shared, keep, watches))
        });
        made.await.unwrap_or_else(|error| Err(failed("making a world", error)))
    }

    async fn close(&self) -> Result<(), TargetError> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.tell(Alert::Note(format!("the run made {} requests to the API server", self.connection.requests())));
        // Requests that are being retried must not keep the removal from what is there already.
        let _nobody_creates = tokio::time::timeout(CREATES_END, self.gate.write()).await;
        if self.options.keep {
            let run = &self.options.run;
            let cleanup = match &self.maker.given {
                None => remove::cleanup(run),
                Some(given) => given.cleanup(run),
            };
            self.tell(Alert::Note(format!(
                "--keep: everything of run {run} was left in the cluster; {cleanup} removes it"
            )));
            return Ok(());
        }
        remove_run(&self.connection, self.maker.given.as_ref(), &self.options.run).await
    }
}

/// What runs have left in a cluster, or in given namespaces, those at work among them.
pub async fn remains(connection: &Connection, given: Option<&GivenNamespaces>) -> Result<Vec<Remains>, TargetError> {
    match given {
        None => {
            rights::check(&connection.client, &CLEANUP_RIGHTS).await?;
            remove::remains(&connection.client).await
        }
        Some(given) => {
            rights::check_in(&connection.client, &given.each(&GIVEN_CLEANUP_RIGHTS)).await?;
            given.remains(&connection.client).await
        }
    }
}

/// Removes what a run has left, and waits until it has gone.
pub async fn remove_run(
    connection: &Connection,
    given: Option<&GivenNamespaces>,
    run: &str,
) -> Result<(), TargetError> {
    match given {
        None => remove::remove(&connection.client, run).await,
        Some(given) => given.remove(&connection.client, run).await,
    }
}

/// All pods of the cluster that have not ended.
async fn others(client: &kube::Client) -> Result<Vec<Pod>, TargetError> {
    let alive = ListParams::default().fields(ALIVE);
    let pods = Api::<Pod>::all(client.clone()).list(&alive).await;
    Ok(pods.map_err(|error| refused("counting the room on the nodes", &error))?.items)
}

async fn assigns_users(connection: &Connection) -> Result<bool, TargetError> {
    let groups = patiently(|| connection.client.list_api_groups()).await;
    let groups = groups.map_err(|error| refused("asking for the API groups of the cluster", &error))?;
    Ok(groups.groups.iter().any(|group| group.name == ASSIGNS_USERS))
}

/// Reads the secret that every namespace of the run gets a copy of.
async fn pull_secret(connection: &Connection, name: &str) -> Result<Secret, TargetError> {
    let (namespace, name) = name.split_once('/').unwrap_or((&connection.namespace, name));
    let step = || format!("reading the pull secret {namespace}/{name}");
    let secrets = Api::<Secret>::namespaced(connection.client.clone(), namespace);
    match secrets.get_opt(name).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(advised(step(), "there is none of that name", "write NAMESPACE/NAME")),
        Err(error) => Err(refused(step(), &error)),
    }
}
