//! What a run is told to do, validated.

use crate::core::event::RunSettings;
use crate::core::verdict::seen::ATTEMPT_DEADLINE_US;
use std::time::Duration;

/// An attempt ends after this long, at the latest.
pub(super) const ATTEMPT_DEADLINE: Duration = Duration::from_micros(ATTEMPT_DEADLINE_US);

/// The same in a case of which every answer came soon so far.
pub(super) const QUICK_DEADLINE: Duration = Duration::from_millis(250);

/// An answer that took no longer came soon, in milliseconds.
pub(super) const SOON_MS: u32 = 200;

/// From one attempt to the next while nothing gets through.
pub(super) const BLOCKED_PACE: Duration = Duration::from_millis(50);

/// The same for what must get through: long enough for an answer that has to wait for its turn on a busy node, so that no
/// second attempt is made beside the first.
pub(super) const OPEN_PACE: Duration = Duration::from_millis(120);

/// How long a baseline may take. What has not connected by then never will.
pub(super) const BASELINE_PATIENCE: Duration = Duration::from_secs(5);

/// The same for the first baseline in a new world, whose Services may become reachable late.
pub(super) const FRESH_PATIENCE: Duration = Duration::from_secs(30);

/// How a run is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The profile's name, for the report.
    pub profile: String,
    /// How long a step may take until what is still wrong is a finding.
    pub settle: Duration,
    /// How long what is right must stay right.
    pub hold: Duration,
    /// How many blocked attempts a denied flow must show during the hold.
    pub hold_attempts: u32,
    /// How long the canary's policies stay in force at least; they always stay while other cases run.
    pub canary: Duration,
    /// Whether other policies come and go for as long as the canary's stay, also when all other cases are done.
    pub churn: bool,
    /// How late a change may take effect; however late is fine where that is `None`.
    pub budget: Option<Duration>,
    /// How long the whole run may take.
    pub timeout: Duration,
    /// How many lanes work side by side.
    pub lanes: usize,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Faults that the target was told to have, for the report.
    pub faults: Vec<String>,
    /// Test hook: the case at whose start the runner panics.
    pub panic_in: Option<String>,
}

impl Settings {
    /// What the report says of them.
    pub fn recorded(&self) -> RunSettings {
        RunSettings {
            profile: self.profile.clone(),
            settle_ms: millis(self.settle),
            hold_ms: millis(self.hold),
            hold_attempts: self.hold_attempts,
            canary_ms: millis(self.canary),
            budget_ms: self.budget.map(millis),
            timeout_ms: millis(self.timeout),
            lanes: self.lanes,
            seed: self.seed,
            faults: self.faults.clone(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
