#![allow(clippy::unwrap_used)]

use futures::FutureExt;

use super::*;

fn pod(name: &str) -> PodName {
    name.parse().unwrap()
}

fn book(entries: usize) -> LogBook {
    let book = LogBook::new(Bounds { entries, pods: 3, ..Bounds::default() });
    book.open(&pod("a"));
    book
}

/// Returns what a reader gets now, without waiting.
fn now(reader: &mut Reader) -> Vec<String> {
    let mut read = Vec::new();
    while let Some(Some(next)) = reader.next().now_or_never() {
        read.push(match next {
            Read::Entry(entry) => entry.1.text.clone(),
            Read::Missed => "missed".to_owned(),
        });
    }
    read
}

fn say(book: &LogBook, name: &str, times: std::ops::Range<i64>) {
    for at in times {
        book.say(&pod(name), at, LogKind::Line, &at.to_string());
    }
}

#[test]
fn a_reader_goes_on_where_it_stopped_also_at_another_book() {
    let (one, other) = (book(100), book(100));
    say(&one, "a", 0..5);
    say(&other, "a", 0..5);
    assert_eq!(now(&mut one.read(&pod("a"), None, 2).unwrap()), ["3", "4"]);
    let stopped = LogId { at: 2, nth: 0 };
    assert_eq!(now(&mut other.read(&pod("a"), Some(stopped), 2).unwrap()), ["3", "4"]);
}

#[test]
fn lines_of_one_moment_are_told_apart() {
    let book = book(100);
    for text in ["x", "x", "y"] {
        book.say(&pod("a"), 7, LogKind::Line, text);
    }
    assert_eq!(now(&mut book.read(&pod("a"), Some(LogId { at: 7, nth: 0 }), 9).unwrap()), ["x", "y"]);
}

#[test]
fn what_another_book_gave_already_is_not_given_again_when_it_comes_here_late() {
    let book = book(100);
    say(&book, "a", 0..3);
    let mut reader = book.read(&pod("a"), Some(LogId { at: 5, nth: 0 }), 9).unwrap();
    assert!(now(&mut reader).is_empty());
    say(&book, "a", 3..8);
    assert_eq!(now(&mut reader), ["6", "7"]);
}

#[test]
fn a_reader_that_was_too_slow_is_told_so_and_goes_on_with_what_there_is() {
    let book = book(3);
    say(&book, "a", 0..1);
    let mut reader = book.read(&pod("a"), None, 9).unwrap();
    assert_eq!(now(&mut reader), ["0"]);
    say(&book, "a", 1..9);
    assert_eq!(now(&mut reader), ["missed", "6", "7", "8"]);
    let long_ago = LogId { at: 2, nth: 0 };
    assert_eq!(now(&mut book.read(&pod("a"), Some(long_ago), 9).unwrap()), ["missed", "6", "7", "8"]);
}

#[test]
fn a_book_holds_no_more_bytes_than_it_may() {
    let book = LogBook::new(Bounds { bytes: 100_000, ..Bounds::default() });
    book.open(&pod("a"));
    for at in 0..1_000 {
        book.say(&pod("a"), at, LogKind::Line, &"ü".repeat(50_000));
    }
    let kept = book.tail(&pod("a"), usize::MAX).unwrap();
    let bytes: usize = kept.iter().map(|entry| entry.1.text.len()).sum();
    assert!(bytes <= 100_000 && !kept.is_empty(), "{bytes} bytes are kept");
    assert!(kept[0].1.text.ends_with('…') && kept[0].1.text.len() <= LONGEST_LINE + '…'.len_utf8());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_is_kept_for_a_while_and_those_that_went_first_make_room() {
    let book = book(100);
    say(&book, "a", 0..2);
    book.gone(&pod("a"));
    assert_eq!(book.tail(&pod("a"), 9).unwrap().len(), 2, "gone, and kept");
    for name in ["b", "c"] {
        tokio::time::advance(Duration::from_secs(1)).await;
        book.open(&pod(name));
        book.gone(&pod(name));
    }
    book.open(&pod("d"));
    assert!(!book.has(&pod("a")), "it went first, and there is room for three");
    assert!(book.has(&pod("b")) && book.has(&pod("d")));
    tokio::time::advance(Bounds::default().gone).await;
    book.open(&pod("e"));
    assert!(!book.has(&pod("b")) && book.has(&pod("d")), "one that is there is never forgotten");
}

#[tokio::test]
async fn a_closed_book_ends_its_readers() {
    let book = book(100);
    let mut reader = book.read(&pod("a"), None, 9).unwrap();
    let waiting = tokio::spawn(async move { reader.next().await });
    book.close();
    assert_eq!(waiting.await.unwrap(), None);
}

#[test]
fn colours_and_line_ends_of_a_terminal_are_left_out() {
    assert_eq!(cut("\u{1b}[31mred\u{1b}[0m\ttab\r\n"), "[31mred[0m\ttab");
}

#[test]
fn a_process_that_says_something_of_a_pod_says_it_in_that_pods_log() {
    use tracing_subscriber::layer::SubscriberExt;
    let own = OwnLog::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(own.clone()), || {
        tracing::info!("early");
        own.belongs_to(&[pod("a"), pod("b")]);
        tracing::info!(pod = %pod("a"), epoch = 3, "leads");
        tracing::warn!("of the process");
    });
    let said = |name: &str| -> Vec<String> {
        own.book().tail(&pod(name), 9).unwrap().iter().map(|entry| entry.1.text.clone()).collect()
    };
    let target = "logs::tests";
    assert_eq!(
        said("a"),
        [
            format!(" INFO {target}: early"),
            format!(" INFO {target}: leads pod=a epoch=3"),
            format!(" WARN {target}: of the process")
        ]
    );
    assert_eq!(said("b").len(), 2);
}
