//! One life of a pod, from its start to its crash, with everything that runs, pauses or dies with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::coord::SessionId;
use server::coord::embedded::Embedded;
use testkit::elapse;
use tokio::sync::{mpsc, watch};

use crate::history::History;
use crate::settings::LEASE;

/// How long a resumed pod doesn't know that its session is over.
const THAW: Duration = Duration::from_millis(20);

/// State of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    Beats,
    /// Paused, as by SIGSTOP, until the pause of this number ends.
    Stands(u32),
    Dead,
}

/// One life of one pod.
pub struct Life {
    pub pod: String,
    /// Number of the pod's previous lives.
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

    /// Returns while the pod runs; waits while it is paused; never returns once it is dead.
    pub async fn beat(&self) {
        let mut pulse = self.pulse.subscribe();
        if pulse.wait_for(|pulse| *pulse == Pulse::Beats).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Like [`Life::beat`], for messages from the coordinator: a resumed client learns them a moment after it resumes.
    pub async fn hears(&self) {
        if *self.pulse.borrow() != Pulse::Beats {
            self.beat().await;
            elapse(THAW).await;
        }
    }

    /// Returns when the pod is dead.
    pub async fn death(&self) {
        let mut pulse = self.pulse.subscribe();
        let _ = pulse.wait_for(|pulse| *pulse == Pulse::Dead).await;
    }

    /// Registers a session as this life's.
    pub fn opened(&self, session: SessionId) {
        self.sessions.lock().unwrap().push(session);
        self.history.owns(session, &self.pod, self.number);
    }

    /// Returns the sessions of this life.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.sessions.lock().unwrap().clone()
    }

    /// Kills the pod: nothing of it runs any more, and its sessions end by their timeouts.
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

    /// Pauses the pod: no operation starts or ends, and no heartbeat is sent, so its sessions end after their timeouts.
    pub fn pause(self: &Arc<Self>, length: Duration) {
        let number = self.history.number();
        if *self.pulse.borrow() != Pulse::Beats {
            return;
        }
        self.pulse.send_replace(Pulse::Stands(number));
        self.history.tell(&self.label(), || format!("stands still for {length:?}"));
        let life = Arc::clone(self);
        tokio::spawn(async move {
            elapse(length.min(LEASE)).await;
            if length > LEASE && life.stands(number) {
                life.history.overslept(&life.sessions());
                life.expire();
                elapse(length - LEASE).await;
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

    /// Makes the coordinator end all sessions of this life.
    pub fn expire(&self) {
        self.sessions().into_iter().for_each(|session| self.embedded.expire(session));
    }

    /// Breaks the connections; they come back after a while, if the sessions live that long.
    pub fn disconnect(&self, length: Duration) {
        for session in self.sessions() {
            self.embedded.disconnect(session);
            let embedded = Arc::clone(&self.embedded);
            tokio::spawn(async move {
                elapse(length).await;
                embedded.reconnect(session);
            });
        }
    }

    /// Makes reads return the state as of this call for a while, although it grows stale.
    pub fn lag(&self, length: Duration) {
        for session in self.sessions() {
            self.embedded.lag(session);
            let embedded = Arc::clone(&self.embedded);
            tokio::spawn(async move {
                elapse(length).await;
                embedded.catch_up(session);
            });
        }
    }
}
