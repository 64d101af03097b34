//! Members: the live pods.

use server::coord::members::{join, list};
use server::coord::{CreateMode, Error, paths};

use crate::environment::{Environment, gone};
use crate::records::member;

crate::on_every_coordinator![
    members_are_those_whose_sessions_live,
    joining_again_changes_nothing,
    a_join_whose_reply_is_lost_is_one,
    a_member_of_another_session_is_not_me,
    what_is_no_members_record_is_passed_over,
];

async fn members_are_those_whose_sessions_live(environment: &dyn Environment) {
    let (one, two, viewer) =
        (environment.session().await, environment.short_session().await, environment.session().await);
    join(&*one, &member("b", "1")).await.unwrap();
    let path = join(&*two, &member("a", "2")).await.unwrap();
    assert_eq!(path, "/nodes/a-2");
    viewer.sync().await.unwrap();
    assert_eq!(list(&*viewer).await.unwrap(), [member("a", "2"), member("b", "1")]);
    two.cut().await;
    gone(&*viewer, &path).await;
    assert_eq!(list(&*viewer).await.unwrap(), [member("b", "1")]);
    one.close().await;
    viewer.sync().await.unwrap();
    assert_eq!(list(&*viewer).await.unwrap(), []);
}

async fn joining_again_changes_nothing(environment: &dyn Environment) {
    let seat = environment.session().await;
    let path = join(&*seat, &member("a", "1")).await.unwrap();
    let before = seat.stat(&path).await.unwrap();
    assert_eq!(join(&*seat, &member("a", "1")).await, Ok(path.clone()));
    assert_eq!(seat.stat(&path).await.unwrap(), before);
}

async fn a_join_whose_reply_is_lost_is_one(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.lose_reply();
    let path = join(&*seat, &member("a", "1")).await.unwrap();
    assert_eq!(seat.stat(&path).await.unwrap().unwrap().owner, Some(seat.id()));
    assert_eq!(list(&*seat).await.unwrap().len(), 1);
}

async fn a_member_of_another_session_is_not_me(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    let path = join(&*other, &member("a", "1")).await.unwrap();
    assert_eq!(join(&*seat, &member("a", "1")).await, Err(Error::NodeExists(path)));
}

async fn what_is_no_members_record_is_passed_over(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.create(&format!("{}/x", paths::NODES), b"not JSON", CreateMode::Ephemeral).await.unwrap();
    join(&*seat, &member("a", "1")).await.unwrap();
    assert_eq!(list(&*seat).await.unwrap(), [member("a", "1")]);
}
