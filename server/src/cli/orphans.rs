//! `evenlight orphans`: lists, adopts or discards objects in the store that the catalog doesn't know.
//!
//! It needs no array, and may run beside one: decisions are written into the catalog before anything is deleted, and
//! for each object the first decision counts, also against the master's.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base::causes::chain;
use bytesize::ByteSize;
use catalog::{Catalog, Fate};
use clap::Subcommand;
use codec::Limits;
use pipeline::compute::pixels::Pixels;
use pipeline::intake::accept::Accept;
use pipeline::intake::gauge::Gauge;
use pipeline::orphans::{Survey, is_original, note_generation};
use store::keys::Owner;
use store::{Found, Store};

use super::limits::LimitArgs;

/// Memory for reading headers, in bytes.
const MEMORY_BYTES: u64 = 64 << 20;

/// List, adopt or discard objects in the store that the catalog doesn't know.
#[derive(Debug, Clone, clap::Args)]
pub struct OrphansArgs {
    #[command(subcommand)]
    what: What,

    /// Folder for everything that --store and --catalog don't place elsewhere, as for `serve`
    #[arg(long, env = "EVENLIGHT_DATA", default_value = "data", value_name = "DIR", global = true)]
    data: PathBuf,

    /// Store of pixels and files, as for `serve`
    #[arg(long, env = "EVENLIGHT_STORE", value_name = "URL", global = true)]
    store: Option<String>,

    /// Catalog of images and jobs, as for `serve`
    #[arg(long, env = "EVENLIGHT_CATALOG", value_name = "URL", global = true)]
    catalog: Option<String>,

    #[command(flatten)]
    limits: LimitArgs,
}

/// Action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum What {
    /// List the objects, without changing anything
    List,
    /// Restore images whose originals are in the store: each gets a row and a job again, under its old address. All
    /// other unknown objects are deleted after --orphan-grace
    Adopt,
    /// Delete all of the objects
    Discard,
}

/// Runs the subcommand.
///
/// # Errors
/// A sentence: what can't be reached, or that some originals couldn't be adopted.
pub async fn run(args: OrphansArgs) -> Result<()> {
    base::crypto::install();
    let in_data = |name: &str| args.data.join(name).display().to_string();
    let store_url = args.store.clone().unwrap_or_else(|| in_data("store"));
    let catalog_url = args.catalog.clone().unwrap_or_else(|| in_data("catalog.sqlite"));
    let store = Store::open(&store_url).with_context(|| format!("can't open the store {store_url}"))?;
    let catalog = catalog::open(&catalog_url).await.context("can't open the catalog")?;
    let survey = Survey::make(&store, &*catalog).await?;
    let command = Command { store, catalog, limits: Limits::from(&args.limits) };
    match args.what {
        What::List => command.list(&survey).await,
        What::Adopt => command.adopt(&survey).await,
        What::Discard => command.discard(&survey).await,
    }
}

struct Command {
    store: Store,
    catalog: Arc<dyn Catalog>,
    limits: Limits,
}

impl Command {
    async fn list(&self, survey: &Survey) -> Result<()> {
        let (catalog, store) = (survey.generation, survey.seen);
        if survey.is_behind() {
            println!(
                "The catalog is older than the store: it is at generation {catalog}, and the store has seen {store}."
            );
        } else {
            println!("The catalog, at generation {catalog}, is as new as the store.");
        }
        let waited = self.catalog.orphans().await?;
        for (found, owner) in &survey.unknown {
            let name = found.name();
            let bytes = match found.unfinished {
                None => ByteSize(self.store.size(&found.key).await.unwrap_or_default()).to_string(),
                Some(_) => "unfinished".to_owned(),
            };
            let kind = if is_original(found, owner) { "original" } else { "other" };
            let known = waited.iter().find(|orphan| orphan.name == name);
            let since = known.map_or_else(
                || "not in quarantine yet".to_owned(),
                |orphan| match orphan.fate {
                    Some(Fate::Discarded) => "discarded".to_owned(),
                    Some(Fate::Adopted) => "being adopted".to_owned(),
                    None => format!(
                        "{} in quarantine",
                        humantime::format_duration(std::time::Duration::from_secs(orphan.waited.as_secs()))
                    ),
                },
            );
            println!("{kind:<8}  {bytes:>10}  {name}  {since}");
        }
        let originals = survey.unknown.iter().filter(|(found, owner)| is_original(found, owner)).count();
        println!("{} objects that the catalog doesn't know, {originals} of them originals.", survey.unknown.len());
        Ok(())
    }

    async fn adopt(&self, survey: &Survey) -> Result<()> {
        let originals = survey.unknown.iter().filter(|(found, owner)| is_original(found, owner));
        // In an old catalog, an upload that has been accepted since may still be `receiving`, and would be abandoned.
        let accepted_since = survey.receiving.iter().filter(|_| survey.is_behind());
        let all: Vec<&(Found, Owner)> = originals.chain(accepted_since).collect();
        let names: Vec<String> = all.iter().map(|(found, _)| found.name()).collect();
        let mine = self.catalog.decide(&names, Fate::Adopted).await?;
        let accept = Accept {
            store: self.store.clone(),
            catalog: self.catalog.clone(),
            pixels: Pixels::new(1, MEMORY_BYTES),
            limits: self.limits,
            max_upload_bytes: u64::MAX,
            doorbell: Arc::new(|| {}),
            gauge: Gauge::unmeasured(),
        };
        let (mut adopted, mut failed) = (0, Vec::new());
        for (found, owner) in all {
            let Owner::Upload(image, upload) = owner else { continue };
            let outcome = match mine.contains(&found.name()) {
                true => accept.adopt(image, upload).await.map_err(|error| chain(&error).to_string()),
                false => Err("already discarded".to_owned()),
            };
            match outcome {
                Ok(()) => adopted += 1,
                Err(why) => {
                    failed.push(found.name());
                    eprintln!("{}: {why}", found.key);
                }
            }
        }
        println!("{adopted} images brought back.");
        self.catalog.release_orphans(&failed).await?;
        self.settle(survey).await?;
        ensure!(failed.is_empty(), "{} originals couldn't be adopted and stay in quarantine", failed.len());
        Ok(())
    }

    async fn discard(&self, survey: &Survey) -> Result<()> {
        let names: Vec<String> = survey.unknown.iter().map(|(found, _)| found.name()).collect();
        let mine = self.catalog.decide(&names, Fate::Discarded).await?;
        let mut removed = 0;
        for (found, _) in survey.unknown.iter().filter(|(found, _)| mine.contains(&found.name())) {
            self.store.remove(found).await?;
            removed += 1;
        }
        println!("{removed} objects deleted.");
        self.settle(survey).await
    }

    /// Declares the catalog up to date with the store.
    async fn settle(&self, survey: &Survey) -> Result<()> {
        let generation = self.catalog.accept_generation(survey.seen).await?;
        note_generation(&self.store, generation).await?;
        Ok(())
    }
}
