//! The services that all parts of a process share: the coordinator, the catalog and the store of one installation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use catalog::Catalog;
use coord::{Connector, FaultLink, embedded, zookeeper};
use pod::installation::{Installation, Places};
use store::Store;

use super::locks::Locks;
use super::serve::ServeArgs;

/// The opened services.
pub(super) struct Backends {
    pub(super) store: Store,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) installation: Arc<Installation>,
    /// Opens sessions with the coordinator, if it leads this installation.
    pub(super) connector: Arc<dyn Connector>,
    /// Keep other processes away from the data folder and a catalog in a file.
    pub(super) locks: Locks,
    coordination: Coordination,
}

impl Backends {
    /// Opens the store and the catalog. Doesn't wait for a coordinator or a store that doesn't answer. `address` is where this
    /// process listens.
    ///
    /// # Errors
    /// With what was tried and why it failed.
    pub(super) async fn open(args: &ServeArgs, address: &SocketAddr) -> anyhow::Result<Self> {
        let in_data = |name: &str| args.data.join(name).display().to_string();
        let store_url = args.store.clone().unwrap_or_else(|| in_data("store"));
        let store = Store::open(&store_url).with_context(|| format!("can't open the store {store_url}"))?;
        let catalog_url = args.catalog.clone().unwrap_or_else(|| in_data("catalog.sqlite"));
        let mut locks = Locks::take(&args.data, &catalog_url, args.zookeeper.is_none())?;
        let catalog = catalog::open(&catalog_url).await.context("can't open the catalog")?;
        let coordination = Coordination::of(args)?;
        let places = Places {
            catalog: without_password(&catalog_url),
            coordinator: coordination.place(args, address),
            store: without_password(&store_url),
        };
        let own = if args.zookeeper.is_none() { Some(locks.coordinator()?) } else { None };
        let installation = Installation::of(catalog.clone(), places, own, locks.keep_others_from_catalog()).await?;
        check_store(&installation, &store).await?;
        let connector = installation.guard(coordination.connector());
        Ok(Self { store, catalog, installation, connector, locks, coordination })
    }

    /// Returns a pod's connector, with a link of its own if the pod's sessions may be cut off.
    pub(super) async fn connection(
        &self,
        is_cuttable: bool,
    ) -> anyhow::Result<(Option<Arc<dyn FaultLink>>, Arc<dyn Connector>)> {
        if !is_cuttable {
            return Ok((None, self.connector.clone()));
        }
        let link = self.coordination.link().await?;
        let connector = self.installation.guard(link.clone() as Arc<dyn Connector>);
        Ok((Some(link), connector))
    }
}

/// Checks that the store belongs to this installation before anything is accepted. If the store doesn't answer in time,
/// continues the check in the background.
async fn check_store(installation: &Arc<Installation>, store: &Store) -> anyhow::Result<()> {
    /// How long startup waits for a store that doesn't answer.
    const STORE_TIMEOUT: Duration = Duration::from_secs(2);
    match tokio::time::timeout(STORE_TIMEOUT, installation.check_store(store)).await {
        Ok(checked) => checked.map_err(anyhow::Error::msg),
        Err(_) => {
            let (installation, store) = (installation.clone(), store.clone());
            tokio::spawn(async move {
                if let Err(why) = installation.check_store(&store).await {
                    installation.refuse(&why);
                }
            });
            Ok(())
        }
    }
}

/// Removes the password and query from an address, for display.
fn without_password(address: &str) -> String {
    match reqwest::Url::parse(address) {
        Ok(mut url) if url.has_host() => {
            // Fails only for URLs that can't have a password.
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string()
        }
        _ => address.to_owned(),
    }
}

/// The coordinator, as configured.
enum Coordination {
    Embedded(Arc<embedded::Embedded>),
    ZooKeeper(zookeeper::ZooKeeper),
}

impl Coordination {
    fn of(args: &ServeArgs) -> anyhow::Result<Self> {
        let session_timeout = args.session_timeout;
        Ok(match &args.zookeeper {
            None => Self::Embedded(embedded::Embedded::new(embedded::EmbeddedConfig { session_timeout })),
            Some(servers) => Self::ZooKeeper(zookeeper::ZooKeeper::new(servers, session_timeout)?),
        })
    }

    /// Describes where the coordinator is, for display.
    fn place(&self, args: &ServeArgs, address: &SocketAddr) -> String {
        match &args.zookeeper {
            Some(servers) => format!("ZooKeeper {servers}"),
            None => format!("embedded in the process at {address} with the data folder {}", args.data.display()),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        match self {
            Self::Embedded(embedded) => embedded.connector(),
            Self::ZooKeeper(zookeeper) => Arc::new(zookeeper.clone()),
        }
    }

    /// Creates a connector for one pod, which can be cut off without affecting the others.
    async fn link(&self) -> anyhow::Result<Arc<dyn FaultLink>> {
        Ok(match self {
            Self::Embedded(embedded) => embedded::FaultConnector::new(embedded),
            Self::ZooKeeper(zookeeper) => {
                let leashed = zookeeper::FaultConnector::new(zookeeper).await;
                leashed.context("no free port for a pod's connection to ZooKeeper")?
            }
        })
    }
}
