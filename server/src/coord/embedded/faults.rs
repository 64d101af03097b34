//! Faults on command: what networks and processes do to a session, when a test or a person says so.
//!
//! Nothing here is milder than ZooKeeper: the coordinator's and the client's view of a session part at a disconnect,
//! the lease runs out on the coordinator's side first, and the client learns of it late.

use super::state::Lag;
use super::{Embedded, SessionId};

impl Embedded {
    /// The connection breaks: the session is told, its watches end, and its lease begins to run out.
    pub fn disconnect(&self, session: SessionId) {
        self.lock().disconnect(session);
    }

    /// The connection comes back; if the lease has run out meanwhile, the session learns that it has expired.
    pub fn reconnect(&self, session: SessionId) {
        self.lock().reconnect(session);
    }

    /// The coordinator ends the session now. A connected session is told; a disconnected one learns of it later.
    pub fn expire(&self, session: SessionId) {
        self.lock().expire(session);
    }

    /// The session's process dies: its heartbeats stop, nothing can bring it back, and its ephemeral nodes vanish
    /// only when the lease runs out.
    pub fn crash(&self, session: SessionId) {
        self.lock().crash(session);
    }

    /// The session's next write takes effect, but its reply is lost: the caller gets an unknown outcome.
    pub fn lose_reply(&self, session: SessionId) {
        self.lock().with_faults(session, |faults| faults.lost_replies += 1);
    }

    /// The session's next write gets an unknown outcome now and runs later: before the session's next write or sync,
    /// or at [`Embedded::run_late`]. Reads pass it by. It never runs once the coordinator has ended the session.
    pub fn delay(&self, session: SessionId) {
        self.lock().with_faults(session, |faults| faults.delays += 1);
    }

    /// Runs the session's delayed writes now.
    pub fn run_late(&self, session: SessionId) {
        self.lock().run_late(session);
    }

    /// From now on the session reads the state of now and gets no hints, until it syncs. What it writes itself it
    /// sees, and with it everything before.
    pub fn lag(&self, session: SessionId) {
        self.lock().lag(session);
    }

    /// The session lags no more.
    pub fn catch_up(&self, session: SessionId) {
        self.lock().catch_up(session, Lag::Ends);
    }

    /// The coordinator is unreachable for everyone: every session is disconnected and new ones are refused.
    pub fn go_down(&self) {
        self.set_up(false);
    }

    /// The coordinator is reachable again: sessions whose lease lasts reconnect.
    pub fn come_back(&self) {
        self.set_up(true);
    }
}
