//! No alarm in labs that enforce policies, whatever is drawn, whatever gets lost and however busy the machine is.

use super::{FAILING, Report, failing, is_healthy, is_no_alarm, lab, program};
use papertiger::core::fault::{Fault, FaultAt};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many of the long test.
const MANY: u64 = 200;

/// How many at a time: labs mostly wait.
const AT_ONCE: usize = 3;

#[test]
fn another_draw_raises_no_alarm_either() {
    for seed in [1, 2, 3] {
        let mut command = lab(program(), seed, &[]);
        command.args(["--profile", "quick"]);
        let report = Report::of(command);
        assert_eq!(report.code, Some(0), "{seed}: {}", report.story());
        let others = report.terms(|term| term["verdict"] != "enforced");
        assert!(others.is_empty(), "{seed}: {}", report.story());
    }
}

/// Programs that keep every core busy until they are dropped.
struct Busy(Vec<Child>);

impl Busy {
    fn on_every_core() -> Self {
        let cores = std::thread::available_parallelism().unwrap().get();
        let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        Self(std::iter::repeat_with(spin).take(cores).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// By turns: nothing wrong, 2 % of the packets lost, 10 % lost in bursts; half of all beside programs that keep every core busy.
#[test]
#[ignore = "takes an hour on two cores; prints a line for each run"]
fn two_hundred_healthy_labs_raise_no_alarm() {
    let lossy: [&[FaultAt]; 3] = [&[], &[Fault::PacketLoss.into()], &[Fault::BurstLoss.into()]];
    let mut counts = [[0; 2]; 3];
    for half in 0..2 {
        let _busy = (half == 1).then(Busy::on_every_core);
        let next = AtomicU64::new(half * MANY / 2);
        let ended = Mutex::new(&mut counts);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= (half + 1) * MANY / 2 {
                            break;
                        }
                        let kind = (seed % 3) as usize;
                        let report = Report::of(lab(program(), 1_000 + seed, lossy[kind]));
                        let alarms = report.terms(failing).len();
                        eprintln!(
                            "{seed} {:?} busy {half}: code {:?}, {alarms} of {FAILING:?}",
                            lossy[kind], report.code
                        );
                        if kind == 2 {
                            is_no_alarm(&report)
                        } else {
                            is_healthy(&report)
                        }
                        ended.lock().unwrap()[kind][half as usize] += 1;
                    }
                });
            }
        });
    }
    eprintln!("healthy, lossy, bursty, each idle and busy: {counts:?}");
    assert_eq!(counts.iter().flatten().sum::<u64>(), MANY);
}
