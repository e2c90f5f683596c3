//! What a group that was matched before rules and routes were replaced leads to after it.

use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::Semaphore;

use super::*;
use crate::decode::Limits;
use crate::delivery::{Delivery, Receipt};
use crate::engine::RuleSet;
use crate::pipeline::evaluate::Evaluator;
use crate::pipeline::handle::Round;
use crate::pipeline::{Accounts, Route};
use crate::rule::{Rule, Severity};
use crate::source::file::{FileLimits, Files};
use crate::store::{Checkpoint, StoreError};

/// Notes whom the outbox is for.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl Store for Noting {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        let to = |outgoing: &Outgoing| format!("{} {}", outgoing.finding.rule.id, outgoing.sink);
        self.0.lock().unwrap().extend(transaction.outgoing.iter().map(to));
        async { Ok(()) }.boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        Vec::new()
    }
}

fn rules(id: &str) -> RuleSet {
    let text = format!("id = \"{id}\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\neventName = \"Fire\"\n");
    RuleSet::new(vec![Rule::parse(Path::new("x.toml"), text).unwrap()])
}

/// To two sinks, of which only one takes what is not grave.
fn routes(open: &str) -> Vec<Route> {
    let severity = |sink: &str| if sink == open { Severity::Informational } else { Severity::Critical };
    let route = |sink: &str| Route { sink: sink.into(), min_severity: severity(sink), tags: Vec::new() };
    ["a", "b"].map(route).into()
}

fn batch(number: u64) -> Vec<Delivery> {
    let body = format!("{{\"eventVersion\":\"1.11\",\"eventID\":\"{number}\",\"eventName\":\"Fire\"}}");
    vec![Delivery { body: Bytes::from(body), origin: Origin::whole("x"), receipt: Receipt(number) }]
}

#[tokio::test]
async fn findings_go_where_the_routes_beside_their_rules_say() {
    let source: Arc<dyn Source> = Arc::new(Files::new(Vec::new(), FileLimits::default(), Arc::new(|_| {})));
    let round = |route| Round { route, bell: Arc::default(), report: Arc::default() };
    let rounds = routes("a").into_iter().map(round).collect();
    let handle = Handle::new(vec![Arc::clone(&source)], Arc::new(rules("old")), rounds);
    let of = (&Accounts::default(), &[Arc::clone(&source)][..]);
    let evaluator = Evaluator::new(Arc::clone(&handle.rules), None, of, Limits::default(), false);
    let room = Arc::new(Semaphore::new(2));
    let matched = |number| evaluator.evaluate(0, batch(number), Arc::clone(&room).try_acquire_owned().unwrap());

    let before = matched(1);
    handle.replace(rules("new"), &routes("b"));
    let after = matched(2);
    let noting = Noting::default();
    let outputs = Outputs { sinks: Vec::new(), tap: None, handle: handle.clone(), clock: Clock::default() };
    let store = Box::new(noting.clone());
    let mut sequencer =
        Sequencer::new(vec![source], store, outputs, Bounds::default(), Arc::new(|_| {}), CancellationToken::new());
    sequencer.take(vec![before, after]).await.unwrap();
    assert_eq!(*noting.0.lock().unwrap(), ["old a", "new b"]);
}
