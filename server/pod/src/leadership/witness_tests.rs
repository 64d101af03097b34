#![allow(clippy::unwrap_used)]

use coord::embedded::{Embedded, EmbeddedConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Timeout for expected events.
const SOON: Duration = Duration::from_secs(20);
/// How long to wait for events that must not happen.
const WHILE: Duration = Duration::from_millis(600);

/// A fake process: the HTTP server that a witness talks to.
struct Peer {
    address: String,
    questions: watch::Sender<usize>,
    life: JoinHandle<()>,
}

/// How a peer treats a connection.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Answers,
    /// Answers that it has been cut off for this many milliseconds.
    IsCutOff(u32),
    AnswersAndCloses,
    Freezes,
}

impl Peer {
    async fn start(process: &str, manner: Manner, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cut_off =
            if let Manner::IsCutOff(ms) = manner { format!("Evenlight-Cut-Off: {ms}\r\n") } else { String::new() };
        let answer =
            format!("HTTP/1.1 200 OK\r\nEvenlight-Process: {process}\r\n{cut_off}content-length: 3\r\n\r\nok\n");
        let questions = watch::Sender::new(0);
        let asked = questions.clone();
        let life = tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                asked.send_modify(|asked| *asked += 1);
                if manner != Manner::Freezes {
                    connection.write_all(answer.as_bytes()).await.unwrap();
                }
                if manner != Manner::AnswersAndCloses {
                    open.push(connection);
                }
            }
        });
        Self { address, questions, life }
    }

    fn port(&self) -> u16 {
        self.address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    fn ahead(&self, process: &str) -> Ahead {
        ahead(1, &self.address, process)
    }

    async fn asked(&self, times: usize) {
        let mut questions = self.questions.subscribe();
        timeout(SOON, questions.wait_for(|asked| *asked >= times)).await.expect("it is asked").unwrap();
    }

    /// Kills the process: its connections break, new ones are refused.
    async fn die(self) {
        self.life.abort();
        let _ = self.life.await;
    }
}

/// Returns a candidate of another pod on an unknown host.
fn ahead(sequence: i64, address: &str, process: &str) -> Ahead {
    Ahead {
        node: "n".into(),
        sequence,
        address: address.into(),
        process: process.into(),
        pod: "pod-2".parse().unwrap(),
        life: String::new(),
        home: None,
    }
}

fn witness() -> Arc<Witness> {
    Arc::new(Witness::new("pod-1".parse().unwrap(), "10.0.0.1:1".into()))
}

fn watch(witness: &Arc<Witness>, ahead: Ahead) -> JoinHandle<()> {
    let witness = witness.clone();
    tokio::spawn(async move { witness.gone(&ahead).await })
}

#[tokio::test]
async fn a_process_that_dies_is_gone() {
    let peer = Peer::start("p", Manner::Answers, 0).await;
    let witness = witness();
    let gone = watch(&witness, peer.ahead("p"));
    let known = async {
        while !witness.memory().known.contains("p") {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, known).await.expect("it answers as announced");
    peer.die().await;
    timeout(SOON, gone).await.expect("it is seen to be gone").unwrap();
}

#[tokio::test]
async fn a_process_that_is_slow_is_not_gone_and_not_asked_again() {
    let peer = Peer::start("p", Manner::Freezes, 0).await;
    let witness = witness();
    witness.memory().known.insert("p".into());
    let gone = watch(&witness, peer.ahead("p"));
    peer.asked(1).await;
    assert!(timeout(WHILE, gone).await.is_err(), "it is only slow");
    assert_eq!(*peer.questions.borrow(), 1);
}

#[tokio::test]
async fn an_address_that_never_answered_as_announced_proves_nothing() {
    let (there, gone) =
        (Peer::start("somebody else", Manner::Answers, 0).await, Peer::start("p", Manner::Answers, 0).await);
    let nobody = gone.ahead("p");
    gone.die().await;
    for ahead in [there.ahead("p"), nobody] {
        assert!(timeout(WHILE, watch(&witness(), ahead)).await.is_err(), "its address may lead elsewhere");
    }
}

#[tokio::test]
async fn another_incarnation_behind_the_same_port_means_that_the_old_one_is_gone() {
    let peer = Peer::start("old", Manner::Answers, 0).await;
    let (port, ahead, witness) = (peer.port(), peer.ahead("old"), witness());
    witness.memory().known.insert("old".into());
    peer.die().await;
    let _new = Peer::start("new", Manner::Answers, port).await;
    timeout(SOON, watch(&witness, ahead)).await.expect("it is seen to be gone").unwrap();
}

#[tokio::test]
async fn a_server_that_closes_its_connections_is_neither_gone_nor_asked_without_end() {
    let peer = Peer::start("p", Manner::AnswersAndCloses, 0).await;
    let gone = watch(&witness(), peer.ahead("p"));
    peer.asked(2).await;
    assert!(timeout(WHILE, gone).await.is_err());
    // At once, then after at least 50, 100, 200 and 400 ms.
    assert!(*peer.questions.borrow() <= 6, "it spins");
}

/// Returns whether a witness on the embedded coordinator, with this session timeout, judges a peer to be cut off.
async fn is_taken_for_cut_off(
    manner: Manner,
    timeout_ms: u64,
    meanwhile: impl AsyncFn(&Embedded, &dyn Coordinator),
) -> bool {
    let embedded = Embedded::new(EmbeddedConfig { session_timeout: Duration::from_millis(timeout_ms) });
    let coordinator = embedded.connector().connect().await.unwrap();
    let peer = Peer::start("p", manner, 0).await;
    let (witness, ahead) = (witness(), peer.ahead("p"));
    tokio::select! {
        _ = witness.cut_off(&ahead, &*coordinator) => true,
        () = meanwhile(&embedded, &*coordinator) => false,
    }
}

#[tokio::test]
async fn a_process_that_says_it_is_cut_off_for_half_a_session_timeout_is_evicted() {
    let long = async |_: &Embedded, _: &dyn Coordinator| sleep(SOON).await;
    assert!(is_taken_for_cut_off(Manner::IsCutOff(400), 800, long).await);
}

#[tokio::test]
async fn a_process_that_is_connected_or_cut_off_for_a_moment_is_not_evicted() {
    for manner in [Manner::Answers, Manner::IsCutOff(399), Manner::Freezes] {
        let a_while = async |_: &Embedded, _: &dyn Coordinator| sleep(WHILE * 2).await;
        assert!(!is_taken_for_cut_off(manner, 800, a_while).await);
    }
}

#[tokio::test]
async fn a_witness_that_was_cut_off_itself_evicts_nobody_for_it() {
    // Its own connection breaks more often than every half timeout.
    let shaken = async |embedded: &Embedded, coordinator: &dyn Coordinator| {
        for _ in 0..20 {
            embedded.disconnect(coordinator.session());
            embedded.reconnect(coordinator.session());
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(!is_taken_for_cut_off(Manner::IsCutOff(9_999), 2_000, shaken).await);
}

#[test]
fn neither_its_own_process_nor_its_own_address_is_witnessed() {
    let ahead = |address, process| ahead(1, address, process);
    let witness = witness();
    assert!(witness.may_be_witnessed(&ahead("10.0.0.2:1", "p")));
    assert!(!witness.may_be_witnessed(&ahead("10.0.0.1:1", "p")), "its own address");
    assert!(!witness.may_be_witnessed(&ahead("10.0.0.2:1", incarnation::id())), "its own process");
    assert!(!witness.may_be_witnessed(&ahead("", "p")) && !witness.may_be_witnessed(&ahead("10.0.0.2:1", "")));
}

#[tokio::test]
async fn a_process_that_stands_again_is_evicted_again_a_session_timeout_later_at_the_earliest() {
    let (witness, timeout, at) = (witness(), Duration::from_secs(4), Instant::now());
    let ahead = |sequence| ahead(sequence, "10.0.0.2:1", "p");
    assert_eq!(witness.not_before(&ahead(3), timeout), None);
    witness.memory().evicted.insert("p".into(), (at, 5));
    assert_eq!(witness.not_before(&ahead(4), timeout), None, "another pod of the process that is gone");
    assert_eq!(witness.not_before(&ahead(6), timeout), Some(at + timeout), "it stood again");
}

#[tokio::test]
async fn a_process_of_this_host_that_doesnt_listen_is_gone_though_nobody_met_it() {
    let peer = Peer::start("p", Manner::Answers, 0).await;
    let listens = peer.address.clone();
    let home = |host: &str| Some(Home { host: host.into(), listens: listens.clone() });
    // The announced address is unreachable.
    let stranger = Ahead { home: home("another kernel"), ..ahead(1, "127.0.0.1:1", "p") };
    let neighbour = Ahead { home: home(incarnation::host()), ..stranger.clone() };
    assert!(timeout(WHILE, watch(&witness(), neighbour.clone())).await.is_err(), "it lives");
    peer.die().await;
    timeout(SOON, watch(&witness(), neighbour)).await.expect("it is seen to be gone").unwrap();
    assert!(timeout(WHILE, watch(&witness(), stranger)).await.is_err(), "its host may be another one");
}

#[tokio::test]
async fn a_former_incarnation_of_the_own_pod_is_gone() {
    let former = Ahead { pod: "pod-1".parse().unwrap(), ..ahead(1, "10.0.0.1:1", "former") };
    assert!(witness().may_be_witnessed(&former));
    timeout(SOON, watch(&witness(), former)).await.expect("it is known to be gone").unwrap();
}

#[tokio::test]
async fn a_pod_of_this_process_is_gone_when_it_was_killed_by_itself() {
    let pod = "pod-2".parse().unwrap();
    let life = incarnation::Life::begin(&pod);
    let here = Ahead { life: life.id().to_owned(), ..ahead(1, "10.0.0.1:1", incarnation::id()) };
    assert!(witness().may_be_witnessed(&here));
    assert!(timeout(WHILE, killed(&here.life)).await.is_err(), "it lives");
    drop(life);
    timeout(SOON, killed(&here.life)).await.expect("its process knows");
}
