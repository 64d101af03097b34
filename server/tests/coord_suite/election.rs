//! Elections: one candidate leads, and a leader that was deposed without noticing does no harm.

use std::sync::Arc;
use std::time::Duration;

use server::coord::election::{Candidacy, leader};
use server::coord::{CreateMode, Error, SessionState, paths};

use crate::environment::{Environment, Seat, gone, soon};
use crate::records::candidate;

crate::on_every_coordinator![
    the_first_to_enter_leads_and_a_successor_follows_at_once_when_it_resigns,
    a_candidacy_whose_create_lost_its_reply_adopts_its_node,
    candidacies_of_one_session_are_told_apart,
    candidates_lead_in_the_order_of_their_sequences_whatever_their_names,
    a_predecessor_that_leaves_moves_nobody_up_who_is_not_next,
    a_successor_leads_when_the_leaders_lease_runs_out,
    a_leader_learns_that_its_node_was_deleted,
    a_leader_learns_that_its_session_is_over,
    a_leader_stays_one_through_a_short_disconnect,
    a_node_of_another_session_is_not_mine,
    a_candidate_waits_through_a_disconnect,
    an_evicted_candidate_is_told_to_enter_anew,
    a_resignation_whose_reply_is_lost_is_one,
    nobody_leads_an_empty_election,
];

async fn enter(seat: &Seat, name: &str) -> Candidacy {
    Candidacy::enter(Arc::clone(&seat.coordinator), &candidate(name)).await.unwrap()
}

/// Returns whether a candidacy still doesn't lead after a while.
async fn still_waits(candidacy: &Candidacy) -> bool {
    tokio::time::timeout(Duration::from_millis(200), candidacy.wait_to_lead()).await.is_err()
}

async fn nodes(seat: &Seat) -> Vec<String> {
    seat.sync().await.unwrap();
    seat.children(paths::LEADER).await.unwrap()
}

async fn the_first_to_enter_leads_and_a_successor_follows_at_once_when_it_resigns(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    let first = enter(&one, "one").await;
    let second = enter(&two, "two").await;
    soon(first.wait_to_lead()).await.unwrap();
    assert!(still_waits(&second).await);
    let (node, record) = leader(&*two).await.unwrap().unwrap();
    assert_eq!((node.as_str(), record.pod.as_str()), (first.node(), "one"));
    let before = tokio::time::Instant::now();
    let (led, resigned) = tokio::join!(soon(second.wait_to_lead()), first.resign());
    led.unwrap();
    resigned.unwrap();
    assert!(before.elapsed() < one.session_timeout() / 2, "the lease was waited for");
    assert_eq!(leader(&*one).await.unwrap().unwrap().1.pod.as_str(), "two");
}

async fn a_candidacy_whose_create_lost_its_reply_adopts_its_node(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.lose_reply();
    let candidacy = enter(&seat, "one").await;
    assert_eq!(nodes(&seat).await.len(), 1, "only one node of it is left");
    assert!(candidacy.node().starts_with(&format!("{}/{}-", paths::LEADER, candidacy.uuid())));
    soon(candidacy.wait_to_lead()).await.unwrap();
}

async fn candidacies_of_one_session_are_told_apart(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.lose_reply();
    let first = enter(&seat, "one").await;
    seat.lose_reply();
    let second = enter(&seat, "one").await;
    assert_ne!(first.uuid(), second.uuid());
    assert_eq!(nodes(&seat).await.len(), 2);
    first.resign().await.unwrap();
    second.resign().await.unwrap();
    assert!(nodes(&seat).await.is_empty());
}

async fn candidates_lead_in_the_order_of_their_sequences_whatever_their_names(environment: &dyn Environment) {
    let seats = [environment.session().await, environment.session().await, environment.session().await];
    // Names are random, so several rounds cover every sort order.
    for _ in 0..6 {
        let mut candidacies = Vec::new();
        for (seat, name) in seats.iter().zip(["one", "two", "three"]) {
            candidacies.push(enter(seat, name).await);
        }
        for _ in 0..candidacies.len() {
            let first = candidacies.remove(0);
            soon(first.wait_to_lead()).await.unwrap();
            for other in &candidacies {
                assert_ne!(other.before().await.unwrap(), Vec::<String>::new());
            }
            first.resign().await.unwrap();
            for seat in &seats {
                seat.sync().await.unwrap();
            }
        }
    }
}

async fn a_predecessor_that_leaves_moves_nobody_up_who_is_not_next(environment: &dyn Environment) {
    let seats = [environment.session().await, environment.session().await, environment.session().await];
    let first = enter(&seats[0], "one").await;
    let second = enter(&seats[1], "two").await;
    let third = enter(&seats[2], "three").await;
    let waiting = async {
        tokio::select! {
            led = third.wait_to_lead() => panic!("the third led: {led:?}"),
            () = gone(&*seats[0].coordinator, second.node()) => {}
        }
    };
    let node = second.node().to_owned();
    let leaving = seats[1].delete(&node, None);
    let ((), left) = tokio::join!(waiting, leaving);
    left.unwrap();
    assert!(still_waits(&third).await);
    assert_eq!(third.before().await.unwrap(), [first.node()]);
    first.resign().await.unwrap();
    soon(third.wait_to_lead()).await.unwrap();
}

async fn a_successor_leads_when_the_leaders_lease_runs_out(environment: &dyn Environment) {
    let (one, two) = (environment.short_session().await, environment.session().await);
    let first = enter(&one, "one").await;
    let second = enter(&two, "two").await;
    soon(first.wait_to_lead()).await.unwrap();
    one.cut().await;
    soon(second.wait_to_lead()).await.unwrap();
    soon(first.lost()).await;
    assert_eq!(first.wait_to_lead().await, Err(Error::Expired));
    assert_eq!(first.resign().await, Err(Error::Expired));
}

async fn a_leader_learns_that_its_node_was_deleted(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    let first = enter(&one, "one").await;
    soon(first.wait_to_lead()).await.unwrap();
    let deleting = async {
        assert!(tokio::time::timeout(Duration::from_millis(100), first.lost()).await.is_err());
        two.sync().await.unwrap();
        two.delete(first.node(), None).await.unwrap();
    };
    deleting.await;
    soon(first.lost()).await;
    let node = first.node().to_owned();
    assert_eq!(first.wait_to_lead().await, Err(Error::NoNode(node)));
    first.resign().await.unwrap();
}

async fn a_leader_learns_that_its_session_is_over(environment: &dyn Environment) {
    let seat = environment.short_session().await;
    let first = enter(&seat, "one").await;
    soon(first.wait_to_lead()).await.unwrap();
    let ((), ()) = tokio::join!(soon(first.lost()), seat.outlive());
}

async fn a_leader_stays_one_through_a_short_disconnect(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    let first = enter(&seat, "one").await;
    soon(first.wait_to_lead()).await.unwrap();
    let lost = first.lost();
    tokio::pin!(lost);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut lost).await.is_err());
    seat.cut().await;
    seat.mend().await;
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut lost).await.is_err());
    soon(first.wait_to_lead()).await.unwrap();
    // Its watch was set again: it sees changes after the disconnect.
    other.sync().await.unwrap();
    other.delete(first.node(), None).await.unwrap();
    soon(lost).await;
}

async fn a_node_of_another_session_is_not_mine(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    let first = enter(&seat, "one").await;
    // The same path, but another node: as if the session had ended and someone had created the node again.
    other.sync().await.unwrap();
    other.delete(first.node(), None).await.unwrap();
    other.create(first.node(), b"{}", CreateMode::Ephemeral).await.unwrap();
    assert_eq!(soon(first.wait_to_lead()).await, Err(Error::NoNode(first.node().to_owned())));
    soon(first.lost()).await;
}

async fn a_candidate_waits_through_a_disconnect(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    let first = enter(&one, "one").await;
    let second = enter(&two, "two").await;
    let waiting = second.wait_to_lead();
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    two.cut().await;
    first.resign().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    two.mend().await;
    soon(waiting).await.unwrap();
}

async fn an_evicted_candidate_is_told_to_enter_anew(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    let _first = enter(&one, "one").await;
    let second = enter(&two, "two").await;
    let evicting = async {
        one.sync().await.unwrap();
        one.delete(second.node(), None).await.unwrap();
    };
    evicting.await;
    two.sync().await.unwrap();
    assert_eq!(soon(second.wait_to_lead()).await, Err(Error::NoNode(second.node().to_owned())));
    let again = enter(&two, "two").await;
    assert_ne!(again.uuid(), second.uuid());
}

async fn a_resignation_whose_reply_is_lost_is_one(environment: &dyn Environment) {
    let seat = environment.session().await;
    let first = enter(&seat, "one").await;
    seat.lose_reply();
    first.resign().await.unwrap();
    seat.state(SessionState::Connected).await;
    assert!(nodes(&seat).await.is_empty());
}

async fn nobody_leads_an_empty_election(environment: &dyn Environment) {
    let seat = environment.session().await;
    assert_eq!(leader(&*seat).await.unwrap(), None);
    seat.create(&format!("{}/stray", paths::LEADER), b"", CreateMode::Ephemeral).await.unwrap();
    assert_eq!(leader(&*seat).await.unwrap(), None);
}
