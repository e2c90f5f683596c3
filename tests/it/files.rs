//! The file source: what lies on a disk, and what comes through a pipe.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use trailwatch::delivery::{Delivery, Origin, Place, Receipt};
use trailwatch::source::Source;
use trailwatch::source::file::{FileLimits, Files};

use super::notices::Notices;

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of files, and what is told about them.
struct Lab {
    folder: tempfile::TempDir,
    notices: Notices,
}

impl Lab {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), notices: Notices::default() }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn files(&self, paths: &[&Path], limits: FileLimits) -> Files {
        Files::new(paths.iter().map(|path| path.to_path_buf()).collect(), limits, self.notices.notify())
    }

    /// What was told, with the folder's name taken out.
    fn told(&self) -> String {
        let folder = self.folder.path().display().to_string();
        self.notices.text().replace(&folder, "")
    }

    /// Reads everything: origins without the folder's name, and bodies.
    async fn read(&self, files: &Files) -> Vec<(String, String)> {
        let folder = format!("{}/", self.folder.path().display());
        let shown = |delivery: &Delivery| {
            (delivery.origin.to_string().replace(&folder, ""), String::from_utf8_lossy(&delivery.body).into_owned())
        };
        all(files).await.iter().map(shown).collect()
    }
}

async fn all(files: &Files) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Some(batch) = next(files).await {
        all.extend(batch);
    }
    all
}

async fn next(files: &Files) -> Option<Vec<Delivery>> {
    tokio::time::timeout(PATIENCE, files.next()).await.expect("it takes too long").unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(origin, body)| ((*origin).to_owned(), (*body).to_owned())).collect()
}

#[tokio::test]
async fn folders_are_read_by_name_and_strangers_left_out() {
    let lab = Lab::new();
    lab.write("b/2.json.gz", gzip(b"{\"Records\":[\n]}"));
    lab.write("b/1.ndjson", "{\"a\":1}\n{\"a\":2}\n");
    lab.write("a.log", "text\n");
    lab.write("picture.png", "no");
    lab.write("b/readme.md", "no");
    let files = lab.files(&[lab.folder.path()], FileLimits::default());
    let expected =
        [("a.log:1", "text"), ("b/1.ndjson:1", "{\"a\":1}\n{\"a\":2}"), ("b/2.json.gz", "{\"Records\":[\n]}")];
    assert_eq!(lab.read(&files).await, pairs(&expected));
    insta::assert_snapshot!(lab.told(), @"2 files in folders are left out, `/b/readme.md` first (only `*.json`, `*.json.gz`, `*.ndjson`, `*.jsonl`, `*.log`, `*.gz`, `*.txt` are read there)");
    assert_eq!((files.report().deliveries, files.report().unreadable), (3, 0));
    let progress = files.progress();
    assert_eq!((progress.read_bytes(), progress.files()), (progress.total_bytes(), 3));
}

#[tokio::test]
async fn what_is_named_is_read_whatever_it_is_called() {
    let lab = Lab::new();
    let path = lab.write("export", "{\"a\":1}\n");
    let files = lab.files(&[&path], FileLimits::default());
    assert_eq!(lab.read(&files).await, pairs(&[("export:1", "{\"a\":1}")]));
    assert_eq!(*files.name(), *path.to_string_lossy());
    assert_eq!(files.checkpoint(&[Receipt(1)]), None);
}

#[tokio::test]
async fn lines_come_in_chunks_with_their_numbers() {
    let lab = Lab::new();
    let lines: String = (0..50_000).map(|number| format!("{{\"number\":{number}}}\n")).collect();
    let path = lab.write("many.ndjson.gz", gzip(lines.as_bytes()));
    let limits = FileLimits { chunk_bytes: 100_000, ..FileLimits::default() };
    let deliveries = all(&lab.files(&[&path], limits)).await;
    assert!(deliveries.len() > 5);
    let mut line = 1;
    for (index, delivery) in deliveries.iter().enumerate() {
        assert_eq!(delivery.receipt, Receipt(index as u64 + 1));
        assert_eq!(delivery.origin, Origin::line(path.to_string_lossy(), line));
        let first = format!("{{\"number\":{}}}\n", line - 1);
        assert!(delivery.body.starts_with(first.as_bytes()));
        line += delivery.body.split(|byte| *byte == b'\n').count() as u64;
    }
    assert_eq!(line, 50_001);
}

/// Small files are read while a large one before them still is.
#[tokio::test]
async fn files_come_in_order_however_long_each_takes_and_so_do_complaints() {
    let lab = Lab::new();
    for number in 10..40 {
        let lines = "{\"line\":\"of a file\"}\n".repeat(if number % 4 == 0 { 20_000 } else { 3 });
        let whole = gzip(lines.as_bytes());
        let kept = if number % 5 == 0 { whole.len() / 2 } else { whole.len() };
        lab.write(&format!("{number}.ndjson.gz"), &whole[..kept]);
    }
    let limits = FileLimits { chunk_bytes: 10_000, ratio_max: 2_000, ..FileLimits::default() };
    let files = lab.files(&[lab.folder.path()], limits);
    let deliveries = all(&files).await;
    let receipts: Vec<u64> = deliveries.iter().map(|delivery| delivery.receipt.0).collect();
    assert_eq!(receipts, (1..=deliveries.len() as u64).collect::<Vec<_>>());
    let place = |delivery: &Delivery| match delivery.origin.place {
        Place::Line(line) => (delivery.origin.source.clone(), line),
        _ => (delivery.origin.source.clone(), 0),
    };
    assert!(deliveries.is_sorted_by_key(place), "{deliveries:?}");
    let told = lab.told();
    let complaints: Vec<&str> = told.lines().collect();
    assert_eq!((complaints.len(), files.report().unreadable), (6, 6), "{told}");
    assert!(complaints.is_sorted(), "{told}");
}

#[tokio::test]
async fn a_line_too_long_is_told_with_its_number_and_the_rest_goes_on() {
    let lab = Lab::new();
    let path = lab.write("long.ndjson", format!("{{}}\n{{\"a\":\"{}\"}}\n{{\"b\":1}}\n", "x".repeat(1_000)));
    let files = lab.files(&[&path], FileLimits { line_bytes_max: 100, ..FileLimits::default() });
    let expected = [("long.ndjson:1", "{}"), ("long.ndjson:3", "{\"b\":1}")];
    assert_eq!(lab.read(&files).await, pairs(&expected));
    assert_eq!(files.report().unreadable, 1);
    insta::assert_snapshot!(lab.told(), @"/long.ndjson:2: a line of more than 100 bytes is left out (1 such lines in this file)");
}

#[tokio::test]
async fn a_document_too_large_is_left_out_and_the_rest_goes_on() {
    let lab = Lab::new();
    let large = lab.write("1.json", format!("{{\n\"a\":\"{}\"}}", "x".repeat(1_000)));
    let small = lab.write("2.json", "{\n}");
    let files = lab.files(&[&large, &small], FileLimits { document_bytes_max: 100, ..FileLimits::default() });
    assert_eq!(lab.read(&files).await, pairs(&[("2.json", "{\n}")]));
    assert_eq!(files.report().unreadable, 1);
    insta::assert_snapshot!(lab.told(), @"`/1.json` is a document of more than 100 bytes and is left out (split it)");
}

#[tokio::test]
async fn a_large_document_on_one_line_is_one_delivery() {
    let lab = Lab::new();
    let text = format!("{{\"Records\":[{}{{}}]}}", "{\"eventVersion\":\"1.11\"},".repeat(100_000));
    let path = lab.write("records.json.gz", gzip(text.as_bytes()));
    let limits = FileLimits { ratio_max: 2_000, ..FileLimits::default() };
    let deliveries = all(&lab.files(&[&path], limits)).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].origin, Origin::whole(path.to_string_lossy()));
    assert_eq!(deliveries[0].body, text.as_bytes());
}

/// Each waits for its turn, and for the one before it to be taken.
#[tokio::test]
async fn large_documents_come_in_order_among_small_ones_and_broken_ones() {
    let lab = Lab::new();
    for number in 10..40 {
        let elements = if number % 3 == 0 { 1 } else { 200 };
        let document = gzip(format!("[\n{}1]", "1,\n".repeat(elements)).as_bytes());
        let kept = if number % 5 == 0 { document.len() - 9 } else { document.len() };
        lab.write(&format!("{number}.json.gz"), &document[..kept]);
    }
    let limits = FileLimits { document_bytes_ahead: 100, ..FileLimits::default() };
    let files = lab.files(&[lab.folder.path()], limits);
    let deliveries = all(&files).await;
    assert!(deliveries.is_sorted_by_key(|delivery| delivery.origin.source.clone()), "{deliveries:?}");
    assert_eq!((deliveries.len(), files.report().unreadable), (30, 6));
}

#[tokio::test]
async fn what_a_broken_gzip_gave_before_it_broke_is_used() {
    let lab = Lab::new();
    let lines: String = (0..20_000).map(|number| format!("{{\"number\":{}}}\n", number * 7_919 % 10_007)).collect();
    let whole = gzip(lines.as_bytes());
    let path = lab.write("broken.ndjson.gz", &whole[..whole.len() / 2]);
    let files = lab.files(&[&path], FileLimits::default());
    let deliveries = all(&files).await;
    assert!(deliveries.iter().map(|delivery| delivery.body.len()).sum::<usize>() > lines.len() / 4);
    assert!(deliveries[0].body.starts_with(b"{\"number\":0}\n"));
    assert_eq!(files.report().unreadable, 1);
    insta::assert_snapshot!(lab.told(), @"cannot read `/broken.ndjson.gz` to its end: incomplete deflate stream (what came before is used)");
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped() {
    let lab = Lab::new();
    let path = lab.write("bomb.json.gz", gzip(&vec![b' '; 24 << 20]));
    let files = lab.files(&[&path], FileLimits::default());
    assert!(all(&files).await.is_empty());
    assert_eq!(files.report().unreadable, 1);
    insta::assert_snapshot!(lab.told(), @"cannot read `/bomb.json.gz` to its end: it inflates to more than 200 times its size (what came before is used)");
}

#[tokio::test]
async fn what_is_missing_is_told_and_the_rest_goes_on() {
    let lab = Lab::new();
    let there = lab.write("there.json", "{}");
    let missing = lab.folder.path().join("missing.json");
    let files = lab.files(&[&missing, &there], FileLimits::default());
    assert_eq!(lab.read(&files).await, pairs(&[("there.json", "{}")]));
    assert_eq!((files.report().unreadable, &*files.name()), (1, "files"));
    insta::assert_snapshot!(lab.told(), @"cannot read `/missing.json`: No such file or directory (os error 2)");
}

#[tokio::test]
async fn empty_files_give_nothing() {
    let lab = Lab::new();
    let paths = [lab.write("1.json", ""), lab.write("2.json", "\n \n\n"), lab.write("3.json.gz", gzip(b""))];
    let files = lab.files(&paths.each_ref().map(PathBuf::as_path), FileLimits::default());
    assert!(all(&files).await.is_empty());
    assert_eq!(files.report().unreadable, 0);
}

/// Lines show as soon as they are whole, while the writer keeps the pipe open.
#[cfg(unix)]
#[tokio::test]
async fn a_live_pipe_shows_its_lines_at_once() {
    let lab = Lab::new();
    let path = lab.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let files = lab.files(&[&path], FileLimits::default());
    let (told, tell) = std::sync::mpsc::channel::<&str>();
    let writer_path = path.clone();
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(writer_path).unwrap();
        for text in tell {
            pipe.write_all(text.as_bytes()).unwrap();
        }
    });
    told.send("{\"a\":1}\n{\"a\"").unwrap();
    let first = next(&files).await.unwrap();
    assert_eq!(first[0].body, "{\"a\":1}");
    told.send(":2}\n").unwrap();
    let second = next(&files).await.unwrap();
    assert_eq!((&second[0].body[..], &second[0].origin), (&b"{\"a\":2}"[..], &Origin::line(path.to_string_lossy(), 2)));
    drop(told);
    assert!(next(&files).await.is_none());
    writer.join().unwrap();
}

#[tokio::test]
async fn dropping_the_source_ends_the_reading() {
    let lab = Lab::new();
    let lines = "{\"a\":1}\n".repeat(100_000);
    let path = lab.write("many.ndjson", lines);
    let files = lab.files(&[&path], FileLimits { chunk_bytes: 1_000, ..FileLimits::default() });
    assert!(next(&files).await.is_some());
    let progress = files.progress();
    drop(files);
    assert!(progress.read_bytes() < progress.total_bytes(), "it waits when nobody takes what it read");
}
