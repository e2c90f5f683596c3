//! How many entries each sink has in the file, kept in memory: what a transaction costs does not depend on how much waits.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::{DEAD, OUTBOX, Rows};

/// The counts of all sinks.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(BTreeMap<String, Count>);

/// What a sink has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Entries that wait.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Counts {
    /// Counts what is in a file.
    pub(super) fn of(database: &Database) -> Result<Self, redb::Error> {
        let mut counts = Self::default();
        for_each_sink(database, OUTBOX, |sink| counts.count(sink).waiting += 1)?;
        for_each_sink(database, DEAD, |sink| counts.count(sink).dead += 1)?;
        Ok(counts)
    }

    /// The count of a sink.
    pub(super) fn count(&mut self, sink: &str) -> &mut Count {
        self.0.entry(sink.to_owned()).or_default()
    }
}

fn for_each_sink(database: &Database, rows: Rows, mut visit: impl FnMut(&str)) -> Result<(), redb::Error> {
    for row in database.begin_read()?.open_table(rows)?.iter()? {
        visit(row?.0.value().0);
    }
    Ok(())
}
