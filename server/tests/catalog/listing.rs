//! The gallery's pages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use server::catalog::{Catalog, Error};
use shared::equalize::Recipe;
use shared::gallery::{Image, ImageQuery, Sort};
use shared::id::ImageId;
use shared::job::{Format, ImageInfo, JobState};
use shared::pixels::{Depth, Layout};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::bench::*;

async fn names(catalog: &dyn Catalog, query: ImageQuery) -> Vec<String> {
    catalog.images(&query).await.unwrap().items.into_iter().map(|image| image.name).collect()
}

fn searching(q: &str) -> ImageQuery {
    ImageQuery { q: Some(q.to_owned()), sort: Some(Sort::Name), ..Default::default() }
}

pub async fn pages_go_through_a_thousand_images_in_each_order_while_images_are_added(bench: Bench) {
    let catalog = bench.catalog.as_ref();
    fill(&bench, 1_000).await;
    let all: BTreeSet<ImageId> = walk(catalog, ImageQuery { limit: Some(200), ..Default::default() }, false)
        .await
        .into_iter()
        .map(|image| image.id)
        .collect();
    assert_eq!(all.len(), 1_000);

    for (sort, limit) in [(Sort::Newest, 7), (Sort::Oldest, 50), (Sort::Name, 13), (Sort::Newest, 200), (Sort::Name, 1)]
    {
        let one_by_one = limit == 1;
        let q = one_by_one.then(|| "7".to_owned());
        let query = ImageQuery { limit: Some(limit), sort: Some(sort), q, ..Default::default() };
        let seen = walk(catalog, query, !one_by_one).await;
        let ids: BTreeSet<ImageId> = seen.iter().map(|image| image.id.clone()).collect();
        assert_eq!(ids.len(), seen.len(), "{sort:?}: an image came twice");
        if !one_by_one {
            assert!(ids.is_superset(&all), "{sort:?}: an image is missing");
        }
        let in_order = seen.windows(2).all(|two| match sort {
            Sort::Newest => (two[0].created, &two[0].id) > (two[1].created, &two[1].id),
            Sort::Oldest => (two[0].created, &two[0].id) < (two[1].created, &two[1].id),
            Sort::Name => two[0].name.to_lowercase() <= two[1].name.to_lowercase(),
        });
        assert!(in_order, "{sort:?}");
    }
}

/// All pages; `adding` accepts an image before each.
async fn walk(catalog: &dyn Catalog, mut query: ImageQuery, adding: bool) -> Vec<Image> {
    let mut seen = Vec::new();
    loop {
        if adding {
            accept(catalog, &format!("Added {}.png", seen.len())).await;
        }
        let page = catalog.images(&query).await.unwrap();
        assert!(page.items.len() <= query.limit.unwrap() as usize);
        seen.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return seen;
        }
    }
}

pub async fn images_are_found_by_any_part_of_their_name_whatever_its_case(bench: Bench) {
    let catalog = bench.catalog.as_ref();
    for name in
        ["Straße ÄÖ.png", "100%.png", "100x.png", "a_b.png", "aXb.png", "wow!.png", "ΟΔΟΣ.png", "back\\slash.png"]
    {
        accept(catalog, name).await;
    }
    for (q, expected) in [
        ("äö", vec!["Straße ÄÖ.png"]),
        ("STRAß", vec!["Straße ÄÖ.png"]),
        ("100%", vec!["100%.png"]),
        ("A_B", vec!["a_b.png"]),
        ("!", vec!["wow!.png"]),
        ("\\S", vec!["back\\slash.png"]),
        ("οδοσ", vec!["ΟΔΟΣ.png"]),
        ("nothing", vec![]),
        ("' OR 1=1 --", vec![]),
    ] {
        assert_eq!(names(catalog, searching(q)).await, expected, "{q:?}");
    }
    assert_eq!(names(catalog, searching("")).await.len(), 8);
    assert_eq!(names(catalog, searching("PNG")).await[..3], ["100%.png", "100x.png", "a_b.png"]);
}

pub async fn images_are_found_by_the_state_of_their_latest_job(bench: Bench) {
    let catalog = bench.catalog.as_ref();
    let epoch = epoch(catalog).await;
    let mut images = BTreeMap::new();
    for name in ["queued", "running", "done", "failed", "again"] {
        images.insert(name, accept(catalog, name).await);
    }
    activate(catalog, &epoch, &images["running"].job).await;
    publish(catalog, &epoch, &images["done"].job).await;
    fail(catalog, &epoch, &images["failed"].job, "No.").await;
    publish(catalog, &epoch, &images["again"].job).await;
    catalog.add_job(&images["again"].image, &id(), &channels(), None).await.unwrap();
    // An older job than the latest one changes nothing of what the image shows.
    let older = id();
    catalog.add_job(&images["done"].image, &older, &channels(), None).await.unwrap();
    let latest = id();
    catalog.add_job(&images["done"].image, &latest, &channels(), None).await.unwrap();
    publish(catalog, &epoch, &latest).await;
    fail(catalog, &epoch, &older, "Old.").await;

    let of = async |state| {
        names(catalog, ImageQuery { state: Some(state), sort: Some(Sort::Name), ..Default::default() }).await
    };
    assert_eq!(of(JobState::Queued).await, ["again", "queued"]);
    assert_eq!(of(JobState::Running).await, ["running"]);
    assert_eq!(of(JobState::Done).await, ["done"]);
    assert_eq!(of(JobState::Failed).await, ["failed"]);
    let both = ImageQuery { state: Some(JobState::Queued), q: Some("AG".into()), ..Default::default() };
    assert_eq!(names(catalog, both).await, ["again"]);
}

pub async fn an_image_is_shown_as_its_header_says(bench: Bench) {
    let catalog = bench.catalog.as_ref();
    let info = ImageInfo {
        format: Format::Tiff,
        layout: Layout::Rgb,
        depth: Depth::Sixteen,
        orientation: 6,
        ..info(4_000, 3_000)
    };
    let accepted = accept_as(catalog, &upload("turned.tif", None), info).await;
    let image = catalog.image(&accepted.image).await.unwrap().unwrap();
    assert_eq!((image.width, image.height, image.orientation), (3_000, 4_000, 6));
    assert_eq!((image.channels, image.depth, image.format), (3, 16, Format::Tiff));
    assert_eq!(catalog.images(&ImageQuery::default()).await.unwrap().items, [image]);
}

pub async fn a_question_that_makes_no_sense_is_answered_with_a_sentence(bench: Bench) {
    let catalog = bench.catalog.as_ref();
    for _ in 0..2 {
        accept(catalog, "a.png").await;
    }
    let one = ImageQuery { limit: Some(1), ..Default::default() };
    let next = catalog.images(&one).await.unwrap().next;
    assert!(next.is_some());
    let questions = [
        (ImageQuery { limit: Some(0), ..Default::default() }, "between 1 and 200"),
        (ImageQuery { limit: Some(201), ..Default::default() }, "between 1 and 200"),
        (ImageQuery { cursor: Some("nonsense".into()), ..Default::default() }, "cursor"),
        (ImageQuery { cursor: next.clone(), sort: Some(Sort::Name), ..Default::default() }, "another order"),
        (ImageQuery { q: Some("x".repeat(256)), ..Default::default() }, "255"),
    ];
    for (query, expected) in questions {
        let error = catalog.images(&query).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(text) if text.contains(expected)), "{query:?}: {error}");
    }
    let rest = catalog.images(&ImageQuery { limit: Some(200), cursor: next, ..Default::default() }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
}

/// Reports, asserts nothing but the answers' sizes: machines differ.
pub async fn a_gallery_of_a_hundred_thousand_images_is_measured(bench: Bench) {
    let catalog = bench.catalog.as_ref();
    let began = Instant::now();
    fill(&bench, 100_000).await;
    let kind = if bench.is_postgres() { "PostgreSQL" } else { "SQLite" };
    println!("{kind}: 100,000 images made in {:.1} s", began.elapsed().as_secs_f64());

    let sorted = |sort| ImageQuery { sort: Some(sort), ..Default::default() };
    let mut deep = ImageQuery { limit: Some(200), sort: Some(Sort::Name), ..Default::default() };
    for _ in 0..20 {
        deep.cursor = catalog.images(&deep).await.unwrap().next;
    }
    let rare = ImageQuery { state: Some(JobState::Failed), ..Default::default() };
    let found = ImageQuery { q: Some("E 99999.".into()), ..Default::default() };
    let not_found = ImageQuery { q: Some("nowhere".into()), ..Default::default() };
    for (what, query, items) in [
        ("newest", sorted(Sort::Newest), 50),
        ("oldest", sorted(Sort::Oldest), 50),
        ("by name", sorted(Sort::Name), 50),
        ("the 21st page of 200 by name", deep, 200),
        ("failed (none)", rare, 0),
        ("q found once", found, 1),
        ("q found nowhere", not_found, 0),
    ] {
        let began = Instant::now();
        assert_eq!(catalog.images(&query).await.unwrap().items.len(), items, "{what}");
        println!("{kind}: {what}: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    }
    let began = Instant::now();
    assert_eq!(catalog.backlog().await.unwrap().queued, 100_000);
    println!("{kind}: backlog of 100,000: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    assert_eq!(catalog.queued(8, 0, 16_000_000).await.unwrap().len(), 8);
    println!("{kind}: the head of the queue: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
}

/// Accepted images, made inside the database: many share the moment they were accepted at, and some their name.
async fn fill(bench: &Bench, number: u32) {
    let images = "INSERT INTO images (id, upload, state, touched, name, name_key, first_job, first_recipe,
                                      original, bytes, sha256, info, pixels, created)
                  SELECT {id}, {id}, 'accepted', 0, 'Image ' || n || '.png', 'image ' || n || '.png', {id}, '{recipe}',
                         'key', 1, '{sha256}', '{info}', 1, 1700000000000 + n * 7919 % 50 FROM numbers";
    let jobs = "INSERT INTO jobs (id, image, recipe, pixels, state, runs, created)
                SELECT {id}, {id}, '{recipe}', 1, 'queued', 0, 1700000000000 FROM numbers";
    let (numbers, of_n) = if bench.is_postgres() {
        ("SELECT generate_series(1, {number}) AS n", "md5(n::text)")
    } else {
        let numbers = "SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {number}";
        (numbers, "printf('%032x', n * 2654435761 % 4294967296)")
    };
    let statements = [images, jobs]
        .map(|insert| {
            format!("WITH RECURSIVE numbers AS ({numbers}) {insert}")
                .replace("{number}", &number.to_string())
                .replace("{id}", of_n)
                .replace("{recipe}", &serde_json::to_string(&Recipe::default()).unwrap())
                .replace("{info}", &serde_json::to_string(&info(640, 480)).unwrap())
                .replace("{sha256}", &"ab".repeat(32))
        })
        .map(sqlx::AssertSqlSafe);
    if bench.is_postgres() {
        let mut database = PgConnection::connect(bench.url()).await.unwrap();
        for statement in statements {
            sqlx::query(statement).execute(&mut database).await.unwrap();
        }
        // As PostgreSQL does by itself after a while.
        sqlx::query("VACUUM ANALYZE").execute(&mut database).await.unwrap();
    } else {
        let mut database = SqliteConnection::connect(bench.url()).await.unwrap();
        for statement in statements {
            sqlx::query(statement).execute(&mut database).await.unwrap();
        }
    }
}
