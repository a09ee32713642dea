//! When attempts begin, and how they become streaks.

use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The pauses between beginnings.
fn pauses(begun: &[u128]) -> Vec<u128> {
    begun.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn blocked_attempts_overlap_at_a_steady_pace() {
    let (net, seen) = Model::blocked();
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, [flow(7)]).await;
    let streaks = controller.watch(1, ms(5_000)).await;
    let begun = seen.begun_ms(7);
    assert!((50..=51).contains(&begun.len()), "{begun:?}");
    assert!(pauses(&begun).iter().all(|pause| (100..=102).contains(pause)), "{begun:?}");
    let streak = &streaks[&(7, 0)].streak;
    assert_eq!(streaks.len(), 1);
    assert_eq!(streak.outcome, Outcome::TimedOut);
    assert!((40..=42).contains(&streak.count), "what was in flight at the end is not counted: {streak:?}");
    assert!(streak.last_us - streak.first_us >= 3_900_000);
    assert!(seen.most_in_flight.load(Ordering::SeqCst) <= 11);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_was_blocked_often_enough_is_left_in_peace_until_it_opens() {
    let tries = AtomicUsize::new(0);
    let (net, seen) = Model::new(move |_, _| match tries.fetch_add(1, Ordering::SeqCst) {
        8 => (connected(), Duration::ZERO),
        _ => (Outcome::TimedOut, ms(900)),
    });
    let (mut controller, _agent) = Controller::of(net).await;
    let mut calm = flow(7);
    calm.pace = Pace { blocked_attempts: 5, blocked_max_ms: 500, ..calm.pace };
    controller.probe(1, [calm]).await;
    controller.watch(1, ms(3_000)).await;
    let pauses = pauses(&seen.begun_ms(7));
    for (pause, expected) in pauses.iter().zip([100, 100, 100, 100, 100, 150, 225, 337, 50, 100, 100, 100, 100]) {
        assert!((expected..=expected + 2).contains(pause), "{pauses:?}");
    }
    assert!(pauses.len() >= 13, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn an_open_flow_is_left_in_peace() {
    let (net, seen) = Model::open();
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, [flow(7)]).await;
    let streaks = controller.watch(1, ms(2_000)).await;
    let pauses = pauses(&seen.begun_ms(7));
    for (pause, expected) in pauses.iter().zip([50, 75, 112, 168, 253, 379, 400, 400]) {
        assert!((expected..=expected + 2).contains(pause), "{pauses:?}");
    }
    assert_eq!(streaks[&(7, 0)].streak.count as usize, pauses.len() + 1);
    assert_eq!(streaks[&(7, 0)].streak.outcome, connected());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_says_nothing_is_not_repeated_fast() {
    let (net, seen) = Model::new(|_, _| (Outcome::ProbeError { message: "no files".to_owned() }, Duration::ZERO));
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, [flow(7)]).await;
    controller.watch(1, ms(2_000)).await;
    assert!(seen.begun_ms(7).len() <= 9);
}

#[tokio::test(start_paused = true)]
async fn a_late_timeout_does_not_turn_the_pace_back() {
    let opens = ms(2_000);
    let (net, seen) =
        Model::new(
            move |_, now| {
                if now < opens { (Outcome::TimedOut, ms(900)) } else { (connected(), Duration::ZERO) }
            },
        );
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, [flow(7)]).await;
    controller.watch(1, ms(4_000)).await;
    let after: Vec<u128> = seen.begun_ms(7).into_iter().filter(|begun| *begun >= opens.as_millis()).collect();
    assert!(after.len() <= 9, "paused from the first success on: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_closes_is_followed_closely_again() {
    let closes = ms(3_000);
    let (net, seen) =
        Model::new(
            move |_, now| {
                if now < closes { (connected(), Duration::ZERO) } else { (Outcome::TimedOut, ms(900)) }
            },
        );
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, [flow(7)]).await;
    let streaks = controller.watch(1, ms(6_000)).await;
    let after: Vec<u128> = seen.begun_ms(7).into_iter().filter(|begun| *begun >= closes.as_millis()).collect();
    assert!(pauses(&after).iter().all(|pause| (100..=102).contains(pause)), "{after:?}");
    let outcomes: Vec<&Outcome> = streaks.values().map(|streak| &streak.streak.outcome).collect();
    assert_eq!(outcomes, [&connected(), &Outcome::TimedOut]);
    assert!(streaks[&(7, 1)].streak.first_us >= streaks[&(7, 0)].streak.last_us);
}

#[tokio::test(start_paused = true)]
async fn an_epoch_begins_without_a_burst() {
    let (net, seen) = Model::blocked();
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, (0..10).map(flow)).await;
    controller.watch(1, ms(1_000)).await;
    let first: Vec<u128> = (0..10).map(|number| seen.begun_ms(number)[0]).collect();
    assert!(pauses(&first).iter().all(|pause| (9..=11).contains(pause)), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_of_all_flows_share_the_descriptors() {
    let (mut net, seen) = Model::blocked();
    net.at_once = 4;
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, (0..10).map(flow)).await;
    controller.watch(1, ms(10_000)).await;
    assert_eq!(seen.most_in_flight.load(Ordering::SeqCst), 4);
    assert!((0..10).all(|number| seen.begun_ms(number).len() >= 3), "no flow is starved");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_epoch_is_at_once() {
    let (net, seen) = Model::blocked();
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, (0..10).map(flow)).await;
    sleep(ms(500)).await;
    assert!(seen.in_flight.load(Ordering::SeqCst) >= 40);
    let before = Instant::now();
    let streaks = controller.watch(1, Duration::ZERO).await;
    assert!(before.elapsed() < ms(5) && streaks.is_empty());
    assert_eq!(seen.in_flight.load(Ordering::SeqCst), 0);
    let begun = seen.begun_ms(0).len();
    sleep(ms(2_000)).await;
    assert_eq!(seen.begun_ms(0).len(), begun, "nothing begins after the end");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_outcome() {
    let (net, _seen) = Model::new(|_, _| panic!("a fault of this test"));
    let (mut controller, _agent) = Controller::of(net).await;
    controller.probe(1, [flow(7)]).await;
    let streaks = controller.watch(1, ms(100)).await;
    assert!(matches!(&streaks[&(7, 0)].streak.outcome, Outcome::ProbeError { .. }));
}

#[tokio::test(start_paused = true)]
async fn news_come_within_30_ms_and_growth_within_80() {
    let (net, _seen) = Model::new(|_, _| (Outcome::Refused, Duration::ZERO));
    let (mut controller, _agent) = Controller::of(net).await;
    let mut fast = flow(7);
    fast.pace.blocked_ms = 10;
    controller.probe(1, [fast]).await;
    let begin = Instant::now();
    assert!(matches!(controller.hear().await, FromAgent::Streaks { .. }));
    assert!(begin.elapsed() <= ms(30));
    let mut reports = 0;
    while begin.elapsed() < ms(1_000) {
        let before = Instant::now();
        controller.hear().await;
        assert!(before.elapsed() <= ms(80));
        reports += 1;
    }
    assert!(reports <= 21, "{reports} reports in a second");
}
