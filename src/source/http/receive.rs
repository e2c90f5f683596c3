//! One request, from its head to its answer.
//!
//! What costs least is asked first, and everything that a head can tell before a byte of the body is read.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use hyper::header::EXPECT;
use hyper::{Method, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::Answer;
use super::held::Fate;
use super::secret::Secrets;
use super::settings::{Settings, SettingsError};
use super::{NoticeLevel, Shared};
use crate::delivery::{Delivery, Origin, Place};

/// Who and how many may come in.
pub(super) struct Gate {
    secrets: Secrets,
    rate: DefaultDirectRateLimiter,
    room: Arc<Semaphore>,
    told: Mutex<Told>,
}

/// When what was last told of, each sort of refusal by itself.
#[derive(Default)]
struct Told {
    unaccepted: Option<Instant>,
    unauthorized: Option<Instant>,
    too_large: Option<Instant>,
    too_many: Option<Instant>,
    later: Option<Instant>,
}

/// A refusal of the same sort is told again after this long.
const TOLD_EVERY: Duration = Duration::from_secs(3_600);

/// How long, and how much of, a body that is not wanted is read, so that its sender sees the answer.
const DISCARD_WITHIN: Duration = Duration::from_secs(1);
const DISCARD_BYTES_MAX: usize = 16 << 20;

impl Gate {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let rate = NonZeroU32::new(settings.requests_per_second.max(1)).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            secrets: Secrets::new(settings)?,
            rate: RateLimiter::direct(Quota::per_second(rate)),
            room: Arc::new(Semaphore::new(settings.requests_max)),
            told: Mutex::default(),
        })
    }
}

impl Shared {
    /// Answers a request, which is to be dropped if its sender goes.
    pub(super) async fn receive<B>(&self, from: IpAddr, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
    {
        let deadline = Instant::now() + self.settings.answer_within;
        let (head, body) = request.into_parts();
        let answer = match self.admit(&head) {
            Ok(place) => self.take(from, body, place, deadline).await,
            // Who asks before sending has sent nothing yet.
            Err(answer) if head.headers.contains_key(EXPECT) => answer,
            Err(answer) => {
                discard(body).await;
                answer
            }
        };
        self.count(from, answer);
        answer
    }

    /// What the head of a request says of it: a place, or a refusal.
    fn admit(&self, head: &hyper::http::request::Parts) -> Result<OwnedSemaphorePermit, Answer> {
        if head.uri.path() != self.settings.path {
            return Err(Answer::NotFound);
        }
        if head.method != Method::POST {
            return Err(Answer::NotPost);
        }
        if !self.gate.secrets.are_shown(&head.headers) {
            return Err(Answer::Unauthorized);
        }
        if self.closing.is_cancelled() {
            return Err(Answer::Later);
        }
        if let Err(not_yet) = self.gate.rate.check() {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            return Err(Answer::TooMany { seconds: wait.as_secs() + 1 });
        }
        Arc::clone(&self.gate.room).try_acquire_owned().map_err(|_| Answer::Later)
    }

    /// Reads the body, hands it over, and waits for what becomes of it.
    async fn take<B>(&self, from: IpAddr, body: B, place: OwnedSemaphorePermit, deadline: Instant) -> Answer
    where
        B: Body<Data = Bytes>,
    {
        let body = match timeout_at(deadline, read(body, self.settings.body_bytes_max)).await {
            Ok(Ok(body)) if body.is_empty() => return Answer::Undecodable,
            Ok(Ok(body)) => body,
            Ok(Err(answer)) => return answer,
            Err(_) => return Answer::TooSlow,
        };
        let Some(fate) = self.hand_over(from, body, place) else { return Answer::Later };
        match timeout_at(deadline, fate).await {
            Ok(Ok(Fate::Committed)) => Answer::Committed,
            Ok(Ok(Fate::Undecodable)) => Answer::Undecodable,
            Ok(Err(_)) | Err(_) => Answer::Later,
        }
    }

    /// Queues a delivery; `None` once nothing is taken any more. Receipts rise in the order of the queue.
    fn hand_over(&self, from: IpAddr, body: Bytes, place: OwnedSemaphorePermit) -> Option<oneshot::Receiver<Fate>> {
        let origin = Origin { source: Arc::clone(&self.name), place: Place::Request(from) };
        let mut held = self.held();
        let (receipt, fate) = held.take(place)?;
        // As many fit into the queue as there are places.
        self.arrivals.try_send(Delivery { body, origin, receipt }).ok()?;
        Some(fate)
    }

    fn count(&self, from: IpAddr, answer: Answer) {
        let mut report = self.report();
        report.requests += 1;
        match answer {
            Answer::Committed => report.newest_ms = Some(now_ms()),
            Answer::Undecodable => report.undecodable += 1,
            Answer::Unauthorized => report.unauthorized += 1,
            Answer::TooLarge => report.too_large += 1,
            Answer::TooMany { .. } => report.limited += 1,
            Answer::Later => report.postponed += 1,
            Answer::NotFound | Answer::NotPost | Answer::TooSlow => report.misdirected += 1,
        }
        drop(report);
        self.tell(from, answer);
    }

    /// Tells of a refusal, unless one of its sort was told of lately. It quotes nothing that was sent.
    fn tell(&self, from: IpAddr, answer: Answer) {
        let mut told = self.gate.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, text) = match answer {
            Answer::Unauthorized => {
                let hint = "if it is EventBridge: do its connection and this source have the same header and secret?";
                (&mut told.unauthorized, format!("a request from {from} without a good secret was refused ({hint})"))
            }
            Answer::TooLarge => {
                let text = format!("a request from {from} was refused: its body has more bytes than are taken");
                (&mut told.too_large, text)
            }
            Answer::TooMany { .. } => {
                (&mut told.too_many, "more requests come than the rate allows; they are to come again".to_owned())
            }
            Answer::Later if !self.closing.is_cancelled() => {
                let text = "requests are told to come again, for what came before is not committed yet";
                (&mut told.later, text.to_owned())
            }
            _ => return,
        };
        self.tell_now_and_then(last, &format!("{text}; more of it is only counted"));
    }

    /// Tells of connections that the system does not let us have.
    pub(super) fn tell_unaccepted(&self, error: &io::Error) {
        let mut told = self.gate.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell_now_and_then(&mut told.unaccepted, &format!("connections cannot be accepted: {error}"));
    }

    fn tell_now_and_then(&self, last: &mut Option<Instant>, text: &str) {
        if last.is_none_or(|last| last.elapsed() >= TOLD_EVERY) {
            *last = Some(Instant::now());
            self.notify(NoticeLevel::Warn, format!("source `{}`: {text}", self.name));
        }
    }
}

/// Reads a body of no more than so many bytes.
async fn read<B: Body<Data = Bytes>>(body: B, bytes_max: usize) -> Result<Bytes, Answer> {
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    // What is announced is believed where it is too much, and nowhere else.
    let mut is_too_large = body.size_hint().lower() > bytes_max as u64;
    while !is_too_large {
        let Some(frame) = body.frame().await else { return Ok(bytes.freeze()) };
        let Ok(frame) = frame else { return Err(Answer::TooSlow) };
        let Ok(data) = frame.into_data() else { continue };
        bytes.extend_from_slice(&data);
        is_too_large = bytes.len() > bytes_max;
    }
    drop(bytes);
    discard(body).await;
    Err(Answer::TooLarge)
}

/// Reads what nobody wants, a little: a connection closed on it would take the answer along.
async fn discard<B: Body<Data = Bytes>>(body: B) {
    let mut body = pin!(body);
    let read = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > DISCARD_BYTES_MAX {
                return;
            }
        }
    };
    let _ = timeout(DISCARD_WITHIN, read).await;
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
