//! Lives of a pipeline, one after the other, until everything is where it belongs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use trailwatch::decode;
use trailwatch::pipeline::{Clock, Couriers, Ended, Handle, Pipeline, SinkDelivery};
use trailwatch::sink::Sink;
use trailwatch::source::Source;
use trailwatch::store::{DiskStore, Limits, Outbox};

use super::disk::Disk;
use super::ledger::Ledger;
use super::plan::{self, SINKS};
use super::sinks::{Printer, Receiver};
use super::sources::{Group, Queue};
use super::watch::{WatchedOutbox, WatchedStore};
use super::world::{Fault, World};

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
    let limits = Limits { outbox_entries_max: world.plan.outbox_entries_max, ..Limits::default() };
    let disk = Disk { world: Arc::clone(world), life };
    let Ok((store, opened)) = DiskStore::open_on(Box::new(disk), Path::new("/simulated"), limits) else {
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
    let group = Arc::new(Group::new(world, &trailwatch::store::Store::checkpoints(&store)));
    let outbox: Arc<dyn Outbox> = Arc::new(WatchedOutbox { world: Arc::clone(world), life, outbox: store.outbox() });
    let pipeline = pipeline(world, life, store, &group, &outbox, &stop);
    let clock = Arc::clone(world);
    let (handle, run) = pipeline.begin_by(Clock::new(move || clock.now()));
    let mut run = Box::pin(run);
    let end = tokio::select! {
        biased;
        (_, ended) = &mut run => return ended_early(world, &ended),
        end = direct(world, &handle, &group, &outbox) => end,
    };
    stop.cancel();
    let (_, ended) = run.await;
    drop(outbox);
    match (end, ended) {
        (End::Done, Ended::Finished) => world.hold_complete(),
        (End::Done, ended) => world.violate(format!("the run ends with {ended:?}")),
        (End::Restart, _) => {}
    }
    end
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
    let seen = trailwatch::store::Store::seen(store);
    if let Err(broken) = world.ledger.lock().unwrap().reopened(&seen, &waiting) {
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
        let sink: Box<dyn Sink> = Box::new(Receiver { world: Arc::clone(world), name });
        SinkDelivery { route, sink, patience: plan.patience }
    };
    let deliveries = plan::routes().into_iter().zip(SINKS).map(delivery).collect();
    let noted = Arc::clone(world);
    Pipeline {
        rules: Arc::new(plan::rules(world)),
        filter: None,
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
fn ended_early(world: &World, ended: &Ended) -> End {
    let is_meant = match ended {
        Ended::SourceFailed(error) => error.to_string().contains("simulated"),
        Ended::OutputFailed(error) => error.contains("simulated"),
        Ended::Finished | Ended::OutputClosed => false,
    };
    world.hold(is_meant, || format!("the run ends by itself with {ended:?}"));
    End::Restart
}

/// What people do to a run; returns when it is to be stopped.
async fn direct(world: &World, handle: &Handle, group: &Group, outbox: &Arc<dyn Outbox>) -> End {
    loop {
        tokio::time::sleep(Duration::from_millis(world.random(1..=10_000))).await;
        if world.strikes(Fault::Reload, "the handle") {
            handle.replace_rules(plan::rules(world));
            handle.replace_routes(&plan::routes());
        }
        if world.strikes(Fault::BrokenReload, "the handle") {
            world.hold(plan::broken_rules(), || "broken rules are taken".to_owned());
        }
        if world.strikes(Fault::ClockSet, "the clock") {
            world.set_clock();
        }
        if world.strikes(Fault::Stop, "the run") {
            return End::Restart;
        }
        let is_read = group.is_through() && world.queue.lock().unwrap().is_empty();
        if is_read && world.is_calm() && SINKS.iter().all(|sink| is_empty(outbox, sink)) {
            return End::Done;
        }
    }
}

fn is_empty(outbox: &Arc<dyn Outbox>, sink: &str) -> bool {
    outbox.waiting(sink).is_ok_and(|waiting| waiting.entries == 0)
}
