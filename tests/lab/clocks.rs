//! Latencies are measured on clocks that have nothing to do with each other, over streams that take their time.
//!
//! `cargo test --release --test lab -- clock-errors` prints how far what is measured is off, for many delays: figures of a
//! quiet machine.

use crate::support::{Result, job};
use papertiger::core::catalogue::{Blueprint, Catalogue};
use papertiger::core::model::change::Change;
use papertiger::core::model::flow::{Endpoint, PodId};
use papertiger::core::model::world::World;
use papertiger::core::verdict::{Latency, Turn, Verdict, judge};
use papertiger::core::wire::ToAgent;
use papertiger::runner::run;
use papertiger::target::lab::{LabLane, LabOptions, LabTarget};
use papertiger::target::{Dial, Lane, LaneNames, Stand, Stream, Target, TargetError, Tracking};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, duplex, split};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The program that an agent is.
const PROGRAM: &str = env!("CARGO_BIN_EXE_papertiger");

/// What the timed case changes each way.
const CHANGES: usize = 4;

/// How long the agents' words take.
const LAG: Duration = Duration::from_millis(100);

/// How many of their chunks may be on their way.
const CHUNKS: usize = 1_024;

pub(crate) fn all(runtime: &Runtime, test: &mut dyn FnMut(&str, &dyn Fn() -> Result)) {
    test("clocks-of-their-own", &|| runtime.block_on(shifted()));
    test("clocks-over-a-lagging-stream", &|| runtime.block_on(lagging()));
}

/// Prints how far what is measured is off.
pub(crate) async fn errors() -> Result {
    for delay_ms in [0, 100, 1_000, 5_000] {
        let agent = ShiftedAgent::new()?;
        for (kind, agent, lag) in [
            ("clocks as they are", PathBuf::from(PROGRAM), Duration::ZERO),
            ("clocks a day ahead", agent.program.clone(), Duration::ZERO),
            ("words 100 ms late", PathBuf::from(PROGRAM), LAG),
        ] {
            let measured = measured(delay_ms, agent, lag).await?;
            for turn in [Turn::Deny, Turn::Allow] {
                let of_turn = || measured.iter().filter(|measured| measured.latency.turn == turn);
                let worst = |figure: fn(&Measured) -> f64| of_turn().map(figure).fold(0.0, f64::max);
                let (off, stated) = (worst(Measured::off_ms), worst(Measured::stated_ms));
                let outside = of_turn().filter(|measured| !measured.is_covered()).count();
                eprintln!(
                    "{delay_ms:>5} ms, {kind}, {turn}: off by at most {off:.1} ms, known to {stated:.1} ms, {outside} outside of that"
                );
            }
        }
    }
    Ok(())
}

/// Agents whose clocks are more than a day ahead of the run's, each by another time, tell the same.
async fn shifted() -> Result {
    let agent = ShiftedAgent::new()?;
    let measured = measured(1_000, agent.program.clone(), Duration::ZERO).await?;
    expect(&measured, |_| true)
}

/// What comes late in one direction alone looks as if clocks were apart: by half of it, which is stated.
async fn lagging() -> Result {
    let measured = measured(1_000, PROGRAM.into(), LAG).await?;
    expect(&measured, |latency| latency.clock_us >= 45_000)
}

/// The time that an engine really took is where it is said to be, however busy the machine is.
fn expect(measured: &[Measured], sound: impl Fn(&Latency) -> bool) -> Result {
    let odd = measured.iter().find(|measured| !measured.is_covered() || !sound(&measured.latency));
    odd.map_or(Ok(()), |measured| Err(format!("{measured:?}").into()))
}

/// A latency as it was measured and as it was.
#[derive(Debug)]
struct Measured {
    latency: Latency,
    /// From the request to the beginning of the load that brought it into force.
    began: Duration,
    /// From the request to the end of that load.
    ended: Duration,
}

impl Measured {
    fn off_ms(&self) -> f64 {
        let last_wrong = Duration::from_micros(self.latency.last_wrong_us);
        last_wrong.saturating_sub(self.ended).max(self.began.saturating_sub(last_wrong)).as_secs_f64() * 1_000.0
    }

    /// How well it is known.
    fn stated_ms(&self) -> f64 {
        let Latency { last_wrong_us, right_us, clock_us, .. } = self.latency;
        (right_us.saturating_sub(last_wrong_us) + clock_us) as f64 / 1_000.0
    }

    /// Whether it was between the last wrong observation and the first since which all are right, but for what clocks may
    /// be apart.
    fn is_covered(&self) -> bool {
        let Latency { last_wrong_us, right_us, clock_us, .. } = self.latency;
        let clock = Duration::from_micros(clock_us);
        Duration::from_micros(last_wrong_us) <= self.ended + clock
            && self.began <= Duration::from_micros(right_us) + clock
    }
}

/// What the timed case measures of an engine that is so late.
async fn measured(delay_ms: u64, agent: PathBuf, lag: Duration) -> Result<Vec<Measured>> {
    let blueprint = Blueprint::embedded();
    let options = LabOptions {
        delay: Duration::from_millis(delay_ms),
        agent,
        ..LabOptions::new(move |suffix| blueprint.world(suffix))?
    };
    let (events, mut heard) = mpsc::unbounded_channel();
    let (_nobody, interrupts) = mpsc::channel(1);
    let case = Catalogue::embedded().case("enforcement-latency").ok_or("no case is timed")?.clone();
    let loads = Arc::<Mutex<Vec<_>>>::default();
    let lab = Lagging { lab: LabTarget::new(options)?, lag, loads: Arc::clone(&loads) };
    run(lab, job(vec![case], 1), events, interrupts).await;
    let mut log = Vec::new();
    while let Some(event) = heard.recv().await {
        log.push(event);
    }
    let result = judge(&log)?;
    let (latencies, loads) = (result.latencies(), loads.lock().map_err(|error| error.to_string())?);
    if result.verdict != Verdict::Enforced || [latencies.len(), loads.len()] != [2 * CHANGES; 2] {
        return Err(format!("{}: {latencies:?}, {loads:?}", result.headline).into());
    }
    let pairs = latencies.into_iter().zip(loads.iter());
    Ok(pairs.map(|(latency, (began, ended))| Measured { latency, began: *began, ended: *ended }).collect())
}

/// For each change, from its request to the beginning and to the end of the load that brought it into force.
type Loads = Arc<Mutex<Vec<(Duration, Duration)>>>;

/// An agent that lives in a time of its own: by its process id another for each.
struct ShiftedAgent {
    program: PathBuf,
    _directory: tempfile::TempDir,
}

impl ShiftedAgent {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let program = directory.path().join("agent");
        fs::write(
            &program,
            format!("#!/bin/sh\nexec unshare --time --monotonic $((100000 + $$)) -- '{PROGRAM}' \"$@\"\n"),
        )?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        Ok(Self { program, _directory: directory })
    }
}

/// A lab whose agents' words take so long to arrive, while what is said to them takes none. It tells when its engine acts.
struct Lagging {
    lab: LabTarget,
    lag: Duration,
    loads: Loads,
}

struct LaggingLane {
    lane: LabLane,
    lag: Duration,
    loads: Loads,
}

#[derive(Clone)]
struct LaggingDial {
    dial: <LabLane as Lane>::Dial,
    lag: Duration,
}

impl Target for Lagging {
    type Lane = LaggingLane;

    fn kind(&self) -> &'static str {
        self.lab.kind()
    }

    fn nodes(&self) -> Vec<String> {
        self.lab.nodes()
    }

    fn tracking(&self) -> Tracking {
        self.lab.tracking()
    }

    async fn open_lane(&self, names: LaneNames, stand: Stand) -> std::result::Result<LaggingLane, TargetError> {
        let lane = self.lab.open_lane(names, stand).await?;
        Ok(LaggingLane { lane, lag: self.lag, loads: Arc::clone(&self.loads) })
    }

    async fn close(&self) -> std::result::Result<(), TargetError> {
        self.lab.close().await
    }
}

impl Lane for LaggingLane {
    type Dial = LaggingDial;

    fn world(&self) -> &World {
        self.lane.world()
    }

    async fn apply(&mut self, change: &Change) -> std::result::Result<(), TargetError> {
        let (requested, loads) = (Instant::now(), Arc::clone(&self.loads));
        let mut loaded = self.lane.loads()?;
        tokio::spawn(async move {
            if let Ok(Some(load)) =
                loaded.wait_for(|load| load.is_some_and(|load| load.began > requested)).await.map(|load| *load)
                && let Ok(mut loads) = loads.lock()
            {
                loads.push((load.began - requested, load.ended - requested));
            }
        });
        self.lane.apply(change).await
    }

    async fn instruct(&mut self, pod: &PodId, plan: Vec<ToAgent>) -> std::result::Result<(), TargetError> {
        self.lane.instruct(pod, plan).await
    }

    fn dial(&self) -> LaggingDial {
        LaggingDial { dial: self.lane.dial(), lag: self.lag }
    }

    async fn close(self) -> std::result::Result<(), TargetError> {
        self.lane.close().await
    }
}

impl Dial for LaggingDial {
    async fn connect(&self, endpoint: &Endpoint) -> std::result::Result<Box<dyn Stream>, TargetError> {
        let agent = self.dial.connect(endpoint).await?;
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(pass(agent, theirs, self.lag));
        Ok(Box::new(ours))
    }
}

/// Passes everything on, what the agent says so much later. Ends when either end does.
async fn pass(agent: Box<dyn Stream>, controller: DuplexStream, lag: Duration) {
    let (mut words, mut orders) = split(agent);
    let (mut asking, mut hearing) = split(controller);
    let (sender, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async {
        let mut chunk = vec![0; 1 << 14];
        while let Ok(length @ 1..) = words.read(&mut chunk).await {
            if sender.send((Instant::now() + lag, chunk[..length].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async {
        while let Some((due, chunk)) = waiting.recv().await {
            sleep_until(due).await;
            if hearing.write_all(&chunk).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
        _ = copy(&mut asking, &mut orders) => {}
    }
}
