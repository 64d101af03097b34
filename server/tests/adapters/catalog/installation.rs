//! The installation: its identity, its coordinator, its generation, and the objects that no row knows.

use std::time::Duration;

use server::catalog::{Fate, InUse, Raised, Sweep, Write};

use super::fixture::*;

pub async fn what_is_in_use_is_told_from_rows_alone(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let epoch = epoch(catalog).await;
    let (first, second) = (upload("a.png", Some("key")), upload("a.png", Some("key")));
    catalog.begin_upload(&first).await.unwrap();
    let image = first.image.clone();
    let uploads = async || catalog.in_use(std::slice::from_ref(&image)).await.unwrap().uploads;
    assert_eq!(uploads().await, [(image.clone(), first.upload.clone())].into());
    catalog.begin_upload(&second).await.unwrap();
    assert_eq!(uploads().await, [(image.clone(), second.upload.clone())].into(), "taken over");
    let received = received(&image, &second.upload, info(640, 480));
    assert_eq!(catalog.finish_upload(&second.upload, &received).await.unwrap(), Write::Applied);
    // The upload that was taken over has ended, and the accepted one writes nothing more.
    let ended = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let uploads_ended = [first.upload.as_str(), second.upload.as_str()];
    let original = InUse { keys: [received.key.clone()].into(), ended: ended(&uploads_ended), ..InUse::default() };
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap(), original);

    let run = activate(catalog, &epoch, &first.job).await;
    let running = InUse { runs: [(image.clone(), run.clone())].into(), ..original.clone() };
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap(), running);
    catalog.fail(&epoch, &first.job, &run, "it failed", None).await.unwrap();
    let mut failed = original.clone();
    failed.ended.insert(run.to_string());
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap(), failed, "its outputs are nobody's");
    catalog.retry(&first.job).await.unwrap();
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap(), failed, "a tombstone remembers it");
    let again = publish(catalog, &epoch, &first.job).await;
    let mut done = failed.clone();
    done.keys.insert(result(&first.job).key);
    done.ended.insert(again.to_string());
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap(), done);

    catalog.delete_image(&image).await.unwrap();
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap(), done, "whoever deletes it does so itself");
    catalog.forget(&epoch, &image).await.unwrap();
    let gone = catalog.in_use(&[image.clone(), id()]).await.unwrap();
    assert!(gone.keys.is_empty() && gone.ended.contains(image.as_str()), "{gone:?}");
    assert_eq!(catalog.in_use(&[id()]).await.unwrap(), InUse::default(), "an image that never was is unknown");
    assert_eq!(catalog.in_use(&[]).await.unwrap(), InUse::default());
}

pub async fn orphans_wait_for_their_grace_by_the_masters_clock_and_the_first_decision_counts(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let old = epoch(catalog).await;
    let names = ["a", "b", "c"].map(str::to_owned);
    let sweep = |since: u64| Sweep {
        id: uuid::Uuid::new_v4().to_string(),
        since_last: Duration::from_secs(since),
        grace: Duration::from_secs(10),
    };
    let over = async |epoch: &_, since: u64| {
        let mut over = catalog.quarantine(epoch, &sweep(since), &names).await.unwrap().unwrap();
        over.sort();
        over
    };
    assert_eq!(over(&old, 0).await, [""; 0]);
    assert_eq!(over(&old, 9).await, [""; 0]);
    assert_eq!(catalog.decide(&names[..1], Fate::Adopted).await.unwrap(), names[..1]);
    assert_eq!(over(&old, 9).await, names[1..], "what is being adopted isn't deleted");
    assert_eq!(catalog.decide(&names, Fate::Adopted).await.unwrap(), names[..1], "the others are as good as deleted");
    catalog.release_orphans(&names).await.unwrap();
    assert_eq!(over(&old, 0).await, names, "its grace was over");

    let new = epoch(catalog).await;
    assert_eq!(catalog.quarantine(&old, &sweep(0), &names).await.unwrap(), None);
    assert_eq!(catalog.end_sweep(&old, &sweep(0)).await.unwrap(), Write::NotMine);
    let last = sweep(0);
    catalog.quarantine(&new, &last, &names[2..]).await.unwrap().unwrap();
    catalog.end_sweep(&new, &last).await.unwrap();
    let left: Vec<String> = catalog.orphans().await.unwrap().into_iter().map(|orphan| orphan.name).collect();
    assert_eq!(left, names[2..], "a sweep that didn't see the others forgets them");
    let merciless = Sweep { grace: Duration::ZERO, ..sweep(0) };
    assert_eq!(catalog.quarantine(&new, &merciless, &["d".to_owned()]).await.unwrap().unwrap(), ["d"]);
}

pub async fn a_catalog_below_what_the_store_has_seen_is_behind(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let old = epoch(catalog).await;
    assert_eq!(catalog.raise_generation(&old, 0).await.unwrap(), Raised::To(1));
    assert_eq!(catalog.raise_generation(&old, 1).await.unwrap(), Raised::To(2));
    assert_eq!(catalog.raise_generation(&old, 7).await.unwrap(), Raised::Behind(2));
    let new = epoch(catalog).await;
    assert_eq!(catalog.raise_generation(&old, 0).await.unwrap(), Raised::NotMine);
    assert_eq!(catalog.set_alert(&old, Some("late")).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.set_alert(&new, Some("it is old")).await.unwrap(), Write::Applied);
    assert_eq!(catalog.alert().await.unwrap().as_deref(), Some("it is old"));
    assert_eq!(catalog.accept_generation(7).await.unwrap(), 7);
    assert_eq!((catalog.alert().await.unwrap(), catalog.generation().await.unwrap()), (None, 7));
    assert_eq!(catalog.accept_generation(3).await.unwrap(), 7, "it never falls");
}

pub async fn a_coordinator_is_taken_over_only_while_nobody_beats(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let none = catalog.coordination().await.unwrap();
    assert_eq!(none.coordinator, "");
    assert_eq!(catalog.take_coordination(&none, "first", "here").await.unwrap(), Write::Applied);
    assert_eq!(catalog.take_coordination(&none, "second", "there").await.unwrap(), Write::NoChange);
    let read = catalog.coordination().await.unwrap();
    assert_eq!((read.coordinator.as_str(), read.place.as_str()), ("first", "here"));
    assert_eq!(catalog.beat("first").await.unwrap(), Write::Applied);
    assert_eq!(catalog.take_coordination(&read, "second", "there").await.unwrap(), Write::NoChange, "it beats");
    let read = catalog.coordination().await.unwrap();
    assert_eq!(catalog.take_coordination(&read, "second", "there").await.unwrap(), Write::Applied);
    assert_eq!(catalog.beat("first").await.unwrap(), Write::NoChange);
}

pub async fn a_catalog_is_itself_for_ever_and_never_another(tested: TestCatalog) {
    let identity = tested.catalog.identity().await.unwrap();
    assert!(identity.len() == 32 && identity.bytes().all(|byte| byte.is_ascii_hexdigit()), "{identity}");
    assert_eq!(tested.another_process().await.identity().await.unwrap(), identity);
    let other = server::catalog::open(&tested.untouched().await).await.unwrap();
    assert_ne!(other.identity().await.unwrap(), identity);
}
