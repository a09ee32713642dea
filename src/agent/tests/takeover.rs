//! Controllers that come back over another stream: what they are told, and who may push whom aside.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// An agent that outlives the streams to it.
struct Pod {
    streams: mpsc::Sender<DuplexStream>,
    agent: JoinHandle<()>,
}

impl Pod {
    fn with(net: Model) -> Self {
        let (streams, coming) = mpsc::channel(1);
        let agent = tokio::spawn(async move {
            serve_streams(&mut Agent::new(net), gate(), coming, ORPHANED).await;
        });
        Self { streams, agent }
    }

    async fn stream(&self) -> DuplexStream {
        let (near, far) = duplex(64 * 1024);
        self.streams.send(far).await.unwrap();
        near
    }

    /// A controller, and the newest epoch that it was told of.
    async fn controller(&self) -> (Controller, Option<u32>) {
        let mut controller = Controller::over(self.stream().await);
        let epoch = controller.say_hello().await;
        (controller, epoch)
    }
}

impl Controller {
    async fn is_over(&mut self) -> bool {
        loop {
            match timeout(Duration::from_secs(1), self.reader.read::<FromAgent>()).await {
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None) | Err(_)) => return true,
                Err(_) => return false,
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_controller_hears_what_the_last_one_missed() {
    let pod = Pod::with(Model::blocked().0);
    let (mut controller, epoch) = pod.controller().await;
    assert_eq!(epoch, None);
    controller.probe(1, [flow(7)]).await;
    // Lost before anything was seen.
    drop(controller);
    sleep(Duration::from_secs(3)).await;

    let (mut controller, epoch) = pod.controller().await;
    assert_eq!(epoch, Some(1));
    let streaks = controller.watch(1, Duration::from_millis(100)).await;
    assert!(streaks[&(7, 0)].streak.count >= 20, "{streaks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_hangs_half_open_keeps_nobody_out() {
    let pod = Pod::with(Model::blocked().0);
    let (mut hanging, _) = pod.controller().await;
    hanging.probe(1, [flow(7)]).await;
    sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let (mut back, epoch) = pod.controller().await;
    assert!(begin.elapsed() < Duration::from_millis(10), "{:?}", begin.elapsed());
    assert_eq!(epoch, Some(1), "the epoch goes on");
    assert!(hanging.is_over().await, "one controller at a time");
    let streaks = back.watch(1, Duration::from_secs(1)).await;
    assert!(streaks[&(7, 0)].streak.count >= 10, "{streaks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_disturbs_nobody() {
    let pod = Pod::with(Model::blocked().0);
    let (mut controller, _) = pod.controller().await;
    controller.probe(1, [flow(7)]).await;

    let mut guessing = Controller::over(pod.stream().await);
    guessing.say(ToAgent::Hello { version: VERSION, token: "guess".to_owned() }).await;
    assert!(matches!(guessing.hear().await, FromAgent::Refused { .. }));
    let mut babbling = pod.stream().await;
    babbling.write_all(b"\0\0\0\x02{}").await.unwrap();
    assert_eq!(babbling.read(&mut [0; 1]).await.unwrap(), 0, "nobody answers");
    let mut silent = pod.stream().await;
    sleep(HANDSHAKE * 2).await;
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0, "strangers are not waited for as long as a controller");

    let streaks = controller.watch(1, Duration::from_millis(100)).await;
    assert!(streaks[&(7, 0)].streak.count >= 90, "the conversation goes on: {streaks:?}");
    drop(pod.streams);
    drop(controller);
    pod.agent.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_asked_again_is_answered_in_full_again() {
    let pod = Pod::with(Model::blocked().0);
    let (mut controller, _) = pod.controller().await;
    controller.probe(1, [flow(7)]).await;
    let first = controller.watch(1, Duration::from_secs(3)).await;
    controller.say(ToAgent::Sync { id: 1 }).await;
    // The answers are lost with the stream.
    drop(controller);

    let (mut controller, _) = pod.controller().await;
    let again = controller.watch(1, Duration::ZERO).await;
    assert_eq!(again, first, "everything was told again before the epoch was said to be over");
    controller.say(ToAgent::Sync { id: 1 }).await;
    let FromAgent::Arrivals { arrivals } = controller.hear().await else { panic!("no arrivals") };
    assert_eq!((arrivals[0].flow, arrivals[0].count), (7, 1));
    assert_eq!(controller.hear().await, FromAgent::Synced { id: 1 });
}

/// The order may arrive while the next controller is at the door. Whatever that one is told is what holds.
#[tokio::test(start_paused = true)]
async fn no_order_of_the_former_stream_is_obeyed_after_the_welcome() {
    let mut told = [0, 0];
    for head_start in 0..20 {
        let pod = Pod::with(Model::open().0);
        let (mut former, _) = pod.controller().await;
        let mut back = Controller::over(pod.stream().await);
        back.say(ToAgent::Hello { version: VERSION, token: "secret".to_owned() }).await;
        for _ in 0..head_start {
            yield_now().await;
        }
        // The agent may have closed the stream by now.
        let _ = former.writer.write(&ToAgent::Probe { epoch: 1, flows: vec![flow(7)] }).await;
        let FromAgent::Welcome { epoch, .. } = back.hear().await else { panic!("no welcome") };
        if epoch.is_none() {
            back.probe(1, [flow(7)]).await;
        }
        told[usize::from(epoch.is_some())] += 1;
        assert!(back.watch(1, Duration::from_millis(100)).await.contains_key(&(7, 0)), "{head_start}");
    }
    assert!(told[0] > 0, "{told:?}");
}
