//! What happens during a run, in order: the only thing that crosses from the runner to the reporters.
//!
//! Everything a verdict needs is in here, so a recorded log gives the same reports as the run itself. Times are
//! microseconds since the run began, on the controller's monotonic clock.

use crate::core::catalogue::{Property, Seat};
use crate::core::model::change::Change;
use crate::core::model::flow::{Flow, PodId};
use crate::core::model::observation::{LATEST_US, Streak};
use crate::core::model::world::{Pod, World};
use crate::core::oracle::{Answer, Assumptions};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The schema that every log names in its first event.
pub const SCHEMA: &str = "papertiger.dev/events/v1";

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEvent {
    /// When.
    pub at_us: u64,
    /// What.
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "the largest comes once a run")]
pub enum Event {
    /// The run begins. Always the first event.
    RunStarted(RunStarted),
    /// A lane has a world whose agents answer.
    LaneOpened {
        /// The lane.
        lane: u32,
    },
    /// A lane begins a case. Its labels are set up already.
    CaseStarted(Box<CaseStarted>),
    /// A phase of the case that the lane works on begins.
    PhaseStarted {
        /// The lane.
        lane: u32,
        /// Which phase.
        phase: Phase,
        /// How many flows it probes.
        flows: usize,
    },
    /// How far the phase is. For progress only: logs do not keep it.
    PhaseProgress {
        /// The lane.
        lane: u32,
        /// Cells that are not yet as they shall be.
        wrong: usize,
    },
    /// A phase ended.
    PhaseEnded(Box<PhaseEnded>),
    /// A pod was made again and watched from its first instruction on.
    PodStarted(Box<PodStarted>),
    /// A case ended. One that was abandoned beside others is started again, and then only that counts.
    CaseEnded {
        /// The lane.
        lane: u32,
        /// The case.
        case: String,
        /// Why it could not be finished, if it was not.
        abandoned: Option<String>,
    },
    /// A case was not run, because this target cannot show what it proves.
    CaseSkipped {
        /// The case.
        case: String,
        /// Why.
        reason: String,
    },
    /// A property that the specification leaves open was observed; later cases rely on it.
    PropertyObserved {
        /// What is assumed from now on.
        assumptions: Assumptions,
    },
    /// The kubelet of a node probed a pod beside the world, under the policies of the case that the lane works on.
    KubeletObserved {
        /// The lane.
        lane: u32,
        /// The case.
        case: String,
        /// Whether it got through.
        through: bool,
    },
    /// Somebody else's policy is there that can touch what is probed, or is there no more.
    ForeignPolicy(ForeignPolicy),
    /// A node that was to be probed turned out to take no pod.
    NodeLeftOut(Untested),
    /// What takes its time just now. For progress only: logs do not keep it.
    Progress {
        /// The lane that waits for it, if it is not the run.
        lane: Option<u32>,
        /// A few words.
        text: String,
    },
    /// Something that a reader of the report should know.
    Note {
        /// A sentence.
        text: String,
    },
    /// The run is over. Always the last event, except where the process was killed.
    RunEnded {
        /// Why.
        end: RunEnd,
    },
}

/// How the run was set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStarted {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run's id.
    pub run: String,
    /// The version of papertiger.
    pub tool_version: String,
    /// `lab`, `sim` or `cluster`.
    pub target: String,
    /// The nodes that are probed.
    pub nodes: Vec<String>,
    /// The nodes that the target has besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untested: Vec<Untested>,
    /// When, by the wall clock (RFC 3339, UTC).
    pub started_at: String,
    /// The settings that shape what can be concluded.
    pub settings: RunSettings,
    /// The ids of the cases that shall run.
    pub cases: Vec<String>,
}

/// A node that is not probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untested {
    /// Its name.
    pub node: String,
    /// Why.
    pub reason: String,
}

/// Somebody else's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignPolicy {
    /// The lane whose namespaces it stands in; `None` for one that concerns the whole cluster.
    pub lane: Option<u32>,
    /// Kind, namespace and name, as `kubectl` would write them: `NetworkPolicy default/allow-all`.
    pub object: String,
    /// The probe pods that it selects; `None` where that cannot be said.
    pub pods: Option<Vec<PodId>>,
    /// Whether it is there; `false` when it has gone.
    pub present: bool,
}

/// The settings that shape what can be concluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// The profile's name.
    pub profile: String,
    /// How long a step may take until what is still wrong is a finding, in milliseconds.
    pub settle_ms: u64,
    /// How long what is right must stay right, in milliseconds.
    pub hold_ms: u64,
    /// How many blocked attempts a denied flow must show during the hold.
    pub hold_attempts: u32,
    /// How long the canary's policies stay in force at least, in milliseconds.
    #[serde(default)]
    pub canary_ms: u64,
    /// How late a change may take effect, in milliseconds; however late is fine where that is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ms: Option<u64>,
    /// How long the whole run may take, in milliseconds.
    pub timeout_ms: u64,
    /// How many lanes.
    pub lanes: usize,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Faults that the target was told to have, in their own notation.
    pub faults: Vec<String>,
}

/// What a lane is about to do, with all that the oracle needs to say what must be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseStarted {
    /// The lane.
    pub lane: u32,
    /// The case's id.
    pub case: String,
    /// What it proves, in a sentence.
    pub title: String,
    /// The features that it covers.
    pub covers: Vec<String>,
    /// Terms that can have no witness here, each with its reason.
    pub masked: Vec<Masked>,
    /// What this case observes that the specification leaves open; it is never scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<Property>,
    /// Whether it measures how late changes take effect, alone and closely.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopwatch: bool,
    /// Whether it is scored only where the property that it relies on was observed.
    pub requires_property: bool,
    /// What it takes for settled of what the specification leaves open.
    pub assumptions: Assumptions,
    /// The world as it was before the first step.
    pub world: World,
    /// The steps, in the short names of cases, as the target accepted them.
    pub steps: Vec<Change>,
    /// The deletion after the last step.
    pub removal: Change,
    /// What other cases change in the same world with each of these changes; with the deletion, all that they have left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Vec<Change>>,
    /// Which namespaces and pods stand for those that the case names.
    #[serde(default, skip_serializing_if = "Seat::is_own")]
    pub seat: Seat,
}

impl CaseStarted {
    /// Whether it has such a phase: others in its batch may have more steps, and a log may say anything.
    pub fn has(&self, phase: Phase) -> bool {
        match phase {
            Phase::Baseline | Phase::Removal => true,
            Phase::Step(step) => step < self.steps.len(),
        }
    }
}

/// A term that can have no witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// The term's id.
    pub term: String,
    /// Why nothing can tell whether it is ignored.
    pub reason: String,
}

/// A part of a case between two changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before any policy: every flow must connect.
    Baseline,
    /// After the step of that index, counted from 0.
    Step(usize),
    /// After everything was deleted: every flow must connect again.
    Removal,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baseline => f.write_str("baseline"),
            Self::Step(index) => write!(f, "step {}", index + 1),
            Self::Removal => f.write_str("removal"),
        }
    }
}

/// What was seen in a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseEnded {
    /// The lane.
    pub lane: u32,
    /// The case.
    pub case: String,
    /// The phase.
    pub phase: Phase,
    /// When the change was requested; for a baseline, when probing began.
    pub requested_us: u64,
    /// When the change was accepted; no attempt that counts began before.
    pub accepted_us: u64,
    /// How far the clocks of the agents may be from the run's, in microseconds: the most of any.
    #[serde(default)]
    pub clock_us: u64,
    /// When everything was as it shall be and stayed so to the end of the phase; `None` when it never was.
    pub converged_us: Option<u64>,
    /// When everything had been right for a whole hold; `None` when it never was. The canary is probed beyond that, and
    /// what goes wrong there went wrong without any change.
    #[serde(default)]
    pub held_us: Option<u64>,
    /// How long what was wrong was given to come right, where that was limited.
    #[serde(default)]
    pub patience_us: Option<u64>,
    /// When probing ended.
    pub ended_us: u64,
    /// The pods that the change made again, as they are since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<Pod>,
    /// Every flow that was probed.
    pub cells: Vec<Cell>,
}

/// What was seen of a pod from its first instruction on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodStarted {
    /// The lane.
    pub lane: u32,
    /// The case.
    pub case: String,
    /// The phase that makes the pod again. What it finds in force is what was before.
    pub phase: Phase,
    /// The pod, as it was then.
    pub pod: Pod,
    /// When its agent began.
    pub began_us: u64,
    /// How far the clocks of the agents may be from the run's, in microseconds: the most of any.
    pub clock_us: u64,
    /// When everything had been right for a whole hold; `None` when it never was.
    pub held_us: Option<u64>,
    /// When probing ended.
    pub ended_us: u64,
    /// The flows from and to the pod. What they must do, nothing but its own side decides.
    pub cells: Vec<Cell>,
}

impl RunEvent {
    /// Whether its times can be. What is concluded from events takes that for granted.
    pub fn is_possible(&self) -> bool {
        self.at_us <= LATEST_US
            && match &self.event {
                Event::RunStarted(started) => started.settings.is_possible(),
                Event::PhaseEnded(ended) => ended.is_possible(),
                Event::PodStarted(started) => started.is_possible(),
                Event::LaneOpened { .. }
                | Event::CaseStarted(_)
                | Event::PhaseStarted { .. }
                | Event::PhaseProgress { .. }
                | Event::CaseEnded { .. }
                | Event::CaseSkipped { .. }
                | Event::PropertyObserved { .. }
                | Event::KubeletObserved { .. }
                | Event::ForeignPolicy(_)
                | Event::NodeLeftOut(_)
                | Event::Progress { .. }
                | Event::Note { .. }
                | Event::RunEnded { .. } => true,
            }
    }
}

impl RunSettings {
    fn is_possible(&self) -> bool {
        let Self {
            profile: _,
            settle_ms,
            hold_ms,
            hold_attempts: _,
            canary_ms,
            budget_ms,
            timeout_ms,
            lanes: _,
            seed: _,
            faults: _,
        } = self;
        let mut times = [*settle_ms, *hold_ms, *canary_ms, *timeout_ms].into_iter().chain(*budget_ms);
        times.all(|ms| ms <= LATEST_US / 1_000)
    }
}

impl PhaseEnded {
    fn is_possible(&self) -> bool {
        let Self {
            lane: _,
            case: _,
            phase: _,
            requested_us,
            accepted_us,
            clock_us,
            converged_us,
            held_us,
            patience_us,
            ended_us,
            pods: _,
            cells,
        } = self;
        let always = [*requested_us, *accepted_us, *clock_us, *ended_us];
        let mut times = always.into_iter().chain([*converged_us, *held_us, *patience_us].into_iter().flatten());
        times.all(|us| us <= LATEST_US) && cells.iter().all(Cell::is_possible)
    }
}

impl PodStarted {
    fn is_possible(&self) -> bool {
        let Self { lane: _, case: _, phase: _, pod: _, began_us, clock_us, held_us, ended_us, cells } = self;
        let mut times = [*began_us, *clock_us, *ended_us].into_iter().chain(*held_us);
        times.all(|us| us <= LATEST_US) && cells.iter().all(Cell::is_possible)
    }
}

impl Cell {
    fn is_possible(&self) -> bool {
        let Self { flow: _, expected: _, streaks, arrived, alone } = self;
        let alone_streaks = alone.iter().flat_map(|alone| &alone.streaks);
        let arrivals = arrived.iter().chain(alone.iter().filter_map(|alone| alone.arrived.as_ref()));
        streaks.iter().chain(alone_streaks).all(Streak::is_possible) && arrivals.into_iter().all(Arrived::is_possible)
    }
}

impl Arrived {
    /// Whether its times can be.
    pub fn is_possible(&self) -> bool {
        self.first_us <= self.last_us && self.last_us <= LATEST_US
    }
}

impl PhaseEnded {
    /// Since when everything held, where the phase asked for that: a baseline and a removal only ask for connections.
    pub fn held_since_us(&self) -> Option<u64> {
        match self.phase {
            Phase::Step(_) => self.converged_us,
            Phase::Baseline | Phase::Removal => None,
        }
    }
}

/// A flow in a phase: what must happen and what did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The flow.
    pub flow: Flow,
    /// What must happen, as the oracle said when the phase began.
    pub expected: Answer,
    /// All attempts of the phase, in order.
    pub streaks: Vec<Streak>,
    /// Datagrams that the receiver counted (UDP only).
    pub arrived: Option<Arrived>,
    /// What was seen when the cell was tried again while no other lane probed.
    pub alone: Option<Alone>,
}

/// Datagrams that a receiver counted, whether or not its answer got back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrived {
    /// How many.
    pub count: u32,
    /// When the first came in.
    pub first_us: u64,
    /// When the last came in.
    pub last_us: u64,
}

/// What was seen when a cell was tried again while no other lane probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alone {
    /// The attempts.
    pub streaks: Vec<Streak>,
    /// Datagrams that the receiver counted (UDP only).
    pub arrived: Option<Arrived>,
}

impl ForeignPolicy {
    /// Whether it may touch a probe pod: one that selects none changes nothing.
    pub fn can_touch(&self) -> bool {
        self.present && self.pods.as_ref().is_none_or(|pods| !pods.is_empty())
    }
}

impl Event {
    /// Whether it only tells how far something is. Nothing is concluded from it, and logs do not keep it.
    pub fn is_progress(&self) -> bool {
        match self {
            Self::PhaseProgress { .. } | Self::Progress { .. } => true,
            Self::RunStarted(_)
            | Self::LaneOpened { .. }
            | Self::CaseStarted(_)
            | Self::PhaseStarted { .. }
            | Self::PhaseEnded(_)
            | Self::PodStarted(_)
            | Self::CaseEnded { .. }
            | Self::CaseSkipped { .. }
            | Self::PropertyObserved { .. }
            | Self::KubeletObserved { .. }
            | Self::ForeignPolicy(_)
            | Self::NodeLeftOut(_)
            | Self::Note { .. }
            | Self::RunEnded { .. } => false,
        }
    }
}

/// Why a run was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RunEnd {
    /// Every case was run.
    Completed,
    /// A signal ended it.
    Interrupted {
        /// `SIGINT` or `SIGTERM`.
        signal: String,
    },
    /// It took longer than its timeout.
    TimedOut,
    /// It could not go on.
    Failed {
        /// Why.
        message: String,
    },
}
