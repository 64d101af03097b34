//! Fault injection: what networks and processes do to a session, triggered by tests or by an operator.
//!
//! The faults are no milder than ZooKeeper's: at a disconnect the coordinator's and the client's views of a session diverge,
//! the session expires on the coordinator's side first, and the client learns of it late.

use super::super::SessionId;
use super::coordinator::Embedded;
use super::state::Lag;

impl Embedded {
    /// Breaks the connection: the client is notified, its watches end, and the session timeout starts.
    pub fn disconnect(&self, session: SessionId) {
        self.lock().disconnect(session);
    }

    /// Restores the connection; if the session timed out meanwhile, the client learns that it has expired.
    pub fn reconnect(&self, session: SessionId) {
        self.lock().reconnect(session);
    }

    /// Ends the session now. A connected client is notified; a disconnected one learns of it later.
    pub fn expire(&self, session: SessionId) {
        self.lock().expire(session);
    }

    /// Kills the session's process: its heartbeats stop, it can't reconnect, and its ephemeral nodes vanish only at the session
    /// timeout.
    pub fn crash(&self, session: SessionId) {
        self.lock().crash(session);
    }

    /// Loses the reply of the session's next write: the write takes effect, but the caller gets an unknown outcome.
    pub fn lose_reply(&self, session: SessionId) {
        self.lock().with_faults(session, |faults| faults.lost_replies += 1);
    }

    /// Delays the session's next write: the caller gets an unknown outcome now, and the write runs before the session's next
    /// write or sync, or at [`Embedded::run_late`]. Reads overtake it. It never runs once the coordinator has ended the
    /// session.
    pub fn delay(&self, session: SessionId) {
        self.lock().with_faults(session, |faults| faults.delays += 1);
    }

    /// Runs the session's delayed writes now.
    pub fn run_late(&self, session: SessionId) {
        self.lock().run_late(session);
    }

    /// Makes the session lag: its reads stay at the current state and it gets no hints until it syncs. A successful write of
    /// its own brings it up to that write; it lags from there.
    pub fn lag(&self, session: SessionId) {
        self.lock().lag(session);
    }

    /// Ends the session's lag.
    pub fn catch_up(&self, session: SessionId) {
        self.lock().catch_up(session, Lag::Ends);
    }

    /// Makes the coordinator unreachable for all clients: every session is disconnected and new ones are refused.
    pub fn go_down(&self) {
        self.set_up(false);
    }

    /// Makes the coordinator reachable again: live sessions reconnect, and clients of ended ones learn that they have expired.
    pub fn come_back(&self) {
        self.set_up(true);
    }
}
