//! Faults of a store: which operations get which fault, by rules.
//!
//! Rules are evaluated in order; the first match applies. All randomness comes from the seed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::dice::Dice;

/// A store operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Write a whole object.
    Put,
    /// Start a multipart upload.
    Begin,
    /// Write a part.
    Part,
    /// Complete a multipart upload.
    Complete,
    /// Read an object or a range of it.
    Get,
    /// Read its metadata.
    Head,
    /// List objects.
    List,
    /// Delete an object.
    Delete,
}

/// All operations.
pub const ACTS: [Act; 8] =
    [Act::Put, Act::Begin, Act::Part, Act::Complete, Act::Get, Act::Head, Act::List, Act::Delete];

/// The fault injected into an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Does nothing and returns an error.
    Fail,
    /// Performs the operation and returns an error.
    LoseReply,
    /// Does nothing and never answers.
    Hang,
    /// Performs the operation and never answers.
    HangDone,
    /// Performs the operation after a delay.
    Slow(Duration),
    /// Does nothing: no space left (ENOSPC).
    Full,
    /// Stores or returns only half of the bytes, and reports success.
    Tear,
    /// Alters a byte in the middle of what is stored or returned, and reports success.
    Flip,
    /// Alters the first byte instead.
    FlipFirst,
    /// Alters the last byte instead.
    FlipLast,
    /// Does nothing and reports success; for writes of whole objects.
    Forget,
    /// Returns the correct bytes, but dropping them panics: on a pixel thread, the work panics.
    Explode,
}

/// When to inject a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    acts: Vec<Act>,
    fault: Fault,
    part_of_key: String,
    per_mille: u64,
    left: u64,
}

impl Rule {
    /// Injects the fault into every operation of this kind.
    pub fn on(act: Act, fault: Fault) -> Self {
        Self::on_any(&[act], fault)
    }

    /// Injects the fault into every operation of these kinds.
    pub fn on_any(acts: &[Act], fault: Fault) -> Self {
        Self { acts: acts.to_vec(), fault, part_of_key: String::new(), per_mille: 1_000, left: u64::MAX }
    }

    /// Limits the rule to keys that contain this part.
    pub fn keys(self, part: &str) -> Self {
        Self { part_of_key: part.to_owned(), ..self }
    }

    /// Limits the rule to this probability, in thousandths.
    pub fn chance(self, per_mille: u64) -> Self {
        Self { per_mille, ..self }
    }

    /// Limits the rule to this number of times.
    pub fn times(self, times: u64) -> Self {
        Self { left: times, ..self }
    }
}

/// Controls the faults. Clones share all state.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    dice: Dice,
    rules: Vec<Rule>,
    played: Vec<(Act, Fault, String)>,
}

impl Faults {
    /// Starts without faults.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { dice: Dice::new(seed), rules: Vec::new(), played: Vec::new() })))
    }

    /// Adds a rule.
    pub fn play(&self, rule: Rule) {
        self.0.lock().unwrap().rules.push(rule);
    }

    /// Removes all rules.
    pub fn end(&self) {
        self.0.lock().unwrap().rules.clear();
    }

    /// Returns the injected faults in order.
    pub fn played(&self) -> Vec<(Act, Fault, String)> {
        self.0.lock().unwrap().played.clone()
    }

    /// Returns the fault for an operation, if a rule applies.
    pub(crate) fn fault(&self, act: Act, key: &str) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        let state = &mut *state;
        let fits = |rule: &&mut Rule| rule.left > 0 && rule.acts.contains(&act) && key.contains(&rule.part_of_key);
        for rule in state.rules.iter_mut().filter(|rule| fits(rule)) {
            if state.dice.per_mille(rule.per_mille) {
                rule.left -= 1;
                state.played.push((act, rule.fault, key.to_owned()));
                return Some(rule.fault);
            }
        }
        None
    }
}
