//! Clean-up by the master: abandoned uploads, and images deleted by users.

use std::time::Duration;

use server::catalog::{Abandoned, Begun, InUse, Write};

use super::fixture::*;

pub async fn an_upload_left_alone_is_abandoned_and_a_touched_one_is_not(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let (left, touched) = (upload("left.png", None), upload("touched.png", None));
    catalog.begin_upload(&left).await.unwrap();
    catalog.begin_upload(&touched).await.unwrap();
    let epoch = epoch(catalog).await;
    let patience = Duration::from_millis(200);
    assert!(catalog.abandon(&epoch, Duration::from_secs(3_600)).await.unwrap().unwrap().is_empty());

    let expected = [Abandoned { upload: left.upload.clone(), image: left.image.clone() }];
    let abandoned = loop {
        assert_eq!(catalog.touch_upload(&touched.upload).await.unwrap(), Write::Applied);
        let abandoned = catalog.abandon(&epoch, patience).await.unwrap().unwrap();
        if !abandoned.is_empty() {
            break abandoned;
        }
    };
    assert_eq!(abandoned, expected);
    assert_eq!(
        catalog.abandon(&epoch, Duration::from_secs(3_600)).await.unwrap().unwrap(),
        expected,
        "until it is forgotten"
    );
    assert_eq!(catalog.touch_upload(&left.upload).await.unwrap(), Write::NoChange);
    let late = received(&left.image, &left.upload, info(1, 1));
    assert_eq!(catalog.finish_upload(&left.upload, &late).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.forget_upload(&epoch, &touched.upload).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.forget_upload(&epoch, &left.upload).await.unwrap(), Write::Applied);
    let good = received(&touched.image, &touched.upload, info(1, 1));
    assert_eq!(catalog.finish_upload(&touched.upload, &good).await.unwrap(), Write::Applied);
}

pub async fn an_abandoned_upload_can_be_taken_over_by_its_key_until_it_is_forgotten(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let first = upload("a.png", Some("key"));
    catalog.begin_upload(&first).await.unwrap();
    let epoch = epoch(catalog).await;
    assert_eq!(catalog.abandon(&epoch, Duration::ZERO).await.unwrap().unwrap().len(), 1);
    let second = upload("a.png", Some("key"));
    let begun = catalog.begin_upload(&second).await.unwrap();
    assert_eq!(begun, Begun::Receiving { image: first.image.clone(), job: first.job });
    assert_eq!(catalog.forget_upload(&epoch, &first.upload).await.unwrap(), Write::NoChange);
    let good = received(&first.image, &second.upload, info(1, 1));
    assert_eq!(catalog.finish_upload(&second.upload, &good).await.unwrap(), Write::Applied);
}

pub async fn a_deposed_master_is_given_no_abandoned_uploads(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    catalog.begin_upload(&upload("a.png", None)).await.unwrap();
    let old = epoch(catalog).await;
    let new = epoch(catalog).await;
    assert_eq!(catalog.abandon(&old, Duration::ZERO).await.unwrap(), None);
    assert_eq!(catalog.abandon(&new, Duration::ZERO).await.unwrap().unwrap().len(), 1);
    assert_eq!(catalog.abandon(&old, Duration::ZERO).await.unwrap(), None);
}

pub async fn an_abandoned_upload_is_nobodys(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let (epoch, new) = (epoch(catalog).await, upload("a.png", None));
    catalog.begin_upload(&new).await.unwrap();
    assert_eq!(catalog.abandon(&epoch, std::time::Duration::ZERO).await.unwrap().unwrap().len(), 1);
    let ended = InUse { ended: [new.upload.to_string()].into(), ..InUse::default() };
    assert_eq!(catalog.in_use(&[new.image]).await.unwrap(), ended);
}

pub async fn what_was_deleted_long_enough_ago_is_deleted_for_good(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let epoch = epoch(catalog).await;
    let accepted = accept(catalog, "a.png").await;
    catalog.trash(std::slice::from_ref(&accepted.image)).await.unwrap();
    assert_eq!(catalog.empty_trash(&epoch, Duration::from_secs(60)).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.deleting(10).await.unwrap(), []);
    assert_eq!(catalog.empty_trash(&epoch, Duration::ZERO).await.unwrap(), Write::Applied);
    assert_eq!(catalog.deleting(10).await.unwrap(), std::slice::from_ref(&accepted.image));
    assert_eq!(catalog.restore(std::slice::from_ref(&accepted.image)).await.unwrap(), [], "too late");
    assert_eq!(catalog.forget(&epoch, &accepted.image).await.unwrap(), Write::Applied);
}

pub async fn a_deposed_master_empties_no_trash(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let old = epoch(catalog).await;
    let accepted = accept(catalog, "a.png").await;
    catalog.trash(std::slice::from_ref(&accepted.image)).await.unwrap();
    epoch(catalog).await;
    assert_eq!(catalog.empty_trash(&old, Duration::ZERO).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.restore(std::slice::from_ref(&accepted.image)).await.unwrap(), [accepted.image]);
}
