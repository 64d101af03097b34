//! The settings of a run, derived from its seed: the numbers of pods and images, and the rate and kinds of faults.

use std::time::Duration;

use testkit::Dice;

use crate::faults::{Effect, Operation, Play, Port};

/// Session timeout of every run.
pub const LEASE: Duration = Duration::from_secs(2);

/// The settings of a run, all derived from its seed.
#[derive(Debug, Clone)]
pub struct Settings {
    pub pods: usize,
    pub uploads: usize,
    /// Faults per thousand operations.
    rate: u64,
    /// If set, faults hit only operations whose name or path contains this.
    target: Option<&'static str>,
    /// The kinds of faults.
    kinds: Vec<Kind>,
    /// Delayed hints per thousand.
    pub hint_delays: u64,
    /// Number of faults that hit no operation: evictions, outages, restarts.
    pub storms: u64,
    /// How long faults are injected.
    pub length: Duration,
    /// Images with fewer pixels than this are a single task.
    pub whole_below: u64,
    /// Parts per task; `None` if derived from the number of pods.
    pub parts_per_task: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fail,
    LoseReply,
    Late,
    Stall,
    Pause,
    Crash,
    Expire,
    Disconnect,
    Lag,
    Evict,
    Corrupt,
}

/// All kinds with their weights.
const ALL: [(Kind, usize); 11] = [
    (Kind::Fail, 4),
    (Kind::LoseReply, 6),
    (Kind::Late, 5),
    (Kind::Stall, 4),
    (Kind::Pause, 2),
    (Kind::Crash, 1),
    (Kind::Expire, 2),
    (Kind::Disconnect, 3),
    (Kind::Lag, 3),
    (Kind::Evict, 4),
    (Kind::Corrupt, 4),
];

/// Stages, steps and operations that some seeds target.
const TARGETS: [&str; 16] = [
    "/split/",
    "/histograms/",
    "/equalize/",
    "/stitch/",
    "reduce",
    "publish",
    "activate",
    "take_epoch",
    "finish_upload",
    "/cluster/leader",
    "/lock",
    "/done",
    "begin_upload",
    "delete",
    "rerun",
    "sync",
];

impl Settings {
    pub fn of(dice: &mut Dice) -> Self {
        let target = dice.per_mille(300).then(|| *dice.pick(&TARGETS));
        let rate = *dice.pick(&[0, 10, 20, 20, 40, 40, 80, 150]);
        let all: Vec<Kind> = ALL.iter().flat_map(|(kind, share)| vec![*kind; *share]).collect();
        let kinds = if dice.per_mille(300) { vec![*dice.pick(&all)] } else { all };
        Self {
            pods: dice.within(2, 7) as usize,
            uploads: dice.within(2, 7) as usize,
            rate: if target.is_some() { rate * 4 } else { rate },
            target,
            kinds,
            hint_delays: *dice.pick(&[0, 0, 20, 100, 400]),
            storms: *dice.pick(&[0, 0, 2, 5, 10]),
            length: dice.millis(10_000, 40_000),
            whole_below: if dice.per_mille(150) { 1_000_000 } else { 0 },
            parts_per_task: dice.per_mille(800).then_some(1),
        }
    }

    /// Returns settings without any fault except a test's traps.
    pub fn calm(pods: usize) -> Self {
        Self {
            pods,
            uploads: 0,
            rate: 0,
            target: None,
            kinds: Vec::new(),
            hint_delays: 0,
            storms: 0,
            length: Duration::ZERO,
            whole_below: 0,
            parts_per_task: Some(1),
        }
    }

    pub fn aims_at(&self, operation: &Operation) -> bool {
        self.target.is_none_or(|target| operation.what.contains(target) || operation.name.contains(target))
    }

    /// Returns the faults per thousand of such operations. Reads of coordinator and catalog are frequent, and their faults
    /// reveal less.
    pub fn rate(&self, operation: &Operation) -> u64 {
        let many = operation.effect == Effect::Reads && operation.port != Port::Store;
        if many { self.rate.div_ceil(4) } else { self.rate }
    }

    /// Returns a fault, if one of this seed's kinds can hit the operation.
    pub fn play(&self, dice: &mut Dice, operation: &Operation) -> Option<Play> {
        let kind = *dice.pick(&self.kinds);
        let before = dice.per_mille(500);
        let (port, writes) = (operation.port, operation.effect == Effect::Writes);
        let lease = LEASE.as_millis() as u64;
        Some(match kind {
            Kind::Fail => Play::Fail,
            Kind::LoseReply if writes => Play::LoseReply,
            Kind::Late if writes => Play::Late(dice.millis(1, 6_000)),
            Kind::Stall => Play::Stall(dice.millis(1, 3_000)),
            Kind::Pause if before => Play::PauseBefore(dice.millis(10, 3 * lease)),
            Kind::Pause => Play::PauseAfter(dice.millis(10, 3 * lease)),
            Kind::Crash if before => Play::CrashBefore,
            Kind::Crash => Play::CrashAfter,
            Kind::Expire => Play::Expire,
            // Most are shorter than the session timeout.
            Kind::Disconnect => Play::Disconnect(dice.millis(1, lease * 5 / 4)),
            Kind::Lag => Play::Lag(dice.millis(1, 3_000)),
            // Often delayed so little that the successor leads but hasn't done the same yet.
            Kind::Evict if operation.fence().is_some() => {
                Play::Evict(if before { dice.millis(1, 15) } else { dice.millis(15, 3_000) })
            }
            Kind::Corrupt if port == Port::Store && !writes => Play::Corrupt,
            _ => return None,
        })
    }
}
