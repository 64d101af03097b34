//! Claims: one at a time, and only the latest counts.

use server::coord::claim::{Held, REPORT_BYTES, Strike, StrikeReturn, claim, commit, give_back, release};
use server::coord::{CreateMode, Error, Op, paths};
use shared::task::{Done, Lock, Task};

use crate::environment::{Environment, Seat, gone};
use crate::records::{done, lock, stamp, task};

crate::on_every_coordinator![
    a_claim_raises_the_attempt_adds_its_strike_and_keeps_unknown_fields,
    of_eight_workers_one_wins,
    a_claim_at_an_old_version_loses,
    a_claim_whose_reply_is_lost_is_mine,
    a_claim_whose_reply_is_lost_and_that_lost_is_not_mine,
    a_claim_of_my_own_session_is_not_this_claim,
    a_lock_with_my_claims_name_but_another_session_is_not_mine,
    a_commit_leaves_the_result_and_no_lock,
    a_commit_after_a_takeover_is_refused,
    a_lock_that_is_there_again_proves_nothing,
    a_commit_whose_reply_is_lost_is_one,
    a_commit_of_a_deleted_task_is_refused,
    a_release_gives_the_task_to_the_next,
    a_release_whose_reply_is_lost_is_one,
    a_strike_stays_when_its_pod_dies,
    a_pod_that_outlived_its_session_gives_its_strike_back,
    a_strike_is_given_back_at_any_later_version_and_no_other_with_it,
    a_strike_is_not_given_back_under_a_claim_that_would_then_fail_to_commit,
    a_task_with_three_strikes_is_nobodys_until_one_is_given_back,
    a_report_is_clipped_so_that_a_release_always_fits,
];

const TASK: &str = "/jobs/task_0";

async fn put(seat: &Seat) {
    let data = serde_json::to_vec(&task()).unwrap();
    seat.create(TASK, &data, CreateMode::Persistent).await.unwrap();
}

async fn read(seat: &Seat) -> (Task, i32) {
    seat.sync().await.unwrap();
    let (data, stat) = seat.get(TASK).await.unwrap();
    (serde_json::from_slice(&data).unwrap(), stat.version)
}

async fn take(seat: &Seat, lock: Lock) -> Option<Held> {
    let (seen, version) = read(seat).await;
    claim(&**seat, Held::new(TASK, &seen, version, lock)).await.unwrap()
}

/// Returns the claims whose strikes a task bears.
fn names(task: &Task) -> Vec<&str> {
    task.strikes.iter().map(String::as_str).collect()
}

/// Settles a claim's debt.
async fn owe(seat: &Seat, held: &Held) -> StrikeReturn {
    give_back(&**seat, &held.path, &held.lock.claim, &stamp("a", 9)).await.unwrap()
}

async fn written(seat: &Seat) -> Option<Done> {
    seat.sync().await.unwrap();
    match seat.get(&paths::done(TASK)).await {
        Ok((data, _)) => Some(serde_json::from_slice(&data).unwrap()),
        Err(Error::NoNode(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn locked(seat: &Seat) -> bool {
    seat.sync().await.unwrap();
    seat.stat(&paths::lock(TASK)).await.unwrap().is_some()
}

async fn a_claim_raises_the_attempt_adds_its_strike_and_keeps_unknown_fields(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    let (now, version) = read(&seat).await;
    assert_eq!((now.attempt, &now.strikes, &now.stamp), (1, &vec!["c1".to_owned()], &held.lock.stamp));
    assert_eq!(now.extra, task().extra);
    assert_eq!((held.task, held.version), (now, version));
    let (data, stat) = seat.get(&paths::lock(TASK)).await.unwrap();
    assert_eq!(serde_json::from_slice::<Lock>(&data).unwrap(), lock("a", "c1"));
    assert_eq!(stat.owner, Some(seat.id()));
}

async fn of_eight_workers_one_wins(environment: &dyn Environment) {
    let mut seats = Vec::new();
    for _ in 0..8 {
        seats.push(environment.session().await);
    }
    put(&seats[0]).await;
    let (seen, version) = read(&seats[0]).await;
    let claims = seats.iter().enumerate().map(|(index, seat)| {
        let lock = lock("a", &format!("c{index}"));
        let seen = &seen;
        async move { claim(&**seat, Held::new(TASK, seen, version, lock)).await.unwrap() }
    });
    let winners: Vec<Held> = futures::future::join_all(claims).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(read(&seats[0]).await, (winners[0].task.clone(), winners[0].version));
}

async fn a_claim_at_an_old_version_loses(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let (seen, version) = read(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    assert!(release(&*seat, &held, None, Strike::GiveBack, stamp("a", 9)).await.unwrap());
    assert_eq!(claim(&*seat, Held::new(TASK, &seen, version, lock("a", "c2"))).await, Ok(None));
    assert!(!locked(&seat).await);
    assert_eq!(claim(&*seat, Held::new("/jobs/task_9", &seen, version, lock("a", "c2"))).await, Ok(None));
}

async fn a_claim_whose_reply_is_lost_is_mine(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let (seen, version) = read(&seat).await;
    seat.lose_reply();
    let held = claim(&*seat, Held::new(TASK, &seen, version, lock("a", "c1"))).await.unwrap().unwrap();
    assert_eq!(read(&seat).await, (held.task.clone(), held.version));
    assert!(commit(&*seat, &held, &done("a", 1)).await.unwrap());
}

async fn a_claim_whose_reply_is_lost_and_that_lost_is_not_mine(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    put(&seat).await;
    let (seen, version) = read(&seat).await;
    let theirs = take(&other, lock("b", "c2")).await.unwrap();
    seat.lose_reply();
    assert_eq!(claim(&*seat, Held::new(TASK, &seen, version, lock("a", "c1"))).await, Ok(None));
    assert_eq!(read(&other).await, (theirs.task, theirs.version));
}

async fn a_claim_of_my_own_session_is_not_this_claim(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let (seen, version) = read(&seat).await;
    let first = take(&seat, lock("a", "c1")).await.unwrap();
    seat.lose_reply();
    assert_eq!(claim(&*seat, Held::new(TASK, &seen, version, lock("a", "c2"))).await, Ok(None));
    assert!(commit(&*seat, &first, &done("a", 1)).await.unwrap());
}

async fn a_lock_with_my_claims_name_but_another_session_is_not_mine(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    put(&seat).await;
    let (seen, version) = read(&seat).await;
    take(&other, lock("a", "c1")).await.unwrap();
    seat.lose_reply();
    assert_eq!(claim(&*seat, Held::new(TASK, &seen, version, lock("a", "c1"))).await, Ok(None));
}

async fn a_commit_leaves_the_result_and_no_lock(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    assert!(commit(&*seat, &held, &done("a", 1)).await.unwrap());
    assert_eq!(written(&seat).await, Some(done("a", 1)));
    assert!(!locked(&seat).await);
    assert!(!commit(&*seat, &held, &done("a", 1)).await.unwrap(), "it has been committed already");
}

/// The first worker's session expires, and the second takes over.
async fn takeover(environment: &dyn Environment) -> (Seat, Held, Seat, Held) {
    let (one, two) = (environment.short_session().await, environment.session().await);
    put(&one).await;
    let first = take(&one, lock("a", "c1")).await.unwrap();
    one.cut().await;
    two.sync().await.unwrap();
    gone(&*two, &paths::lock(TASK)).await;
    let second = take(&two, lock("b", "c2")).await.unwrap();
    assert_eq!((second.task.attempt, names(&second.task)), (2, vec!["c1", "c2"]));
    (one, first, two, second)
}

async fn a_commit_after_a_takeover_is_refused(environment: &dyn Environment) {
    let (one, first, two, second) = takeover(environment).await;
    one.state(server::coord::SessionState::Expired).await;
    assert_eq!(commit(&*one, &first, &done("a", 1)).await, Err(Error::Expired));
    // The pod is back with a new session; the second's lock is at the path of its own former lock.
    let again = environment.session().await;
    again.sync().await.unwrap();
    assert!(!commit(&*again, &first, &done("a", 1)).await.unwrap());
    assert!(!release(&*again, &first, None, Strike::GiveBack, stamp("a", 9)).await.unwrap());
    assert!(locked(&two).await, "the second's lock is not touched");
    assert!(commit(&*two, &second, &done("b", 2)).await.unwrap());
    assert_eq!(written(&two).await, Some(done("b", 2)));
}

async fn a_lock_that_is_there_again_proves_nothing(environment: &dyn Environment) {
    let (_, first, two, second) = takeover(environment).await;
    // Even through the session that owns the new lock, the commit is rejected: the version differs.
    assert!(!commit(&*two, &first, &done("a", 1)).await.unwrap());
    assert_eq!(written(&two).await, None);
    assert!(commit(&*two, &second, &done("b", 2)).await.unwrap());
}

async fn a_commit_whose_reply_is_lost_is_one(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    seat.lose_reply();
    assert!(commit(&*seat, &held, &done("a", 1)).await.unwrap());
    assert_eq!(written(&seat).await, Some(done("a", 1)));
    // A rejected commit stays rejected.
    seat.lose_reply();
    assert!(!commit(&*seat, &held, &done("a", 7)).await.unwrap());
    assert_eq!(written(&seat).await, Some(done("a", 1)));
}

async fn a_commit_of_a_deleted_task_is_refused(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    let delete = |path: String| Op::Delete { path, version: None };
    seat.multi(vec![delete(paths::lock(TASK)), delete(TASK.into())]).await.unwrap();
    assert!(!commit(&*seat, &held, &done("a", 1)).await.unwrap());
    assert!(!release(&*seat, &held, None, Strike::Keep, stamp("a", 9)).await.unwrap());
    assert_eq!(owe(&seat, &held).await, StrikeReturn::Settled);
}

async fn a_release_gives_the_task_to_the_next(environment: &dyn Environment) {
    let (one, two) = (environment.session().await, environment.session().await);
    put(&one).await;
    let held = take(&one, lock("a", "c1")).await.unwrap();
    let trouble = Some("the store is away".to_owned());
    assert!(release(&*one, &held, trouble.clone(), Strike::GiveBack, stamp("a", 9)).await.unwrap());
    let (seen, _) = read(&two).await;
    assert_eq!((seen.attempt, names(&seen), &seen.trouble, &seen.stamp), (1, vec![], &trouble, &stamp("a", 9)));
    let held = take(&two, lock("b", "c2")).await.unwrap();
    assert_eq!((held.task.attempt, names(&held.task)), (2, vec!["c2"]));
    assert!(release(&*two, &held, None, Strike::Keep, stamp("b", 9)).await.unwrap());
    assert_eq!(names(&read(&one).await.0), ["c2"]);
    assert!(!locked(&one).await);
}

async fn a_release_whose_reply_is_lost_is_one(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    seat.lose_reply();
    assert!(release(&*seat, &held, None, Strike::GiveBack, stamp("a", 9)).await.unwrap());
    assert!(read(&seat).await.0.strikes.is_empty());
    assert!(!locked(&seat).await);
}

async fn a_strike_stays_when_its_pod_dies(environment: &dyn Environment) {
    let (_, _, two, _) = takeover(environment).await;
    assert_eq!(names(&read(&two).await.0), ["c1", "c2"]);
}

async fn a_pod_that_outlived_its_session_gives_its_strike_back(environment: &dyn Environment) {
    let one = environment.short_session().await;
    put(&one).await;
    let held = take(&one, lock("a", "c1")).await.unwrap();
    one.outlive().await;
    let again = environment.session().await;
    again.lose_reply();
    assert_eq!(owe(&again, &held).await, StrikeReturn::Settled);
    let (now, version) = read(&again).await;
    assert_eq!((now.attempt, names(&now), &now.stamp), (1, vec![], &stamp("a", 9)));
    assert_eq!(owe(&again, &held).await, StrikeReturn::Settled, "repeating is harmless");
    assert_eq!(read(&again).await, (now, version));
}

async fn a_strike_is_given_back_at_any_later_version_and_no_other_with_it(environment: &dyn Environment) {
    let (_, first, two, second) = takeover(environment).await;
    assert!(release(&*two, &second, None, Strike::Keep, stamp("b", 9)).await.unwrap());
    let third = take(&two, lock("b", "c3")).await.unwrap();
    assert!(release(&*two, &third, None, Strike::Keep, stamp("b", 9)).await.unwrap());
    assert_eq!(names(&read(&two).await.0), ["c1", "c2", "c3"]);
    let again = environment.session().await;
    assert_eq!(owe(&again, &first).await, StrikeReturn::Settled);
    assert_eq!(names(&read(&two).await.0), ["c2", "c3"]);
    assert_eq!(read(&two).await.0.attempt, 3);
}

async fn a_strike_is_not_given_back_under_a_claim_that_would_then_fail_to_commit(environment: &dyn Environment) {
    let (_, first, two, second) = takeover(environment).await;
    let again = environment.session().await;
    assert_eq!(owe(&again, &first).await, StrikeReturn::Waits);
    assert_eq!(read(&two).await, (second.task.clone(), second.version));
    assert!(commit(&*two, &second, &done("b", 2)).await.unwrap());
    assert_eq!(owe(&again, &first).await, StrikeReturn::Settled, "a task that is done bears no blame");
}

async fn a_task_with_three_strikes_is_nobodys_until_one_is_given_back(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let mut last = None;
    for claim in ["c1", "c2", "c3"] {
        let held = take(&seat, lock("a", claim)).await.unwrap();
        assert!(release(&*seat, &held, None, Strike::Keep, stamp("a", 9)).await.unwrap());
        last = Some(held);
    }
    assert_eq!(take(&seat, lock("a", "c4")).await, None);
    assert!(!locked(&seat).await);
    assert_eq!(owe(&seat, &last.unwrap()).await, StrikeReturn::Settled);
    assert_eq!(names(&take(&seat, lock("a", "c5")).await.unwrap().task), ["c1", "c2", "c5"]);
}

async fn a_report_is_clipped_so_that_a_release_always_fits(environment: &dyn Environment) {
    let seat = environment.session().await;
    put(&seat).await;
    let held = take(&seat, lock("a", "c1")).await.unwrap();
    let report = "é".repeat(server::coord::limits::ZNODE_BYTES);
    assert!(release(&*seat, &held, Some(report), Strike::GiveBack, stamp("a", 9)).await.unwrap());
    let trouble = read(&seat).await.0.trouble.unwrap();
    assert!(trouble.ends_with("é…") && trouble.len() < REPORT_BYTES + 8, "{} bytes", trouble.len());
}
