//! Receivers that are busy, slow, picky or gone, and whose answers get lost.

use std::collections::hash_map::DefaultHasher;
use std::future::pending;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use trailwatch::finding::Finding;
use trailwatch::sink::{Cause, Gone, Outcome, Sink};

use super::world::{Fault, World};

/// A sink that a courier goes to.
pub struct Receiver {
    world: Arc<World>,
    name: &'static str,
    /// Not to be spoken to before.
    alone_until: Duration,
}

impl Receiver {
    pub fn new(world: &Arc<World>, name: &'static str) -> Self {
        Self { world: Arc::clone(world), name, alone_until: Duration::ZERO }
    }

    /// The rate limit, and what it asked for itself.
    fn mind(&mut self, findings: usize) {
        let (world, spacing, now) = (&self.world, self.world.plan.patience.spacing, self.world.elapsed());
        world.hold(now >= self.alone_until, || format!("{} is spoken to before {:?}", self.name, self.alone_until));
        world.hold(spacing.is_zero() || findings == 1, || format!("{} is brought {findings} at once", self.name));
        self.alone_until = now + spacing;
    }

    async fn take(&mut self, batch: &[Arc<Finding>]) -> Result<Vec<Outcome>, Gone> {
        self.mind(batch.len());
        let (outcomes, asks_for) = self.answer(batch).await?;
        self.alone_until = self.alone_until.max(self.world.elapsed() + asks_for);
        Ok(outcomes)
    }

    /// The answer, and how long not to come again.
    async fn answer(&self, batch: &[Arc<Finding>]) -> Result<(Vec<Outcome>, Duration), Gone> {
        let (world, name) = (&self.world, self.name);
        self.step("a request").await;
        if world.strikes(Fault::SinkGone, name) {
            return Err(Gone(io::Error::other("the simulated sink is gone")));
        }
        tokio::time::sleep(Duration::from_millis(world.random(0..=500))).await;
        if world.strikes(Fault::Busy, name) {
            return Ok((batch.iter().map(|_| Outcome::retry(Cause::Failed, "busy")).collect(), Duration::ZERO));
        }
        let reached =
            if world.strikes(Fault::GetsNoFurther, name) { world.random(0..=batch.len() as u64) } else { u64::MAX };
        let mut outcomes = Vec::new();
        for finding in batch.iter().take(usize::try_from(reached).unwrap_or(usize::MAX)) {
            if world.strikes(Fault::AsksToWait, name) {
                let after = Duration::from_secs(world.random(1..=120));
                outcomes.push(Outcome::Retry {
                    cause: Cause::Throttled,
                    reason: "too many requests".to_owned(),
                    after: Some(after),
                });
                return Ok((outcomes, after));
            }
            outcomes.push(self.judge(finding));
            self.step("an answer").await;
        }
        if world.strikes(Fault::Hangs, name) {
            tokio::time::sleep(Duration::from_secs(world.random(1..=300))).await;
            self.step("an answer after a long time").await;
        }
        Ok((outcomes, Duration::ZERO))
    }

    fn judge(&self, finding: &Finding) -> Outcome {
        let (world, name) = (&self.world, self.name);
        if self.refuses(finding) {
            self.keep(world.ledger.lock().unwrap().refused(name, finding));
            return Outcome::Refused("not here".to_owned());
        }
        if world.strikes(Fault::Picky, name) {
            return Outcome::retry(Cause::Failed, "not this one");
        }
        self.keep(world.ledger.lock().unwrap().accepted(name, finding));
        match world.strikes(Fault::AnswerLost, name) {
            true => Outcome::retry(Cause::NoAnswer, "no answer"),
            false => Outcome::Delivered,
        }
    }

    /// Some findings a receiver will never have, however often they come.
    fn refuses(&self, finding: &Finding) -> bool {
        let mut hash = DefaultHasher::new();
        (self.name, &finding.id).hash(&mut hash);
        hash.finish().is_multiple_of(self.world.plan.refuses_one_of)
    }

    async fn step(&self, what: &str) {
        if !self.world.step(&format!("{}: {what}", self.name)) {
            pending::<()>().await;
        }
    }

    fn keep(&self, promise: Result<(), String>) {
        if let Err(broken) = promise {
            self.world.violate(broken);
        }
    }
}

impl Sink for Receiver {
    fn name(&self) -> &str {
        self.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        self.take(batch).boxed()
    }
}

/// A sink that is brought findings as they are committed, as standard output is.
pub struct Printer(pub Arc<World>);

impl Sink for Printer {
    fn name(&self) -> &str {
        "printer"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        async move {
            for finding in batch {
                if !self.0.step("a line printed") {
                    pending::<()>().await;
                }
                if let Err(broken) = self.0.ledger.lock().unwrap().printed(finding) {
                    self.0.violate(broken);
                }
            }
            Ok(batch.iter().map(|_| Outcome::Delivered).collect())
        }
        .boxed()
    }
}
