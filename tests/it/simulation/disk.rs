//! A disk that fails and forgets: what was not synced is there after a power cut, is not, or is torn.

use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use trailwatch::store::Medium;

use super::world::{Fault, World};

/// The one file of the state.
#[derive(Default)]
pub struct File {
    /// As who has it open sees it.
    seen: Vec<u8>,
    /// As it is sure to be after a power cut.
    safe: Vec<u8>,
    /// What was done to it since the last sync.
    unsynced: Vec<Change>,
    full_until: Option<Duration>,
    /// How often a file was set aside.
    pub set_aside: u64,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// The unit in which a disk writes, or does not.
const SECTOR: usize = 512;

/// Chooses a number.
type Choose<'a> = &'a mut dyn FnMut(std::ops::RangeInclusive<u64>) -> u64;

impl File {
    /// How many writes a power cut may undo. The end of the file, which nothing is in, may be given back unsynced.
    pub fn unsynced(&self) -> usize {
        self.unsynced.iter().filter(|change| matches!(change, Change::Write(..))).count()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.seen, offset, bytes);
        self.unsynced.push(Change::Write(offset, bytes.to_vec()));
    }

    fn set_len(&mut self, length: usize) {
        self.seen.resize(length, 0);
        self.unsynced.push(Change::Length(length));
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.safe);
        }
    }

    /// A sync that fails has made safe what it got to. The rest is still to be written.
    fn sync_in_part(&mut self, choose: Choose<'_>) {
        for change in std::mem::take(&mut self.unsynced) {
            if choose(0..=1) == 0 {
                change.apply(&mut self.safe);
            }
            // Writing it again does no harm, and what was not written is written then.
            self.unsynced.push(change);
        }
    }

    /// What is left after a power cut: all that was not synced, nothing of it, or some, with what was under way torn.
    pub fn cut_power(&mut self, choose: Choose<'_>) {
        let mood = choose(0..=3);
        for change in std::mem::take(&mut self.unsynced) {
            match (mood, choose(0..=2)) {
                (0, _) => {}
                (1, _) | (_, 0) => change.apply(&mut self.safe),
                (_, 1) => {}
                _ => change.apply_torn(&mut self.safe, choose),
            }
        }
        self.seen = self.safe.clone();
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => put(file, *offset, bytes),
            Self::Length(length) => file.resize(*length, 0),
        }
    }

    /// Of some sectors the old, of others the new, and one is cut in its midst.
    fn apply_torn(&self, file: &mut Vec<u8>, choose: Choose<'_>) {
        let Self::Write(offset, bytes) = self else { return self.apply(file) };
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            let kept = match choose(0..=3) {
                0 => 0,
                1 => choose(0..=sector.len() as u64) as usize,
                _ => sector.len(),
            };
            if kept > 0 {
                put(file, offset + number * SECTOR, &sector[..kept]);
            }
        }
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// The disk, as one life has it.
#[derive(Clone)]
pub struct Disk {
    pub world: Arc<World>,
    pub life: u64,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    fn file(&self) -> MutexGuard<'_, File> {
        self.world.disk.lock().unwrap()
    }

    fn step(&self, what: &str) -> io::Result<()> {
        let goes_on = self.world.is_alive(self.life) && self.world.step(what);
        if goes_on { Ok(()) } else { Err(dead()) }
    }

    fn fails(&self, fault: Fault, what: &str) -> bool {
        self.world.strikes(fault, what)
    }

    fn is_full(&self, what: &str) -> bool {
        let now = self.world.elapsed();
        if self.fails(Fault::DiskFull, what) {
            self.file().full_until = Some(now + Duration::from_millis(self.world.random(1..=60_000)));
        }
        self.file().full_until.is_some_and(|until| now < until) && !self.world.is_calm()
    }

    /// Why a write does not come to its end, if it does not.
    fn obstacle(&self, what: &str) -> Option<io::Error> {
        match () {
            () if self.step(what).is_err() => Some(dead()),
            () if self.is_full(what) => Some(io::Error::from_raw_os_error(28)),
            () if self.fails(Fault::WriteFails, what) => Some(broken()),
            () => None,
        }
    }
}

fn dead() -> io::Error {
    io::Error::other("there is nobody to do it any more")
}

fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.world.is_alive(self.life) {
            return Err(dead());
        }
        if self.fails(Fault::ReadFails, "a read") {
            return Err(broken());
        }
        let (file, offset) = (self.file(), offset as usize);
        let bytes = file.seen.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if let Some(error) = self.obstacle("a change of length") {
            return Err(error);
        }
        self.file().set_len(len as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step("a sync")?;
        if self.fails(Fault::SyncFails, "a sync") {
            let world = &self.world;
            self.file().sync_in_part(&mut |range| world.random(range));
            return Err(broken());
        }
        self.file().sync();
        self.step("the end of a sync")
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if !self.world.is_alive(self.life) {
            return Err(dead());
        }
        self.world.digest(data);
        match self.obstacle("a write") {
            None => {
                self.file().write(offset as usize, data);
                Ok(())
            }
            Some(error) => {
                let written = self.world.random(0..=data.len() as u64) as usize;
                self.file().write(offset as usize, &data[..written]);
                Err(error)
            }
        }
    }
}

impl Medium for Disk {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, _: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.create_with_backend(self.clone())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        self.step("a renaming")?;
        let mut file = self.file();
        *file = File { set_aside: file.set_aside + 1, full_until: file.full_until, ..File::default() };
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }
}
