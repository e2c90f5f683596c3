//! Two sources that keep their contract: a log group, which goes on from a position, and a queue, which brings again what
//! was not acknowledged, and sometimes what was.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use trailwatch::delivery::{Delivery, Origin, Receipt};
use trailwatch::source::{Source, SourceError, SourceReport};
use trailwatch::store::Checkpoint;

use super::plan::{Parcel, Plan};
use super::world::{Fault, World};

/// How long a message stays hidden once it was received.
const HIDDEN: Duration = Duration::from_secs(45);
/// How often a message that nobody can decode is received before the queue sets it aside.
const RECEIVED_MAX: u32 = 3;
/// Deliveries in a batch.
const BATCH_MAX: u64 = 4;

/// What is the same for both: deliveries that are out, and what is promised of them.
struct Out {
    world: Arc<World>,
    name: &'static str,
    parcels: Mutex<BTreeMap<Receipt, usize>>,
    receipts: Mutex<u64>,
}

impl Out {
    fn new(world: &Arc<World>, name: &'static str) -> Self {
        Self { world: Arc::clone(world), name, parcels: Mutex::default(), receipts: Mutex::new(0) }
    }

    fn hand_over(&self, index: usize, parcel: &Parcel) -> Delivery {
        let mut receipts = self.receipts.lock().unwrap();
        let receipt = Receipt(*receipts);
        *receipts += 1;
        self.parcels.lock().unwrap().insert(receipt, index);
        self.world.note(|| format!("{} hands over {:?} as {}", self.name, parcel.numbers, receipt.0));
        Delivery { body: parcel.body.clone(), origin: Origin::whole(self.name), receipt }
    }

    /// What a receipt stands for, once. Nothing may be acknowledged before it is safe.
    fn take_back(&self, receipts: &[Receipt], all: &[Parcel], is_good: bool) -> Vec<usize> {
        let mut taken = Vec::new();
        for receipt in receipts {
            let Some(index) = self.parcels.lock().unwrap().remove(receipt) else {
                self.world.violate(format!("{}: receipt {} comes back twice", self.name, receipt.0));
                continue;
            };
            let numbers = &all[index].numbers;
            self.world.note(|| format!("{}: {numbers:?} is acknowledged", self.name));
            self.world.hold(numbers.is_empty() != is_good, || {
                format!("{}: {numbers:?} was taken for what it is not", self.name)
            });
            let unsafe_one = numbers.iter().find(|&&number| !self.is_safe(number));
            self.world.hold(unsafe_one.is_none(), || {
                format!("{}: event {unsafe_one:?} is acknowledged before it is safe", self.name)
            });
            taken.push(index);
        }
        taken
    }

    fn is_safe(&self, number: u64) -> bool {
        self.world.ledger.lock().unwrap().is_safe(&self.world.plan.keys[number as usize])
    }

    /// Back-pressure: what is on its way keeps to the bound, but for the batch that waits to be let in.
    fn weigh(&self, all: &[Parcel]) {
        let largest = BATCH_MAX as usize * all.iter().map(|parcel| parcel.body.len()).max().unwrap_or(0);
        let most = self.world.plan.bounds.bytes_in_flight.max(largest) + largest;
        let bytes: usize = self.parcels.lock().unwrap().values().map(|&index| all[index].body.len()).sum();
        self.world.hold(bytes <= most, || format!("{}: {bytes} bytes are on their way at once", self.name));
    }

    /// Looks until there is something.
    async fn next(&self, batch: impl Fn() -> Vec<Delivery> + Send) -> Result<Option<Vec<Delivery>>, SourceError> {
        loop {
            self.before().await?;
            let batch = batch();
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Comes before a batch: `Err` says that the source is at its end, and waiting may take a while.
    async fn before(&self) -> Result<(), SourceError> {
        if !self.world.step(&format!("{}: a call", self.name)) {
            return pending().await;
        }
        if self.world.strikes(Fault::SourceFails, self.name) {
            return Err(SourceError::Refused("the simulated source cannot go on".to_owned()));
        }
        let wait = if self.world.strikes(Fault::SourceSlow, self.name) { 60_000 } else { 200 };
        tokio::time::sleep(Duration::from_millis(self.world.random(0..=wait))).await;
        Ok(())
    }
}

/// A log group: parcels in the order in which they can be seen.
pub struct Group {
    out: Out,
    progress: Mutex<Progress>,
}

#[derive(Clone, Default)]
struct Progress {
    next: usize,
    committed: BTreeSet<usize>,
    /// All before it is committed.
    position: usize,
}

impl Group {
    pub const NAME: &'static str = "group";

    pub fn new(world: &Arc<World>, checkpoints: &[Checkpoint]) -> Self {
        let known = checkpoints.iter().find(|checkpoint| &*checkpoint.source == Self::NAME);
        let position = known.map_or(0, |checkpoint| checkpoint.position.parse().unwrap());
        let progress = Progress { next: position, position, ..Progress::default() };
        Self { out: Out::new(world, Self::NAME), progress: Mutex::new(progress) }
    }

    /// Whether everything is committed.
    pub fn is_through(&self) -> bool {
        self.progress.lock().unwrap().position == self.out.world.plan.group.len()
    }

    fn parcels(&self) -> &[Parcel] {
        &self.out.world.plan.group
    }

    fn batch(&self) -> Vec<Delivery> {
        let world = &self.out.world;
        let (now, mut progress) = (world.elapsed(), self.progress.lock().unwrap());
        if progress.next > 0 && world.strikes(Fault::HandsOverAgain, Self::NAME) {
            progress.next = world.random(0..=progress.next as u64 - 1) as usize;
        }
        let most = world.random(1..=BATCH_MAX) as usize;
        let fresh = self.parcels().iter().enumerate().skip(progress.next);
        let visible = fresh.take_while(|(_, parcel)| parcel.visible_at <= now).take(most);
        let batch: Vec<_> = visible.map(|(index, parcel)| self.out.hand_over(index, parcel)).collect();
        progress.next += batch.len();
        self.out.weigh(self.parcels());
        batch
    }
}

impl Progress {
    fn commit(&mut self, indices: impl IntoIterator<Item = usize>) {
        self.committed.extend(indices);
        while self.committed.contains(&self.position) {
            self.position += 1;
        }
    }
}

impl Source for Group {
    fn name(&self) -> Arc<str> {
        Self::NAME.into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        self.out.next(|| self.batch()).boxed()
    }

    fn checkpoint(&self, receipts: &[Receipt]) -> Option<Checkpoint> {
        let mut progress = self.progress.lock().unwrap().clone();
        let parcels = self.out.parcels.lock().unwrap();
        progress.commit(receipts.iter().filter_map(|receipt| parcels.get(receipt).copied()));
        Some(Checkpoint { source: self.name(), position: progress.position.to_string() })
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        async {
            let taken = self.out.take_back(receipts, self.parcels(), true);
            self.progress.lock().unwrap().commit(taken);
            Ok(())
        }
        .boxed()
    }

    fn reject<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        async {
            let taken = self.out.take_back(receipts, self.parcels(), false);
            self.progress.lock().unwrap().commit(taken);
            Ok(())
        }
        .boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

/// What is in the queue, which no crash of ours touches.
pub struct Messages(Vec<Message>);

#[derive(Clone)]
struct Message {
    visible_at: Duration,
    received: u32,
    is_gone: bool,
}

impl Messages {
    pub fn of(plan: &Plan) -> Self {
        let message = |parcel: &Parcel| Message { visible_at: parcel.visible_at, received: 0, is_gone: false };
        Self(plan.queue.iter().map(message).collect())
    }

    /// Whether there is nothing left in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|message| message.is_gone)
    }

    fn receive(&mut self, world: &World) -> Vec<usize> {
        let now = world.elapsed();
        let mut visible: Vec<usize> = (0..self.0.len()).filter(|&index| self.0[index].is_visible(now)).collect();
        let gone: Vec<usize> = (0..self.0.len()).filter(|&index| self.0[index].is_gone).collect();
        if !gone.is_empty() && world.strikes(Fault::ComesBack, Queue::NAME) {
            visible.push(gone[world.random(0..=gone.len() as u64 - 1) as usize]);
        }
        world.shuffle(&mut visible);
        visible.truncate(world.random(1..=BATCH_MAX) as usize);
        for &index in &visible {
            let message = &mut self.0[index];
            message.visible_at = now + HIDDEN;
            message.received += 1;
        }
        visible
    }
}

impl Message {
    fn is_visible(&self, now: Duration) -> bool {
        !self.is_gone && self.visible_at <= now
    }
}

/// A queue.
pub struct Queue {
    out: Out,
}

impl Queue {
    pub const NAME: &'static str = "queue";

    pub fn new(world: &Arc<World>) -> Self {
        Self { out: Out::new(world, Self::NAME) }
    }

    fn parcels(&self) -> &[Parcel] {
        &self.out.world.plan.queue
    }

    fn batch(&self) -> Vec<Delivery> {
        let world = &self.out.world;
        let received = world.queue.lock().unwrap().receive(world);
        let batch = received.into_iter().map(|index| self.out.hand_over(index, &self.parcels()[index])).collect();
        self.out.weigh(self.parcels());
        batch
    }

    fn delete(&self, indices: &[usize]) -> Result<(), SourceError> {
        let world = &self.out.world;
        if !world.step("queue: an acknowledgement") {
            return Ok(());
        }
        if world.strikes(Fault::AcknowledgementLost, Self::NAME) {
            return match world.random(0..=1) {
                0 => Ok(()),
                _ => Err(SourceError::Refused("the simulated queue did not hear".to_owned())),
            };
        }
        let mut messages = world.queue.lock().unwrap();
        indices.iter().for_each(|&index| messages.0[index].is_gone = true);
        Ok(())
    }
}

impl Source for Queue {
    fn name(&self) -> Arc<str> {
        Self::NAME.into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        self.out.next(|| self.batch()).boxed()
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        async { self.delete(&self.out.take_back(receipts, self.parcels(), true)) }.boxed()
    }

    /// What nobody can decode is left to the queue, which sets it aside in time.
    fn reject<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        async {
            let left = self.out.take_back(receipts, self.parcels(), false);
            let mut messages = self.out.world.queue.lock().unwrap();
            for index in left {
                messages.0[index].is_gone |= messages.0[index].received >= RECEIVED_MAX;
            }
            Ok(())
        }
        .boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}
