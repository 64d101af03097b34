//! Which fault hits which operation: as the seed's dice fall, or as a named test has set a trap.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::coord::paths;

use crate::dice::Dice;
use crate::history::History;
use crate::life::Life;
use crate::settings::Settings;

/// Which port an operation goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    Coordinator,
    Catalog,
    Store,
}

/// What an operation does to the state behind the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Reads,
    Writes,
}

/// One operation of a pod, before it is run.
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
    /// It isn't run, and its caller doesn't know.
    Fail,
    /// It is run, and its caller doesn't know.
    LoseReply,
    /// It is run after a while; its caller hears at once that the outcome is unknown.
    Late(Duration),
    /// It is run after a while, and so are those behind it; its caller waits.
    Stall(Duration),
    /// The pod stands still before it, as SIGSTOP makes it.
    PauseBefore(Duration),
    /// It is run, and the pod stands still before it has the reply.
    PauseAfter(Duration),
    /// The pod dies before it.
    CrashBefore,
    /// It is run, and the pod dies before it has the reply.
    CrashAfter,
    /// The coordinator ends the pod's sessions before it.
    Expire,
    /// The pod's sessions are disconnected for a while, before it.
    Disconnect(Duration),
    /// The pod's sessions read an old state for a while, or until they sync.
    Lag(Duration),
    /// A witness takes the master for dead while this write of its is on its way.
    Evict(Duration),
    /// The bytes that are read are others than were written.
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

/// Which operation a trap waits for.
type Condition = Box<dyn Fn(&Life, &Operation) -> bool + Send + Sync>;
/// What it does then, and what happens to the operation.
type Spring = Box<dyn FnOnce(&Arc<Life>) -> Option<Play> + Send>;

struct Trap {
    condition: Condition,
    spring: Spring,
}

impl Operation {
    /// The election node that a master's write is fenced by.
    pub fn fence(&self) -> Option<&str> {
        let (check, _) = self.what.split_once(' ')?;
        check.strip_prefix('?').filter(|node| node.starts_with(paths::LEADER))
    }
}

/// Decides about every operation of every pod.
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

    /// No more faults.
    pub fn end(&self) {
        *self.calm.lock().unwrap() = true;
    }

    /// Springs once, at the first operation that fits.
    pub fn trap(
        &self,
        condition: impl Fn(&Life, &Operation) -> bool + Send + Sync + 'static,
        spring: impl FnOnce(&Arc<Life>) -> Option<Play> + Send + 'static,
    ) {
        self.traps.lock().unwrap().push(Trap { condition: Box::new(condition), spring: Box::new(spring) });
    }

    /// How many traps haven't sprung.
    pub fn traps_left(&self) -> usize {
        self.traps.lock().unwrap().len()
    }

    /// What happens to this operation.
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

    /// How long this hint waits, if at all.
    pub fn hint_delay(&self) -> Option<Duration> {
        let mut dice = self.dice.lock().unwrap();
        let delayed = !*self.calm.lock().unwrap() && dice.per_mille(self.settings.hint_delays);
        delayed.then(|| dice.millis(1, 3_000))
    }
}
