//! The fence: a deposed master's writes are rejected.

use std::sync::Arc;

use server::coord::election::{Candidacy, leader};
use server::coord::fence::FenceError;
use server::coord::settle::settle;
use server::coord::{CreateMode, Error, Op, SessionState, doorbell, paths};

use crate::environment::{Environment, Seat, soon};
use crate::records::candidate;

crate::on_every_coordinator![
    a_leader_writes,
    a_deposed_masters_write_is_rejected,
    a_master_whose_lease_ran_out_and_who_is_back_cannot_write,
    a_conflict_is_not_a_deposition,
    a_fenced_write_whose_reply_is_lost_is_unknown_and_can_be_settled,
    a_write_that_is_too_large_is_refused,
    a_witness_evicts_a_leader_once_and_a_deposed_witness_evicts_nobody,
    rings_of_the_doorbell_are_counted,
];

async fn lead(seat: &Seat, name: &str) -> Candidacy {
    let candidacy = Candidacy::enter(Arc::clone(&seat.coordinator), &candidate(name)).await.unwrap();
    soon(candidacy.wait_to_lead()).await.unwrap();
    candidacy
}

fn create(path: &str) -> Op {
    Op::Create { path: path.into(), data: Vec::new(), mode: CreateMode::Persistent }
}

async fn a_leader_writes(environment: &dyn Environment) {
    let seat = environment.session().await;
    let master = lead(&seat, "one").await;
    master.fence().write(&*seat, vec![create("/jobs/a"), create("/jobs/a/b")]).await.unwrap();
    assert!(seat.stat("/jobs/a/b").await.unwrap().is_some());
    let mut record = candidate("one");
    record.epoch = Some(7);
    master.fence().announce(&*seat, &record).await.unwrap();
    assert_eq!(leader(&*seat).await.unwrap(), Some((master.node().to_owned(), record)));
}

async fn a_deposed_masters_write_is_rejected(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    let master = lead(&one, "one").await;
    two.sync().await.unwrap();
    two.delete(master.node(), None).await.unwrap();
    let successor = lead(&two, "two").await;
    let error = master.fence().write(&*one, vec![create("/jobs/old")]).await.unwrap_err();
    assert_eq!(error, FenceError::Deposed);
    assert!(error.ends_role());
    one.sync().await.unwrap();
    assert_eq!(one.stat("/jobs/old").await.unwrap(), None);
    successor.fence().write(&*two, vec![create("/jobs/new")]).await.unwrap();
}

async fn a_master_whose_lease_ran_out_and_who_is_back_cannot_write(environment: &dyn Environment) {
    let (one, two) = (environment.short_session().await, environment.session().await);
    let master = lead(&one, "one").await;
    one.cut().await;
    let successor = lead(&two, "two").await;
    one.state(SessionState::Expired).await;
    let error = master.fence().write(&*one, vec![create("/jobs/old")]).await.unwrap_err();
    assert!(error.ends_role(), "{error}");
    // A new session of the same pod doesn't revive the old candidacy either.
    let again = environment.session().await;
    assert_eq!(master.fence().write(&*again, vec![create("/jobs/old")]).await, Err(FenceError::Deposed));
    successor.fence().write(&*two, vec![create("/jobs/new")]).await.unwrap();
    two.sync().await.unwrap();
    assert_eq!(two.children("/jobs").await.unwrap(), ["new"]);
}

async fn a_conflict_is_not_a_deposition(environment: &dyn Environment) {
    let seat = environment.session().await;
    let master = lead(&seat, "one").await;
    master.fence().write(&*seat, vec![create("/jobs/a")]).await.unwrap();
    let stale = Op::Set { path: "/jobs/a".into(), data: Vec::new(), version: Some(9) };
    let error = master.fence().write(&*seat, vec![create("/jobs/b"), stale]).await.unwrap_err();
    assert_eq!(error, FenceError::Conflict { index: 1, source: Error::BadVersion("/jobs/a".into()) });
    assert!(!error.ends_role());
    assert_eq!(seat.children("/jobs").await.unwrap(), ["a"]);
}

async fn a_fenced_write_whose_reply_is_lost_is_unknown_and_can_be_settled(environment: &dyn Environment) {
    let seat = environment.session().await;
    let master = lead(&seat, "one").await;
    seat.lose_reply();
    let error = master.fence().write(&*seat, vec![create("/jobs/a")]).await.unwrap_err();
    assert!(matches!(error, FenceError::Unknown(_)), "{error:?}");
    assert!(!error.ends_role());
    settle(&*seat).await.unwrap();
    assert!(seat.stat("/jobs/a").await.unwrap().is_some());
    master.fence().write(&*seat, vec![create("/jobs/b")]).await.unwrap();
}

async fn a_write_that_is_too_large_is_refused(environment: &dyn Environment) {
    let seat = environment.session().await;
    let master = lead(&seat, "one").await;
    let large = Op::Create { path: "/jobs/l".into(), data: vec![0; 65_537], mode: CreateMode::Persistent };
    let error = master.fence().write(&*seat, vec![large]).await.unwrap_err();
    assert!(matches!(error, FenceError::Coordinator(Error::Invalid(_))), "{error:?}");
    assert!(!error.ends_role());
}

async fn a_witness_evicts_a_leader_once_and_a_deposed_witness_evicts_nobody(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    let master = lead(&one, "one").await;
    let witness = Candidacy::enter(Arc::clone(&two.coordinator), &candidate("two")).await.unwrap();
    let suspect = witness.before().await.unwrap().pop().unwrap();
    assert_eq!(suspect, master.node());
    assert_eq!(witness.fence().evict(&*two, &suspect).await, Ok(true));
    assert_eq!(witness.fence().evict(&*two, &suspect).await, Ok(false));
    soon(witness.wait_to_lead()).await.unwrap();
    soon(master.lost()).await;
    assert_eq!(master.fence().evict(&*one, witness.node()).await, Err(FenceError::Deposed));
    two.sync().await.unwrap();
    assert!(two.stat(witness.node()).await.unwrap().is_some());
}

async fn rings_of_the_doorbell_are_counted(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    let before = seat.stat(paths::DOORBELL).await.unwrap().unwrap().version;
    let mut watch = seat.watch(paths::DOORBELL, server::coord::Scope::Node).await.unwrap();
    for _ in 0..3 {
        doorbell::ring(&*other, &crate::records::moment()).await.unwrap();
    }
    crate::environment::hint(&mut watch).await;
    seat.sync().await.unwrap();
    assert_eq!(seat.stat(paths::DOORBELL).await.unwrap().unwrap().version, before + 3);
}
