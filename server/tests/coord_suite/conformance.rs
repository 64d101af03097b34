//! Basic operations that every coordinator must support.

use std::time::Duration;

use server::coord::{CreateMode, Error, Hint, Op, Scope, SessionState, ensure_path, ensure_skeleton, paths};

use crate::environment::{Environment, gone, hint, soon};

crate::on_every_coordinator![
    nodes_are_created_read_set_and_deleted,
    replies_say_what_is_wrong,
    a_multi_is_all_or_nothing_and_names_what_failed,
    sequences_rise_within_their_parent,
    ephemerals_carry_their_owner_and_go_at_once_when_it_closes,
    many_nodes_are_read_at_once,
    a_recursive_watch_hears_of_everything_below,
    a_watch_of_a_node_hears_of_its_birth_change_and_death_only,
    dropping_a_watch_leaves_others_of_the_same_path,
    watches_end_at_a_disconnect_and_can_be_added_again,
    a_disconnected_session_submits_nothing,
    a_lost_reply_is_unknown_though_the_write_is_there,
    ephemerals_outlive_a_short_disconnect,
    a_session_that_lost_its_lease_expires_and_its_ephemerals_go,
    sync_shows_what_others_wrote,
    what_is_not_acceptable_is_refused_before_it_is_submitted,
    a_closed_session_answers_no_more,
    paths_are_ensured_as_often_as_one_likes,
];

async fn nodes_are_created_read_set_and_deleted(environment: &dyn Environment) {
    let seat = environment.session().await;
    let (path, created) = seat.create("/a", b"one", CreateMode::Persistent).await.unwrap();
    assert_eq!((path.as_str(), created.version, created.owner, created.children), ("/a", 0, None, 0));
    assert_eq!(created.czxid, created.mzxid);
    let set = seat.set("/a", b"two", Some(0)).await.unwrap();
    assert_eq!((set.version, set.czxid), (1, created.czxid));
    assert!(set.mzxid > created.mzxid);
    seat.create("/a/c", b"", CreateMode::Persistent).await.unwrap();
    seat.create("/a/b", b"", CreateMode::Persistent).await.unwrap();
    let (data, stat) = seat.get("/a").await.unwrap();
    assert_eq!((data.as_slice(), stat.version, stat.children), (b"two".as_slice(), 1, 2));
    assert_eq!(seat.stat("/a").await.unwrap(), Some(stat));
    assert_eq!(seat.children("/a").await.unwrap(), ["b", "c"]);
    seat.delete("/a/b", Some(0)).await.unwrap();
    assert_eq!(seat.stat("/a/b").await.unwrap(), None);
    let (_, again) = seat.create("/a/b", b"", CreateMode::Persistent).await.unwrap();
    assert!(again.czxid > created.czxid, "another life has another czxid");
}

async fn replies_say_what_is_wrong(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.create("/a", b"", CreateMode::Persistent).await.unwrap();
    seat.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    let no_node = |path: &str| Error::NoNode(path.into());
    assert_eq!(seat.create("/x/y", b"", CreateMode::Persistent).await, Err(no_node("/x/y")));
    assert_eq!(seat.create("/a", b"", CreateMode::Persistent).await, Err(Error::NodeExists("/a".into())));
    let below = seat.create("/e/f", b"", CreateMode::Persistent).await;
    assert_eq!(below, Err(Error::NoChildrenForEphemerals("/e/f".into())));
    assert_eq!(seat.get("/x").await, Err(no_node("/x")));
    assert_eq!(seat.children("/x").await, Err(no_node("/x")));
    assert_eq!(seat.set("/x", b"", None).await, Err(no_node("/x")));
    assert_eq!(seat.set("/a", b"", Some(7)).await, Err(Error::BadVersion("/a".into())));
    assert_eq!(seat.delete("/x", None).await, Err(no_node("/x")));
    assert_eq!(seat.delete("/a", Some(7)).await, Err(Error::BadVersion("/a".into())));
    seat.create("/a/b", b"", CreateMode::Persistent).await.unwrap();
    assert_eq!(seat.delete("/a", None).await, Err(Error::NotEmpty("/a".into())));
}

async fn a_multi_is_all_or_nothing_and_names_what_failed(environment: &dyn Environment) {
    let seat = environment.session().await;
    let create = |path: &str| Op::Create { path: path.into(), data: b"x".to_vec(), mode: CreateMode::Persistent };
    let check = |path: &str, version| Op::Check { path: path.into(), version };
    seat.multi(vec![create("/a"), create("/a/b"), check("/a", Some(0)), check("/a/b", None)]).await.unwrap();
    let set = Op::Set { path: "/a".into(), data: b"y".to_vec(), version: Some(0) };
    let delete = Op::Delete { path: "/a/b".into(), version: Some(0) };
    let failures = [
        (vec![set.clone(), create("/c"), check("/nowhere", None)], 2, Error::NoNode("/nowhere".into())),
        (vec![check("/a", Some(1)), create("/c")], 0, Error::BadVersion("/a".into())),
        (vec![create("/c"), create("/a")], 1, Error::NodeExists("/a".into())),
        (vec![set.clone(), Op::Delete { path: "/a".into(), version: None }], 1, Error::NotEmpty("/a".into())),
    ];
    for (ops, index, source) in failures {
        let error = seat.multi(ops).await.unwrap_err();
        assert_eq!(error, Error::Multi { index, source: Box::new(source) });
        assert_eq!(seat.stat("/c").await.unwrap(), None);
        assert_eq!(seat.get("/a").await.unwrap().0, b"x");
    }
    seat.multi(vec![set, delete, create("/c")]).await.unwrap();
    assert_eq!(seat.get("/a").await.unwrap().0, b"y");
    assert_eq!(seat.stat("/a/b").await.unwrap(), None);
}

async fn sequences_rise_within_their_parent(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.create("/q", b"", CreateMode::Persistent).await.unwrap();
    let mut sequences = Vec::new();
    for prefix in ["/q/z-", "/q/a-", "/q/m-"] {
        let (path, stat) = seat.create(prefix, b"", CreateMode::EphemeralSequential).await.unwrap();
        assert_eq!(stat.owner, Some(seat.id()));
        assert_eq!(seat.stat(&path).await.unwrap(), Some(stat));
        let sequence = path.strip_prefix(prefix).unwrap();
        assert_eq!(sequence.len(), 10);
        sequences.push(sequence.parse::<u32>().unwrap());
        seat.delete(&path, None).await.unwrap();
    }
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
}

async fn ephemerals_carry_their_owner_and_go_at_once_when_it_closes(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    let (_, stat) = seat.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    assert_eq!(stat.owner, Some(seat.id()));
    assert_ne!(seat.id(), other.id());
    other.sync().await.unwrap();
    let _watch_keeps_nothing_alive = seat.watch("/", Scope::Recursive).await.unwrap();
    let before = tokio::time::Instant::now();
    seat.close().await;
    other.sync().await.unwrap();
    assert_eq!(other.stat("/e").await.unwrap(), None);
    assert!(before.elapsed() < seat.session_timeout() / 2, "the lease was waited for");
}

async fn many_nodes_are_read_at_once(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.create("/m", b"", CreateMode::Persistent).await.unwrap();
    let paths: Vec<String> = (0..600).map(|index| format!("/m/{index}")).collect();
    for some in paths.chunks(100) {
        let create = |path: &String| Op::Create {
            path: path.clone(),
            data: path.clone().into_bytes(),
            mode: CreateMode::Persistent,
        };
        seat.multi(some.iter().step_by(2).map(create).collect()).await.unwrap();
    }
    seat.create("/m/0/child", b"", CreateMode::Persistent).await.unwrap();
    let found = seat.get_many(&paths).await.unwrap();
    assert_eq!(found.len(), 600);
    for (index, (path, node)) in paths.iter().zip(&found).enumerate() {
        match node {
            Some((data, stat)) => assert!(index % 2 == 0 && data == path.as_bytes() && stat.version == 0),
            None => assert!(index % 2 == 1, "{path} was not found"),
        }
    }
    let children = seat.children_many(&paths[..2]).await.unwrap();
    assert_eq!(children, [Some(vec!["child".to_owned()]), None]);
    assert_eq!(seat.get_many(&[]).await.unwrap(), []);
}

async fn a_recursive_watch_hears_of_everything_below(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    let mut watch = seat.watch("/r", Scope::Recursive).await.unwrap();
    let changed = |path: &str| Hint::Changed(path.into());
    other.create("/r", b"", CreateMode::Persistent).await.unwrap();
    other.create("/rx", b"", CreateMode::Persistent).await.unwrap();
    other.create("/r/a", b"", CreateMode::Persistent).await.unwrap();
    other.create("/r/a/b", b"", CreateMode::Ephemeral).await.unwrap();
    other.set("/r/a", b"x", None).await.unwrap();
    other.close().await;
    for path in ["/r", "/r/a", "/r/a/b", "/r/a", "/r/a/b"] {
        assert_eq!(hint(&mut watch).await, changed(path));
    }
    seat.delete("/r/a", None).await.unwrap();
    assert_eq!(hint(&mut watch).await, changed("/r/a"));
}

async fn a_watch_of_a_node_hears_of_its_birth_change_and_death_only(environment: &dyn Environment) {
    let seat = environment.session().await;
    let mut watch = seat.watch("/n", Scope::Node).await.unwrap();
    let mut all = seat.watch("/", Scope::Recursive).await.unwrap();
    seat.create("/n", b"", CreateMode::Persistent).await.unwrap();
    seat.create("/n/child", b"", CreateMode::Persistent).await.unwrap();
    seat.delete("/n/child", None).await.unwrap();
    seat.set("/n", b"x", None).await.unwrap();
    seat.delete("/n", None).await.unwrap();
    for path in ["/n", "/n/child", "/n/child", "/n", "/n"] {
        assert_eq!(hint(&mut all).await, Hint::Changed(path.into()));
    }
    for _ in 0..3 {
        assert_eq!(hint(&mut watch).await, Hint::Changed("/n".into()));
    }
}

async fn dropping_a_watch_leaves_others_of_the_same_path(environment: &dyn Environment) {
    let seat = environment.session().await;
    let first = seat.watch("/n", Scope::Node).await.unwrap();
    let mut second = seat.watch("/n", Scope::Recursive).await.unwrap();
    let third = seat.watch("/n", Scope::Recursive).await.unwrap();
    drop((first, third));
    seat.create("/n", b"", CreateMode::Persistent).await.unwrap();
    seat.create("/n/x", b"", CreateMode::Persistent).await.unwrap();
    assert_eq!(hint(&mut second).await, Hint::Changed("/n".into()));
    assert_eq!(hint(&mut second).await, Hint::Changed("/n/x".into()));
}

async fn watches_end_at_a_disconnect_and_can_be_added_again(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    for round in 0..3 {
        let mut watches =
            [seat.watch("/", Scope::Recursive).await.unwrap(), seat.watch(paths::DOORBELL, Scope::Node).await.unwrap()];
        seat.cut().await;
        other.create(&format!("/gap-{round}"), b"", CreateMode::Persistent).await.unwrap();
        for watch in &mut watches {
            assert_eq!(hint(watch).await, Hint::Lost);
        }
        seat.mend().await;
        let mut again = seat.watch("/", Scope::Recursive).await.unwrap();
        seat.sync().await.unwrap();
        assert!(seat.stat(&format!("/gap-{round}")).await.unwrap().is_some());
        other.create(&format!("/after-{round}"), b"", CreateMode::Persistent).await.unwrap();
        assert_eq!(hint(&mut again).await, Hint::Changed(format!("/after-{round}")));
    }
}

async fn a_disconnected_session_submits_nothing(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    seat.cut().await;
    assert_eq!(seat.create("/late", b"", CreateMode::Persistent).await, Err(Error::Disconnected));
    assert_eq!(seat.sync().await, Err(Error::Disconnected));
    assert_eq!(seat.watch("/", Scope::Node).await.err(), Some(Error::Disconnected));
    seat.mend().await;
    seat.sync().await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.stat("/late").await.unwrap(), None);
}

async fn a_lost_reply_is_unknown_though_the_write_is_there(environment: &dyn Environment) {
    let seat = environment.session().await;
    seat.lose_reply();
    let error = seat.create("/lost", b"", CreateMode::Ephemeral).await.unwrap_err();
    assert!(error.is_unknown(), "{error}");
    seat.state(SessionState::Connected).await;
    server::coord::settle::settle(&*seat).await.unwrap();
    assert_eq!(seat.stat("/lost").await.unwrap().unwrap().owner, Some(seat.id()));
    seat.create("/next", b"", CreateMode::Persistent).await.unwrap();
}

async fn ephemerals_outlive_a_short_disconnect(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    seat.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    seat.cut().await;
    other.sync().await.unwrap();
    assert!(other.stat("/e").await.unwrap().is_some());
    seat.mend().await;
    assert_eq!(seat.stat("/e").await.unwrap().unwrap().owner, Some(seat.id()));
}

async fn a_session_that_lost_its_lease_expires_and_its_ephemerals_go(environment: &dyn Environment) {
    let (seat, other) = (environment.short_session().await, environment.session().await);
    seat.create("/e", b"", CreateMode::Ephemeral).await.unwrap();
    seat.cut().await;
    gone(&*other, "/e").await;
    assert_eq!(*seat.coordinator.states().borrow(), SessionState::Disconnected, "the client learns of it later");
    seat.state(SessionState::Expired).await;
    assert_eq!(seat.get("/").await, Err(Error::Expired));
    assert!(Error::Expired.is_terminal());
}

async fn sync_shows_what_others_wrote(environment: &dyn Environment) {
    let (seat, other) = (environment.session().await, environment.session().await);
    for round in 0..20 {
        let path = format!("/s{round}");
        other.create(&path, b"", CreateMode::Persistent).await.unwrap();
        seat.sync().await.unwrap();
        assert!(seat.stat(&path).await.unwrap().is_some(), "{path}");
    }
}

async fn what_is_not_acceptable_is_refused_before_it_is_submitted(environment: &dyn Environment) {
    let seat = environment.session().await;
    let invalid = |error: Error| assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    for path in ["", "a", "/a/", "//a", "/a/../b", "/.", "/a\u{0}"] {
        invalid(seat.get(path).await.unwrap_err());
        invalid(seat.create(path, b"", CreateMode::Persistent).await.unwrap_err());
        invalid(seat.get_many(&["/".into(), path.into()]).await.unwrap_err());
    }
    let large = vec![0; (64 << 10) + 1];
    invalid(seat.create("/l", &large, CreateMode::Persistent).await.unwrap_err());
    seat.create("/l", &large[1..], CreateMode::Persistent).await.unwrap();
    invalid(seat.set("/l", &large, None).await.unwrap_err());
    let set = Op::Set { path: "/l".into(), data: large[1..].to_vec(), version: None };
    seat.multi(vec![set.clone(); 3]).await.unwrap();
    invalid(seat.multi(vec![set; 4]).await.unwrap_err());
    invalid(seat.delete("/", None).await.unwrap_err());
    assert_eq!(seat.stat("/l").await.unwrap().unwrap().version, 3);
}

async fn a_closed_session_answers_no_more(environment: &dyn Environment) {
    let seat = environment.session().await;
    let mut watch = seat.watch("/", Scope::Recursive).await.unwrap();
    seat.close().await;
    seat.state(SessionState::Closed).await;
    assert_eq!(seat.get("/").await, Err(Error::Expired));
    assert_eq!(hint(&mut watch).await, Hint::Lost);
    let more = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
    assert!(more.is_err(), "a watch that was lost says nothing more");
    soon(seat.close()).await;
}

async fn paths_are_ensured_as_often_as_one_likes(environment: &dyn Environment) {
    let seat = environment.session().await;
    for _ in 0..2 {
        ensure_skeleton(&*seat).await.unwrap();
        ensure_path(&*seat, "/x/y/z").await.unwrap();
    }
    seat.set("/x/y", b"kept", None).await.unwrap();
    ensure_path(&*seat, "/x/y").await.unwrap();
    assert_eq!(seat.get("/x/y").await.unwrap().0, b"kept");
    assert_eq!(seat.children("/x/y").await.unwrap(), ["z"]);
}
