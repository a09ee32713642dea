//! How far a run is, on stderr: one line for the run and one for each lane, redrawn in place; nothing where stderr is no
//! terminal, or plain lines there with `-v`.

use super::page::clean;
use crate::core::event::{Event, RunEvent, Untested};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    view: View,
    /// What the line for the run begins with.
    title: String,
    /// Cases that the lanes work on, with their beginnings.
    running: BTreeMap<u32, Vec<(String, u64)>>,
    /// Cases that are done with.
    done: BTreeSet<String>,
}

#[derive(Debug)]
enum View {
    Hidden,
    /// A line when a case ends.
    Plain,
    Live(Live),
}

#[derive(Debug)]
struct Live {
    bars: MultiProgress,
    run: ProgressBar,
    lanes: BTreeMap<u32, ProgressBar>,
    /// Whether cases that ended leave a line behind.
    lines: bool,
}

impl Progress {
    /// Shows what fits stderr. Draws nothing and starts no thread before the run does: what comes in between may want the
    /// process to have one only.
    pub fn new(quiet: bool, verbose: u8) -> Self {
        let view = match (quiet, io::stderr().is_terminal()) {
            (true, _) => View::Hidden,
            (false, true) => View::Live(Live::new(verbose > 0)),
            (false, false) if verbose > 0 => View::Plain,
            (false, false) => View::Hidden,
        };
        Self { view, title: String::new(), running: BTreeMap::new(), done: BTreeSet::new() }
    }

    /// Takes an event.
    pub fn event(&mut self, RunEvent { at_us, event }: &RunEvent) {
        match event {
            Event::RunStarted(run) => {
                self.title = format!("{} {}", clean(&run.target), clean(&run.run));
                if let View::Live(live) = &self.view {
                    live.run.set_length(run.cases.len() as u64);
                    live.run.enable_steady_tick(Duration::from_millis(250));
                }
                self.run(None);
            }
            Event::Progress { lane: None, text } => self.run(Some(text.as_str())),
            Event::Progress { lane: Some(lane), text } => self.lane_stands(*lane, clean(text)),
            Event::LaneOpened { lane } => {
                self.run(None);
                self.lane(*lane, "ready");
            }
            Event::CaseStarted(started) => {
                self.running.entry(started.lane).or_default().push((clean(&started.case), *at_us));
                self.done.remove(&started.case);
                self.lane(started.lane, "starting");
            }
            Event::PhaseStarted { lane, phase, flows } => self.lane(*lane, &format!("{phase} · {flows} flows")),
            Event::PhaseProgress { lane, wrong: 0 } => self.lane_stands(*lane, "holding".to_owned()),
            Event::PhaseProgress { lane, wrong } => self.lane_stands(*lane, format!("{wrong} not yet as written")),
            Event::PhaseEnded(_)
            | Event::PodStarted(_)
            | Event::PropertyObserved { .. }
            | Event::KubeletObserved { .. } => {}
            Event::CaseEnded { lane, case, abandoned } => {
                self.done_with(case);
                let case = clean(case);
                let running = self.running.entry(*lane).or_default();
                let place = running.iter().position(|(running, _)| *running == case);
                let since = place.map_or(*at_us, |place| running.remove(place).1);
                self.case_ended(&case, at_us.saturating_sub(since), abandoned.as_deref());
                self.lane(*lane, "ready");
            }
            Event::CaseSkipped { case, reason } => {
                self.done_with(case);
                self.line(&format!("{} skipped: {}", clean(case), clean(reason)));
            }
            Event::ForeignPolicy(foreign) => self.line(&format!(
                "{}, which is not papertiger's, {}",
                clean(&foreign.object),
                if foreign.present { "is there" } else { "has gone" }
            )),
            Event::NodeLeftOut(Untested { node, reason }) => {
                self.line(&format!("node {} is not tested: {}", clean(node), clean(reason)));
            }
            Event::Note { text } => self.line(&format!("note: {}", clean(text))),
            Event::RunEnded { .. } => self.finish(),
        }
    }

    /// Clears what is drawn.
    pub fn finish(&mut self) {
        if let View::Live(live) = &self.view {
            live.lanes.values().for_each(ProgressBar::finish_and_clear);
            live.run.finish_and_clear();
        }
    }

    /// The line for the run, with what takes its time just now.
    fn run(&self, doing: Option<&str>) {
        if let View::Live(live) = &self.view {
            live.run.set_message(match doing {
                Some(doing) => format!("{} · {}", self.title, clean(doing)),
                None => self.title.clone(),
            });
        }
    }

    fn lane(&mut self, lane: u32, doing: &str) {
        let View::Live(live) = &mut self.view else { return };
        let bar = live.lanes.entry(lane).or_insert_with(|| live.bars.add(lane_bar()));
        let message = match self.running.get(&lane).map(Vec::as_slice).unwrap_or_default() {
            [] => doing.to_owned(),
            [(case, _)] => format!("{case} · {doing}"),
            [(case, _), others @ ..] => format!("{case} and {} more · {doing}", others.len()),
        };
        bar.set_prefix("");
        bar.set_message(message);
    }

    /// How what a lane does stands.
    fn lane_stands(&self, lane: u32, how: String) {
        if let View::Live(live) = &self.view
            && let Some(bar) = live.lanes.get(&lane)
        {
            bar.set_prefix(how);
        }
    }

    fn done_with(&mut self, case: &str) {
        self.done.insert(case.to_owned());
        if let View::Live(live) = &self.view {
            live.run.set_position(self.done.len() as u64);
        }
    }

    fn case_ended(&self, case: &str, took_us: u64, abandoned: Option<&str>) {
        let took = super::page::duration_ms(took_us as f64 / 1_000.0);
        self.line(&match abandoned {
            None => format!("{case} observed in {took}"),
            Some(why) => format!("{case} abandoned after {took}: {}", clean(why)),
        });
    }

    fn line(&self, text: &str) {
        match &self.view {
            View::Live(live) if live.lines => {
                // Progress that cannot be shown is no reason to stop.
                let _ = live.bars.println(text);
            }
            View::Plain => {
                let _ = writeln!(io::stderr().lock(), "{text}");
            }
            View::Live(_) | View::Hidden => {}
        }
    }
}

impl Live {
    fn new(lines: bool) -> Self {
        let bars = MultiProgress::new();
        let run = bars.add(
            ProgressBar::new(0)
                .with_style(template("{msg}  {pos}/{len} cases  {elapsed}  {wide_bar:.dim}").progress_chars("━╸ ")),
        );
        Self { bars, run, lanes: BTreeMap::new(), lines }
    }
}

fn lane_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(template("  {spinner:.dim} {wide_msg} {prefix}"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
