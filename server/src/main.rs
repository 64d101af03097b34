//! The `evenlight` binary.

use std::io::IsTerminal;
use std::process::ExitCode;

use base::causes::chain;
use clap::{Parser, Subcommand};
use server::cli::equalize::{self, EqualizeArgs};
use server::cli::orphans::{self, OrphansArgs};
use server::cli::process::Process;
use server::cli::serve::ServeArgs;
use server::logs::OwnLog;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Each part allocates and frees buffers of megabytes. The system's allocator returns them to the kernel, which zeroes
/// the pages again for the next one: more than half of the time spent on a TIFF.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Equalizes images on a fault-tolerant array of equal pods.
#[derive(Parser)]
#[command(name = "evenlight", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the pages and the API, and process images: one process of the array
    Serve(Box<ServeArgs>),
    /// Equalize files on this machine, without an array; the result is the same
    Equalize(Box<EqualizeArgs>),
    /// List, adopt or discard objects in the store that the catalog doesn't know, as after restoring a backup
    Orphans(Box<OrphansArgs>),
}

/// Keeps memory in small pages: many threads work on pieces of about 1 MiB, and in pages of 2 MiB a process of five pods takes a
/// third more memory, at the same speed.
fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        // Not an error: the process only takes more memory.
        eprintln!("evenlight: transparent huge pages stay enabled: {error}");
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => {
            without_huge_pages();
            run(serve(*args))
        }
        Command::Equalize(args) => equalize::run(*args),
        Command::Orphans(args) => run(orphans::run(*args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evenlight: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs a subcommand to its end. Pixel work that is still running doesn't keep the process alive.
fn run(serving: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(serving);
    runtime.shutdown_background();
    outcome
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("EVENLIGHT_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let colour = std::io::stderr().is_terminal();
    let said = OwnLog::default();
    let to_stderr = tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(to_stderr).with(said.clone()).init();
    let (data, faults) = (args.data.display().to_string(), args.allow_faults);
    // Registered before anything starts, so that no signal is missed.
    let stopped = stop_signal()?;
    let process = Process::start_logged(args, said).await?;
    println!("Evenlight is at http://{} – drop an image on the page.", process.address);
    let names: Vec<&str> = process.pods.iter().map(|pod| pod.as_str()).collect();
    println!("  pods        {} ({} coordination)", names.join(", "), process.coordinator);
    println!("              every pod works on tasks; the elected master assigns them");
    println!("  data        {data}");
    println!("  the array   http://{}/cluster, without JavaScript http://{}/status", process.address, process.address);
    if faults {
        println!("  faults      pods can be killed, frozen, cut off and started on the cluster page (--allow-faults)");
    }
    tokio::select! {
        () = stopped => {}
        why = process.refused() => {
            process.stop().await;
            anyhow::bail!(why);
        }
    }
    println!("Stopping: handing over and finishing running tasks. Press Ctrl-C again to quit immediately.");
    let again = stop_signal()?;
    tokio::select! {
        () = process.stop() => {}
        () = again => anyhow::bail!("quit immediately; running tasks are redone at the next start"),
    }
    Ok(())
}

/// Resolves on SIGINT (Ctrl-C) or SIGTERM.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
