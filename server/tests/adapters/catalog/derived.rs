//! Data derived from images, such as pyramids and timelines; and an image's neighbours.

use std::time::Duration;

use server::catalog::{PyramidFile, PyramidState, Write};
use shared::job::Phase;
use shared::timeline::{Span, Timeline};
use testkit::elapse;

use super::fixture::{TestCatalog, accept, activate, epoch, publish, result};

/// Longer than any test.
const LEASE: Duration = Duration::from_secs(3_600);
/// A lease of zero has lapsed after this time: catalogs keep milliseconds.
const LAPSE: Duration = Duration::from_millis(3);

pub async fn a_pyramid_is_made_by_one_of_all_who_want_to(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let accepted = accept(&**catalog, "moon.png").await;
    let image = accepted.image;
    assert_eq!(catalog.claim_pyramid("early", None, LEASE).await.unwrap(), None, "no job is done yet");
    publish(&**catalog, &epoch(&**catalog).await, &accepted.job).await;
    // The result's pyramid is made already.
    let of_result = catalog.claim_pyramid("result", Some((&image, Some(&accepted.job))), LEASE).await.unwrap();
    assert!(of_result.is_some());
    let claims = ["a", "b", "c", "d"].map(|claim| catalog.claim_pyramid(claim, None, LEASE));
    let given: Vec<_> = futures::future::join_all(claims).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(given.len(), 1);
    assert_eq!((&given[0].image, &given[0].job), (&image, &None));
    assert_eq!(catalog.pyramid(&image, None).await.unwrap(), Some(PyramidState::Wanted));
    let mut claims = catalog.in_use(std::slice::from_ref(&image)).await.unwrap().pyramids;
    claims.retain(|(_, claim)| claim != "result");
    let claim = claims.iter().next().unwrap().1.clone();
    assert_eq!(catalog.touch_pyramid(&claim).await.unwrap(), Write::Applied);
    assert_eq!(catalog.finish_pyramid(&claim, 42).await.unwrap(), Write::Applied);
    let there = PyramidState::There(PyramidFile { claim: claim.clone(), bytes: 42 });
    assert_eq!(catalog.pyramid(&image, None).await.unwrap(), Some(there));
    assert_eq!(catalog.finish_pyramid(&claim, 43).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.claim_pyramid("e", None, LEASE).await.unwrap(), None);
}

pub async fn a_claim_of_a_pyramid_that_lapsed_is_another_ones_and_three_are_the_end(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let image = accept(&**catalog, "moon.png").await.image;
    for claim in ["a", "b", "c"] {
        assert!(catalog.claim_pyramid(claim, Some((&image, None)), Duration::ZERO).await.unwrap().is_some(), "{claim}");
        elapse(LAPSE).await;
    }
    // The outputs of the first two claims belong to nothing.
    assert_eq!(catalog.finish_pyramid("a", 1).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.touch_pyramid("b").await.unwrap(), Write::NoChange);
    let in_use = catalog.in_use(std::slice::from_ref(&image)).await.unwrap().pyramids;
    assert_eq!(in_use.into_iter().collect::<Vec<_>>(), [(image.clone(), "c".to_owned())]);
    assert_eq!(catalog.claim_pyramid("d", None, Duration::ZERO).await.unwrap(), None);
    assert_eq!(catalog.refuse_pyramid("c", "It is too wide.").await.unwrap(), Write::Applied);
    let refused = PyramidState::Refused("It is too wide.".to_owned());
    assert_eq!(catalog.pyramid(&image, None).await.unwrap(), Some(refused));
}

pub async fn a_pyramid_that_three_tries_did_not_make_is_given_up_with_a_sentence_when_somebody_wants_to_see_it(
    tested: TestCatalog,
) {
    let catalog = &tested.catalog;
    let image = accept(&**catalog, "moon.png").await.image;
    let wish = Some((&image, None));
    for claim in ["a", "b", "c"] {
        assert!(catalog.claim_pyramid(claim, wish, Duration::ZERO).await.unwrap().is_some(), "{claim}");
        elapse(LAPSE).await;
    }
    // The third claim may still finish.
    assert_eq!(catalog.claim_pyramid("d", wish, LEASE).await.unwrap(), None);
    assert_eq!(catalog.pyramid(&image, None).await.unwrap(), Some(PyramidState::Wanted));
    assert_eq!(catalog.claim_pyramid("e", wish, Duration::ZERO).await.unwrap(), None);
    let state = catalog.pyramid(&image, None).await.unwrap();
    let Some(PyramidState::Refused(reason)) = state else { panic!("{state:?}") };
    assert!(reason.contains("3 tries"), "{reason}");
    assert_eq!(catalog.finish_pyramid("c", 1).await.unwrap(), Write::NoChange);
}

pub async fn a_try_to_make_a_pyramid_that_is_given_back_does_not_count(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let image = accept(&**catalog, "moon.png").await.image;
    let wish = Some((&image, None));
    for claim in ["a", "b", "c", "d", "e"] {
        assert!(catalog.claim_pyramid(claim, wish, Duration::ZERO).await.unwrap().is_some(), "{claim}");
        assert_eq!(catalog.release_pyramid(claim).await.unwrap(), Write::Applied);
        assert_eq!(catalog.release_pyramid(claim).await.unwrap(), Write::NoChange, "it is given back once");
        assert_eq!(
            catalog.claim_pyramid("early", wish, LEASE).await.unwrap(),
            None,
            "the next try waits for the lease"
        );
        elapse(LAPSE).await;
    }
    assert_eq!(catalog.in_use(std::slice::from_ref(&image)).await.unwrap().pyramids.len(), 0);
    assert_eq!(catalog.pyramid(&image, None).await.unwrap(), Some(PyramidState::Wanted));
}

pub async fn an_image_whose_jobs_failed_has_no_pyramid_until_one_is_done(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let epoch = epoch(&**catalog).await;
    let accepted = accept(&**catalog, "poison.png").await;
    let wish = Some((&accepted.image, None));
    let run = activate(&**catalog, &epoch, &accepted.job).await;
    assert_eq!(catalog.fail(&epoch, &accepted.job, &run, "It kills.", None).await.unwrap(), Write::Applied);
    assert_eq!(catalog.claim_pyramid("a", None, LEASE).await.unwrap(), None);
    assert_eq!(catalog.claim_pyramid("b", wish, LEASE).await.unwrap(), None);
    let state = catalog.pyramid(&accepted.image, None).await.unwrap();
    assert!(matches!(state, Some(PyramidState::Refused(_))), "{state:?}");
    assert_eq!(catalog.retry(&accepted.job).await.unwrap(), Write::Applied);
    publish(&**catalog, &epoch, &accepted.job).await;
    assert_eq!(catalog.pyramid(&accepted.image, None).await.unwrap(), Some(PyramidState::Wanted));
    assert!(catalog.claim_pyramid("c", wish, LEASE).await.unwrap().is_some());
}

pub async fn each_result_has_a_pyramid_of_its_own_and_a_deleted_image_has_none(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let accepted = accept(&**catalog, "moon.png").await;
    assert_eq!(catalog.pyramid(&accepted.image, Some(&accepted.job)).await.unwrap(), None);
    publish(&**catalog, &epoch(&**catalog).await, &accepted.job).await;
    let wish = Some((&accepted.image, Some(&accepted.job)));
    let work = catalog.claim_pyramid("a", wish, LEASE).await.unwrap().unwrap();
    assert_eq!((work.job, work.source), (Some(accepted.job.clone()), result(&accepted.job).key));
    assert_eq!(catalog.delete_image(&accepted.image).await.unwrap(), Write::Applied);
    assert_eq!(catalog.pyramid(&accepted.image, None).await.unwrap(), None);
    assert_eq!(catalog.claim_pyramid("b", None, LEASE).await.unwrap(), None);
}

pub async fn how_a_jobs_tasks_went_is_kept_with_its_end(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let epoch = epoch(&**catalog).await;
    let (pod, phase) = ("pod-1".parse().unwrap(), Phase::Stitch);
    let span = Span { pod, phase, index: 0, attempt: 2, started: 5, finished: 9, bytes: 7 };
    let timeline = Timeline::new(vec![span]);
    let (done, failed) = (accept(&**catalog, "a.png").await.job, accept(&**catalog, "b.png").await.job);
    let run = activate(&**catalog, &epoch, &done).await;
    assert_eq!(catalog.timeline(&done).await.unwrap(), None);
    let published = catalog.publish(&epoch, &run, &result(&done), Some(&timeline)).await;
    assert_eq!(published.unwrap(), Write::Applied);
    assert_eq!(catalog.timeline(&done).await.unwrap(), Some(timeline.clone()));
    let run = activate(&**catalog, &epoch, &failed).await;
    let ended = catalog.fail(&epoch, &failed, &run, "It is damaged.", Some(&timeline)).await;
    assert_eq!(ended.unwrap(), Write::Applied);
    assert_eq!(catalog.timeline(&failed).await.unwrap(), Some(timeline));
}

pub async fn the_images_beside_one_are_the_next_newer_and_older(tested: TestCatalog) {
    let catalog = &tested.catalog;
    let mut images = Vec::new();
    for name in ["a.png", "b.png", "c.png"] {
        images.push(accept(&**catalog, name).await.image);
        // Images are ordered by their time in milliseconds.
        elapse(Duration::from_millis(3)).await;
    }
    let beside = |index: usize| catalog.neighbours(&images[index]);
    let middle = beside(1).await.unwrap();
    assert_eq!((middle.previous.as_ref(), middle.next.as_ref()), (Some(&images[2]), Some(&images[0])));
    assert_eq!(beside(2).await.unwrap().previous, None);
    assert_eq!(beside(0).await.unwrap().next, None);
}
