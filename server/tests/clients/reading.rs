//! Clients that send requests and never read.

use std::time::{Duration, Instant};

use futures::StreamExt;
use shared::equalize::Recipe;
use shared::id::ImageId;
use testkit::images::gray8_tiff;
use testkit::{S3, Server, elapse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::EVENLIGHT;
use crate::raw::{ANOTHER, ONE, connect, http, in_time, request, rest, send, until_answered};

/// Time limit of a download by a client that reads, on a busy machine.
const PROMPT: Duration = Duration::from_secs(20);
/// Maximum number of threads if none waits for a client: the runtime's, the pixel threads, and those that the store may block.
const THREADS: u64 = 120;

/// A process with one image.
struct ServerWithImage {
    server: Server,
    image: ImageId,
    original: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl ServerWithImage {
    /// Starts a process with one image of 12 MB.
    async fn new(s3: Option<&'static S3>, client_timeout: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let mut variables = s3.as_ref().map(|s3| s3.variables()).unwrap_or_default();
        variables.push(("EVENLIGHT_CLIENT_TIMEOUT".to_owned(), client_timeout.to_owned()));
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        let store = s3.as_ref().map(|s3| format!("s3://{}/here", s3.bucket()));
        let mut args = vec!["--data", &data, "--pods", "1", "--min-pods", "9"];
        args.extend(store.iter().flat_map(|store| ["--store", store]));
        let server = EVENLIGHT.serve_with("pod", folder.path(), &args, &variables);
        let original = gray8_tiff(4_000, 3_000);
        let accepted = server.client.upload("large.tif", original.clone(), &Recipe::default()).await.unwrap();
        Self { server, image: accepted.image_id, original, _folder: folder }
    }

    fn path(&self) -> String {
        format!("/api/images/{}/original", self.image)
    }

    fn zip(&self) -> String {
        format!("/api/images/zip?what=original&image={}", self.image)
    }

    /// Opens connections that have sent this request and read nothing.
    async fn unread(&self, count: usize, path: &str) -> Vec<TcpStream> {
        let request = request("GET", path, &[]);
        futures::future::join_all((0..count).map(|_| send(&self.server.address, ONE, &request))).await
    }

    /// Downloads the image from an address, and returns the duration.
    async fn download(&self, from: &str) -> Duration {
        let begun = Instant::now();
        let url = format!("http://{}{}", self.server.address, self.path());
        let answer = in_time("a download", http(from).get(url).send()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let bytes = in_time("a download's bytes", answer.bytes()).await.unwrap();
        assert!(bytes == self.original, "{} bytes came", bytes.len());
        begun.elapsed()
    }

    /// Sends `count` requests for `path` without reading, and checks their cost and that others are served meanwhile.
    async fn bears(&self, count: usize, path: &str) {
        let before = self.server.memory();
        let unread = self.unread(count, path).await;
        // All of them are answered, or as many as one address may download at a time.
        until_answered(&unread, count.min(150)).await;
        let (other, own) = (self.download(ANOTHER).await, self.download(ONE).await);
        let (threads, grown) = (self.server.threads(), self.server.memory().saturating_sub(before) >> 20);
        println!("{count} unread: {threads} threads, +{grown} MiB; another download took {other:.1?} and {own:.1?}");
        assert!(threads < THREADS, "{threads} threads");
        // 192 at a time, each of which may hold about five pieces of 128 KiB; 64 MiB ahead of fast clients; and what the
        // allocator keeps.
        assert!(grown < 300, "+{grown} MiB");
        assert!(other < PROMPT && own < PROMPT, "another download took {other:.1?} and {own:.1?}");
        drop(unread);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_unread_zips_cost_little_and_others_are_served() {
    let loaded = ServerWithImage::new(None, "60s").await;
    loaded.bears(530, &loaded.zip()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_unread_downloads_on_s3_cost_little_and_others_are_served() {
    let loaded = ServerWithImage::new(Some(S3::shared()), "60s").await;
    loaded.bears(300, &loaded.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_cut_off_and_what_was_held_is_free() {
    let loaded = ServerWithImage::new(None, "2s").await;
    for path in [loaded.path(), loaded.zip()] {
        let unread = loaded.unread(20, &path).await;
        until_answered(&unread, 20).await;
        // Three times the timeout: the server ends each of them long before it has been sent completely.
        elapse(Duration::from_secs(6)).await;
        for connection in unread {
            let came = rest(connection).await;
            assert!(came.len() < loaded.original.len() / 2, "{path}: {} bytes came", came.len());
        }
    }
    loaded.download(ONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_download_and_a_quiet_event_stream_outlive_the_timeout() {
    let loaded = ServerWithImage::new(None, "2s").await;
    let events = format!("http://{}/api/events", loaded.server.address);
    let mut events = http(ONE).get(events).send().await.unwrap().bytes_stream();
    let mut slow = TcpStream::connect(&loaded.server.address).await.unwrap();
    slow.write_all(request("GET", &loaded.path(), &[("connection", "close")]).as_bytes()).await.unwrap();
    let (begun, mut got, mut piece) = (Instant::now(), Vec::new(), vec![0; 24 << 10]);
    while begun.elapsed() < Duration::from_secs(10) {
        let read = in_time("some of a slow download", slow.read(&mut piece)).await.unwrap();
        assert!(read > 0, "ended after {:?}", begun.elapsed());
        got.extend_from_slice(&piece[..read]);
        elapse(Duration::from_millis(100)).await;
    }
    in_time("the rest of a slow download", slow.read_to_end(&mut got)).await.unwrap();
    assert!(got.ends_with(&loaded.original), "the download isn't whole");
    // It has had only keep-alive messages to send, every 15 s.
    while begun.elapsed() < Duration::from_secs(20) {
        in_time("a sign of life", events.next()).await.expect("the event stream ended").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_broken_off_costs_nothing_afterwards() {
    let loaded = ServerWithImage::new(None, "60s").await;
    for _ in 0..5 {
        drop(loaded.unread(200, &loaded.path()).await);
    }
    let _idle = connect(&loaded.server.address, ONE).await;
    assert!(loaded.download(ONE).await < PROMPT);
}
