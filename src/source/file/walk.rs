//! The reading thread: one path after the other, one file after the other.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc;
use walkdir::WalkDir;

use super::document::{Form, Start, read_some, sniff};
use super::lines::{Chunk, Lines};
use super::progress::Progress;
use super::{FileLimits, STDIN, input, lock};
use crate::delivery::{Delivery, Origin, Receipt};
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

/// What is on its way out of the thread.
struct Out {
    batches: mpsc::Sender<Vec<Delivery>>,
    receipt: u64,
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
    pub(super) fn run(self, batches: mpsc::Sender<Vec<Delivery>>) {
        self.measure();
        let mut out = Out { batches, receipt: 0 };
        for path in &self.paths {
            if self.read_path(path, &mut out).is_err() {
                return;
            }
        }
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

    fn read_path(&self, path: &Path, out: &mut Out) -> Result<(), Closed> {
        if is_stdin(path) {
            return self.read_stream(STDIN, Box::new(io::stdin()), true, out);
        }
        for entry in walk(path) {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) if is_wanted(&entry) => self.read_file(entry.path(), out)?,
                Ok(_) => {}
                Err(error) => {
                    let at = error.path().unwrap_or(path).display();
                    let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    self.lose(format!("cannot read `{at}`: {why}"));
                }
            }
        }
        Ok(())
    }

    fn read_file(&self, path: &Path, out: &mut Out) -> Result<(), Closed> {
        let name = path.to_string_lossy();
        match File::open(path) {
            Ok(file) => {
                // A named pipe may be as live as standard input.
                let is_live = !file.metadata().is_ok_and(|metadata| metadata.is_file());
                self.read_stream(&name, Box::new(file), is_live, out)
            }
            Err(error) => {
                self.lose(format!("cannot read `{name}`: {error}"));
                Ok(())
            }
        }
    }

    fn read_stream(&self, name: &str, reader: Box<dyn Read>, is_live: bool, out: &mut Out) -> Result<(), Closed> {
        let name: Arc<str> = name.into();
        let read = match input::open(reader, self.limits.ratio_max, self.progress.clone()) {
            Ok(input) => self.read_input(&name, input, is_live, out),
            Err(error) => {
                self.lose(format!("cannot read `{name}`: {error}"));
                Ok(())
            }
        };
        self.progress.add_file();
        read
    }

    fn read_input(
        &self,
        name: &Arc<str>,
        mut input: Box<dyn Read>,
        is_live: bool,
        out: &mut Out,
    ) -> Result<(), Closed> {
        let start = sniff(&mut *input);
        match start.form {
            Form::Document => self.read_document(name, start, input, out),
            Form::Lines => self.read_lines(name, start, input, is_live, out),
        }
    }

    /// Hands a document over whole. What a broken stream gave before it broke is handed over too.
    fn read_document(&self, name: &Arc<str>, start: Start, input: Box<dyn Read>, out: &mut Out) -> Result<(), Closed> {
        let (mut body, mut broken) = (start.bytes, start.broken);
        let bytes_max = self.limits.document_bytes_max;
        if broken.is_none() {
            let room = bytes_max.saturating_add(1).saturating_sub(body.len() as u64);
            broken = input.take(room).read_to_end(&mut body).err();
        }
        if body.len() as u64 > bytes_max {
            self.lose(format!("`{name}` is a document of more than {bytes_max} bytes and is left out (split it)"));
            return Ok(());
        }
        self.tell_broken(name, broken);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.hand_over(Bytes::from(body), Origin::whole(Arc::clone(name)), out)
    }

    /// Hands lines over in chunks; from a live stream, as soon as they are whole.
    fn read_lines(
        &self,
        name: &Arc<str>,
        start: Start,
        mut input: Box<dyn Read>,
        is_live: bool,
        out: &mut Out,
    ) -> Result<(), Closed> {
        let chunk_bytes = if is_live { 1 } else { self.limits.chunk_bytes };
        let mut lines = Lines::new(self.limits.line_bytes_max);
        let (mut bytes, mut broken, mut too_long) = (start.bytes, start.broken, Vec::new());
        while !bytes.is_empty() {
            for chunk in lines.push(&bytes, &mut too_long) {
                self.hand_over_lines(name, chunk, out)?;
            }
            if lines.ready_bytes() >= chunk_bytes
                && let Some(chunk) = lines.take()
            {
                self.hand_over_lines(name, chunk, out)?;
            }
            bytes.clear();
            if broken.is_none() {
                broken = read_some(&mut *input, &mut bytes).err();
            }
        }
        if let Some(chunk) = lines.finish() {
            self.hand_over_lines(name, chunk, out)?;
        }
        self.tell_too_long(name, &too_long);
        self.tell_broken(name, broken);
        Ok(())
    }

    fn hand_over_lines(&self, name: &Arc<str>, chunk: Chunk, out: &mut Out) -> Result<(), Closed> {
        self.hand_over(chunk.body, Origin::line(Arc::clone(name), chunk.first_line), out)
    }

    fn hand_over(&self, body: Bytes, origin: Origin, out: &mut Out) -> Result<(), Closed> {
        out.receipt += 1;
        {
            let mut report = lock(&self.report);
            report.deliveries += 1;
            report.bytes += body.len() as u64;
        }
        let delivery = Delivery { body, origin, receipt: Receipt(out.receipt) };
        out.batches.blocking_send(vec![delivery]).map_err(|_| Closed)
    }

    fn tell_too_long(&self, name: &str, too_long: &[u64]) {
        let Some(first) = too_long.first() else { return };
        let (count, bytes_max) = (too_long.len(), self.limits.line_bytes_max);
        lock(&self.report).unreadable += count as u64;
        let text = format!(
            "{name}:{first}: a line of more than {bytes_max} bytes is left out ({count} such lines in this file)"
        );
        self.tell(NoticeLevel::Error, text);
    }

    fn tell_broken(&self, name: &str, broken: Option<io::Error>) {
        if let Some(error) = broken {
            self.lose(format!("cannot read `{name}` to its end: {error} (what came before is used)"));
        }
    }

    /// Counts and tells a loss; the rest goes on.
    fn lose(&self, text: String) {
        lock(&self.report).unreadable += 1;
        self.tell(NoticeLevel::Error, text);
    }

    fn tell(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
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
