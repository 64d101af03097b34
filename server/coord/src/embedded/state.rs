//! The coordinator's state: the tree, the sessions, and their timeouts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base::causes::SharedError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::hub::Hub;
use super::super::{Error, Result, SessionId, SessionState};
use super::journal::{Cause, Transaction};
use super::tree::{Tree, Writer};

/// A delayed write.
type Late = Box<dyn FnOnce(&mut Writer<'_>) -> Result<()> + Send>;

/// Whether a session that has just caught up keeps lagging from there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lag {
    /// It lags from this state on.
    GoesOn,
    /// It no longer lags.
    Ends,
}

/// Faults scheduled for a session.
#[derive(Default)]
pub(super) struct Faults {
    /// Number of writes whose replies will be lost.
    pub(super) lost_replies: u32,
    /// Number of writes that will be delayed.
    pub(super) delays: u32,
}

/// One session, as seen by the coordinator and by its client.
struct Seat {
    /// State as known to the client.
    told: watch::Sender<SessionState>,
    hub: Arc<Hub>,
    faults: Faults,
    /// Whether the session is alive on the coordinator's side.
    alive: bool,
    /// Whether its process has crashed.
    crashed: bool,
    /// Whether its handle was dropped, so that it can be forgotten once it has ended.
    dropped: bool,
    /// Counts disconnects and reconnects, so that timers of earlier ones are ignored.
    round: u64,
    late: VecDeque<Late>,
    /// While lagging: the old tree that the session reads, and the hints withheld from it.
    lag: Option<(Tree, Vec<String>)>,
}

impl Seat {
    fn state(&self) -> SessionState {
        *self.told.borrow()
    }

    /// Changes the state known to the client, as the only place that does; terminal states stick.
    fn tell(&self, state: SessionState) {
        self.told.send_if_modified(|told| {
            let changes = *told != state && !told.is_terminal();
            if changes {
                *told = state;
            }
            changes
        });
        if state != SessionState::Connected {
            self.hub.close();
        }
    }
}

/// Locks the state; a panic of another holder doesn't matter.
pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The coordinator's whole state, behind one lock.
pub(super) struct State {
    tree: Tree,
    seats: HashMap<SessionId, Seat>,
    next: i64,
    session_timeout: Duration,
    /// This state, for the timers of its sessions.
    shared: Weak<Mutex<State>>,
    /// Committed transactions, if a journal is kept.
    pub(super) journal: Option<Vec<Transaction>>,
}

impl State {
    /// Creates an empty tree without sessions.
    pub(super) fn shared(session_timeout: Duration) -> Arc<Mutex<Self>> {
        Arc::new_cyclic(|shared| {
            let (tree, seats, shared) = (Tree::new(), HashMap::new(), shared.clone());
            Mutex::new(Self { tree, seats, next: 1, session_timeout, shared, journal: None })
        })
    }

    /// Live sessions, oldest first.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        let alive = self.seats.iter().filter(|(_, seat)| seat.alive).map(|(id, _)| *id);
        let mut ids: Vec<SessionId> = alive.collect();
        ids.sort_unstable_by_key(|id| id.0);
        ids
    }

    /// Opens a new session.
    pub(super) fn open(&mut self) -> (SessionId, watch::Receiver<SessionState>, Arc<Hub>) {
        let id = SessionId(self.next);
        self.next += 1;
        let (told, states) = watch::channel(SessionState::Connected);
        let hub = Arc::new(Hub::default());
        hub.open();
        let seat = Seat {
            told,
            hub: Arc::clone(&hub),
            faults: Faults::default(),
            alive: true,
            crashed: false,
            dropped: false,
            round: 0,
            late: VecDeque::new(),
            lag: None,
        };
        self.seats.insert(id, seat);
        (id, states, hub)
    }

    /// Handles a session handle dropped without a close. This counts as a crash, so the ephemeral nodes stay until the session
    /// timeout. The session is forgotten when it has ended.
    pub(super) fn forget(&mut self, id: SessionId) {
        if self.seats.get(&id).is_some_and(|seat| seat.alive && !seat.crashed) {
            match tokio::runtime::Handle::try_current() {
                Ok(_) => self.crash(id),
                // No runtime: the process is ending, and no timer would fire.
                Err(_) => self.close(id),
            }
        }
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.dropped = true;
        }
        self.seats.retain(|_, seat| seat.alive || !seat.dropped);
    }

    /// Runs a write, applying the session's scheduled faults.
    pub(super) fn write<T: Send + 'static>(
        &mut self,
        id: SessionId,
        write: impl FnOnce(&mut Writer<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let faults = &mut self.connected(id)?.faults;
        if faults.delays > 0 {
            faults.delays -= 1;
            let late: Late = Box::new(move |writer| write(writer).map(drop));
            self.connected(id)?.late.push_back(late);
            return Err(Error::Unknown(SharedError::new("the connection was lost before the reply")));
        }
        let loses = faults.lost_replies > 0;
        faults.lost_replies -= u32::from(loses);
        self.run_late(id);
        let given = self.commit(id, write);
        if given.is_ok() {
            self.catch_up(id, Lag::GoesOn);
        }
        if loses { Err(Error::Unknown(SharedError::new("the reply was lost"))) } else { given }
    }

    /// Reads from the tree as this session sees it.
    pub(super) fn read<T>(&mut self, id: SessionId, read: impl FnOnce(&Tree) -> T) -> Result<T> {
        self.connected(id)?;
        let lag = self.seats.get(&id).and_then(|seat| seat.lag.as_ref());
        Ok(read(lag.map_or(&self.tree, |(tree, _)| tree)))
    }

    /// Runs the session's delayed writes and ends its lag.
    pub(super) fn sync(&mut self, id: SessionId) -> Result<()> {
        self.connected(id)?;
        self.run_late(id);
        self.catch_up(id, Lag::Ends);
        Ok(())
    }

    /// The client closes its session; if it is disconnected, the coordinator doesn't learn of it.
    pub(super) fn close(&mut self, id: SessionId) {
        let Some(seat) = self.seats.get(&id) else { return };
        let heard = seat.state() == SessionState::Connected;
        seat.tell(SessionState::Closed);
        if heard {
            self.end(id);
        }
    }

    pub(super) fn disconnect(&mut self, id: SessionId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if seat.state() != SessionState::Connected {
            return;
        }
        seat.tell(SessionState::Disconnected);
        seat.lag = None;
        seat.round += 1;
        let (round, timeout, shared) = (seat.round, self.session_timeout, self.shared.clone());
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            if let Some(state) = shared.upgrade() {
                lock(&state).lease_ran_out(id, round);
            }
            // The client ends the session on its own, as zookeeper-client does after 7/5 of the timeout.
            tokio::time::sleep(timeout * 2 / 5).await;
            if let Some(state) = shared.upgrade() {
                lock(&state).client_gave_up(id, round);
            }
        });
    }

    pub(super) fn reconnect(&mut self, id: SessionId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if seat.crashed || seat.state() != SessionState::Disconnected {
            return;
        }
        seat.round += 1;
        if seat.alive {
            seat.hub.open();
            seat.tell(SessionState::Connected);
        } else {
            seat.tell(SessionState::Expired);
        }
    }

    pub(super) fn reconnect_all(&mut self) {
        self.sessions().into_iter().chain(self.dead()).for_each(|id| self.reconnect(id));
    }

    pub(super) fn expire(&mut self, id: SessionId) {
        self.end(id);
        if let Some(seat) = self.seats.get(&id)
            && seat.state() == SessionState::Connected
        {
            seat.tell(SessionState::Expired);
        }
    }

    pub(super) fn crash(&mut self, id: SessionId) {
        self.disconnect(id);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.crashed = true;
        }
    }

    pub(super) fn lag(&mut self, id: SessionId) {
        if let Some(seat) = self.seats.get_mut(&id)
            && seat.lag.is_none()
        {
            seat.lag = Some((self.tree.clone(), Vec::new()));
        }
    }

    pub(super) fn with_faults(&mut self, id: SessionId, change: impl FnOnce(&mut Faults)) {
        if let Some(seat) = self.seats.get_mut(&id) {
            change(&mut seat.faults);
        }
    }

    /// Runs the delayed writes, as long as the session is alive on the coordinator's side.
    pub(super) fn run_late(&mut self, id: SessionId) {
        while let Some(late) = self.seats.get_mut(&id).filter(|seat| seat.alive).and_then(|seat| seat.late.pop_front())
        {
            // Its caller no longer waits for the reply.
            let _ = self.commit(id, late);
        }
    }

    fn dead(&self) -> Vec<SessionId> {
        self.seats.iter().filter(|(_, seat)| !seat.alive).map(|(id, _)| *id).collect()
    }

    fn connected(&mut self, id: SessionId) -> Result<&mut Seat> {
        let seat = self.seats.get_mut(&id).ok_or(Error::Expired)?;
        match seat.state() {
            SessionState::Connected => Ok(seat),
            SessionState::Disconnected => Err(Error::Disconnected),
            SessionState::Expired | SessionState::Closed => Err(Error::Expired),
        }
    }

    fn commit<T>(&mut self, id: SessionId, write: impl FnOnce(&mut Writer<'_>) -> Result<T>) -> Result<T> {
        let (value, changed) = self.tree.transaction(write)?;
        self.note(id, Cause::Write);
        self.tell(&changed);
        Ok(value)
    }

    /// Appends the tree's last transaction to the journal.
    fn note(&mut self, session: SessionId, cause: Cause) {
        if let Some(journal) = &mut self.journal {
            let changes = self.tree.last_changes();
            journal.push(Transaction { at: Instant::now(), session, cause, changes });
        }
    }

    fn tell(&mut self, changed: &[String]) {
        for seat in self.seats.values_mut() {
            match &mut seat.lag {
                Some((_, hints)) => hints.extend_from_slice(changed),
                None => changed.iter().for_each(|path| seat.hub.tell(path)),
            }
        }
    }

    /// Brings the session up to date and delivers the withheld hints.
    pub(super) fn catch_up(&mut self, id: SessionId, lag: Lag) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if let Some((_, hints)) = seat.lag.take() {
            hints.iter().for_each(|path| seat.hub.tell(path));
            seat.lag = (lag == Lag::GoesOn).then(|| (self.tree.clone(), Vec::new()));
        }
    }

    fn lease_ran_out(&mut self, id: SessionId, round: u64) {
        if self.seats.get(&id).is_some_and(|seat| seat.round == round) {
            self.end(id);
        }
    }

    fn client_gave_up(&mut self, id: SessionId, round: u64) {
        if let Some(seat) = self.seats.get(&id).filter(|seat| seat.round == round) {
            seat.tell(SessionState::Expired);
        }
    }

    /// Ends a session on the coordinator's side: removes its ephemeral nodes and drops its delayed writes.
    fn end(&mut self, id: SessionId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if !std::mem::replace(&mut seat.alive, false) {
            return;
        }
        seat.late.clear();
        self.seats.retain(|_, seat| seat.alive || !seat.dropped);
        let changed = self.tree.end_session(id);
        self.note(id, Cause::End);
        self.tell(&changed);
    }
}
