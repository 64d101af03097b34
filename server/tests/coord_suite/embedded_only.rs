//! Faults that only the embedded coordinator can simulate on demand.

use std::sync::Arc;
use std::time::Duration;

use server::coord::claim::{Held, claim, commit};
use server::coord::election::Candidacy;
use server::coord::fence::FenceError;
use server::coord::settle::settle;
use server::coord::{CreateMode, Error, Hint, Op, Scope, SessionState, paths};

use crate::environment::{EmbeddedEnvironment, Environment, gone, hint, soon};
use crate::records::{candidate, done, lock, task};

#[tokio::test(start_paused = true)]
async fn a_delayed_write_runs_before_the_sessions_next_sync_and_not_for_its_reads() {
    let environment = EmbeddedEnvironment::new();
    let seat = environment.session().await;
    environment.embedded.delay(seat.id());
    assert!(matches!(seat.create("/late", b"", CreateMode::Persistent).await, Err(Error::Unknown(_))));
    assert_eq!(seat.stat("/late").await.unwrap(), None);
    seat.cut().await;
    seat.mend().await;
    assert_eq!(seat.stat("/late").await.unwrap(), None);
    settle(&*seat).await.unwrap();
    assert!(seat.stat("/late").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_delayed_write_never_runs_once_its_session_has_ended() {
    let environment = EmbeddedEnvironment::new();
    let (seat, other) = (environment.session().await, environment.session().await);
    environment.embedded.delay(seat.id());
    seat.create("/late", b"", CreateMode::Persistent).await.unwrap_err();
    environment.embedded.expire(seat.id());
    environment.embedded.run_late(seat.id());
    seat.state(SessionState::Expired).await;
    assert_eq!(other.stat("/late").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_candidacy_whose_create_runs_late_has_one_node() {
    let environment = EmbeddedEnvironment::new();
    let seat = environment.session().await;
    environment.embedded.delay(seat.id());
    let candidacy = Candidacy::enter(Arc::clone(&seat.coordinator), &candidate("one")).await.unwrap();
    assert_eq!(seat.children(paths::LEADER).await.unwrap().len(), 1);
    soon(candidacy.wait_to_lead()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deposed_masters_late_write_is_rejected() {
    let environment = EmbeddedEnvironment::new();
    let (one, two) = (environment.session().await, environment.session().await);
    let master = Candidacy::enter(Arc::clone(&one.coordinator), &candidate("one")).await.unwrap();
    soon(master.wait_to_lead()).await.unwrap();
    environment.embedded.delay(one.id());
    let write = Op::Create { path: "/jobs/old".into(), data: vec![], mode: CreateMode::Persistent };
    let outcome = master.fence().write(&*one, vec![write]).await;
    assert!(matches!(outcome, Err(FenceError::Unknown(_))));
    two.delete(master.node(), None).await.unwrap();
    environment.embedded.run_late(one.id());
    settle(&*one).await.unwrap();
    assert_eq!(one.stat("/jobs/old").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_claim_and_a_commit_that_run_late_are_one_each() {
    let environment = EmbeddedEnvironment::new();
    let seat = environment.session().await;
    seat.create("/t", &serde_json::to_vec(&task()).unwrap(), CreateMode::Persistent).await.unwrap();
    environment.embedded.delay(seat.id());
    let held = claim(&*seat, Held::new("/t", &task(), 0, lock("a", "c1"))).await.unwrap().unwrap();
    assert_eq!(seat.stat("/t").await.unwrap().unwrap().version, held.version);
    environment.embedded.delay(seat.id());
    assert!(commit(&*seat, &held, &done("a", 1)).await.unwrap());
    assert_eq!(seat.children("/t").await.unwrap(), ["done"]);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_session_sees_the_past_until_it_syncs_or_writes() {
    let environment = EmbeddedEnvironment::new();
    let (seat, other) = (environment.session().await, environment.session().await);
    let mut watch = seat.watch("/", Scope::Recursive).await.unwrap();
    environment.embedded.lag(seat.id());
    other.create("/a", b"", CreateMode::Persistent).await.unwrap();
    assert_eq!(seat.stat("/a").await.unwrap(), None);
    let none = tokio::time::timeout(Duration::from_millis(1), watch.changed()).await;
    assert!(none.is_err(), "hints come with what they hint at, not before");
    seat.create("/mine", b"", CreateMode::Persistent).await.unwrap();
    assert!(seat.stat("/a").await.unwrap().is_some(), "its own write and everything before");
    other.create("/b", b"", CreateMode::Persistent).await.unwrap();
    assert_eq!(seat.stat("/b").await.unwrap(), None);
    seat.sync().await.unwrap();
    assert!(seat.stat("/b").await.unwrap().is_some());
    for path in ["/a", "/mine", "/b"] {
        assert_eq!(hint(&mut watch).await, Hint::Changed(path.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lagging_candidate_leads_all_the_same() {
    let environment = EmbeddedEnvironment::new();
    let (one, two) = (environment.session().await, environment.session().await);
    let first = Candidacy::enter(Arc::clone(&one.coordinator), &candidate("one")).await.unwrap();
    let second = Candidacy::enter(Arc::clone(&two.coordinator), &candidate("two")).await.unwrap();
    environment.embedded.lag(two.id());
    first.resign().await.unwrap();
    soon(second.wait_to_lead()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crashed_sessions_ephemerals_vanish_only_when_its_lease_runs_out() {
    let environment = EmbeddedEnvironment::new();
    let (seat, other) = (environment.session().await, environment.session().await);
    seat.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    let id = seat.id();
    environment.embedded.crash(id);
    environment.embedded.reconnect(id);
    assert_eq!(seat.get("/e").await, Err(Error::Disconnected));
    drop(seat);
    let before = tokio::time::Instant::now();
    assert!(other.stat("/e").await.unwrap().is_some());
    gone(&*other, "/e").await;
    assert_eq!(before.elapsed().as_secs(), other.session_timeout().as_secs());
    assert_eq!(environment.embedded.sessions(), [other.id()]);
}

#[tokio::test(start_paused = true)]
async fn a_session_dropped_without_a_close_lives_until_its_lease_runs_out() {
    let environment = EmbeddedEnvironment::new();
    let (seat, other) = (environment.session().await, environment.session().await);
    seat.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    drop(seat);
    let before = tokio::time::Instant::now();
    gone(&*other, "/e").await;
    assert_eq!(before.elapsed().as_secs(), other.session_timeout().as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_outage_disconnects_everyone_and_ends_leases_that_it_outlasts() {
    let environment = EmbeddedEnvironment::new();
    let seat = environment.session().await;
    environment.embedded.go_down();
    seat.state(SessionState::Disconnected).await;
    assert_eq!(environment.embedded.connector().connect().await.err(), Some(Error::Disconnected));
    // The refused connect took one session timeout; a little later the session has expired on the server, but the client hasn't
    // given up.
    tokio::time::advance(Duration::from_millis(1)).await;
    seat.state(SessionState::Disconnected).await;
    assert_eq!(environment.embedded.sessions(), []);
    environment.embedded.come_back();
    seat.state(SessionState::Expired).await;
    let again = environment.session().await;
    environment.embedded.go_down();
    environment.embedded.come_back();
    again.state(SessionState::Connected).await;
}
