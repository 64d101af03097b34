//! PostgreSQL is switched over to a standby, or stopped for a while.

use std::time::{Duration, Instant};

use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::job::JobState;

use crate::Site;
use crate::client::Client;
use crate::images::{oracle, sample};
use crate::proxy::{Proxy, Target};
use crate::zookeeper::Ensemble;

/// Time limit from the promotion until the array works again, including 2 s for a busy machine.
const RECOVERY: Duration = Duration::from_secs(5);
/// Time limit from a stopped server's return until the array works again. The master polls once a second, and nothing else
/// waits longer.
const RETURN: Duration = Duration::from_secs(2);
/// Allowance for a busy machine in measurements.
const BUSY: Duration = Duration::from_secs(2);

/// Uploads until one is accepted; returns it, and the time since `since`.
async fn first_accepted(client: &Client, since: Instant) -> (Accepted, Duration) {
    loop {
        match client.upload("after.png", sample("cell.png"), &Recipe::default()).await {
            Ok(accepted) => return (accepted, since.elapsed()),
            Err(problem) => assert!(problem.status == 503 && since.elapsed() < 4 * RECOVERY, "{problem:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn some_uploads(client: &Client) -> Vec<Accepted> {
    let mut taken = Vec::new();
    for number in 0..20 {
        taken.push(client.upload(&format!("{number}.png"), sample("cell.png"), &Recipe::default()).await.unwrap());
    }
    taken
}

async fn all_have_results(client: &Client, taken: &[Accepted]) {
    let expected = oracle(&sample("cell.png"), &Recipe::default());
    for accepted in taken {
        assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
        assert!(client.result(&accepted.image_id).await == expected, "{}", accepted.image_id);
    }
}

/// Makes the old primary read-only while it keeps its connections; `lead` directs clients to the new one.
async fn switches_over(mut site: Site, catalog: String, lead: impl FnOnce(&crate::Postgres)) {
    drop(server::catalog::open(&site.catalog).await.unwrap());
    site.catalog = catalog;
    let servers = site.two().await;
    let client = &servers[0].client;
    let mut taken = some_uploads(client).await;
    let standby = site.standby.as_ref().unwrap();
    site.postgres.demote().await;
    standby.promote_after(&site.postgres).await;
    lead(standby);
    let (accepted, took) = first_accepted(client, Instant::now()).await;
    taken.push(accepted);
    println!("an upload is accepted {took:.1?} after the promotion");
    assert!(took < RECOVERY, "{took:?}");
    taken.push(servers[1].client.upload("b.png", sample("cell.png"), &Recipe::default()).await.unwrap());
    for server in &servers {
        all_have_results(&server.client, &taken).await;
    }
}

async fn with_standby() -> (Site, String) {
    let mut site = Site::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    site.standby = Some(site.postgres.standby(Duration::ZERO));
    let database = site.catalog.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    (site, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_behind_one_address_costs_seconds_and_no_result() {
    let (site, database) = with_standby().await;
    let proxy = Proxy::start(vec![Target::Unix(site.postgres.socket())]).await;
    let catalog = format!("postgres://postgres@{}/{database}?sslmode=disable", proxy.address());
    switches_over(site, catalog, |standby| proxy.lead_new_to(vec![Target::Unix(standby.socket())])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_between_two_hosts_of_the_address_costs_seconds_and_no_result() {
    let (site, database) = with_standby().await;
    let hosts = [&site.postgres, site.standby.as_ref().unwrap()].map(|server| vec![Target::Unix(server.socket())]);
    let [first, second] = hosts.map(Proxy::start);
    let (first, second) = (first.await, second.await);
    // The standby comes first: a connecting client must go on to the primary.
    let hosts = format!("{},{}", second.address(), first.address());
    let catalog = format!("postgres://postgres@{hosts}/{database}?sslmode=disable&target_session_attrs=read-write");
    switches_over(site, catalog, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_was_stopped_works_within_two_seconds_of_its_return() {
    let mut site = Site::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    let servers = site.two().await;
    let client = &servers[0].client;
    let mut taken = Vec::new();
    for number in 0..100 {
        taken.push(client.upload(&format!("{number}.png"), sample("cell.png"), &Recipe::default()).await.unwrap());
    }
    site.postgres.stop();
    tokio::time::sleep(Duration::from_secs(20)).await;
    site.postgres.start_again();
    let back = Instant::now();
    let (accepted, took) = first_accepted(client, back).await;
    // One of the jobs in progress.
    let last = &taken.last().unwrap().image_id;
    client.until("the work to go on", |view| (view.backlog.queued < 90).then_some(())).await;
    let worked = back.elapsed();
    println!("accepted {took:.1?} and working {worked:.1?} after the return");
    assert!(took < RETURN, "{took:?}");
    assert!(worked < RETURN + BUSY, "{worked:?}");
    assert_eq!(client.ended(last).await.state, JobState::Done);
    taken.push(accepted);
    all_have_results(client, &taken).await;
}
