//! Lives of a pipeline, one after the other, until everything is where it belongs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use trailwatch::decode;
use trailwatch::pipeline::{Accounts, Clock, Couriers, Ended, Pipeline, SinkDelivery, Summary};
use trailwatch::sink::Sink;
use trailwatch::source::Source;
use trailwatch::store::{DiskStore, Limits, Outbox, Store};

use super::disk::Disk;
use super::ledger::Ledger;
use super::plan::{self, SINKS};
use super::sinks::{Printer, Receiver};
use super::sources::{Group, Queue};
use super::watch::{WatchedOutbox, WatchedStore};
use super::world::World;

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By a crash, or an orderly stop: another one follows.
    Restart,
    /// Everything is where it belongs.
    Done,
}

/// How long an orderly stop may take.
const DRAIN: Duration = Duration::from_secs(20);

/// Goes through all lives of a seed. `Err` tells what was broken.
pub fn run(seed: u64, ledger: Ledger, is_calm: bool) -> Result<Arc<World>, String> {
    let world = World::new(seed, ledger, is_calm);
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let end = runtime.block_on(live(&world));
        drop(runtime);
        if let Some(failure) = world.failure() {
            return Err(failure);
        }
        if end == End::Done {
            return Ok(world);
        }
    }
}

async fn live(world: &Arc<World>) -> End {
    let life = world.begin_life();
    let end = tokio::select! {
        biased;
        () = world.fall(life) => End::Restart,
        end = work(world, life) => end,
    };
    let end = if world.is_alive(life) { end } else { End::Restart };
    world.end_life();
    end
}

async fn work(world: &Arc<World>, life: u64) -> End {
    let disk = Disk { world: Arc::clone(world), life };
    let Ok((store, opened)) = DiskStore::open_on(Box::new(disk), Path::new("/simulated"), Limits::default()) else {
        world.note(|| "the state cannot be opened".to_owned());
        return End::Restart;
    };
    // A file that was about to be made when the first life ended holds nothing.
    let may_be_set_aside = !world.ledger.lock().unwrap().has_any();
    world
        .hold(opened.set_aside.is_none() || may_be_set_aside, || format!("state is set aside: {:?}", opened.set_aside));
    if !inspect(world, &store) {
        return End::Restart;
    }
    let stop = CancellationToken::new();
    let group = Arc::new(Group::new(world, &store.checkpoints()));
    let outbox: Arc<dyn Outbox> = Arc::new(WatchedOutbox { world: Arc::clone(world), life, outbox: store.outbox() });
    let pipeline = pipeline(world, life, store, &group, &outbox, &stop);
    let clock = Arc::clone(world);
    let (handle, run) = pipeline.begin_by(Clock::new(move || clock.now()));
    world.hand_controls(handle, stop.clone());
    let mut run = Box::pin(run);
    let (is_done, ended) = tokio::select! {
        biased;
        (_, ended) = &mut run => (false, ended),
        () = until_done(world, &group, &outbox) => {
            stop.cancel();
            (true, until_ended(world, run).await)
        }
    };
    drop(outbox);
    if is_done && ended == Ended::Finished {
        world.hold_complete();
        return End::Done;
    }
    let is_meant = !is_done && is_meant(&ended, stop.is_cancelled());
    world.hold(is_meant, || format!("the run ends with {ended:?}"));
    End::Restart
}

/// Holds what was there before against what must be. `false` says that the disk does not let us.
fn inspect(world: &World, store: &DiskStore) -> bool {
    let mut waiting = Vec::new();
    for sink in SINKS {
        match store.outbox().due(sink, i64::MAX, usize::MAX) {
            Ok(due) => waiting.extend(due.entries),
            Err(_) => return false,
        }
    }
    let windows = store.windows().unwrap_or_default().into_iter().map(|(key, _)| key).collect();
    if let Err(broken) = world.ledger.lock().unwrap().reopened(&store.seen(), windows, &waiting) {
        world.violate(broken);
    }
    true
}

fn pipeline(
    world: &Arc<World>,
    life: u64,
    store: DiskStore,
    group: &Arc<Group>,
    outbox: &Arc<dyn Outbox>,
    stop: &CancellationToken,
) -> Pipeline {
    let plan = &world.plan;
    let delivery = |(route, name)| {
        let sink: Box<dyn Sink> = Box::new(Receiver::new(world, name));
        SinkDelivery { route, sink, patience: plan.patience }
    };
    let deliveries = plan::routes().into_iter().zip(SINKS).map(delivery).collect();
    let noted = Arc::clone(world);
    Pipeline {
        rules: Arc::new(plan::rules(world)),
        filter: None,
        accounts: Accounts::default(),
        sources: vec![Arc::clone(group) as Arc<dyn Source>, Arc::new(Queue::new(world))],
        store: Box::new(WatchedStore { world: Arc::clone(world), life, store }),
        sinks: vec![Box::new(Printer(Arc::clone(world)))],
        couriers: Some(Couriers { outbox: Arc::clone(outbox), deliveries, drain: DRAIN }),
        tap: None,
        limits: decode::Limits::default(),
        bounds: plan.bounds,
        notify: Arc::new(move |notice| noted.note(|| format!("told: {}", notice.text))),
        stop: stop.clone(),
    }
}

/// A run that ends by itself does so for a reason.
fn is_meant(ended: &Ended, is_stopped: bool) -> bool {
    match ended {
        Ended::SourceFailed(error) => error.to_string().contains("simulated"),
        Ended::OutputFailed(error) => error.contains("simulated"),
        Ended::Finished => is_stopped,
        Ended::OutputClosed => false,
    }
}

/// Looks now and then whether everything is where it belongs; not before all faults are over.
async fn until_done(world: &World, group: &Group, outbox: &Arc<dyn Outbox>) {
    loop {
        tokio::time::sleep(Duration::from_millis(world.random(1..=10_000))).await;
        world.step("somebody looks");
        let is_read = group.is_through() && world.queue.lock().unwrap().is_empty();
        let is_read = is_read && world.ledger.lock().unwrap().windows_open() == 0;
        if is_read && world.is_calm() && SINKS.iter().all(|sink| is_empty(outbox, sink)) {
            return;
        }
    }
}

/// Waits for the end of a run that was told to stop, as long as the world has patience.
async fn until_ended(world: &World, run: impl Future<Output = (Summary, Ended)>) -> Ended {
    let mut run = std::pin::pin!(run);
    loop {
        match tokio::time::timeout(Duration::from_secs(10), &mut run).await {
            Ok((_, ended)) => return ended,
            Err(_) => drop(world.step("the end is waited for")),
        }
    }
}

fn is_empty(outbox: &Arc<dyn Outbox>, sink: &str) -> bool {
    outbox.waiting(sink).is_ok_and(|waiting| waiting.entries == 0)
}
