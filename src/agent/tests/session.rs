//! What is said, in which order, and what ends a conversation.

use super::*;
use crate::core::wire::MAX_FRAME_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What an agent answers to these first words, and how it ends.
async fn first_words(message: ToAgent) -> (FromAgent, SessionEnd) {
    let (near, far) = duplex(1024);
    let agent = tokio::spawn(serve(far, gate(), Agent::new(Model::open().0)));
    let mut controller = Controller::over(near);
    controller.say(message).await;
    let answer = controller.hear().await;
    assert!(controller.reader.read::<FromAgent>().await.unwrap().is_none(), "the stream is closed");
    (answer, agent.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_stranger_gets_nowhere() {
    let hello = |version, token: &str| ToAgent::Hello { version, token: token.to_owned() };
    for (message, part) in [
        (hello(VERSION, "secreT"), "wrong token"),
        (hello(VERSION, "secret2"), "wrong token"),
        (hello(VERSION, ""), "wrong token"),
        (hello(VERSION + 1, "secret"), "version"),
        (ToAgent::Stop { epoch: 1 }, "hello"),
        (ToAgent::Probe { epoch: 1, flows: vec![flow(1)] }, "hello"),
    ] {
        let (answer, end) = first_words(message).await;
        assert!(matches!(&answer, FromAgent::Refused { reason } if reason.contains(part)), "{answer:?}");
        assert!(matches!(end, SessionEnd::Refused(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_conversation_from_the_first_word_on() {
    let (_near, far) = duplex(1024);
    let begin = Instant::now();
    assert!(matches!(serve(far, gate(), Agent::new(Model::open().0)).await, SessionEnd::Silent));
    assert_eq!(begin.elapsed(), SILENCE);

    let (mut controller, agent) = Controller::of(Model::open().0).await;
    sleep(SILENCE - Duration::from_secs(1)).await;
    controller.say(ToAgent::Ping { id: 1 }).await;
    let begin = Instant::now();
    assert!(matches!(agent.await.unwrap(), SessionEnd::Silent));
    assert!(begin.elapsed() >= SILENCE);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_slow_to_begin_is_waited_for_where_no_other_can_come() {
    let (near, far) = duplex(1024);
    let agent = tokio::spawn(serve(far, gate(), Agent::new(Model::open().0)));
    sleep(HANDSHAKE * 2).await;
    let mut controller = Controller::over(near);
    controller.say(ToAgent::Hello { version: VERSION, token: "secret".to_owned() }).await;
    assert!(matches!(controller.hear().await, FromAgent::Welcome { .. }));
    agent.abort();
}

#[tokio::test(start_paused = true)]
async fn orders_are_answered_in_order() {
    let (net, seen) = Model::open();
    let (mut controller, agent) = Controller::of(net).await;
    sleep(Duration::from_millis(1_500)).await;
    controller.say(ToAgent::Ping { id: 5 }).await;
    let FromAgent::Pong { id: 5, at_us } = controller.hear().await else { panic!("no pong") };
    assert!((1_500_000..1_510_000).contains(&at_us));

    let port = |port| ListenPort { protocol: Protocol::Udp, port };
    controller.say(ToAgent::Listen { ports: vec![port(80), port(8080)] }).await;
    let failed = vec![ListenFailure { port: port(80), reason: "privileged".to_owned() }];
    assert_eq!(controller.hear().await, FromAgent::Listening { failed });

    controller.say(ToAgent::Sync { id: 6 }).await;
    let FromAgent::Arrivals { arrivals } = controller.hear().await else { panic!("no arrivals") };
    assert_eq!((arrivals[0].flow, arrivals[0].count), (7, 1));
    assert_eq!(controller.hear().await, FromAgent::Synced { id: 6 });
    assert_eq!(seen.drained.load(Ordering::SeqCst), 1);

    drop(controller);
    assert!(matches!(agent.await.unwrap(), SessionEnd::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_would_lie_is_refused() {
    let with = |pace| ProbeFlow { pace, ..flow(7) };
    for (flow, part) in [
        (with(Pace { deadline_ms: 1000, ..PACE }), "retransmission"),
        (with(Pace { deadline_ms: 0, ..PACE }), "retransmission"),
        (with(Pace { blocked_ms: 0, ..PACE }), "between attempts"),
        (with(Pace { through_ms: 0, ..PACE }), "between attempts"),
        (ProbeFlow { identity: "x".repeat(129), ..flow(7) }, "identity"),
    ] {
        let (mut controller, agent) = Controller::of(Model::open().0).await;
        controller.probe(1, [flow]).await;
        let answer = controller.hear().await;
        assert!(matches!(&answer, FromAgent::Refused { reason } if reason.contains(part)), "{answer:?}");
        assert!(matches!(agent.await.unwrap(), SessionEnd::Refused(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_ends_the_one_before_and_an_old_one_is_refused() {
    let (mut controller, agent) = Controller::of(Model::open().0).await;
    controller.probe(0, [flow(7)]).await;
    controller.probe(1, [flow(8)]).await;
    controller.say(ToAgent::Stop { epoch: 0 }).await;
    let mut stopped = false;
    loop {
        match controller.hear().await {
            FromAgent::Stopped { epoch } => stopped = epoch == 0,
            FromAgent::Streaks { epoch: 1, .. } if stopped => break,
            FromAgent::Streaks { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    controller.probe(1, [flow(7)]).await;
    let mut answer = controller.hear().await;
    while matches!(answer, FromAgent::Streaks { .. }) {
        answer = controller.hear().await;
    }
    assert!(matches!(answer, FromAgent::Refused { .. }));
    assert!(matches!(agent.await.unwrap(), SessionEnd::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_frame_ends_the_conversation() {
    let too_long = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_be_bytes();
    for bytes in [&too_long[..], b"\0\0\0\x02{}", b"\0\0\0\0"] {
        let (mut near, far) = duplex(1024);
        let agent = tokio::spawn(serve(far, gate(), Agent::new(Model::open().0)));
        let hello = ToAgent::Hello { version: VERSION, token: "secret".to_owned() };
        near.write_all(&crate::core::wire::encode(&hello).unwrap()).await.unwrap();
        near.write_all(bytes).await.unwrap();
        let mut answers = Vec::new();
        near.read_to_end(&mut answers).await.unwrap();
        assert!(String::from_utf8_lossy(&answers).contains("refused"));
        assert!(matches!(agent.await.unwrap(), SessionEnd::Refused(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_never_reads_cannot_stop_the_reading() {
    let (near, far) = duplex(256);
    let agent = tokio::spawn(serve(far, gate(), Agent::new(Model::open().0)));
    let mut controller = Controller::over(near);
    controller.say_hello().await;
    let mut pings = 0;
    while controller.writer.write(&ToAgent::Ping { id: pings }).await.is_ok() {
        pings += 1;
        assert!(pings < 1_000, "the queue is bounded");
    }
    assert!(matches!(agent.await.unwrap(), SessionEnd::Refused(_)));
}
