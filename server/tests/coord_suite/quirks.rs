//! Undocumented behaviour of zookeeper-client 0.11.2, each shown with the bare client, and next to it that our sessions cope
//! with it. The report for the client's authors is `docs/zookeeper-client.md`: when a test of the first kind fails after an
//! upgrade, the client has changed, and our workaround may go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use server::coord::settle::settle;
use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, CreateMode, Error, Hint, Op, Scope, SessionState};
use server::pod::mirror::Mirror;
use shared::clock::Clock;
use testkit::proxy::{Flow, Proxy, Target};
use testkit::zookeeper::{Ensemble, TICK};
use testkit::{ok_if, stays};
use zookeeper_client as zk;

use crate::environment::soon;
use crate::records::{candidate, member};

const LEASE: Duration = Duration::from_secs(3);
/// How long to wait for events that must not happen.
const WHILE: Duration = Duration::from_millis(800);

async fn ensemble() -> &'static Ensemble {
    tokio::task::spawn_blocking(Ensemble::shared).await.unwrap()
}

async fn proxy_to(server: SocketAddr) -> Proxy {
    Proxy::start(vec![Target::Tcp(server)]).await
}

/// Opens the bare client in a new chroot behind a proxy, and a session of ours on the same tree.
async fn client() -> (zk::Client, Proxy, Arc<dyn Coordinator>) {
    let servers = ensemble().await;
    let direct = servers.connect_string_with_new_chroot();
    let chroot = &direct[direct.find('/').unwrap()..];
    let proxy = proxy_to(servers.address(0)).await;
    let other = ZooKeeper::new(&direct, LEASE).unwrap().connect().await.unwrap();
    let connector = zk::Client::connector().with_session_timeout(LEASE);
    let client = connector.connect(&format!("{}", proxy.address())).await.unwrap();
    (client.chroot(chroot.to_owned()).unwrap(), proxy, other)
}

/// Opens a session of ours behind a proxy, and one without.
async fn session() -> (Arc<dyn Coordinator>, Proxy, Arc<dyn Coordinator>) {
    let servers = ensemble().await;
    let direct = servers.connect_string_with_new_chroot();
    let chroot = &direct[direct.find('/').unwrap()..];
    let proxy = proxy_to(servers.address(0)).await;
    let other = ZooKeeper::new(&direct, LEASE).unwrap().connect().await.unwrap();
    let through = ZooKeeper::new(&format!("{}{chroot}", proxy.address()), LEASE).unwrap();
    let session = through.connect().await.unwrap();
    server::coord::ensure_skeleton(&*session).await.unwrap();
    (session, proxy, other)
}

async fn until(session: &dyn Coordinator, wanted: SessionState) {
    let mut states = session.states();
    soon(states.wait_for(|state| *state == wanted)).await.unwrap();
}

async fn raw_until(client: &zk::Client, wanted: zk::SessionState) {
    let mut states = client.state_watcher();
    let wait = async {
        while states.peek_state() != wanted {
            states.changed().await;
        }
    };
    soon(wait).await;
}

fn persistent() -> zk::CreateOptions<'static> {
    zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_loses_persistent_watches_at_a_reconnect() {
    let (client, proxy, other) = client().await;
    let mut watcher = client.watch("/", zk::AddWatchMode::PersistentRecursive).await.unwrap();
    other.create("/before", b"", CreateMode::Persistent).await.unwrap();
    assert_eq!(soon(watcher.changed()).await.path, "/before");
    proxy.cut();
    raw_until(&client, zk::SessionState::Disconnected).await;
    proxy.mend();
    raw_until(&client, zk::SessionState::SyncConnected).await;
    client.sync("/").await.unwrap();
    other.create("/after", b"", CreateMode::Persistent).await.unwrap();
    client.sync("/").await.unwrap();
    let node = async {
        loop {
            let event = watcher.changed().await;
            if event.event_type != zk::EventType::Session {
                return event;
            }
        }
    };
    let told = tokio::time::timeout(WHILE, node).await;
    assert!(told.is_err(), "the client has learned to restore persistent watches: {told:?}");
}

/// A mirror that is disconnected for less than its timeout must not miss members, candidates, jobs and rings of that time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_disconnect_shorter_than_the_timeout_a_mirror_has_missed_nothing_and_hears_again() {
    let (session, proxy, other) = session().await;
    let mirror = Mirror::start(session.clone(), Arc::new(Clock::new()));
    let mut nodes = mirror.nodes();
    soon(nodes.wait_for(|nodes| nodes.loaded)).await.unwrap();
    for round in 0..3 {
        proxy.cut();
        until(&*session, SessionState::Disconnected).await;
        let (pod, rings) = (format!("pod-{round}"), nodes.borrow().rings);
        server::coord::members::join(&*other, &member(&pod, "u")).await.unwrap();
        let data = serde_json::to_vec(&candidate(&pod)).unwrap();
        let prefix = format!("{}/u{round}-", server::coord::paths::LEADER);
        other.create(&prefix, &data, CreateMode::EphemeralSequential).await.unwrap();
        server::coord::doorbell::ring(&*other, &crate::records::moment()).await.unwrap();
        proxy.mend();
        let caught_up = |nodes: &Arc<server::pod::mirror::Nodes>| {
            nodes.members.len() == round + 1 && nodes.candidates.len() == round + 1 && nodes.rings > rings
        };
        soon(nodes.wait_for(caught_up)).await.unwrap();
        // By a hint: the next unconditional rescan is half a minute away.
        let begun = Instant::now();
        let rings = nodes.borrow().rings;
        server::coord::doorbell::ring(&*other, &crate::records::moment()).await.unwrap();
        soon(nodes.wait_for(|nodes| nodes.rings > rings)).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    assert_eq!(*session.states().borrow(), SessionState::Connected, "it is the same session all the while");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_reports_operations_under_way_with_other_errors_than_connection_loss() {
    let (client, proxy, _other) = client().await;
    client.sync("/").await.unwrap();
    proxy.to_client(Flow::Held);
    // The server never answers: the client closes the connection by itself, after 2/5 of the timeout.
    let error = soon(client.create("/x", b"", &persistent())).await.unwrap_err();
    assert!(!matches!(error, zk::Error::ConnectionLoss), "the client says ConnectionLoss now");
    println!("an operation whose connection fell silent: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_whose_connection_falls_silent_is_unknown_and_settled_by_reading_back() {
    let (session, proxy, other) = session().await;
    for (name, one_way) in [("/unanswered", false), ("/unsent", true)] {
        if one_way {
            proxy.to_server(Flow::Held)
        } else {
            proxy.to_client(Flow::Held)
        };
        let begun = Instant::now();
        let outcome = soon(session.create(name, b"", CreateMode::Ephemeral)).await;
        assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
        assert!(begun.elapsed() <= LEASE + WHILE, "{:?}", begun.elapsed());
        proxy.mend();
        settle(&*session).await.unwrap();
        let seen = session.stat(name).await.unwrap();
        other.sync().await.unwrap();
        assert_eq!(other.stat(name).await.unwrap(), seen, "what it read back is what is");
        assert!(seen.is_none_or(|stat| stat.owner == Some(session.session())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_runs_a_create_after_the_reconnect_though_its_future_was_dropped() {
    let (client, proxy, other) = client().await;
    proxy.cut();
    raw_until(&client, zk::SessionState::Disconnected).await;
    let dropped = tokio::time::timeout(Duration::from_millis(50), client.create("/late", b"", &persistent())).await;
    assert!(dropped.is_err(), "it waits for the reconnect");
    proxy.mend();
    raw_until(&client, zk::SessionState::SyncConnected).await;
    client.sync("/").await.unwrap();
    other.sync().await.unwrap();
    assert!(other.stat("/late").await.unwrap().is_some(), "the client has learned to cancel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_for_while_disconnected_never_runs() {
    let (session, proxy, other) = session().await;
    proxy.cut();
    until(&*session, SessionState::Disconnected).await;
    let create = Op::Create { path: "/late".into(), data: Vec::new(), mode: CreateMode::Persistent };
    assert_eq!(session.multi(vec![create]).await, Err(Error::Disconnected));
    assert_eq!(session.create("/late", b"", CreateMode::Persistent).await, Err(Error::Disconnected));
    proxy.mend();
    settle(&*session).await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.stat("/late").await.unwrap(), None);
}

/// A request is held in a connection that the client has given up, while the client continues over another. (No reconnect
/// attempt is held in addition: if it also arrived late, it might take the session back, and then the request might run.)
async fn late_bytes_never_run(first: usize, second: usize) {
    let servers = ensemble().await;
    let direct = servers.connect_string_with_new_chroot();
    let chroot = &direct[direct.find('/').unwrap()..];
    let (one, two) = (proxy_to(servers.address(first)).await, proxy_to(servers.address(second)).await);
    two.refuse();
    let both = format!("{},{}{chroot}", one.address(), two.address());
    let session = ZooKeeper::new(&both, LEASE).unwrap().connect().await.unwrap();
    let other = ZooKeeper::new(&direct, LEASE).unwrap().connect().await.unwrap();
    one.to_server(Flow::Held);
    one.close();
    two.mend();
    let outcome = soon(session.create("/late", b"", CreateMode::Persistent)).await;
    assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
    settle(&*session).await.unwrap();
    let seen = session.stat("/late").await.unwrap();
    assert_eq!(seen, None, "it is held still");
    one.mend();
    stays("the settled outcome that it didn't run", WHILE, async || {
        other.sync().await.unwrap();
        let seen = other.stat("/late").await.unwrap();
        ok_if(seen.is_none(), seen)
    })
    .await;
    assert_eq!(*session.states().borrow(), SessionState::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_connection_still_carries_never_runs_after_a_reconnect_to_the_same_server() {
    late_bytes_never_run(0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_connection_still_carries_never_runs_after_a_reconnect_to_another_server() {
    late_bytes_never_run(0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_says_expired_by_itself_and_the_servers_may_have_the_session_yet() {
    let servers = tokio::task::spawn_blocking(|| Ensemble::launch(1)).await.unwrap();
    let connector = ZooKeeper::new(&servers.connect_string(), LEASE).unwrap();
    let session = connector.connect().await.unwrap();
    session.create("/mine", b"", CreateMode::Ephemeral).await.unwrap();
    let begun = Instant::now();
    servers.pause(0);
    until(&*session, SessionState::Expired).await;
    let took = begun.elapsed();
    assert!(took > LEASE, "{took:?}");
    assert!(took < LEASE * 7 / 5 + LEASE, "{took:?}");
    assert_eq!(session.stat("/mine").await, Err(Error::Expired));
    servers.resume(0);
    // The server was paused as well; the node may still exist, but it belongs to no live session.
    let next = soon(async {
        loop {
            if let Ok(next) = connector.connect().await {
                return next;
            }
        }
    })
    .await;
    next.sync().await.unwrap();
    let left = next.stat("/mine").await.unwrap();
    assert!(left.is_none_or(|stat| stat.owner == Some(session.session())), "{left:?}");
    assert_ne!(next.session(), session.session());
    crate::environment::gone(&*next, "/mine").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timeout_that_counts_is_the_one_that_the_servers_grant() {
    let servers = ensemble().await.connect_string_with_new_chroot();
    for (asked, granted) in
        [(Duration::from_millis(200), TICK * 2), (Duration::from_secs(600), Duration::from_secs(60)), (LEASE, LEASE)]
    {
        let session = ZooKeeper::new(&servers, asked).unwrap().connect().await.unwrap();
        assert_eq!(session.session_timeout(), granted, "asked for {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_costs_time_and_no_session() {
    let (session, proxy, other) = session().await;
    proxy.to_server(Flow::Late(LEASE / 10));
    proxy.to_client(Flow::Late(LEASE / 10));
    let mut watch = session.watch("/", Scope::Recursive).await.unwrap();
    for round in 0..5 {
        let path = format!("/slow-{round}");
        session.create(&path, b"", CreateMode::Persistent).await.unwrap();
        assert_eq!(soon(watch.changed()).await, Hint::Changed(path.clone()));
        other.sync().await.unwrap();
        assert!(other.stat(&path).await.unwrap().is_some());
    }
    assert_eq!(*session.states().borrow(), SessionState::Connected);
}
