//! The reading threads: files side by side, handed over one after the other.
//!
//! ```text
//! walk ─┬─▶ file 3 ─parts─┐
//!       ├─▶ file 2 ─parts─┤ waits for its turn
//!       └─▶ file 1 ─parts─┴─▶ hand over, in order ─▶ batches
//! ```
//!
//! So files are inflated on several cores, and what comes out is in the same order at every run, complaints included. A
//! file that is ahead of its turn waits with a part or two, or with the beginning of a large document.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;
use walkdir::WalkDir;

use super::document::{Form, Start, read_some, sniff};
use super::large::{Permit, Permits};
use super::lines::{Chunk, Lines};
use super::{Batch, FileLimits, STDIN, input, lock};
use crate::delivery::{Delivery, Origin, Receipt};
use crate::source::progress::Progress;
use crate::source::{Notice, NoticeLevel, Notify, SourceReport};

/// What is read in folders, by the end of the name. What is named itself is read whatever it is called.
const ENDINGS: [&str; 7] = [".json", ".json.gz", ".ndjson", ".jsonl", ".log", ".gz", ".txt"];

/// Everything that the thread needs.
#[derive(Clone)]
pub(super) struct Walk {
    paths: Vec<PathBuf>,
    limits: FileLimits,
    notify: Notify,
    progress: Progress,
    report: Arc<Mutex<SourceReport>>,
}

/// Files that are read at the same time, at most: more would keep more documents in memory.
const FILES_AT_ONCE_MAX: usize = 4;

/// What comes out of a file, in order.
enum Part {
    /// A document, or whole lines; with leave to be in memory, if it is large.
    Body(Bytes, Origin, Option<Permit>),
    /// A document is large, and whoever reads it waits for leave to go on.
    Large(SyncSender<Permit>),
    /// Something that could not be read, or several.
    Loss { count: u64, text: String },
}

/// Where a file's parts go.
type Out = SyncSender<Part>;

/// What is read.
enum Input {
    Stdin,
    File(PathBuf),
}

/// Nobody wants any more.
struct Closed;

impl Walk {
    pub(super) fn new(
        paths: Vec<PathBuf>,
        limits: FileLimits,
        notify: Notify,
        progress: Progress,
        report: Arc<Mutex<SourceReport>>,
    ) -> Self {
        Self { paths, limits, notify, progress, report }
    }

    /// Reads everything, until the end or until nobody takes it.
    pub(super) fn run(self, batches: mpsc::Sender<Batch>) {
        self.measure();
        let at_once = thread::available_parallelism().map_or(1, usize::from).min(FILES_AT_ONCE_MAX);
        // One file has its turn, the others are in the queue.
        let (turns, files) = sync_channel(at_once - 1);
        let walk = self.clone();
        if let Err(error) = spawn(move || _ = walk.walk_all(&turns)) {
            return self.lose(1, format!("cannot start a thread: {error}"));
        }
        let (mut receipt, permits) = (0, Permits::new());
        for part in files.into_iter().flatten() {
            match part {
                Part::Loss { count, text } => self.lose(count, text),
                Part::Large(leave) => _ = leave.send(permits.next()),
                Part::Body(body, origin, permit) => {
                    receipt += 1;
                    let delivery = Delivery { body, origin, receipt: Receipt(receipt) };
                    if self.hand_over(delivery, permit, &batches).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn hand_over(
        &self,
        delivery: Delivery,
        permit: Option<Permit>,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<(), Closed> {
        {
            let mut report = lock(&self.report);
            report.deliveries += 1;
            report.bytes += delivery.body.len() as u64;
        }
        batches.blocking_send((vec![delivery], permit)).map_err(|_| Closed)
    }

    /// Begins to read one file after the other, each on a thread of its own; waits where too many are ahead.
    fn walk_all(&self, turns: &SyncSender<Receiver<Part>>) -> Result<(), Closed> {
        for path in &self.paths {
            if is_stdin(path) {
                self.begin(Input::Stdin, turns)?;
                continue;
            }
            for entry in walk(path) {
                match entry {
                    Ok(entry) if entry.file_type().is_dir() => {}
                    Ok(entry) if is_wanted(&entry) => self.begin(Input::File(entry.into_path()), turns)?,
                    Ok(_) => {}
                    Err(error) => {
                        let at = error.path().unwrap_or(path).display();
                        let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                        complain(format!("cannot read `{at}`: {why}"), turns)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&self, input: Input, turns: &SyncSender<Receiver<Part>>) -> Result<(), Closed> {
        let (out, parts) = sync_channel(1);
        let walk = self.clone();
        // Before the file is begun: so no more files are read than have a place in the queue.
        turns.send(parts).map_err(|_| Closed)?;
        let begun = spawn(move || {
            _ = match input {
                Input::Stdin => walk.read_stream(STDIN, Box::new(io::stdin()), true, &out),
                Input::File(path) => walk.read_file(&path, &out),
            }
        });
        begun.or_else(|error| complain(format!("cannot start a thread: {error}"), turns))
    }

    /// Adds up what there is to read, and tells what is left out. Folders are walked twice rather than remembered.
    fn measure(&self) {
        let (mut left_out, mut first) = (0_u64, None);
        for path in self.paths.iter().filter(|path| !is_stdin(path)) {
            for entry in walk(path).filter_map(Result::ok).filter(|entry| entry.file_type().is_file()) {
                if is_wanted(&entry) {
                    self.progress.add_total(entry.metadata().map_or(0, |metadata| metadata.len()));
                } else {
                    left_out += 1;
                    first.get_or_insert_with(|| entry.path().to_owned());
                }
            }
        }
        if let Some(first) = first {
            let endings = ENDINGS.map(|ending| format!("`*{ending}`")).join(", ");
            let text = format!(
                "{left_out} files in folders are left out, `{}` first (only {endings} are read there)",
                first.display()
            );
            self.tell(NoticeLevel::Info, text);
        }
    }

    fn read_file(&self, path: &Path, out: &Out) -> Result<(), Closed> {
        let name = path.to_string_lossy();
        match File::open(path) {
            Ok(file) => {
                // A named pipe may be as live as standard input.
                let is_live = !file.metadata().is_ok_and(|metadata| metadata.is_file());
                self.read_stream(&name, Box::new(file), is_live, out)
            }
            Err(error) => lost(out, 1, format!("cannot read `{name}`: {error}")),
        }
    }

    fn read_stream(&self, name: &str, reader: Box<dyn Read>, is_live: bool, out: &Out) -> Result<(), Closed> {
        let name: Arc<str> = name.into();
        let read = match input::open(reader, self.limits.ratio_max, self.progress.clone()) {
            Ok(input) => self.read_input(&name, input, is_live, out),
            Err(error) => lost(out, 1, format!("cannot read `{name}`: {error}")),
        };
        self.progress.add_file();
        read
    }

    fn read_input(&self, name: &Arc<str>, mut input: Box<dyn Read>, is_live: bool, out: &Out) -> Result<(), Closed> {
        let start = sniff(&mut *input);
        match start.form {
            Form::Document => self.read_document(name, start, input, out),
            Form::Lines => self.read_lines(name, start, input, is_live, out),
        }
    }

    /// Hands a document over whole. What a broken stream gave before it broke is handed over too.
    fn read_document(&self, name: &Arc<str>, start: Start, mut input: Box<dyn Read>, out: &Out) -> Result<(), Closed> {
        let (mut body, mut broken, mut permit) = (start.bytes, start.broken, None);
        let bytes_max = self.limits.document_bytes_max;
        let bytes_ahead = self.limits.document_bytes_ahead.min(bytes_max);
        read_past(bytes_ahead, &mut *input, &mut body, &mut broken);
        if body.len() as u64 > bytes_ahead {
            permit = Some(leave(out)?);
            read_past(bytes_max, &mut *input, &mut body, &mut broken);
        }
        if body.len() as u64 > bytes_max {
            let text = format!("`{name}` is a document of more than {bytes_max} bytes and is left out (split it)");
            return lost(out, 1, text);
        }
        tell_broken(name, broken, out)?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        send(out, Part::Body(Bytes::from(body), Origin::whole(Arc::clone(name)), permit))
    }

    /// Hands lines over in chunks; from a live stream, as soon as they are whole.
    fn read_lines(
        &self,
        name: &Arc<str>,
        start: Start,
        mut input: Box<dyn Read>,
        is_live: bool,
        out: &Out,
    ) -> Result<(), Closed> {
        let chunk_bytes = if is_live { 1 } else { self.limits.chunk_bytes };
        let mut lines = Lines::new(self.limits.line_bytes_max);
        let (mut bytes, mut broken, mut too_long) = (start.bytes, start.broken, Vec::new());
        while !bytes.is_empty() {
            for chunk in lines.push(&bytes, &mut too_long) {
                send_lines(name, chunk, out)?;
            }
            if lines.ready_bytes() >= chunk_bytes
                && let Some(chunk) = lines.take()
            {
                send_lines(name, chunk, out)?;
            }
            bytes.clear();
            if broken.is_none() {
                broken = read_some(&mut *input, &mut bytes).err();
            }
        }
        if let Some(chunk) = lines.finish() {
            send_lines(name, chunk, out)?;
        }
        self.tell_too_long(name, &too_long, out)?;
        tell_broken(name, broken, out)
    }

    fn tell_too_long(&self, name: &str, too_long: &[u64], out: &Out) -> Result<(), Closed> {
        let Some(first) = too_long.first() else { return Ok(()) };
        let (count, bytes_max) = (too_long.len(), self.limits.line_bytes_max);
        let text = format!(
            "{name}:{first}: a line of more than {bytes_max} bytes is left out ({count} such lines in this file)"
        );
        lost(out, count as u64, text)
    }

    /// Counts and tells a loss; the rest goes on.
    fn lose(&self, count: u64, text: String) {
        lock(&self.report).unreadable += count;
        self.tell(NoticeLevel::Error, text);
    }

    fn tell(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
}

/// Plain threads, not the runtime's: a read that never ends must not keep the runtime from shutting down.
fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("read-file".to_owned()).spawn(work).map(drop)
}

/// Reads on until there is a byte more than that, to the end, or until the stream breaks.
fn read_past(bytes_max: u64, input: &mut dyn Read, body: &mut Vec<u8>, broken: &mut Option<io::Error>) {
    let room = bytes_max.saturating_add(1).saturating_sub(body.len() as u64);
    if broken.is_none() {
        *broken = input.take(room).read_to_end(body).err();
    }
}

/// Waits for the file's turn, and for leave to read a large document.
fn leave(out: &Out) -> Result<Permit, Closed> {
    let (asking, answer) = sync_channel(1);
    send(out, Part::Large(asking))?;
    answer.recv().map_err(|_| Closed)
}

fn send(out: &Out, part: Part) -> Result<(), Closed> {
    out.send(part).map_err(|_| Closed)
}

fn send_lines(name: &Arc<str>, chunk: Chunk, out: &Out) -> Result<(), Closed> {
    send(out, Part::Body(chunk.body, Origin::line(Arc::clone(name), chunk.first_line), None))
}

fn lost(out: &Out, count: u64, text: String) -> Result<(), Closed> {
    send(out, Part::Loss { count, text })
}

fn tell_broken(name: &str, broken: Option<io::Error>, out: &Out) -> Result<(), Closed> {
    match broken {
        Some(error) => lost(out, 1, format!("cannot read `{name}` to its end: {error} (what came before is used)")),
        None => Ok(()),
    }
}

/// Puts a complaint into the queue, as if it were a file.
fn complain(text: String, turns: &SyncSender<Receiver<Part>>) -> Result<(), Closed> {
    let (out, parts) = sync_channel(1);
    lost(&out, 1, text)?;
    turns.send(parts).map_err(|_| Closed)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// The files at and under a path, in the order of their names.
fn walk(path: &Path) -> walkdir::IntoIter {
    WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter()
}

fn is_wanted(entry: &walkdir::DirEntry) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
    entry.file_type().is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending))
}
