//! The Lambda function: one event in, one delivery to the engine, one line of metrics out.

mod ignored;
pub mod telemetry;

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tracing::{error, info, warn};

use self::ignored::IgnoredCounts;
use self::telemetry::Metrics;
use crate::alert::title::title;
use crate::cloudtrail::envelope::{Event, Rejection, Task};
use crate::cloudtrail::{Delivery, Denial, SecretRead};
use crate::detection::Finding;
use crate::engine::reads::HandledRead;
use crate::engine::{Engine, EngineError, HandleError};
use crate::sink::Sink;
use crate::sink::sns::SnsError;
use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};
use crate::text::Text;
use crate::weekly_digest::Week;

/// Longest time of one delivery, its waits and retries included: shorter than the function's
/// time-out, so that what failed is named, and the process lives on.
pub const DEADLINE: Duration = Duration::from_secs(25);
/// Time after which no further episode is checked. The one that was begun has the rest.
const RESOLVING: Duration = Duration::from_secs(18);

/// Why an invocation failed. Each has a fixed `error_type`, which alarms may key on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The event can never be used.
    #[error("the event is rejected: {0}")]
    Rejected(Rejection),
    /// The table cannot be read or written. It may be later.
    #[error("the state is not stored: {0}")]
    Store(DynamoDbError),
    /// This version did not write the item.
    #[error("{0}")]
    CorruptItem(DynamoDbError),
    /// The alert cannot be published. It may be later.
    #[error("the alert is not published: {0}")]
    Publish(SnsError),
    #[error("it is not done after {} seconds", DEADLINE.as_secs())]
    OutOfTime,
}

impl Failure {
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "RejectedEvent",
            Self::Store(DynamoDbError::Contended) => "StoreContended",
            Self::Store(_) => "StoreUnavailable",
            Self::CorruptItem(_) => "CorruptItem",
            Self::Publish(_) => "AlertNotPublished",
            Self::OutOfTime => "OutOfTime",
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type().to_owned(), error_message: failure.to_string() }
    }
}

impl From<EngineError<DynamoDbError, SnsError>> for Failure {
    fn from(error: EngineError<DynamoDbError, SnsError>) -> Self {
        match error {
            EngineError::Store(corrupt @ DynamoDbError::Corrupt(_)) => Self::CorruptItem(corrupt),
            EngineError::Store(error) => Self::Store(error),
            EngineError::Sink(error) => Self::Publish(error),
            EngineError::Contended => Self::Store(DynamoDbError::Contended),
        }
    }
}

/// The function, its clients made once.
#[derive(Debug)]
pub struct Function<P> {
    engine: Engine<DynamoDbStore, P>,
    /// ARN of the role that the function runs under: its own denials would only feed themselves.
    own_role: Option<String>,
    ignored: IgnoredCounts,
}

/// What one invocation did.
struct Invocation {
    metrics: Metrics,
    result: Result<(), Failure>,
}

impl<P: Sink<Error = SnsError>> Function<P> {
    pub fn new(engine: Engine<DynamoDbStore, P>, own_role: Option<String>) -> Self {
        Self { engine, own_role, ignored: IgnoredCounts::default() }
    }

    /// Handles one event that arrived `now`, and writes its metrics.
    pub async fn handle(&self, event: &RawValue, now: Timestamp) -> Result<(), Failure> {
        let invoked = tokio::time::timeout(DEADLINE, self.invoke(event, now)).await;
        let Invocation { metrics, result } =
            invoked.unwrap_or_else(|_| Err(Failure::OutOfTime).into());
        if let Err(failure) = &result {
            error!(error_type = failure.error_type(), error = %failure, "the invocation failed");
        }
        println!("{}", metrics.line(&self.engine.store().take_usage(), now));
        result
    }

    async fn invoke(&self, event: &RawValue, now: Timestamp) -> Invocation {
        let reads = self.engine.settings().watch_reads;
        match read_event(event, reads).and_then(|event| event.arriving(now)) {
            Err(rejection) => Invocation {
                metrics: Metrics { rejected: 1, ..Metrics::default() },
                result: Err(Failure::Rejected(rejection)),
            },
            Ok(Event::Denial(denial)) => self.denial(&denial, now).await,
            Ok(Event::Read(read)) => self.read(&read, now).await,
            Ok(Event::Task(Task::ResolveEpisodes {})) => self.resolve_episodes(now).await,
            Ok(Event::Task(Task::SendWeeklyDigest {})) => {
                let week = Week::before(now.as_second());
                self.engine.send_weekly_digest(week).await.map_err(Failure::from).into()
            }
            Ok(Event::Other) => Invocation::ignored(),
        }
    }

    async fn denial(&self, denial: &Denial, now: Timestamp) -> Invocation {
        if self.is_own(denial) {
            return Invocation::ignored();
        }
        if let Some(entry) = self.engine.settings().ignored.entirely(denial) {
            self.record_ignored(entry.text(), now).await;
            return Invocation::ignored();
        }
        let delivery = Delivery { denial, arrived: now };
        let (handled, result) = match self.engine.handle(&delivery).await {
            Ok(handled) => (Some(handled), Ok(())),
            Err(HandleError { error, handled }) => (handled, Err(error.into())),
        };
        let mut metrics = Metrics::default();
        if let Some(handled) = &handled {
            metrics.count(handled);
            if let Some(finding) = &handled.finding {
                log(finding, handled.sent.dispositions.any_unsent());
            }
        }
        Invocation { metrics, result }
    }

    async fn read(&self, read: &SecretRead, now: Timestamp) -> Invocation {
        let mut metrics = Metrics::default();
        match self.engine.handle_read(read, now).await {
            Err(error) => return Err(Failure::from(error)).into(),
            Ok(HandledRead::Unwatched) => metrics.ignored += 1,
            Ok(HandledRead::Recorded) => metrics.reads += 1,
            Ok(HandledRead::Raised(finding, sent)) => {
                metrics.reads += 1;
                metrics.finding = Some(finding.severity);
                metrics.sent.record(sent);
                log(&finding, metrics.sent.dispositions.any_unsent());
            }
        }
        Invocation { metrics, result: Ok(()) }
    }

    async fn resolve_episodes(&self, now: Timestamp) -> Invocation {
        let resolved = self.engine.resolve_episodes(now, RESOLVING).await;
        let mut metrics = Metrics { sent: resolved.sent, ..Metrics::default() };
        for resolution in &resolved.resolutions {
            metrics.episodes_resolved += 1;
            log(resolution, false);
        }
        Invocation { metrics, result: resolved.error.map_or(Ok(()), |error| Err(error.into())) }
    }

    fn is_own(&self, denial: &Denial) -> bool {
        self.own_role.as_deref().is_some_and(|own| is_role(denial, own))
    }

    /// Counts a denial of an ignored principal for the weekly digest. It is ignored all the
    /// same if that fails, and counted with the next.
    async fn record_ignored(&self, entry: &str, now: Timestamp) {
        if !self.engine.settings().weekly_digest {
            return;
        }
        let second = now.as_second();
        let Some(denials) = self.ignored.add(entry, second) else { return };
        match self.engine.store().add_ignored(entry, denials, second).await {
            Ok(()) => self.ignored.written(entry, second),
            Err(error) => {
                warn!(error = %error, "ignored denials are not recorded for the weekly digest");
            }
        }
    }
}

impl Invocation {
    fn ignored() -> Self {
        Self { metrics: Metrics { ignored: 1, ..Metrics::default() }, result: Ok(()) }
    }
}

/// An invocation of which only its result counts.
impl From<Result<(), Failure>> for Invocation {
    fn from(result: Result<(), Failure>) -> Self {
        Self { metrics: Metrics::default(), result }
    }
}

/// The `detail` of an event, whose envelope asks for one that can be written again.
#[derive(Serialize)]
struct Detail {
    #[serde(skip)]
    event: Option<Event>,
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Event::in_detail(deserializer).map(|event| Self { event })
    }
}

/// What an event is about: by one parse if its envelope and its record are as AWS documents
/// them. Of any other the core says what it is, or what is wrong with it.
pub fn read_event(event: &RawValue, reads: bool) -> Result<Event, Rejection> {
    if let Ok(envelope) = serde_json::from_str::<EventBridgeEvent<Detail>>(event.get())
        && Event::is_carried_by(&envelope.source, &envelope.detail_type)
        && let Some(event) = envelope.detail.event
    {
        return Ok(match event {
            Event::Read(_) if !reads => Event::Other,
            event => event,
        });
    }
    Event::read(event.get(), reads)
}

/// Whether the denial is one of the role with this ARN. A record without the session's
/// issuer names only the session, whose ARN has the role's account and name.
fn is_role(denial: &Denial, role_arn: &str) -> bool {
    let Some(arn) = denial.principal().arn().map(Text::as_str) else {
        return false;
    };
    let (account, name) = (role_arn.split(':').nth(4), role_arn.rsplit('/').next());
    let session = arn.split_once(":assumed-role/").map(|(_, session)| session);
    let role_of_session = session.and_then(|session| session.split('/').next());
    arn == role_arn
        || (role_of_session.is_some()
            && role_of_session == name
            && arn.split(':').nth(4) == account)
}

fn log(finding: &Finding, unsent: bool) {
    info!(
        finding = finding.id,
        status = finding.status.name(),
        severity = finding.severity.name(),
        principal = finding.principal.principal.key().as_str(),
        signal = finding.signal.name(),
        scale = finding.scale.name(),
        observed = finding.observed,
        deviation = finding.deviation,
        "{}",
        title(finding)
    );
    if unsent {
        warn!(finding = finding.id, "the finding is recorded and not sent");
    }
}
