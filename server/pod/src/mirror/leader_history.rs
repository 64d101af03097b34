//! A master that was seen, and how its term ended.
//!
//! Whether a master's pod was still a member when its election node was gone mostly tells why: the end of a session deletes
//! both at once. This requires that the members are read after the candidates, which the mirror does.

use base::wall::now;
use shared::cluster::{Candidate, Ending, Member, Reign};

/// A master that was seen, and how its term ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderHistory {
    /// Name of its election node.
    pub node: String,
    /// Its record.
    pub record: Candidate,
    /// When its node was found gone (ms since 1970), and why; `None` while it leads.
    pub gone: Option<(i64, Ending)>,
    /// Whether its pod had announced that it was stopping.
    leaving: bool,
}

impl LeaderHistory {
    /// Returns the record of a current master; `None` for a candidate without an epoch.
    pub fn new(node: &str, record: &Candidate) -> Option<Self> {
        let led = || Self { node: node.to_owned(), record: record.clone(), gone: None, leaving: false };
        record.epoch.map(|_| led())
    }

    /// Notes whether its pod is marked as leaving.
    pub fn note(&mut self, members: &[Member]) {
        let told = |member: &Member| member.pod == self.record.pod && member.leaving;
        self.leaving |= members.iter().any(told);
    }

    /// Records the end of its term, given the members read after its election node was gone.
    pub fn end(&mut self, members: &[Member]) {
        self.note(members);
        let lives = members.iter().any(|member| member.pod == self.record.pod);
        let end = match (self.leaving, lives) {
            (true, _) => Ending::HandedOver,
            (false, true) => Ending::SteppedDown,
            (false, false) => Ending::SessionEnded,
        };
        self.gone.get_or_insert((now(), end));
    }

    /// Returns this master's term and those before it, latest first.
    pub fn past(&self) -> Vec<Reign> {
        let (until, end) = self.gone.unwrap_or_else(|| (now(), Ending::SessionEnded));
        let reign = |(epoch, since)| Reign { pod: self.record.pod.clone(), epoch, since, until, end };
        let own = self.record.epoch.zip(self.record.since).map(reign);
        own.into_iter().chain(self.record.past.iter().cloned()).take(Reign::MAX_PAST).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shared::clock::Stamp;

    use super::*;

    fn record(name: &str, epoch: u64) -> Candidate {
        Candidate {
            v: 1,
            pod: name.parse().unwrap(),
            address: String::new(),
            process: String::new(),
            life: String::new(),
            home: None,
            epoch: Some(epoch),
            since: Some(epoch as i64 * 1_000),
            past: Vec::new(),
            stamp: Stamp { clock: epoch, pod: name.parse().unwrap() },
        }
    }

    fn member(name: &str, leaving: bool) -> Member {
        Member {
            v: 1,
            pod: name.parse().unwrap(),
            uuid: String::new(),
            session: String::new(),
            lease_ms: 1,
            address: String::new(),
            cores: 1,
            version: String::new(),
            kinds: Vec::new(),
            started: 0,
            leaving,
            faults: false,
            stamp: Stamp { clock: 1, pod: name.parse().unwrap() },
        }
    }

    #[test]
    fn whether_its_pod_is_still_there_tells_why_a_master_is_gone() {
        let ended = |before: &[Member], after: &[Member]| {
            let mut led = LeaderHistory::new("a-1", &record("pod-1", 1)).unwrap();
            led.note(before);
            led.end(after);
            led.gone.unwrap().1
        };
        let (here, told, other) = ([member("pod-1", false)], [member("pod-1", true)], [member("pod-2", false)]);
        assert_eq!(ended(&here, &[here[0].clone(), other[0].clone()]), Ending::SteppedDown);
        assert_eq!(ended(&here, &other), Ending::SessionEnded);
        assert_eq!(ended(&told, &other), Ending::HandedOver);
        assert_eq!(ended(&here, &told), Ending::HandedOver);
    }

    #[test]
    fn the_past_is_handed_on_and_the_oldest_of_it_forgotten() {
        let mut past = Vec::new();
        for epoch in 1..=Reign::MAX_PAST as u64 + 3 {
            let record = Candidate { past, ..record("pod-1", epoch) };
            past = LeaderHistory::new("a-1", &record).unwrap().past();
        }
        assert_eq!(past.len(), Reign::MAX_PAST);
        assert_eq!((past[0].epoch, past[Reign::MAX_PAST - 1].epoch), (Reign::MAX_PAST as u64 + 3, 4));
    }
}
