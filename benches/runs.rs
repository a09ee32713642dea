//! How long whole runs take, and where the time goes: in the lab, and on the cluster that KUBECONFIG names, if it does.
//!
//! `cargo bench --bench runs` runs the quick and the standard profile; `-- quick standard full` those that are named;
//! `-- lanes` the quick profile on more and more lanes of the lab, and `-- nodes` the case of every node on more and more
//! nodes, with the exponent by which time grows. Nothing here fails: the figures are for people.

#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use papertiger::core::event::{Event, PhaseEnded, RunEvent};
use papertiger::core::verdict::{RunResult, judge};
use papertiger::report::record;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, read_to_string};
use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::NamedTempFile;

/// The case that stays while the others come and go: its time is theirs.
const CANARY: &str = "canary";

/// How often the memory of a run is looked at.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let asked = if asked.is_empty() { vec!["quick".to_owned(), "standard".to_owned()] } else { asked };
    let targets: &[&str] = if std::env::var_os("KUBECONFIG").is_some() { &["lab", "verify"] } else { &["lab"] };
    for what in &asked {
        match what.as_str() {
            "lanes" => growth("lanes", &[1, 2, 4, 8], |lanes| ["--profile", "quick", "--lanes", lanes])?,
            "nodes" => growth("nodes", &[2, 4, 8, 16], |nodes| ["--case", "every-node", "--size", nodes])?,
            profile => {
                for target in targets {
                    print(&measure(target, &["--profile", profile])?);
                }
            }
        }
    }
    Ok(())
}

/// A run and what it took.
struct Measured {
    result: RunResult,
    phases: Vec<PhaseEnded>,
    /// When the first case could begin.
    opened_us: u64,
    /// What all cases took together.
    busy_us: u64,
    /// Of papertiger and, in the lab, of all that it starts.
    cpu: Duration,
    /// Of papertiger alone.
    peak_kib: u64,
}

fn measure(command: &str, arguments: &[&str]) -> Result<Measured> {
    let log = NamedTempFile::new()?;
    let before = cpu()?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_papertiger"))
        .args([command, "--quiet", "--record"])
        .arg(log.path())
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()?;
    let peak_kib = peak_until_end(&mut child)?;
    let cpu = cpu()?.saturating_sub(before);
    let recording = record::read(BufReader::new(File::open(log.path())?))?;
    ensure!(recording.note.is_none(), "the run was broken off");
    let started = |event: &&RunEvent| matches!(event.event, Event::CaseStarted(_));
    let opened_us = recording.events.iter().find(started).context("no case was run")?.at_us;
    let result = judge(&recording.events)?;
    let busy_us = busy_us(&recording.events);
    let phase = |event: RunEvent| if let Event::PhaseEnded(ended) = event.event { Some(*ended) } else { None };
    let phases = recording.events.into_iter().filter_map(phase).collect();
    Ok(Measured { result, phases, opened_us, busy_us, cpu, peak_kib })
}

/// What the cases took together, but for the canary.
fn busy_us(events: &[RunEvent]) -> u64 {
    let mut began: BTreeMap<u32, u64> = BTreeMap::new();
    let mut busy = 0;
    for RunEvent { at_us, event } in events {
        match event {
            Event::CaseStarted(started) => drop(began.insert(started.lane, *at_us)),
            // Cases of one batch begin and end together.
            Event::CaseEnded { lane, case, .. } if case != CANARY => {
                busy += at_us.saturating_sub(began.remove(lane).unwrap_or(*at_us));
            }
            _ => {}
        }
    }
    busy
}

/// The most memory that a process had until it ended.
fn peak_until_end(child: &mut Child) -> Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = read_to_string(&status).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let high = high.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(high.unwrap_or(0));
        std::thread::sleep(LOOK);
    }
    Ok(peak)
}

/// What all processes took that this one has started and that have ended.
fn cpu() -> Result<Duration> {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(Duration::from_secs_f64(seconds(usage.user_time()) + seconds(usage.system_time())))
}

/// Where the time of lanes goes, in seconds of all lanes together.
#[derive(Default)]
struct Shares {
    /// Until the API server had taken a change.
    apply: f64,
    /// Until everything was as it must be.
    converge: f64,
    /// Until it had been for long enough.
    hold: f64,
    /// Cells, and attempts on them.
    flows: usize,
    attempts: u64,
}

impl Shares {
    fn of<'a>(phases: impl Iterator<Item = &'a PhaseEnded>) -> Self {
        let mut shares = Self::default();
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
        for phase in phases {
            let right_us = phase.converged_us.unwrap_or(phase.ended_us).max(phase.accepted_us);
            shares.apply += seconds(phase.requested_us, phase.accepted_us);
            shares.converge += seconds(phase.accepted_us, right_us);
            shares.hold += seconds(right_us, phase.ended_us);
            shares.flows += phase.cells.len();
            let streaks = phase.cells.iter().flat_map(|cell| &cell.streaks);
            shares.attempts += streaks.map(|streak| u64::from(streak.count)).sum::<u64>();
        }
        shares
    }
}

fn print(measured: &Measured) {
    let Measured { result, phases, opened_us, busy_us, cpu, peak_kib } = measured;
    let seconds = |us: u64| us as f64 / 1e6;
    let settings = &result.run.settings;
    println!("\n{} · {} · {} lanes: {}", result.run.target, settings.profile, settings.lanes, result.headline);
    println!(
        "  to the first case {:.1} s · to the verdict {:.1} s · to the end {:.1} s",
        seconds(*opened_us),
        seconds(result.verdict_us),
        seconds(result.duration_us)
    );
    println!("  CPU {:.1} s · peak memory {:.0} MiB", cpu.as_secs_f64(), *peak_kib as f64 / 1024.0);
    let Shares { flows, attempts, .. } = Shares::of(phases.iter());
    let mut seen = BTreeSet::new();
    let once = phases.iter().filter(|phase| phase.case != CANARY && seen.insert((phase.lane, phase.requested_us)));
    let Shares { apply, converge, hold, .. } = Shares::of(once);
    let probing = seconds(result.verdict_us.saturating_sub(*opened_us));
    println!("  {flows} flows · {attempts} attempts, {:.0} in a second", attempts as f64 / probing);
    let busy = seconds(*busy_us);
    println!("  of {busy:.0} s in cases, on all lanes together:");
    for (what, share) in [
        ("the API server takes a change", apply),
        ("the network converges", converge),
        ("it is held", hold),
        ("papertiger chooses flows, waits for room or its turn", busy - apply - converge - hold),
    ] {
        println!("    {share:>6.1} s {:>3.0} %  {what}", 100.0 * share / busy);
    }
    result.notes.iter().filter(|note| note.contains("requests")).for_each(|note| println!("  {note}"));
    println!("  {:<42} {:>7} {:>9} {:>7}", "case", "apply", "converge", "hold");
    for case in &result.cases {
        let Shares { apply, converge, hold, flows, .. } =
            Shares::of(phases.iter().filter(|phase| phase.case == case.id));
        if flows > 0 {
            println!("  {:<42} {apply:>5.2} s {converge:>7.2} s {hold:>5.2} s", case.id);
        }
    }
}

/// Runs the lab with more and more of something, and prints how its time grows.
fn growth(of: &str, sizes: &[u32], arguments: impl for<'a> Fn(&'a str) -> [&'a str; 4]) -> Result<()> {
    println!("\nlab · more {of}\n  {of:>6} {:>11} {:>7} {:>9}", "to verdict", "CPU", "memory");
    let mut points = Vec::new();
    for size in sizes {
        let Measured { result, cpu, peak_kib, .. } = measure("lab", &arguments(&size.to_string()))?;
        let (took, cpu) = (result.verdict_us as f64 / 1e6, cpu.as_secs_f64());
        println!("  {size:>6} {took:>9.1} s {cpu:>5.1} s {:>5.0} MiB", peak_kib as f64 / 1024.0);
        points.push((f64::from(*size), took, cpu));
    }
    let exponent =
        |figure: fn(&(f64, f64, f64)) -> f64| slope(points.iter().map(|point| (point.0.ln(), figure(point).ln())));
    println!("  exponents: time {:.2}, CPU {:.2}", exponent(|point| point.1), exponent(|point| point.2));
    Ok(())
}

/// The slope of the line that fits best.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let mean = |pick: fn((f64, f64)) -> f64| points.clone().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (above, below) = points.fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x) * (point.0 - x))
    });
    above / below
}
