//! A store on disk: one file, one transaction a group of deliveries. The database is redb.
//!
//! State is worth less than watching: a file that cannot be read is set aside under another name, and reading begins
//! as if there had been none. After an error of the disk redb wants to be opened again, so every use opens the file if
//! it is not open, and closes it when something failed: a disk that has room again is enough to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::outbox::{Due, Entry, Outbox, Overflow, PutOut, Settlement, Waiting};
use super::{Checkpoint, Store, StoreError, Transaction, blocking};
use crate::event::EventKey;
use crate::finding::windows::{Window, WindowKey};
use crate::finding::{Finding, GroupKey};

mod counts;
mod inspector;
mod medium;
mod repair;

use counts::{Count, Counts};
pub use inspector::{Choice, Inspector, Overview, Shelf};
use medium::Machine;
pub use medium::Medium;
pub use repair::{Repaired, Salvaged, repair};

/// Numbers: the version of the format, the next entry's number, which table of seen events is the newer one, what tells the
/// newest transaction from others, what was kept by name.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// By source: its position.
const POSITIONS: TableDefinition<&str, &str> = TableDefinition::new("positions");
/// Seen events, in two generations.
const SEEN: [TableDefinition<&[u8; 24], ()>; 2] = [TableDefinition::new("seen-0"), TableDefinition::new("seen-1")];
/// By sink and number: entries that wait.
const OUTBOX: Rows = TableDefinition::new("outbox");
/// The same: entries that were given up.
const DEAD: Rows = TableDefinition::new("dead-letters");

/// By group and time: windows that are open.
const WINDOWS: TableDefinition<(&[u8; 16], i64), &[u8]> = TableDefinition::new("windows");

type Rows = TableDefinition<'static, (&'static str, u64), &'static [u8]>;

/// The version of the format. A file of another is set aside.
const FORMAT: u64 = 1;
/// The name of the file in its folder.
const FILE: &str = "trailwatch.redb";
/// Entries looked at in search of those that are due.
const ENTRIES_LOOKED_AT_MAX: usize = 10_000;
/// Files that are set aside under the same time.
const SET_ASIDE_AT_ONCE_MAX: u32 = 100;
/// Bytes of the file that redb keeps in memory.
const CACHE_BYTES: usize = 16 << 20;

/// The bounds of a store.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Events that are remembered at most, in two generations: two million.
    pub keys_max: u64,
    /// Findings that wait for each sink: 100,000. Of more, the oldest are given up.
    pub outbox_entries_max: u64,
    /// Dead letters that are kept for each sink: 10,000. The oldest go first.
    pub dead_letters_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys_max: 2_000_000, outbox_entries_max: 100_000, dead_letters_max: 10_000 }
    }
}

/// What opening a store came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Where a file that could not be read was set aside, and why it could not.
    pub set_aside: Option<(PathBuf, String)>,
    /// Windows that cannot be read, which another version may leave: what they held back cannot be told.
    pub windows_unreadable: u64,
}

impl Opened {
    /// What to say of windows that cannot be read.
    pub fn told_of_windows(&self) -> String {
        format!("{} windows of matches held back cannot be read: no digest tells of them", self.windows_unreadable)
    }
}

/// A store in a folder.
#[derive(Debug)]
pub struct DiskStore {
    file: Arc<StateFile>,
    checkpoints: Vec<Checkpoint>,
    seen: Vec<EventKey>,
    windows: Vec<(WindowKey, Window)>,
}

impl DiskStore {
    /// Opens the store in a folder, which is made if there is none.
    pub fn open(folder: &Path, limits: Limits) -> Result<(Self, Opened), StoreError> {
        Self::open_on(Box::new(Machine), folder, limits)
    }

    /// The same, wherever the folder is.
    pub fn open_on(medium: Box<dyn Medium>, folder: &Path, limits: Limits) -> Result<(Self, Opened), StoreError> {
        let file = StateFile { medium, ..StateFile::of(folder, limits) };
        file.medium.make_folder(folder).map_err(|error| file.failed(error.into()))?;
        let opened = file.open_or_set_aside()?;
        let checkpoints = file.with(read_checkpoints)?;
        let seen = file.with(read_seen)?;
        let (windows, unreadable) = file.with(read_windows)?;
        if unreadable > 0 {
            file.with(drop_unreadable_windows)?;
        }
        let opened = Opened { windows_unreadable: unreadable, ..opened };
        Ok((Self { file: Arc::new(file), checkpoints, seen, windows }, opened))
    }

    /// How many findings wait for each sink, also for those that nobody brings them to any more.
    pub fn waiting_by_sink(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.file.with(|database| {
            let mut waiting = BTreeMap::new();
            for row in database.begin_read()?.open_table(OUTBOX)?.iter()? {
                *waiting.entry(row?.0.value().0.to_owned()).or_default() += 1;
            }
            Ok(waiting)
        })
    }

    /// The outbox that the transactions of this store fill.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::clone(&self.file) as Arc<dyn Outbox>
    }
}

impl Store for DiskStore {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        let (file, transaction) = (Arc::clone(&self.file), transaction.clone());
        async move {
            let committed = blocking(move || file.commit(&transaction).map(|()| transaction.checkpoints));
            for checkpoint in committed.await? {
                self.checkpoints.retain(|known| known.source != checkpoint.source);
                self.checkpoints.push(checkpoint);
            }
            (self.seen, self.windows) = (Vec::new(), Vec::new());
            Ok(())
        }
        .boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.checkpoints.clone()
    }

    fn seen(&self) -> Vec<EventKey> {
        self.seen.clone()
    }

    fn windows(&self) -> Option<Vec<(WindowKey, Window)>> {
        Some(self.windows.clone())
    }
}

/// The file, open or not.
#[derive(Debug)]
struct StateFile {
    medium: Box<dyn Medium>,
    path: PathBuf,
    limits: Limits,
    open: Mutex<Option<Open>>,
    /// By sink: what gave way, and was not told yet.
    overflow: Mutex<BTreeMap<String, Overflow>>,
}

/// An open file.
#[derive(Debug)]
struct Open {
    database: Database,
    /// What each sink has; `None` until somebody wants to know.
    counts: Option<Counts>,
}

impl StateFile {
    /// The file of a folder, not open yet.
    fn of(folder: &Path, limits: Limits) -> Self {
        Self::at(folder.join(FILE), limits)
    }

    /// A file, not open yet.
    fn at(path: PathBuf, limits: Limits) -> Self {
        Self { medium: Box::new(Machine), path, limits, open: Mutex::new(None), overflow: Mutex::default() }
    }

    /// Opens the file, and sets it aside if it is none of ours or damaged. A disk that is full or fails is no reason to:
    /// the state is as good as before.
    fn open_or_set_aside(&self) -> Result<Opened, StoreError> {
        let reason = match self.open_checked().and_then(|()| self.with(prepare)) {
            Ok(()) => return Ok(Opened::default()),
            Err(error @ StoreError::Damaged { .. }) => error.to_string(),
            Err(error) => return Err(error),
        };
        let aside = self.set_aside()?;
        self.with(prepare)?;
        Ok(Opened { set_aside: Some((aside, reason)), ..Opened::default() })
    }

    /// Gives the file another name, which no other has.
    fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let now = self.medium.now().strftime("%Y%m%dT%H%M%S.%3fZ");
        let mut aside = self.path.with_file_name(format!("{FILE}.corrupt-{now}"));
        for number in 2..=SET_ASIDE_AT_ONCE_MAX {
            match self.medium.rename(&self.path, &aside) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    aside = self.path.with_file_name(format!("{FILE}.corrupt-{now}-{number}"));
                }
                renamed => return renamed.map(|()| aside).map_err(|error| self.failed(error.into())),
            }
        }
        Err(self.failed(redb::Error::Io(ErrorKind::AlreadyExists.into())))
    }

    fn failed(&self, error: redb::Error) -> StoreError {
        let (path, reason) = (self.path.display().to_string(), error.to_string());
        match error {
            redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path },
            error if is_damage(&error) => StoreError::Damaged { path, reason },
            _ => StoreError::Disk { path, reason },
        }
    }

    /// Does something with the open database; closes it if that fails, so that the next use opens it again.
    fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        self.with_open(|open| act(&open.database))
    }

    /// The same, with the counts: they are as `act` leaves them, if all goes well.
    fn with_counts<T>(
        &self,
        act: impl FnOnce(&Database, &mut Counts) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with_open(|Open { database, counts }| match counts {
            Some(counts) => act(database, counts),
            unknown => act(database, unknown.insert(Counts::of(database)?)),
        })
    }

    fn with_open<T>(&self, act: impl FnOnce(&mut Open) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *open {
            Some(file) => file,
            closed => closed.insert(Open { database: self.open()?, counts: None }),
        };
        act(file).map_err(|error| {
            *open = None;
            self.failed(error)
        })
    }

    /// Opens the file after a check of all of it: a file that somebody else has written to is found out here, and not
    /// in the middle of a run.
    fn open_checked(&self) -> Result<(), StoreError> {
        let database = self.open_by(builder().set_check_integrity_on_open(true))?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(Open { database, counts: None });
        Ok(())
    }

    fn open(&self) -> Result<Database, StoreError> {
        self.open_by(&builder())
    }

    fn open_by(&self, builder: &Builder) -> Result<Database, StoreError> {
        self.medium.open(&self.path, builder).map_err(|error| self.failed(error.into()))
    }

    fn commit(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let overflow = self.with_counts(|database, counts| {
            let (write, mut overflow) = (database.begin_write()?, BTreeMap::new());
            if is_newest(&write, transaction)? {
                write.commit()?;
                return Ok(overflow);
            }
            put_checkpoints(&write, &transaction.checkpoints)?;
            put_seen(&write, &transaction.seen, (self.limits.keys_max / 2).max(1))?;
            put_windows(&write, &transaction.windows)?;
            put_outgoing(&write, transaction, self.medium.now().as_millisecond(), counts)?;
            let sinks: BTreeSet<&str> = transaction.outgoing.iter().map(|outgoing| &*outgoing.sink).collect();
            for sink in sinks {
                let gave_way = make_way(&write, sink, counts.count(sink), &self.limits)?;
                overflow.insert(sink.to_owned(), gave_way);
            }
            write.commit()?;
            Ok(overflow)
        })?;
        let mut untold = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        for (sink, more) in overflow {
            untold.entry(sink).or_default().add(more);
        }
        Ok(())
    }

    /// What gave way for a sink since this was last asked.
    fn take_overflow(&self, sink: &str) -> Overflow {
        self.overflow.lock().unwrap_or_else(PoisonError::into_inner).remove(sink).unwrap_or_default()
    }
}

impl Outbox for StateFile {
    fn due(&self, sink: &str, now_ms: i64, entries_max: usize) -> Result<Due, StoreError> {
        self.with(|database| {
            let outbox = database.begin_read()?.open_table(OUTBOX)?;
            let mut due = Due::default();
            for row in outbox.range((sink, 0)..=(sink, u64::MAX))?.take(ENTRIES_LOOKED_AT_MAX) {
                let (key, value) = row?;
                let number = key.value().1;
                let Ok(row) = Row::read(value.value()) else {
                    due.unreadable.push(number);
                    continue;
                };
                let is_due = row.is_due(now_ms);
                let entry = row.entry(sink, number);
                if !is_due {
                    due.next_ms = Some(due.next_ms.map_or(entry.due_ms, |next| next.min(entry.due_ms)));
                } else if due.entries.len() < entries_max {
                    due.entries.push(entry);
                } else {
                    due.next_ms = Some(now_ms);
                    break;
                }
            }
            due.overflow = self.take_overflow(sink);
            Ok(due)
        })
    }

    fn settle(&self, sink: &str, settlements: &[Settlement]) -> Result<Vec<PutOut>, StoreError> {
        self.with_counts(|database, counts| {
            let (write, mut put_out) = (database.begin_write()?, Vec::new());
            for settlement in settlements {
                put_out.extend(settle(&write, sink, settlement, counts.count(sink), self.limits.dead_letters_max)?);
            }
            write.commit()?;
            Ok(put_out)
        })
    }

    fn keep(&self, name: &str, number: u64) -> Result<(), StoreError> {
        self.with(|database| {
            let write = database.begin_write()?;
            write.open_table(NUMBERS)?.insert(&*kept(name), number)?;
            Ok(write.commit()?)
        })
    }

    fn kept(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.with(|database| {
            let number = database.begin_read()?.open_table(NUMBERS)?.get(&*kept(name))?;
            Ok(number.map(|number| number.value()))
        })
    }

    fn waiting(&self, sink: &str) -> Result<Waiting, StoreError> {
        self.with_counts(|database, counts| {
            let outbox = database.begin_read()?.open_table(OUTBOX)?;
            let Count { waiting, dead } = *counts.count(sink);
            // The first that can be read is the oldest.
            let mut oldest_ms = None;
            for row in outbox.range((sink, 0)..=(sink, u64::MAX))? {
                oldest_ms = Row::read(row?.1.value()).ok().map(|row| row.since_ms);
                if oldest_ms.is_some() {
                    break;
                }
            }
            Ok(Waiting { entries: waiting, oldest_ms, dead })
        })
    }
}

/// What a kept number is called in the file, where it is among others.
fn kept(name: &str) -> String {
    format!("kept:{name}")
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Makes what is missing, and refuses a file of another format.
fn prepare(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut numbers = write.open_table(NUMBERS)?;
        let format = numbers.get("format")?.map(|format| format.value());
        match format {
            None => drop(numbers.insert("format", FORMAT)?),
            Some(FORMAT) => {}
            Some(other) => return Err(corrupted(format!("format {other}, and this is a program for format {FORMAT}"))),
        }
        write.open_table(POSITIONS)?;
        write.open_table(SEEN[0])?;
        write.open_table(SEEN[1])?;
        write.open_table(OUTBOX)?;
        write.open_table(DEAD)?;
        write.open_table(WINDOWS)?;
    }
    Ok(write.commit()?)
}

/// Whether an error says that what is in the file is no good, and not that the disk is.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => true,
        _ => false,
    }
}

fn corrupted(reason: String) -> redb::Error {
    redb::Error::Corrupted(reason)
}

fn read_checkpoints(database: &Database) -> Result<Vec<Checkpoint>, redb::Error> {
    let positions = database.begin_read()?.open_table(POSITIONS)?;
    let mut checkpoints = Vec::new();
    for row in positions.iter()? {
        let (source, position) = row?;
        checkpoints.push(Checkpoint { source: source.value().into(), position: position.value().to_owned() });
    }
    Ok(checkpoints)
}

fn read_seen(database: &Database) -> Result<Vec<EventKey>, redb::Error> {
    let read = database.begin_read()?;
    let newer = read.open_table(NUMBERS)?.get("seen-newer")?.map_or(0, |number| number.value()) as usize % 2;
    let mut keys = Vec::new();
    for generation in [1 - newer, newer] {
        for row in read.open_table(SEEN[generation])?.iter()? {
            keys.push(EventKey::from_bytes(*row?.0.value()));
        }
    }
    Ok(keys)
}

fn put_checkpoints(write: &WriteTransaction, checkpoints: &[Checkpoint]) -> Result<(), redb::Error> {
    let mut positions = write.open_table(POSITIONS)?;
    for checkpoint in checkpoints {
        positions.insert(&*checkpoint.source, checkpoint.position.as_str())?;
    }
    Ok(())
}

/// Whether the newest transaction in the file is this one, although its commit failed: a disk may fail after it has
/// written. Then it is made safe, and not put there twice.
fn is_newest(write: &WriteTransaction, transaction: &Transaction) -> Result<bool, redb::Error> {
    let digest = digest(transaction);
    let newest = write.open_table(NUMBERS)?.insert("newest", digest)?.map(|newest| newest.value());
    Ok(newest == Some(digest))
}

/// What tells a transaction from the one before.
fn digest(transaction: &Transaction) -> u64 {
    let mut hash = Sha256::new();
    for Checkpoint { source, position } in &transaction.checkpoints {
        hash.update(format!("{source}\0{position}\0"));
    }
    for key in &transaction.seen {
        hash.update(key.as_bytes());
    }
    for (key, window) in &transaction.windows {
        hash.update(key.group.as_bytes());
        hash.update(key.anchor_ms.to_be_bytes());
        hash.update([u8::from(window.is_some())]);
    }
    for outgoing in &transaction.outgoing {
        hash.update(format!("{}\0{}\0", outgoing.sink, outgoing.finding.id));
    }
    hash.finalize().iter().take(8).fold(0, |digest, &byte| digest << 8 | u64::from(byte))
}

/// When the newer generation is full the older one is forgotten, and takes its place.
fn put_seen(write: &WriteTransaction, keys: &[EventKey], generation_max: u64) -> Result<(), redb::Error> {
    let mut numbers = write.open_table(NUMBERS)?;
    let mut newer = numbers.get("seen-newer")?.map_or(0, |number| number.value()) as usize % 2;
    let mut table = write.open_table(SEEN[newer])?;
    for key in keys {
        if table.len()? >= generation_max {
            newer = 1 - newer;
            drop(table);
            write.delete_table(SEEN[newer])?;
            table = write.open_table(SEEN[newer])?;
            numbers.insert("seen-newer", newer as u64)?;
        }
        table.insert(key.as_bytes(), ())?;
    }
    Ok(())
}

/// The windows, and how many there are that cannot be read.
fn read_windows(database: &Database) -> Result<(Vec<(WindowKey, Window)>, u64), redb::Error> {
    let (mut windows, mut unreadable) = (Vec::new(), 0);
    for row in database.begin_read()?.open_table(WINDOWS)?.iter()? {
        let (key, value) = row?;
        let (group, anchor_ms) = key.value();
        match serde_json::from_slice(value.value()) {
            Ok(window) => windows.push((WindowKey { group: GroupKey::from_bytes(*group), anchor_ms }, window)),
            Err(_) => unreadable += 1,
        }
    }
    Ok((windows, unreadable))
}

fn drop_unreadable_windows(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(WINDOWS)?.retain(|_, value| serde_json::from_slice::<Window>(value).is_ok())?;
    Ok(write.commit()?)
}

fn put_windows(write: &WriteTransaction, windows: &[(WindowKey, Option<Window>)]) -> Result<(), redb::Error> {
    if windows.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(WINDOWS)?;
    for (key, window) in windows {
        let row = (key.group.as_bytes(), key.anchor_ms);
        match window {
            // Strings, numbers and lists: there is nothing that could fail.
            Some(window) => table.insert(row, serde_json::to_vec(window).unwrap_or_default().as_slice())?,
            None => table.remove(row)?,
        };
    }
    Ok(())
}

fn put_outgoing(
    write: &WriteTransaction,
    transaction: &Transaction,
    now_ms: i64,
    counts: &mut Counts,
) -> Result<(), redb::Error> {
    if transaction.outgoing.is_empty() {
        return Ok(());
    }
    let mut numbers = write.open_table(NUMBERS)?;
    let mut outbox = write.open_table(OUTBOX)?;
    let mut number = numbers.get("entries")?.map_or(0, |number| number.value());
    for outgoing in &transaction.outgoing {
        number += 1;
        let row = Row::new(&outgoing.finding, now_ms);
        outbox.insert((&*outgoing.sink, number), row.write().as_slice())?;
        counts.count(&outgoing.sink).waiting += 1;
    }
    numbers.insert("entries", number)?;
    Ok(())
}

/// Gives up the oldest entries of a sink for which more wait than there is room for.
fn make_way(write: &WriteTransaction, sink: &str, count: &mut Count, limits: &Limits) -> Result<Overflow, redb::Error> {
    let mut overflow = Overflow::default();
    while count.waiting > limits.outbox_entries_max {
        let Some(number) = oldest(&write.open_table(OUTBOX)?, sink)? else { break };
        let reason = "it was the oldest of more than the outbox holds for a sink".to_owned();
        let put_out = settle(write, sink, &Settlement::Dead { number, reason }, count, limits.dead_letters_max)?;
        overflow.given_up += 1;
        overflow.put_out += u64::from(put_out.is_some());
    }
    Ok(overflow)
}

fn settle(
    write: &WriteTransaction,
    sink: &str,
    settlement: &Settlement,
    count: &mut Count,
    dead_letters_max: u64,
) -> Result<Option<PutOut>, redb::Error> {
    let number = match settlement {
        Settlement::Delivered { number } | Settlement::Again { number, .. } | Settlement::Dead { number, .. } => {
            *number
        }
    };
    let mut outbox = write.open_table(OUTBOX)?;
    // It may have been dropped by hand.
    let Some(bytes) = outbox.remove((sink, number))?.map(|value| value.value().to_vec()) else {
        // Or it gave way while it was on its way.
        if matches!(settlement, Settlement::Delivered { .. })
            && write.open_table(DEAD)?.remove((sink, number))?.is_some()
        {
            count.dead -= 1;
        }
        return Ok(None);
    };
    match settlement {
        Settlement::Delivered { .. } => count.waiting -= 1,
        Settlement::Again { tried_ms, due_ms, reason, .. } => {
            let (tried_ms, due_ms, reason) = (*tried_ms, *due_ms, reason.clone());
            let again = |row: Row| Row { tried_ms, due_ms, tries: row.tries + 1, reason, ..row };
            outbox.insert((sink, number), changed(bytes, again).as_slice())?;
        }
        Settlement::Dead { reason, .. } => {
            let dead = |row: Row| Row { tries: row.tries + 1, reason: reason.clone(), ..row };
            let mut letters = write.open_table(DEAD)?;
            letters.insert((sink, number), changed(bytes, dead).as_slice())?;
            count.waiting -= 1;
            count.dead += 1;
            if count.dead > dead_letters_max {
                count.dead -= 1;
                return put_out_oldest(&mut letters, sink);
            }
        }
    }
    Ok(None)
}

/// A row with something changed; one that cannot be read stays as it is.
fn changed(bytes: Vec<u8>, change: impl FnOnce(Row) -> Row) -> Vec<u8> {
    match Row::read(&bytes) {
        Ok(row) => change(row).write(),
        Err(_) => bytes,
    }
}

/// The number of the oldest entry of a sink.
fn oldest(
    rows: &impl ReadableTable<(&'static str, u64), &'static [u8]>,
    sink: &str,
) -> Result<Option<u64>, redb::Error> {
    let oldest = rows.range((sink, 0)..=(sink, u64::MAX))?.next().transpose()?;
    Ok(oldest.map(|(key, _)| key.value().1))
}

/// Puts out the oldest dead letter of a sink.
fn put_out_oldest(
    letters: &mut redb::Table<'_, (&'static str, u64), &'static [u8]>,
    sink: &str,
) -> Result<Option<PutOut>, redb::Error> {
    let Some(number) = oldest(letters, sink)? else { return Ok(None) };
    let bytes = letters.remove((sink, number))?.map(|value| value.value().to_vec()).unwrap_or_default();
    let finding = Row::read(&bytes).ok().map(|row| Arc::new(row.finding));
    Ok(Some(PutOut { number, finding }))
}

/// What is in the file of an entry.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    finding: Finding,
    since_ms: i64,
    due_ms: i64,
    /// When it was tried last. Rows of older programs do not say.
    #[serde(default)]
    tried_ms: i64,
    tries: u32,
    reason: String,
}

impl Row {
    fn new(finding: &Finding, now_ms: i64) -> Self {
        Self {
            finding: finding.clone(),
            since_ms: now_ms,
            due_ms: now_ms,
            tried_ms: 0,
            tries: 0,
            reason: String::new(),
        }
    }

    /// Whether it is to be tried. A time before the last try, or before it came, says that the clock was set back, and
    /// nothing of the wait.
    fn is_due(&self, now_ms: i64) -> bool {
        let touched_ms = if self.tried_ms == 0 { self.since_ms } else { self.tried_ms };
        self.due_ms <= now_ms || now_ms < touched_ms
    }

    fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    fn write(&self) -> Vec<u8> {
        // Every field is a string, a number, a list or raw JSON: there is nothing that could fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn entry(self, sink: &str, number: u64) -> Entry {
        let Self { finding, since_ms, due_ms, tries, reason, .. } = self;
        Entry { number, sink: sink.into(), finding: Arc::new(finding), since_ms, due_ms, tries, reason }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_disk_that_fails_is_no_damage() {
        for kind in
            [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::Other]
        {
            assert!(!is_damage(&redb::Error::Io(io::Error::from(kind))), "{kind}");
        }
        assert!(is_damage(&redb::Error::Io(io::Error::from(ErrorKind::InvalidData))));
        assert!(is_damage(&corrupted("a checksum does not fit".to_owned())));
    }
}
