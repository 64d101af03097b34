//! Tests of the checkers themselves (histories that they must reject), and of the proxy's faults.

use std::time::Duration;

use testkit::proxy::{Flow, Proxy, Target};
use testkit::{eventually, ok_if};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::injection::Injected;
use crate::txlog::{Change, Txn};
use crate::znodes::{Findings, judge};

const JOB: &str = "/test/1/jobs/j";
const TASK: &str = "/test/1/jobs/j/histograms/task_0";

fn create(path: &str, data: &str, ephemeral: bool) -> Change {
    Change::Create { path: path.to_owned(), data: data.as_bytes().to_vec(), ephemeral }
}

fn delete(path: &str) -> Change {
    Change::Delete { path: path.to_owned() }
}

/// Checks a history; each entry is a session and the changes of one transaction.
fn judged(history: Vec<(i64, Vec<Change>)>) -> Findings {
    let txn = |(at, (session, changes)): (usize, (i64, Vec<Change>))| Txn {
        zxid: at as i64,
        session,
        time: at as i64,
        changes,
    };
    let txns: Vec<Txn> = history.into_iter().enumerate().map(txn).collect();
    judge("/test/1", &txns)
}

/// An election with the candidates of sessions 1 and 2, of which 1 leads.
fn election() -> Vec<(i64, Vec<Change>)> {
    let stands = |session, node: &str| (session, vec![create(&format!("/test/1/cluster/leader/{node}"), "{}", true)]);
    vec![stands(1, "ffff-0000000001"), stands(2, "aaaa-0000000002")]
}

fn task() -> (i64, Vec<Change>) {
    (
        1,
        vec![create(
            TASK,
            r#"{"v":1,"phase":"histograms","index":0,"first_part":0,"parts":1,"attempt":1,"strikes":[],
        "stamp":{"pod":"pod-a","clock":1}}"#,
            false,
        )],
    )
}

fn lock(session: i64) -> (i64, Vec<Change>) {
    (session, vec![create(&format!("{TASK}/lock"), "{}", true)])
}

fn commit(session: i64) -> (i64, Vec<Change>) {
    let done = create(&format!("{TASK}/done"), "{}", false);
    (session, vec![done, delete(&format!("{TASK}/lock"))])
}

#[test]
fn only_the_lowest_candidates_session_may_write_as_master() {
    let mut history = election();
    history.push((1, vec![create(&format!("{JOB}/histograms"), "", false)]));
    assert!(judged(history.clone()).stale.is_empty());
    // A fence would have rejected both of these.
    history.push((2, vec![create(&format!("{JOB}/equalize"), "", false)]));
    assert_eq!(judged(history.clone()).stale.len(), 1);
    history.push((1, vec![Change::Close]));
    history.push((1, vec![delete(&format!("{JOB}/histograms"))]));
    assert_eq!(judged(history).stale.len(), 2);
}

#[test]
fn another_arrays_writes_are_none_of_this_ones() {
    let mut history = election();
    history.push((2, vec![create("/test/10/jobs/j/histograms", "", false)]));
    assert!(judged(history).stale.is_empty());
}

#[test]
fn a_task_is_committed_once_by_whoever_holds_its_lock() {
    let mut history = election();
    history.extend([task(), lock(2), commit(2)]);
    let found = judged(history.clone());
    assert_eq!((found.commits, found.twice.len()), (1, 0), "{:?}", found.twice);
    let mut again = history.clone();
    again.extend([lock(2), commit(2)]);
    assert_eq!(judged(again).twice.len(), 1);
    // After the master has revoked it, the task may be committed again.
    history.push((1, vec![delete(&format!("{TASK}/done"))]));
    history.extend([lock(2), commit(2)]);
    assert!(judged(history).twice.is_empty());

    let mut other = election();
    other.extend([task(), lock(2), commit(3)]);
    assert_eq!(judged(other).twice.len(), 1);
}

#[test]
fn a_job_may_be_given_up_once_three_holders_of_a_task_were_killed() {
    let held_by =
        |pod: &str| format!(r#"{{"v":1,"pod":"{pod}","claim":"c","since":0,"stamp":{{"pod":"{pod}","clock":1}}}}"#);
    let mut history = election();
    history.push(task());
    for (session, pod) in [(3, "pod-a"), (4, "pod-b"), (5, "pod-c")] {
        history.push((session, vec![create(&format!("{TASK}/lock"), &held_by(pod), true)]));
        history.push((session, vec![Change::Close]));
    }
    let found = judged(history);
    let pods: Vec<&str> = found.orphaned.iter().map(|lock| lock.pod.as_str()).collect();
    assert_eq!(pods, ["pod-a", "pod-b", "pod-c"]);
    assert!(found.is_struck_out("j", |_| true));
    assert!(!found.is_struck_out("other", |_| true));
    assert!(!found.is_struck_out("j", |lock| lock.pod != "pod-b"), "one outlived its session");
    let held = &found.orphaned[1].held;
    let fault =
        |at, pod: &str, kills| Injected { name: String::new(), at, pod: Some(pod.to_owned()), deposes: None, kills };
    assert!(fault(*held.end(), "pod-b", true).killed("pod-b", held));
    assert!(!fault(*held.end(), "pod-a", true).killed("pod-b", held));
    assert!(!fault(*held.end(), "pod-b", false).killed("pod-b", held));
    assert!(!fault(held.end() + 1, "pod-b", true).killed("pod-b", held));
}

#[test]
fn a_large_znode_is_found() {
    let mut history = election();
    history.push((1, vec![create("/test/1/other", &"x".repeat(65_537), false)]));
    let found = judged(history);
    assert_eq!((found.largest, found.wrong.len()), (65_537, 1));
}

/// Starts a proxy in front of an echo server.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Proxy::start(vec![Target::Tcp(address)]).await
}

/// Sends a byte and returns the answer; `None` if the connection breaks.
async fn ask(stream: &mut TcpStream, byte: u8) -> Option<u8> {
    stream.write_all(&[byte]).await.ok()?;
    stream.read_u8().await.ok()
}

#[tokio::test]
async fn a_proxy_holds_what_is_said_and_delivers_it_later() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, 1).await, Some(1));
    for hold in [Proxy::to_server as fn(&Proxy, Flow), Proxy::to_client] {
        hold(&proxy, Flow::Held);
        let mut waiting = Box::pin(ask(&mut stream, 2));
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
        proxy.mend();
        assert_eq!(waiting.await, Some(2));
    }
    proxy.to_client(Flow::Late(Duration::from_millis(80)));
    let begun = std::time::Instant::now();
    assert_eq!(ask(&mut stream, 3).await, Some(3));
    assert!(begun.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_proxy_breaks_connections_and_refuses_new_ones() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.lose_reply(2);
    assert_eq!(ask(&mut stream, 1).await, Some(1));
    assert_eq!(ask(&mut stream, 2).await, None);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, 3).await, Some(3));
    proxy.cut();
    assert_eq!(ask(&mut stream, 4).await, None);
    proxy.refuse();
    let (connect, limit) = (async || TcpStream::connect(proxy.address()).await, Duration::from_secs(20));
    eventually("a refusal", limit, async || ok_if(connect().await.is_err(), "it listens")).await;
    proxy.mend();
    let mut stream = eventually("a connection", limit, connect).await;
    assert_eq!(ask(&mut stream, 5).await, Some(5));
}

#[tokio::test]
async fn a_proxys_trap_holds_from_the_nth_time_on() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.hold_at(*b"x", 2);
    assert_eq!(ask(&mut stream, b'x').await, Some(b'x'));
    assert_eq!(ask(&mut stream, b'y').await, Some(b'y'));
    let mut waiting = Box::pin(ask(&mut stream, b'x'));
    tokio::select! {
        answer = &mut waiting => panic!("{answer:?} passed the trap"),
        () = proxy.sprung(0) => {}
    }
    proxy.mend();
    assert_eq!(waiting.await, Some(b'x'));
}
