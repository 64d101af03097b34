//! Faults of the store under whole pods: damage, failures, a full disk; and what the sweeper removes.

mod damage;
mod failing;
mod sweeping;

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use server::pod::PodConfig;
use server::store::Store;
use testkit::TestArray;
use testkit::array::Setup;

/// The pods of each test.
const PODS: [&str; 3] = ["pod-1", "pod-2", "pod-3"];

/// Starts three pods, configured like this, on a store in memory.
async fn array(configure: fn(&mut PodConfig)) -> TestArray {
    started(Arc::new(InMemory::new()), None, configure).await
}

/// Starts three pods, configured like this, on these objects, which are reached through `store` if it is set.
async fn started(objects: Arc<dyn ObjectStore>, store: Option<Store>, configure: fn(&mut PodConfig)) -> TestArray {
    let configure = move |config: &mut PodConfig| {
        config.backoff = Duration::from_millis(2);
        config.drain = Duration::from_secs(1);
        configure(config);
    };
    let array = TestArray::new(Setup { objects, store, configure: Box::new(configure), ..Setup::default() }).await;
    array.start(&PODS);
    array
}
