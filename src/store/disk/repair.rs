//! A damaged file made good: what can be read of it is copied into a fresh one, and it is set aside as it was.
//!
//! redb trusts a file that was closed in good order and may panic on one that was written to since. So a copy is read, each
//! table from both ends towards the damage, and a panic counts as the end of what can be read.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    Database, Key, ReadOnlyDatabase, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, Value,
};

use super::{
    DEAD, DiskStore, FILE, FORMAT, Inspector, Limits, NUMBERS, OUTBOX, POSITIONS, Rows, SEEN, StateFile, WINDOWS,
    corrupted, prepare, put_seen,
};
use crate::event::EventKey;
use crate::store::StoreError;

/// Formats that a later version may write; any other number is damage.
const LATER_FORMATS: std::ops::Range<u64> = FORMAT + 1..1_000;

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Where the file is now that was damaged.
    pub aside: PathBuf,
    /// What of it could be read.
    pub parts: Vec<Salvaged>,
}

/// What of a table could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// What is in it.
    pub what: &'static str,
    /// Rows that were read.
    pub rows: u64,
    /// Rows that there were; `None` if not even that can be read.
    pub of: Option<u64>,
}

/// An entry: its sink, the number that it had, and its row.
type SalvagedEntry = (String, u64, Vec<u8>);

/// Rows of a damaged file.
#[derive(Default)]
struct Salvage {
    numbers: Vec<(String, u64)>,
    positions: Vec<(String, String)>,
    seen: [Vec<[u8; 24]>; 2],
    windows: Vec<([u8; 16], i64, Vec<u8>)>,
    waiting: Vec<SalvagedEntry>,
    dead: Vec<SalvagedEntry>,
    parts: Vec<Salvaged>,
}

/// Repairs the state in a folder; `None` if nothing is wrong with it. With `from`, a file that was set aside before, what
/// can be read of that is added to the state.
pub fn repair(folder: &Path, from: Option<&Path>) -> Result<Option<Repaired>, StoreError> {
    let path = folder.join(FILE);
    let state = StateFile::at(path.clone(), Limits::default());
    if let Some(from) = from {
        let salvage = Salvage::of(&state, from)?;
        drop(DiskStore::open(folder, Limits::default())?);
        state.with(|database| salvage.put(database))?;
        return Ok(Some(Repaired { aside: from.to_owned(), parts: salvage.parts }));
    }
    match Inspector::open(folder).and_then(|state| state.verify()) {
        Ok(_) => return Ok(None),
        Err(StoreError::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    let salvage = Salvage::of(&state, &path)?;
    let fresh = StateFile::at(beside(&path, "fresh"), Limits::default());
    remove(&fresh.path, &state)?;
    fresh.with(|database| {
        prepare(database)?;
        salvage.put(database)
    })?;
    drop(fresh);
    let aside = state.set_aside()?;
    fs::rename(beside(&path, "fresh"), &path).map_err(|error| state.failed(error.into()))?;
    Ok(Some(Repaired { aside, parts: salvage.parts }))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    path.with_file_name(format!("{FILE}.{end}"))
}

/// Removes a file that an earlier repair may have left.
fn remove(path: &Path, state: &StateFile) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(state.failed(error.into())),
        _ => Ok(()),
    }
}

/// Opens a copy: as it is, or after redb has gone through all of it, which a file wants that was not closed in good order.
fn opened(copy: &Path) -> Option<Box<dyn ReadableDatabase>> {
    let as_it_is = || Some(Box::new(ReadOnlyDatabase::open(copy).ok()?) as Box<dyn ReadableDatabase>);
    let gone_through = || Some(Box::new(Database::open(copy).ok()?) as Box<dyn ReadableDatabase>);
    catch_unwind(as_it_is).ok().flatten().or_else(|| catch_unwind(gone_through).ok().flatten())
}

impl Salvage {
    /// Reads what can be read of a file, which stays as it is.
    fn of(state: &StateFile, path: &Path) -> Result<Self, StoreError> {
        let copy = beside(&state.path, "copy");
        fs::copy(path, &copy).map_err(|error| {
            let (path, reason) = (path.display().to_string(), error.to_string());
            StoreError::Disk { path, reason }
        })?;
        let mut salvage = Self::default();
        let database = opened(&copy);
        salvage.read(database.as_deref());
        drop(database);
        remove(&copy, state)?;
        match salvage.number("format") {
            format if LATER_FORMATS.contains(&format) => {
                let reason = format!("format {format}, and this is a program for format {FORMAT}");
                Err(state.failed(corrupted(reason)))
            }
            _ => Ok(salvage),
        }
    }

    fn read(&mut self, database: Option<&dyn ReadableDatabase>) {
        let mut numbers = Vec::new();
        table(database, NUMBERS, |name, number| numbers.push((name.to_owned(), number)));
        self.numbers = numbers;
        let mut positions = Vec::new();
        let read = table(database, POSITIONS, |source, position| {
            positions.push((source.to_owned(), position.to_owned()));
        });
        self.tell("positions", read);
        for (generation, rows) in SEEN.into_iter().enumerate() {
            let mut seen = Vec::new();
            let read = table(database, rows, |key, ()| seen.push(*key));
            self.seen[generation] = seen;
            self.tell("seen events", read);
        }
        let mut windows = Vec::new();
        let read = table(database, WINDOWS, |(group, at), bytes| windows.push((*group, at, bytes.to_vec())));
        self.tell("open windows", read);
        self.windows = windows;
        self.positions = positions;
        self.waiting = self.entries(database, "findings that wait", OUTBOX);
        self.dead = self.entries(database, "dead letters", DEAD);
    }

    fn entries(
        &mut self,
        database: Option<&dyn ReadableDatabase>,
        what: &'static str,
        rows: Rows,
    ) -> Vec<SalvagedEntry> {
        let mut entries = Vec::new();
        let read = table(database, rows, |(sink, number), bytes| {
            entries.push((sink.to_owned(), number, bytes.to_vec()));
        });
        self.tell(what, read);
        entries
    }

    /// Takes in what was read; both generations of events are told as one.
    fn tell(&mut self, what: &'static str, (rows, of): (u64, Option<u64>)) {
        match self.parts.iter_mut().find(|part| part.what == what) {
            Some(part) => {
                part.rows += rows;
                part.of = part.of.zip(of).map(|(one, other)| one + other);
            }
            None => self.parts.push(Salvaged { what, rows, of }),
        }
    }

    fn number(&self, name: &str) -> u64 {
        self.numbers.iter().find(|(known, _)| known == name).map_or(0, |(_, number)| *number)
    }

    /// Adds everything to a state. Its own positions and windows count for more, and entries get new numbers.
    fn put(&self, database: &Database) -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        let mut positions = write.open_table(POSITIONS)?;
        for (source, position) in &self.positions {
            if positions.get(source.as_str())?.is_none() {
                positions.insert(source.as_str(), position.as_str())?;
            }
        }
        drop(positions);
        let mut windows = write.open_table(WINDOWS)?;
        for (group, at, bytes) in &self.windows {
            if windows.get((group, *at))?.is_none() {
                windows.insert((group, *at), bytes.as_slice())?;
            }
        }
        drop(windows);
        let newer = self.number("seen-newer") as usize % 2;
        for generation in [1 - newer, newer] {
            let keys: Vec<EventKey> = self.seen[generation].iter().map(|key| EventKey::from_bytes(*key)).collect();
            put_seen(&write, &keys, Limits::default().keys_max / 2)?;
        }
        let mut number = write.open_table(NUMBERS)?.get("entries")?.map_or(0, |number| number.value());
        let mut entries: Vec<(Rows, &SalvagedEntry)> = self.waiting.iter().map(|entry| (OUTBOX, entry)).collect();
        entries.extend(self.dead.iter().map(|entry| (DEAD, entry)));
        entries.sort_by_key(|(_, (_, number, _))| *number);
        for (rows, (sink, _, bytes)) in entries {
            number += 1;
            write.open_table(rows)?.insert((sink.as_str(), number), bytes.as_slice())?;
        }
        write.open_table(NUMBERS)?.insert("entries", number)?;
        Ok(write.commit()?)
    }
}

/// Visits every row of a table that can be read: how many they are, and how many there were.
fn table<K: Key + 'static, V: Value + 'static>(
    database: Option<&dyn ReadableDatabase>,
    table: TableDefinition<'static, K, V>,
    mut visit: impl FnMut(K::SelfType<'_>, V::SelfType<'_>),
) -> (u64, Option<u64>) {
    let (mut rows, mut of) = (0, None);
    let mut read = |from_end: bool| -> Option<()> {
        let table = match database?.begin_read().ok()?.open_table(table) {
            Ok(table) => table,
            // An older version had none.
            Err(redb::TableError::TableDoesNotExist(_)) => {
                of = Some(0);
                return None;
            }
            Err(_) => return None,
        };
        let len = *of.insert(table.len().ok()?);
        let mut iterator = table.range::<K::SelfType<'_>>(..).ok()?;
        while rows < len {
            let row = if from_end { iterator.next_back() } else { iterator.next() };
            let (key, value) = row?.ok()?;
            visit(key.value(), value.value());
            rows += 1;
        }
        Some(())
    };
    // What is beyond the damage can still be read from the other end.
    for from_end in [false, true] {
        let _ = catch_unwind(AssertUnwindSafe(|| read(from_end)));
    }
    (rows, of)
}
