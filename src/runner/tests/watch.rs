//! The watch: the canary stays for as long as was asked for, other policies come and go beside it, and every lapse is told.

use super::*;
use crate::core::verdict::Way;
use crate::target::sim::{Lapse, Lapsed};

const WATCH: Duration = Duration::from_secs(300);

/// A watch on a network that is not itself for 10 s, 100 s after its lanes were opened.
fn watched(what: Option<Lapsed>, lanes: usize) -> (RunResult, Vec<RunEvent>) {
    let lapse = what.map(|what| Lapse { after: Duration::from_secs(100), lasts: Duration::from_secs(10), what });
    let cases = some_cases(&["canary", "deny-ingress-to-one-pod", "new-target-is-isolated"]);
    let mut sim = Sim::new(SimOptions { lapse, ..SimOptions::default() }, cases).lanes(lanes);
    sim.settings.canary = WATCH;
    sim.settings.churn = true;
    sim.run()
}

#[test]
fn a_lapse_is_told_with_its_time_and_its_nodes() {
    for (what, way, verdict) in
        [(Lapsed::Open, Way::Open, Verdict::Flapping), (Lapsed::Dead, Way::Dead, Verdict::Inconclusive)]
    {
        let (result, _) = watched(Some(what), 2);
        assert_eq!(result.verdict, verdict, "{}", story(&result));
        let [lapse] = result.lapses.as_slice() else { panic!("{what:?}: {:#?}", result.lapses) };
        assert_eq!((lapse.way, lapse.case.as_str()), (way, "canary"));
        let (from_s, to_s) = (lapse.from_us as f64 / 1e6, lapse.to_us.unwrap() as f64 / 1e6);
        assert!((100.0..106.0).contains(&from_s), "{what:?} from {from_s} s");
        assert!((105.0..116.0).contains(&to_s) && from_s < to_s, "{what:?} to {to_s} s");
        assert!(lapse.flows > 1 && !lapse.nodes.is_empty(), "{lapse:?}");
    }
}

#[test]
fn a_node_whose_engine_lapses_is_the_only_one_that_is_named() {
    let (result, _) = watched(Some(Lapsed::OpenOn("n2")), 2);
    assert_eq!(result.verdict, Verdict::Flapping, "{}", story(&result));
    let nodes: BTreeSet<&str> = result.lapses.iter().flat_map(|lapse| &lapse.nodes).map(String::as_str).collect();
    assert_eq!(nodes, BTreeSet::from(["n2"]), "{:#?}", result.lapses);
    let verdicts: Vec<(&str, Verdict)> = result.nodes.iter().map(|node| (node.name.as_str(), node.verdict)).collect();
    assert_eq!(verdicts, [("n1", Verdict::Enforced), ("n2", Verdict::Flapping)]);
}

#[test]
fn policies_come_and_go_for_as_long_as_the_watch_lasts() {
    let (result, events) = watched(None, 2);
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    assert_eq!(result.lapses, []);
    assert!(events.last().unwrap().at_us > 300_000_000);
    let changes: u32 = result
        .notes
        .iter()
        .filter_map(|note| note.strip_prefix("beside the canary ")?.split(' ').next()?.parse::<u32>().ok())
        .sum();
    // One every two seconds, but for the time that the cases themselves take.
    assert!((100..150).contains(&changes), "{:?}", result.notes);
}

#[test]
fn where_no_lane_is_left_that_is_said() {
    let (result, _) = watched(None, 1);
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    let said = result.notes.iter().any(|note| note.starts_with("no other policy was changed beside the canary"));
    assert!(said, "{:?}", result.notes);
}
