//! Tests that only real servers support: elections within the ensemble, silent servers, and other clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use server::coord::zookeeper::{FaultConnector, ZooKeeper};
use server::coord::{Connector, Coordinator, CreateMode, Error, FaultLink, Hint, Scope, SessionState, settle::settle};
use testkit::Ensemble;

use crate::environment::soon;

const LEASE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_survives_the_death_of_the_server_that_led() {
    let ensemble = tokio::task::spawn_blocking(|| Ensemble::launch(3)).await.unwrap();
    let connector = ZooKeeper::new(&ensemble.connect_string(), LEASE).unwrap();
    let session = connector.connect().await.unwrap();
    session.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    let mut watch = session.watch("/", Scope::Recursive).await.unwrap();
    let leader = (0..3).find(|index| ensemble.leads(*index)).unwrap();
    ensemble.kill(leader);
    // The quorum elects a new leader: every follower drops its clients, so the watch ends, but the session continues.
    assert_eq!(soon(watch.changed()).await, Hint::Lost);
    settle(&*session).await.unwrap();
    assert_eq!(session.stat("/e").await.unwrap().unwrap().owner, Some(session.session()));
    session.create("/after", b"", CreateMode::Persistent).await.unwrap();
    let ensemble = tokio::task::spawn_blocking(move || {
        ensemble.restart(leader);
        ensemble
    });
    let ensemble = ensemble.await.unwrap();
    // Without a quorum nothing is written; a silent server makes outcomes unknown within the session timeout.
    let rest: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    rest.iter().for_each(|index| ensemble.pause(*index));
    let before = Instant::now();
    let outcome = session.create("/silence", b"", CreateMode::Persistent).await;
    assert!(matches!(outcome, Err(Error::Unknown(_) | Error::Disconnected)), "{outcome:?}");
    assert!(before.elapsed() < LEASE * 2);
    rest.iter().for_each(|index| ensemble.resume(*index));
    // The servers come back and let the session expire or live; the client must learn either.
    let mut states = session.states();
    let told = soon(states.wait_for(|state| *state == SessionState::Connected || state.is_terminal())).await;
    assert!(told.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chroot_is_made_and_hides_everything_else() {
    let ensemble = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap();
    let inside = ensemble.connect_string_with_new_chroot();
    let session = ZooKeeper::new(&inside, LEASE).unwrap().connect().await.unwrap();
    let outside = ZooKeeper::new(&ensemble.connect_string(), LEASE).unwrap().connect().await.unwrap();
    assert_eq!(session.children("/").await.unwrap(), Vec::<String>::new());
    let mut watch = session.watch("/", Scope::Recursive).await.unwrap();
    let chroot = &inside[inside.find('/').unwrap()..];
    outside.sync().await.unwrap();
    outside.create(&format!("{chroot}/x"), b"", CreateMode::Persistent).await.unwrap();
    assert_eq!(soon(watch.changed()).await, Hint::Changed("/x".into()));
    let (path, _) = session.create("/s-", b"", CreateMode::EphemeralSequential).await.unwrap();
    outside.sync().await.unwrap();
    assert!(outside.stat(&format!("{chroot}{path}")).await.unwrap().is_some());
    assert_eq!(session.session_timeout(), LEASE);
}

#[tokio::test]
async fn servers_that_are_not_there_fail_within_the_session_timeout() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connector = ZooKeeper::new(&port.to_string(), Duration::from_millis(500)).unwrap();
    let before = Instant::now();
    let error = connector.connect().await.err().unwrap();
    assert!(!error.is_terminal(), "{error}");
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_dropped_without_a_close_lives_until_its_lease_runs_out() {
    let (session, other) = two_sessions().await;
    session.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    // Before the watch: a server that lags would report the creation.
    other.sync().await.unwrap();
    let mut watch = other.watch("/e", Scope::Node).await.unwrap();
    let before = Instant::now();
    let _watch_keeps_nothing_alive = session.watch("/", Scope::Recursive).await.unwrap();
    drop(session);
    assert_eq!(soon(watch.changed()).await, Hint::Changed("/e".into()));
    assert!(before.elapsed() > LEASE / 2, "the lease wasn't waited for: {:?}", before.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_sessions_nodes_go_at_once() {
    let (session, other) = two_sessions().await;
    session.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    let before = Instant::now();
    session.close().await;
    other.sync().await.unwrap();
    assert_eq!(other.stat("/e").await.unwrap(), None);
    assert!(before.elapsed() < LEASE / 2, "the lease was waited for: {:?}", before.elapsed());
}

async fn two_sessions() -> (Arc<dyn Coordinator>, Arc<dyn Coordinator>) {
    let ensemble = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap();
    let connector = ZooKeeper::new(&ensemble.connect_string_with_new_chroot(), LEASE).unwrap();
    (connector.connect().await.unwrap(), connector.connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_on_a_leash_is_cut_off_alone_and_keeps_its_session_if_it_is_let_through_in_time() {
    let ensemble = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap();
    let zookeeper = ZooKeeper::new(&ensemble.connect_string_with_new_chroot(), LEASE).unwrap();
    let link = FaultConnector::new(&zookeeper).await.unwrap();
    let (cut, other) = (link.connect().await.unwrap(), zookeeper.connect().await.unwrap());
    cut.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    link.cut();
    let mut states = cut.states();
    soon(states.wait_for(|state| *state == SessionState::Disconnected)).await.unwrap();
    assert_eq!(cut.create("/f", b"", CreateMode::Ephemeral).await, Err(Error::Disconnected));
    other.sync().await.unwrap();
    assert_eq!(other.stat("/e").await.unwrap().unwrap().owner, Some(cut.session()));
    link.mend();
    settle(&*cut).await.unwrap();
    assert_eq!(cut.stat("/e").await.unwrap().unwrap().owner, Some(cut.session()));
}

/// The kernel of a hung server accepts connections, but nothing answers on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_within_a_second_while_one_of_three_servers_hangs() {
    let ensemble = tokio::task::spawn_blocking(|| Ensemble::launch(3)).await.unwrap();
    let follower = (0..3).find(|index| !ensemble.leads(*index)).unwrap();
    ensemble.pause(follower);
    let connector = ZooKeeper::new(&ensemble.connect_string(), LEASE).unwrap();
    let (leashed, mut longest) = (FaultConnector::new(&connector).await.unwrap(), Duration::ZERO);
    for _ in 0..10 {
        for connector in [&connector as &dyn Connector, &*leashed] {
            let begun = Instant::now();
            let session = connector.connect().await.unwrap();
            longest = longest.max(begun.elapsed());
            session.close().await;
        }
    }
    ensemble.resume(follower);
    println!("a session with one of three servers hung: {longest:.0?} at most");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
