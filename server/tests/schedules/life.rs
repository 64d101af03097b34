//! One life of a pod, from its start to its crash: what runs, stands still or dies with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::coord::SessionId;
use server::coord::embedded::Embedded;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::history::History;
use crate::settings::LEASE;

/// How long a pod that stood still doesn't know that its session is over.
const THAW: Duration = Duration::from_millis(20);

/// How a life stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    Beats,
    /// SIGSTOP: until the pause of this number ends.
    Stands(u32),
    Dead,
}

/// One life of one pod.
pub struct Life {
    pub pod: String,
    /// How many lives the pod had before.
    pub number: u32,
    pulse: watch::Sender<Pulse>,
    sessions: Mutex<Vec<SessionId>>,
    embedded: Arc<Embedded>,
    history: Arc<History>,
    deaths: mpsc::UnboundedSender<String>,
}

impl Life {
    pub fn new(
        pod: &str,
        number: u32,
        embedded: Arc<Embedded>,
        history: Arc<History>,
        deaths: mpsc::UnboundedSender<String>,
    ) -> Arc<Self> {
        let pulse = watch::Sender::new(Pulse::Beats);
        Arc::new(Self { pod: pod.to_owned(), number, pulse, sessions: Mutex::default(), embedded, history, deaths })
    }

    pub fn label(&self) -> String {
        format!("{}.{}", self.pod, self.number)
    }

    pub fn is_dead(&self) -> bool {
        *self.pulse.borrow() == Pulse::Dead
    }

    /// Returns while the pod runs; waits while it stands still; never returns once it is dead.
    pub async fn beat(&self) {
        let mut pulse = self.pulse.subscribe();
        if pulse.wait_for(|pulse| *pulse == Pulse::Beats).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// As [`Life::beat`], for what a client hears on its own: a thawed one finds out a moment after it went on.
    pub async fn hears(&self) {
        if *self.pulse.borrow() != Pulse::Beats {
            self.beat().await;
            sleep(THAW).await;
        }
    }

    /// Returns when the pod is dead.
    pub async fn death(&self) {
        let mut pulse = self.pulse.subscribe();
        let _ = pulse.wait_for(|pulse| *pulse == Pulse::Dead).await;
    }

    /// From now on the session is this life's.
    pub fn opened(&self, session: SessionId) {
        self.sessions.lock().unwrap().push(session);
        self.history.owns(session, &self.pod, self.number);
    }

    /// Sessions of this life.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.sessions.lock().unwrap().clone()
    }

    /// The pod dies here: nothing of it runs any more, its sessions are left to their leases.
    pub fn crash(&self) {
        if self.pulse.send_replace(Pulse::Dead) == Pulse::Dead {
            return;
        }
        self.history.tell(&self.label(), || "crashed".to_owned());
        self.history.crashed(&self.sessions());
        self.sessions().into_iter().for_each(|session| self.embedded.crash(session));
        // The supervisor is gone when the run has ended.
        let _ = self.deaths.send(self.pod.clone());
    }

    /// The pod stands still: no operation begins or ends, no heartbeat is sent, and so its sessions end after the lease.
    pub fn pause(self: &Arc<Self>, length: Duration) {
        let number = self.history.number();
        if *self.pulse.borrow() != Pulse::Beats {
            return;
        }
        self.pulse.send_replace(Pulse::Stands(number));
        self.history.tell(&self.label(), || format!("stands still for {length:?}"));
        let life = Arc::clone(self);
        tokio::spawn(async move {
            sleep(length.min(LEASE)).await;
            if length > LEASE && life.stands(number) {
                life.history.overslept(&life.sessions());
                life.expire();
                sleep(length - LEASE).await;
            }
            life.pulse.send_if_modified(|pulse| {
                let thaws = *pulse == Pulse::Stands(number);
                if thaws {
                    *pulse = Pulse::Beats;
                    life.history.tell(&life.label(), || "goes on".to_owned());
                }
                thaws
            });
        });
    }

    fn stands(&self, number: u32) -> bool {
        *self.pulse.borrow() == Pulse::Stands(number)
    }

    /// The coordinator ends all sessions of this life.
    pub fn expire(&self) {
        self.sessions().into_iter().for_each(|session| self.embedded.expire(session));
    }

    /// Connections break, and come back after a while if the lease lasts.
    pub fn disconnect(&self, length: Duration) {
        for session in self.sessions() {
            self.embedded.disconnect(session);
            let embedded = Arc::clone(&self.embedded);
            tokio::spawn(async move {
                sleep(length).await;
                embedded.reconnect(session);
            });
        }
    }

    /// Reads show the state of now for a while.
    pub fn lag(&self, length: Duration) {
        for session in self.sessions() {
            self.embedded.lag(session);
            let embedded = Arc::clone(&self.embedded);
            tokio::spawn(async move {
                sleep(length).await;
                embedded.catch_up(session);
            });
        }
    }
}
