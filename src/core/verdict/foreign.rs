//! Somebody else's policies: when each was there, and which cases it makes doubtful.
//!
//! Whether such a policy allows or denies cannot be told from outside, so what was seen beside it proves nothing, whichever
//! way it looks. One that concerns the whole cluster and never changed is the exception: a block that comes with our
//! policy and goes with it is proof all the same; what looks wrong may be its doing.

use crate::core::event::{Event, ForeignPolicy, RunEvent};

/// How many pods or policies are named before the rest is counted.
const NAMED: usize = 3;

/// How many policies have a note of their own.
const NOTED: usize = 10;

/// All of them.
pub(super) struct Foreign<'a> {
    spans: Vec<Span<'a>>,
}

/// A time in which one was there and did not change.
struct Span<'a> {
    policy: &'a ForeignPolicy,
    from_us: u64,
    until_us: Option<u64>,
}

/// Why a case cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// What is to blame: "NetworkPolicy shop/allow-all, which is not papertiger's".
    pub(super) object: String,
    /// What it did and when.
    pub(super) why: String,
}

impl<'a> Foreign<'a> {
    pub(super) fn read(events: &'a [RunEvent]) -> Self {
        let mut spans: Vec<Span<'a>> = Vec::new();
        for RunEvent { at_us, event } in events {
            let Event::ForeignPolicy(policy) = event else { continue };
            let open = spans.iter_mut().find(|span| {
                span.until_us.is_none() && span.policy.lane == policy.lane && span.policy.object == policy.object
            });
            match open {
                // A watch that begins anew tells again what is there.
                Some(open) if open.policy == policy => continue,
                Some(open) => open.until_us = Some(*at_us),
                None => {}
            }
            if policy.present {
                spans.push(Span { policy, from_us: *at_us, until_us: None });
            }
        }
        spans.retain(|span| span.policy.can_touch());
        Self { spans }
    }

    /// What makes everything that was seen in a case worthless.
    pub(super) fn intrusion(&self, lane: u32, began_us: u64, ended_us: u64) -> Option<Doubt> {
        self.spans.iter().find_map(|span| {
            let during = |us: u64| began_us < us && us <= ended_us;
            match span.policy.lane {
                Some(of) if of == lane && span.from_us <= ended_us && span.until_us.is_none_or(|us| us >= began_us) => {
                    Some(span.doubt(&span.presence()))
                }
                Some(_) => None,
                None if during(span.from_us) => {
                    Some(span.doubt(&format!("appeared at {}, in the middle of this case", seconds(span.from_us))))
                }
                None => span.until_us.filter(|us| during(*us)).map(|until_us| {
                    span.doubt(&format!("changed or went at {}, in the middle of this case", seconds(until_us)))
                }),
            }
        })
    }

    /// What was there all through a case and may be the reason for what looks wrong.
    pub(super) fn bystander(&self, began_us: u64, ended_us: u64) -> Option<Doubt> {
        let mut there = self.spans.iter().filter(|span| {
            span.policy.lane.is_none() && span.from_us <= began_us && span.until_us.is_none_or(|us| us > ended_us)
        });
        let first = there.next()?;
        let mut doubt = first.doubt("was there all the time");
        let others = there.count();
        if others > 0 {
            doubt.why.push_str(&format!(", and {others} more"));
        }
        Some(doubt)
    }

    /// What a reader of the report should know of them.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> =
            self.spans.iter().take(NOTED).map(|span| span.doubt(&span.presence()).why).collect();
        let more = self.spans.len().saturating_sub(NOTED);
        if more > 0 {
            notes.push(format!("{more} more policies that are not papertiger's were there"));
        }
        notes
    }
}

impl Span<'_> {
    fn doubt(&self, did: &str) -> Doubt {
        let object = format!("{}, which is not papertiger's", self.policy.object);
        Doubt { why: format!("{object}, {did}"), object }
    }

    /// "selected x/a and x/b from 3.2 s on"
    fn presence(&self) -> String {
        let what = match (&self.policy.pods, self.policy.lane) {
            (Some(pods), _) => {
                let named: Vec<String> = pods.iter().take(NAMED).map(ToString::to_string).collect();
                let more = pods.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("selected {}{more}", named.join(", "))
            }
            (None, Some(_)) => "was in the namespaces of this lane".to_owned(),
            (None, None) => "concerns the whole cluster and was there".to_owned(),
        };
        match self.until_us {
            None => format!("{what} from {} on", seconds(self.from_us)),
            Some(until_us) => format!("{what} from {} to {}", seconds(self.from_us), seconds(until_us)),
        }
    }
}

/// A time of the run, for a reader: "3.2 s".
pub(super) fn seconds(us: u64) -> String {
    format!("{:.1} s", us as f64 / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::flow::PodId;

    const S: u64 = 1_000_000;

    fn event(at_s: u64, lane: Option<u32>, object: &str, pods: Option<&[&str]>, present: bool) -> RunEvent {
        let pods = pods.map(|pods| pods.iter().map(|pod| PodId::new("x", *pod)).collect());
        let policy = ForeignPolicy { lane, object: object.to_owned(), pods, present };
        RunEvent { at_us: at_s * S, event: Event::ForeignPolicy(policy) }
    }

    fn intrusion(events: &[RunEvent], lane: u32, began_s: u64, ended_s: u64) -> Option<String> {
        Foreign::read(events).intrusion(lane, began_s * S, ended_s * S).map(|doubt| doubt.why)
    }

    fn bystander(events: &[RunEvent], began_s: u64, ended_s: u64) -> Option<String> {
        Foreign::read(events).bystander(began_s * S, ended_s * S).map(|doubt| doubt.why)
    }

    #[test]
    fn one_in_the_lane_spoils_the_cases_that_it_overlaps() {
        let events = [
            event(3, Some(1), "NetworkPolicy ns/open", Some(&["a"]), true),
            event(9, Some(1), "NetworkPolicy ns/open", Some(&["a"]), false),
        ];
        let said = "NetworkPolicy ns/open, which is not papertiger's, selected x/a from 3.0 s to 9.0 s".to_owned();
        for (began, ended) in [(0, 4), (4, 5), (8, 20), (0, 20)] {
            assert_eq!(intrusion(&events, 1, began, ended), Some(said.clone()), "{began} {ended}");
        }
        assert_eq!(intrusion(&events, 1, 0, 2), None);
        assert_eq!(intrusion(&events, 1, 10, 20), None);
        assert_eq!(intrusion(&events, 2, 0, 20), None, "another lane's");
        assert_eq!(bystander(&events, 4, 5), None);
    }

    #[test]
    fn one_that_selects_no_pod_changes_nothing() {
        let events = [event(3, Some(1), "NetworkPolicy ns/none", Some(&[]), true)];
        assert_eq!(intrusion(&events, 1, 0, 20), None);
        assert!(Foreign::read(&events).notes().is_empty());
        let events = [event(3, Some(1), "CiliumNetworkPolicy ns/any", None, true)];
        assert!(intrusion(&events, 1, 0, 20).unwrap().ends_with("was in the namespaces of this lane from 3.0 s on"));
    }

    #[test]
    fn one_of_the_whole_cluster_spoils_a_case_only_by_changing_in_it() {
        let object = "ClusterNetworkPolicy open";
        let events = [event(0, None, object, None, true), event(9, None, object, None, false)];
        assert!(bystander(&events, 1, 8).unwrap().contains("was there all the time"));
        assert_eq!(intrusion(&events, 0, 1, 8), None);
        assert!(intrusion(&events, 0, 1, 10).unwrap().contains("changed or went at 9.0 s"));
        assert_eq!((intrusion(&events, 0, 10, 12), bystander(&events, 10, 12)), (None, None));
        let events = [event(5, None, object, None, true)];
        assert!(intrusion(&events, 0, 1, 10).unwrap().contains("appeared at 5.0 s"));
    }

    #[test]
    fn what_is_told_again_is_no_change() {
        let object = "ClusterNetworkPolicy open";
        let events = [event(0, None, object, None, true), event(5, None, object, None, true)];
        assert_eq!(intrusion(&events, 0, 1, 10), None);
        assert_eq!(Foreign::read(&events).notes().len(), 1);
        let moved = [event(0, None, object, Some(&["a"]), true), event(5, None, object, Some(&["b"]), true)];
        assert!(intrusion(&moved, 0, 1, 10).is_some(), "it selects other pods now");
    }
}
