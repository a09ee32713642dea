//! How late changes took effect: all of them, and the figures that stand for them.

use super::words::scroll;
use crate::core::verdict::latency::by_group;
use crate::core::verdict::{Latency, Quantiles, RunResult, Turn};
use crate::report::page::{count, duration_ms};
use maud::{Markup, html};

/// How wide and how high a plot is, in units of its own. It is stretched to the width of the page.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 100;

/// From 1 ms to as many powers of ten as there must be.
struct Axis {
    decades: u32,
}

impl Axis {
    fn of(latencies: &[Latency]) -> Self {
        let max = latencies.iter().map(|latency| latency.last_wrong_us).max().unwrap_or(0);
        let holds = |decades: &u32| max <= 1_000 * 10_u64.saturating_pow(*decades);
        Self { decades: (2..9).find(holds).unwrap_or(9) }
    }

    /// What is below the first power stands on it.
    fn x(&self, ms: f64) -> u64 {
        let share = ms.max(1.0).log10() / f64::from(self.decades);
        (share.clamp(0.0, 1.0) * WIDTH as f64).round() as u64
    }
}

pub(super) fn render(result: &RunResult) -> Markup {
    let latencies = result.latencies();
    let groups = by_group(&latencies);
    if groups.is_empty() {
        return html! {};
    }
    let axis = Axis::of(&latencies);
    html! {
        section aria-labelledby="latency" {
            h2 #latency { "Latency" }
            p {
                "From the request of a change to the last attempt that still went as before it, on the slowest flow \
                 that the change turned. Changes that never came right are findings, and not among these. The height of a \
                 curve is the share of changes that were not later; each has a tick below."
            }
            @for (turn, alone, quantiles) in &groups {
                (plot(&axis, *turn, *alone, quantiles, &latencies))
            }
            (scroll("Latency", figures(&groups)))
            p.small {
                "± up to: how much later each may have been than it was seen to be, by the time between two attempts \
                 and the clocks of the agents, or sooner, by the time that the request took. The largest of any counts. "
                @match result.run.settings.budget_ms {
                    Some(ms) => { "The budget is " strong { (duration_ms(ms as f64)) } "." }
                    None => "There was no budget."
                }
            }
        }
    }
}

fn name(turn: Turn, alone: bool) -> &'static str {
    match (turn, alone) {
        (Turn::Deny, false) => "To block (deny)",
        (Turn::Allow, false) => "To open (allow)",
        (Turn::Deny, true) => "To block (deny), nothing else probed",
        (Turn::Allow, true) => "To open (allow), nothing else probed",
    }
}

fn figures(groups: &[(Turn, bool, Quantiles)]) -> Markup {
    html! {
        table {
            caption { "Latency by the way in which flows turned" }
            thead {
                tr {
                    td {}
                    @for head in ["Changes", "p50", "p90", "p99", "Max", "± up to"] { th scope="col" { (head) } }
                }
            }
            tbody {
                @for (turn, alone, quantiles) in groups {
                    @let Quantiles { changes, p50_ms, p90_ms, p99_ms, max_ms, resolution_ms, request_ms } = quantiles;
                    tr {
                        th scope="row" { (name(*turn, *alone)) }
                        td.number { (changes) }
                        @for ms in [p50_ms, p90_ms, p99_ms, max_ms] { td.number { (duration_ms(*ms)) } }
                        td.number { (duration_ms(resolution_ms.max(*request_ms))) }
                    }
                }
            }
        }
    }
}

/// A step up at each change, a tick below it, and a line for each figure.
fn plot(axis: &Axis, turn: Turn, alone: bool, quantiles: &Quantiles, latencies: &[Latency]) -> Markup {
    let mut of_group: Vec<u64> = latencies
        .iter()
        .filter(|latency| latency.turn == turn && latency.alone == alone)
        .map(|latency| axis.x(latency.last_wrong_us as f64 / 1_000.0))
        .collect();
    of_group.sort_unstable();
    let Quantiles { changes, p50_ms, p90_ms, p99_ms, max_ms, .. } = *quantiles;
    let marks = [("p50", p50_ms), ("p90", p90_ms), ("p99", p99_ms), ("max", max_ms)];
    let figures: Vec<String> = marks.iter().map(|(name, ms)| format!("{name} {}", duration_ms(*ms))).collect();
    let lines: String = marks.iter().map(|(_, ms)| format!("M{} 0V{HEIGHT}", axis.x(*ms))).collect();
    let decades: String =
        (0..=axis.decades).map(|power| format!("M{} 0V{HEIGHT}", axis.x(10_f64.powi(power.cast_signed())))).collect();
    html! {
        figure.latency {
            figcaption { (name(turn, alone)) ": " (count(changes, "change")) }
            svg role="img" viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 12) } preserveAspectRatio="none" {
                title { "Share of " (count(changes, "change")) " by latency: " (figures.join(", ")) }
                path.grid d=(decades) {}
                path.curve d=(curve(&of_group)) {}
                path.ticks d=(ticks(&of_group)) {}
                path.marks d=(lines) {}
            }
            div.scale aria-hidden="true" {
                @for power in 0..=axis.decades {
                    @let ms = 10_f64.powi(power.cast_signed());
                    span style=(place(axis.x(ms))) { (duration_ms(ms)) }
                }
            }
            div.quantiles {
                @for ((_, ms), text) in marks.iter().zip(&figures) {
                    div { span style=(place(axis.x(*ms))) { (text) } }
                }
            }
        }
    }
}

/// Where a label stands: beside its place on the side that has the room.
fn place(x: u64) -> String {
    let (whole, tenth) = (x / 10, x % 10);
    if x > WIDTH * 2 / 3 {
        let rest = WIDTH - x;
        format!("right:{}.{}%", rest / 10, rest % 10)
    } else {
        format!("left:{whole}.{tenth}%")
    }
}

/// What share of changes was not later: a step up at each.
fn curve(sorted: &[u64]) -> String {
    let all = sorted.len() as u64;
    let mut path = format!("M0 {HEIGHT}");
    for (index, x) in sorted.iter().enumerate() {
        // Of several on one place the last has the share.
        if sorted.get(index + 1) != Some(x) {
            let y = HEIGHT - (index as u64 + 1) * HEIGHT / all;
            path.push_str(&format!("H{x}V{y}"));
        }
    }
    path.push_str(&format!("H{WIDTH}"));
    path
}

fn ticks(sorted: &[u64]) -> String {
    let mut sorted = sorted.to_vec();
    sorted.dedup();
    sorted.iter().map(|x| format!("M{x} {}v10", HEIGHT + 2)).collect()
}
