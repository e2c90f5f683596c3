//! State in the hands of a person: looked at, checked, and what is in its outbox sent again or dropped.
//!
//! It makes no folder and no file, and sets nothing aside.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{
    DEAD, Limits, OUTBOX, Open, Row, Rows, SEEN, StateFile, prepare, read_checkpoints, read_seen, read_windows,
};
use crate::event::EventKey;
use crate::finding::windows::{Window, WindowKey};
use crate::store::outbox::Unreadable;
use crate::store::{Checkpoint, Entry, StoreError, Waiting};

/// The state in a folder, while nobody else uses it.
#[derive(Debug)]
pub struct Inspector {
    file: StateFile,
}

/// What is in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The size of the file.
    pub bytes: u64,
    /// How far each source was read.
    pub checkpoints: Vec<Checkpoint>,
    /// How many events are remembered.
    pub seen: u64,
    /// How many windows are open.
    pub windows: u64,
    /// How many matches they have held back, of which no digest has told.
    pub held_back: u64,
    /// How much waits for each sink, and how much was given up.
    pub sinks: BTreeMap<String, Waiting>,
}

/// Where an entry of the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// It waits for its sink.
    Waiting,
    /// It was given up.
    Dead,
}

impl Shelf {
    fn rows(self) -> Rows {
        match self {
            Self::Waiting => OUTBOX,
            Self::Dead => DEAD,
        }
    }
}

/// Which entries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those for this sink; for any, if there is none.
    pub sink: Option<String>,
    /// Those with these numbers; with any, if there are none.
    pub numbers: Vec<u64>,
}

impl Choice {
    fn takes(&self, sink: &str, number: u64) -> bool {
        self.sink.as_deref().is_none_or(|wanted| wanted == sink)
            && (self.numbers.is_empty() || self.numbers.contains(&number))
    }
}

impl Inspector {
    /// Opens the state in a folder.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let file = StateFile::of(folder, Limits::default());
        if !file.path.is_file() {
            return Err(StoreError::Missing { folder: folder.display().to_string() });
        }
        file.open_checked()?;
        file.with(prepare)?;
        Ok(Self { file })
    }

    /// What is in it.
    pub fn overview(&self) -> Result<Overview, StoreError> {
        let bytes = std::fs::metadata(&self.file.path).map_or(0, |metadata| metadata.len());
        let mut sinks: BTreeMap<String, Waiting> = BTreeMap::new();
        self.rows(Shelf::Waiting, |sink, _, row| {
            let waiting = sinks.entry(sink.to_owned()).or_default();
            waiting.entries += 1;
            waiting.oldest_ms = waiting.oldest_ms.or(row.ok().map(|row| row.since_ms));
        })?;
        self.rows(Shelf::Dead, |sink, _, _| sinks.entry(sink.to_owned()).or_default().dead += 1)?;
        let (windows, _) = self.file.with(read_windows)?;
        let held_back = windows.iter().map(|(_, window)| window.count()).sum();
        let (checkpoints, seen) = self.file.with(|database| {
            let read = database.begin_read()?;
            let seen = read.open_table(SEEN[0])?.len()? + read.open_table(SEEN[1])?.len()?;
            Ok((read_checkpoints(database)?, seen))
        })?;
        Ok(Overview { bytes, checkpoints, seen, windows: windows.len() as u64, held_back, sinks })
    }

    /// The windows that are open.
    pub fn windows(&self) -> Result<Vec<(WindowKey, Window)>, StoreError> {
        Ok(self.file.with(read_windows)?.0)
    }

    /// Checks the whole file, and returns how many entries of its outbox, and windows, cannot be read. `Err` if the file is damaged.
    pub fn verify(&self) -> Result<u64, StoreError> {
        if let Some(Open { database, .. }) = self.file.open.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            database.check_integrity().map_err(|error| self.file.failed(error.into()))?;
        }
        let (_, mut unreadable) = self.file.with(read_windows)?;
        for shelf in [Shelf::Waiting, Shelf::Dead] {
            self.rows(shelf, |_, _, row| unreadable += u64::from(row.is_err()))?;
        }
        Ok(unreadable)
    }

    /// The events that are remembered, the oldest first.
    pub fn seen(&self) -> Result<Vec<EventKey>, StoreError> {
        self.file.with(read_seen)
    }

    /// The entries that are meant, by sink and age; those that cannot be read are left out.
    pub fn entries(&self, shelf: Shelf, choice: &Choice) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        self.rows(shelf, |sink, number, row| {
            entries.extend(row.ok().filter(|_| choice.takes(sink, number)).map(|row| row.entry(sink, number)));
        })?;
        Ok(entries)
    }

    /// The entries that are meant and cannot be read.
    pub fn unreadable(&self, shelf: Shelf, choice: &Choice) -> Result<Vec<Unreadable>, StoreError> {
        let mut unreadable = Vec::new();
        self.rows(shelf, |sink, number, row| {
            let bytes = row.err().filter(|_| choice.takes(sink, number));
            unreadable.extend(bytes.map(|bytes| Unreadable { number, sink: sink.into(), bytes: bytes.to_vec() }));
        })?;
        Ok(unreadable)
    }

    /// Makes entries due now, as if they had just come: those that were given up, and those that wait for their next try.
    /// How many they are.
    pub fn retry(&self, choice: &Choice) -> Result<u64, StoreError> {
        let now_ms = Timestamp::now().as_millisecond();
        let mut again = self.entries(Shelf::Dead, choice)?;
        again.extend(self.entries(Shelf::Waiting, choice)?);
        self.file.with(|database| {
            let write = database.begin_write()?;
            for entry in &again {
                let row = Row { reason: entry.reason.clone(), ..Row::new(&entry.finding, now_ms) };
                write.open_table(DEAD)?.remove((&*entry.sink, entry.number))?;
                write.open_table(OUTBOX)?.insert((&*entry.sink, entry.number), row.write().as_slice())?;
            }
            Ok(write.commit()?)
        })?;
        Ok(again.len() as u64)
    }

    /// Drops entries for good, also those that cannot be read; how many they are.
    pub fn drop_entries(&self, shelf: Shelf, choice: &Choice) -> Result<u64, StoreError> {
        let mut dropped = Vec::new();
        self.rows(shelf, |sink, number, _| {
            dropped.extend(choice.takes(sink, number).then(|| (sink.to_owned(), number)));
        })?;
        self.file.with(|database| {
            let write = database.begin_write()?;
            for (sink, number) in &dropped {
                write.open_table(shelf.rows())?.remove((sink.as_str(), *number))?;
            }
            Ok(write.commit()?)
        })?;
        Ok(dropped.len() as u64)
    }

    /// Goes through the entries of a shelf; of those that cannot be read there are the bytes.
    fn rows(&self, shelf: Shelf, mut visit: impl FnMut(&str, u64, Result<Row, &[u8]>)) -> Result<(), StoreError> {
        self.file.with(|database: &Database| {
            for row in database.begin_read()?.open_table(shelf.rows())?.iter()? {
                let (key, value) = row?;
                let (sink, number) = key.value();
                visit(sink, number, Row::read(value.value()).map_err(|_| value.value()));
            }
            Ok(())
        })
    }
}
