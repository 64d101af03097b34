//! Selection of faults: which fault hits which operation, by the seed or by the trap of a named test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::coord::paths;
use testkit::Dice;

use crate::history::History;
use crate::life::Life;
use crate::settings::Settings;

/// The port through which an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    Coordinator,
    Catalog,
    Store,
}

/// The effect of an operation on the state behind the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Reads,
    Writes,
}

/// An operation of a pod, before it runs.
#[derive(Debug, Clone)]
pub struct Operation {
    pub port: Port,
    pub name: &'static str,
    pub effect: Effect,
    /// Its path, key, job or run.
    pub what: String,
}

/// What happens to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Play {
    /// It doesn't run; the caller gets an unknown outcome.
    Fail,
    /// It runs; the caller gets an unknown outcome.
    LoseReply,
    /// It runs after a delay; the caller gets an unknown outcome at once.
    Late(Duration),
    /// It runs after a delay, and so do the operations behind it; the caller waits.
    Stall(Duration),
    /// The pod is paused before it, as by SIGSTOP.
    PauseBefore(Duration),
    /// It runs, and the pod is paused before it gets the reply.
    PauseAfter(Duration),
    /// The pod dies before it.
    CrashBefore,
    /// It runs, and the pod dies before it gets the reply.
    CrashAfter,
    /// The coordinator ends the pod's sessions before it.
    Expire,
    /// The pod's sessions are disconnected for a while before it.
    Disconnect(Duration),
    /// The pod's sessions read a stale state for a while, or until they sync.
    Lag(Duration),
    /// A witness evicts the master while this write is in flight.
    Evict(Duration),
    /// The bytes that are read differ from those written.
    Corrupt,
}

impl Play {
    pub fn name(&self) -> &'static str {
        match self {
            Play::Fail => "failed",
            Play::LoseReply => "reply lost",
            Play::Late(_) => "ran late",
            Play::Stall(_) => "stalled",
            Play::PauseBefore(_) | Play::PauseAfter(_) => "pod paused",
            Play::CrashBefore | Play::CrashAfter => "pod crashed",
            Play::Expire => "session expired",
            Play::Disconnect(_) => "disconnected",
            Play::Lag(_) => "reads lagged",
            Play::Evict(_) => "leader evicted",
            Play::Corrupt => "bytes corrupted",
        }
    }
}

/// Selects the operation that springs a trap.
type Condition = Box<dyn Fn(&Life, &Operation) -> bool + Send + Sync>;
/// The action of a trap, and its fault for the operation.
type Spring = Box<dyn FnOnce(&Arc<Life>) -> Option<Play> + Send>;

struct Trap {
    condition: Condition,
    spring: Spring,
}

impl Operation {
    /// Returns the election node by which a master's write is fenced.
    pub fn fence(&self) -> Option<&str> {
        let (check, _) = self.what.split_once(' ')?;
        check.strip_prefix('?').filter(|node| node.starts_with(paths::LEADER))
    }
}

/// Decides for every operation of every pod.
pub struct Faults {
    dice: Mutex<Dice>,
    settings: Settings,
    history: Arc<History>,
    calm: Mutex<bool>,
    traps: Mutex<Vec<Trap>>,
}

impl Faults {
    pub fn new(dice: Dice, settings: Settings, history: Arc<History>) -> Self {
        Self { dice: Mutex::new(dice), settings, history, calm: Mutex::new(false), traps: Mutex::default() }
    }

    /// Ends all faults.
    pub fn end(&self) {
        *self.calm.lock().unwrap() = true;
    }

    /// Sets a trap that springs once, at the first matching operation.
    pub fn trap(
        &self,
        condition: impl Fn(&Life, &Operation) -> bool + Send + Sync + 'static,
        spring: impl FnOnce(&Arc<Life>) -> Option<Play> + Send + 'static,
    ) {
        self.traps.lock().unwrap().push(Trap { condition: Box::new(condition), spring: Box::new(spring) });
    }

    /// Returns the number of traps that haven't sprung.
    pub fn traps_left(&self) -> usize {
        self.traps.lock().unwrap().len()
    }

    /// Returns the fault for this operation, if any.
    pub fn play(&self, life: &Arc<Life>, operation: &Operation) -> Option<Play> {
        let play = self.sprung(life, operation).or_else(|| self.thrown(operation))?;
        self.history.count(play.name());
        if operation.port == Port::Store {
            self.history.store_fault();
        }
        self.history.tell(&life.label(), || format!("{} {} – {play:?}", operation.name, operation.what));
        Some(play)
    }

    fn sprung(&self, life: &Arc<Life>, operation: &Operation) -> Option<Play> {
        let trap = {
            let mut traps = self.traps.lock().unwrap();
            let at = traps.iter().position(|trap| (trap.condition)(life, operation))?;
            traps.remove(at)
        };
        (trap.spring)(life)
    }

    fn thrown(&self, operation: &Operation) -> Option<Play> {
        if *self.calm.lock().unwrap() || !self.settings.aims_at(operation) {
            return None;
        }
        let mut dice = self.dice.lock().unwrap();
        if !dice.per_mille(self.settings.rate(operation)) {
            return None;
        }
        self.settings.play(&mut dice, operation)
    }

    /// Returns the delay of a hint, if it is delayed.
    pub fn hint_delay(&self) -> Option<Duration> {
        let mut dice = self.dice.lock().unwrap();
        let delayed = !*self.calm.lock().unwrap() && dice.per_mille(self.settings.hint_delays);
        delayed.then(|| dice.millis(1, 3_000))
    }
}
