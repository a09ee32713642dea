//! Laws of the framing, for both directions.

use super::*;
use crate::core::model::observation::Outcome;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)]
}

fn port() -> impl Strategy<Value = ListenPort> {
    (protocol(), any::<u16>()).prop_map(|(protocol, port)| ListenPort { protocol, port })
}

/// Without scope and flow label, which no text form of an address carries.
fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn pace() -> impl Strategy<Value = Pace> {
    any::<[u32; 7]>().prop_map(
        |[deadline_ms, blocked_ms, blocked_attempts, blocked_max_ms, through_ms, through_attempts, through_max_ms]| {
            Pace {
                deadline_ms,
                blocked_ms,
                blocked_attempts,
                blocked_max_ms,
                through_ms,
                through_attempts,
                through_max_ms,
            }
        },
    )
}

fn probe_flow() -> impl Strategy<Value = ProbeFlow> {
    (any::<u32>(), address(), protocol(), any::<String>(), pace(), any::<[Option<u32>; 2]>()).prop_map(
        |(flow, to, protocol, identity, pace, [standing, announced_by])| ProbeFlow {
            flow,
            to,
            protocol,
            identity,
            pace,
            standing,
            announced_by,
        },
    )
}

fn to_agent() -> impl Strategy<Value = ToAgent> {
    prop_oneof![
        (any::<u32>(), any::<String>()).prop_map(|(version, token)| ToAgent::Hello { version, token }),
        vec(port(), 0..5).prop_map(|ports| ToAgent::Listen { ports }),
        any::<u64>().prop_map(|id| ToAgent::Ping { id }),
        (any::<u32>(), vec(probe_flow(), 0..5)).prop_map(|(epoch, flows)| ToAgent::Probe { epoch, flows }),
        any::<u32>().prop_map(|epoch| ToAgent::Stop { epoch }),
        any::<u64>().prop_map(|id| ToAgent::Sync { id }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<IpAddr>().prop_map(|source| Outcome::Connected { source }),
        Just(Outcome::Refused),
        Just(Outcome::Reset),
        Just(Outcome::TimedOut),
        Just(Outcome::Unreachable),
        any::<String>().prop_map(|answered| Outcome::WrongIdentity { answered }),
        Just(Outcome::NoEcho),
        any::<String>().prop_map(|message| Outcome::ProbeError { message }),
    ]
}

fn streak() -> impl Strategy<Value = FlowStreak> {
    (any::<[u32; 4]>(), outcome(), any::<[u64; 2]>()).prop_map(
        |([flow, index, count, slowest_ms], outcome, [first_us, last_us])| FlowStreak {
            flow,
            index,
            streak: Streak { outcome, count, first_us, last_us },
            slowest_ms,
        },
    )
}

fn arrival() -> impl Strategy<Value = Arrival> {
    (any::<[u32; 3]>(), any::<[u64; 2]>(), address()).prop_map(|([epoch, flow, count], [first_us, last_us], source)| {
        Arrival { epoch, flow, count, first_us, last_us, source }
    })
}

fn from_agent() -> impl Strategy<Value = FromAgent> {
    let failure = (port(), any::<String>()).prop_map(|(port, reason)| ListenFailure { port, reason });
    prop_oneof![
        (any::<u32>(), any::<String>(), any::<u64>(), proptest::option::of(any::<u32>()))
            .prop_map(|(version, identity, start, epoch)| FromAgent::Welcome { version, identity, start, epoch }),
        any::<String>().prop_map(|reason| FromAgent::Refused { reason }),
        vec(failure, 0..3).prop_map(|failed| FromAgent::Listening { failed }),
        any::<[u64; 2]>().prop_map(|[id, at_us]| FromAgent::Pong { id, at_us }),
        (any::<u32>(), vec(streak(), 0..5)).prop_map(|(epoch, streaks)| FromAgent::Streaks { epoch, streaks }),
        vec(arrival(), 0..5).prop_map(|arrivals| FromAgent::Arrivals { arrivals }),
        any::<u32>().prop_map(|epoch| FromAgent::Stopped { epoch }),
        any::<u64>().prop_map(|id| FromAgent::Synced { id }),
    ]
}

/// Everything that is ready, as a reader would take it.
fn drain<M: Message>(decoder: &mut Decoder) -> Vec<M> {
    std::iter::from_fn(|| decoder.decode().unwrap()).collect()
}

fn survives_any_split<M: Message + PartialEq + Debug>(messages: &[M], cuts: &[usize]) {
    let bytes: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    let mut decoder = Decoder::default();
    let mut decoded = Vec::new();
    for piece in cuts.windows(2) {
        decoder.feed(&bytes[piece[0]..piece[1]]);
        decoded.extend(drain::<M>(&mut decoder));
    }
    assert_eq!(decoded, messages);
    decoder.finish().unwrap();
}

proptest! {
    #[test]
    fn orders_survive_any_split(messages in vec(to_agent(), 1..4), cuts in vec(any::<usize>(), 0..8)) {
        survives_any_split(&messages, &cuts);
    }

    #[test]
    fn answers_survive_any_split(messages in vec(from_agent(), 1..4), cuts in vec(any::<usize>(), 0..8)) {
        survives_any_split(&messages, &cuts);
    }

    #[test]
    fn a_truncated_frame_is_never_a_message(message in from_agent(), cut in any::<usize>()) {
        let bytes = encode(&message).unwrap();
        let cut = 1 + cut % (bytes.len() - 1);
        let mut decoder = Decoder::default();
        decoder.feed(&bytes[..cut]);
        prop_assert!(decoder.decode::<FromAgent>().unwrap().is_none());
        prop_assert!(matches!(decoder.finish(), Err(FrameError::Truncated)));
    }

    #[test]
    fn garbage_never_panics_and_an_error_stays(bytes in vec(any::<u8>(), 0..64)) {
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        if decoder.decode::<ToAgent>().is_err() {
            prop_assert!(decoder.decode::<ToAgent>().is_err());
        }
    }

    #[test]
    fn garbage_of_the_announced_length_is_malformed(garbage in vec(any::<u8>(), 0..64)) {
        let mut decoder = Decoder::default();
        decoder.feed(&u32::try_from(garbage.len()).unwrap().to_be_bytes());
        decoder.feed(&garbage);
        prop_assert!(matches!(decoder.decode::<ToAgent>(), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn a_length_over_the_limit_is_refused_by_its_prefix(length in MAX_FRAME_BYTES as u32 + 1..) {
        let mut decoder = Decoder::default();
        decoder.feed(&length.to_be_bytes());
        let refused = matches!(
            decoder.decode::<ToAgent>(),
            Err(FrameError::TooLong { announced }) if announced == length as usize
        );
        prop_assert!(refused);
    }
}

#[test]
fn a_message_over_the_limit_is_not_encoded() {
    let hello = ToAgent::Hello { version: VERSION, token: "x".repeat(MAX_FRAME_BYTES) };
    assert!(matches!(encode(&hello), Err(FrameError::TooLong { .. })));
}

#[test]
fn unknown_keys_are_refused() {
    let body = br#"{"type":"ping","id":1,"shell":"id"}"#;
    let mut decoder = Decoder::default();
    decoder.feed(&u32::try_from(body.len()).unwrap().to_be_bytes());
    decoder.feed(body);
    assert!(matches!(decoder.decode::<ToAgent>(), Err(FrameError::Malformed(_))));
}
