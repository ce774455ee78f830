//! The Lambda function: one EventBridge event in, one delivery to the detector.

mod ignored;
pub mod telemetry;

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::{error, info, warn};

use self::ignored::IgnoredCounts;
use crate::cloudtrail::record::{CLOUDTRAIL_DETAIL_TYPE, Detail};
use crate::cloudtrail::{Denial, Malformed, Record};
use crate::detection::finding::Finding;
use crate::engine::resolve::{Closed, NotClosed};
use crate::engine::{Engine, EngineError, Failed};
use crate::ignore::Entry;
use crate::lambda::telemetry::Metrics;
use crate::sink::Sink;
use crate::sink::sns::SnsError;
use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};
use crate::text::Text;
use crate::weekly_digest::Week;

const SOURCE: &str = "aws.secretsmanager";
/// Longest time of one delivery, its waits and retries included: shorter than the function's
/// time-out, so that what failed is named, and the process lives on.
pub const DEADLINE: Duration = Duration::from_secs(25);
/// Longest time of looking for episodes that are over. One that is begun by then has the rest.
const CLOSING: Duration = Duration::from_secs(18);
/// Seconds that a clock may be wrong.
const MAX_FUTURE_SECONDS: i64 = 900;
const MAX_QUOTED_BYTES: usize = 60;

/// Why an invocation failed. Each has a fixed `error_type`, which alarms may key on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The event cannot be used, today or ever.
    #[error("the event is rejected: {0}")]
    Rejected(Rejection),
    /// The table cannot be written. It may be later.
    #[error("the state is not stored: {0}")]
    Store(DynamoDbError),
    /// An item was not written by this version.
    #[error("{0}")]
    CorruptItem(DynamoDbError),
    /// The alert cannot be published. It may be later.
    #[error("the alert is not published: {0}")]
    Publish(SnsError),
    /// It took too long. It may be faster later.
    #[error("it is not done after {} seconds", DEADLINE.as_secs())]
    OutOfTime,
}

/// What the schedules of the template ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// Tell the ends of episodes that are over.
    CloseEpisodes {},
    /// Send the digest of the last week.
    SendDigest {},
}

/// Why an event is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It is no EventBridge event.
    #[error("it is no EventBridge event")]
    NoEnvelope,
    /// It comes from elsewhere.
    #[error("its source is \"{0}\", not {SOURCE}")]
    Source(Text),
    /// Its record cannot be used.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has not happened yet.
    #[error("its eventTime {0} lies in the future")]
    Future(Timestamp),
}

impl Failure {
    /// The fixed name of its kind.
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
    /// ARN of the role the function runs under: its own denials would only feed themselves.
    own_role: Option<String>,
    ignored: IgnoredCounts,
}

impl<P: Sink<Error = SnsError>> Function<P> {
    /// A function over this detector.
    pub fn new(engine: Engine<DynamoDbStore, P>, own_role: Option<String>) -> Self {
        Self { engine, own_role, ignored: IgnoredCounts::default() }
    }

    /// Handles one event that arrived `now`, and writes its metrics.
    pub async fn handle(&self, event: &RawValue, now: Timestamp) -> Result<(), Failure> {
        let mut metrics = Metrics::default();
        let delivered = tokio::time::timeout(DEADLINE, self.deliver(event, now, &mut metrics));
        let result = delivered.await.unwrap_or(Err(Failure::OutOfTime));
        if let Err(failure) = &result {
            metrics.rejected += u32::from(matches!(failure, Failure::Rejected(_)));
            error!(error_type = failure.error_type(), error = %failure, "the invocation failed");
        }
        println!("{}", metrics.line(&self.engine.store().take_usage(), now));
        result
    }

    async fn deliver(
        &self,
        event: &RawValue,
        now: Timestamp,
        metrics: &mut Metrics,
    ) -> Result<(), Failure> {
        let denial = match denial(event, now) {
            Ok(denial) => denial,
            Err(Rejection::NoEnvelope) if let Ok(task) = serde_json::from_str(event.get()) => {
                return self.run(task, now, metrics).await;
            }
            Err(rejection) => return Err(Failure::Rejected(rejection)),
        };
        let settings = self.engine.settings();
        if denial.is_none() && settings.watch_reads {
            return self.deliver_read(event, now, metrics).await;
        }
        let Some(denial) = denial.filter(|denial| !self.is_own(denial)) else {
            metrics.ignored += 1;
            return Ok(());
        };
        if let Some(entry) = settings.ignored.entirely(&denial) {
            metrics.ignored += 1;
            self.record_ignored(entry, now).await;
            return Ok(());
        }
        let age = now.duration_since(denial.time()).max(SignedDuration::ZERO);
        let (handled, result) = match self.engine.handle(&denial, age, now).await {
            Ok(handled) => (Some(handled), Ok(())),
            Err(Failed { error, handled }) => (handled, Err(error.into())),
        };
        if let Some(handled) = &handled {
            metrics.count(handled);
            if let Some(finding) = &handled.finding {
                log(finding, handled.sends.kept_back());
            }
        }
        result
    }

    /// A secret that was read, if the event is one.
    async fn deliver_read(
        &self,
        event: &RawValue,
        now: Timestamp,
        metrics: &mut Metrics,
    ) -> Result<(), Failure> {
        let read = Record::read_in(event.get());
        let Some(read) = read.map_err(|malformed| Failure::Rejected(malformed.into()))? else {
            metrics.ignored += 1;
            return Ok(());
        };
        let handled = self.engine.handle_read(&read, now).await?;
        if handled.is_of_episode {
            metrics.reads += 1;
        } else {
            metrics.ignored += 1;
        }
        metrics.send(handled.sends);
        if let Some(finding) = &handled.finding {
            metrics.finding = Some(finding.severity);
            log(finding, handled.sends.kept_back());
        }
        Ok(())
    }

    async fn run(&self, task: Task, now: Timestamp, metrics: &mut Metrics) -> Result<(), Failure> {
        let (closed, result) = match task {
            Task::CloseEpisodes {} => match self.engine.resolve_episodes(now, CLOSING).await {
                Ok(closed) => (closed, Ok(())),
                Err(NotClosed { error, closed }) => (closed, Err(error.into())),
            },
            Task::SendDigest {} => {
                let week = Week::before(now.as_second());
                return Ok(self.engine.send_weekly_digest(week).await?);
            }
        };
        let Closed { ends, sends } = closed;
        metrics.send(sends);
        for end in &ends {
            metrics.episodes_resolved += 1;
            log(end, false);
        }
        result
    }

    fn is_own(&self, denial: &Denial) -> bool {
        self.own_role.as_deref().is_some_and(|own| is_role(denial, own))
    }

    /// Counts a denial of an ignored principal for the digest. It is ignored all the same if
    /// that fails, and counted with the next.
    async fn record_ignored(&self, entry: &Entry, now: Timestamp) {
        if !self.engine.settings().weekly_digest {
            return;
        }
        let (entry, now) = (entry.text(), now.as_second());
        let Some(denials) = self.ignored.add(entry, now) else { return };
        match self.engine.store().add_ignored(entry, denials, now).await {
            Ok(()) => self.ignored.written(entry, now),
            Err(error) => warn!(error = %error, "ignored denials are not noted for the digest"),
        }
    }
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

/// The denial of an event, or nothing if it is another event.
pub fn denial(event: &RawValue, now: Timestamp) -> Result<Option<Denial>, Rejection> {
    let json = event.get();
    let (source, denial) = match serde_json::from_str::<EventBridgeEvent<Detail>>(json) {
        Ok(EventBridgeEvent { source, detail_type, detail, .. }) => {
            (source, detail.denial.filter(|_| detail_type == CLOUDTRAIL_DETAIL_TYPE))
        }
        // The envelope, or only the record in it.
        Err(_) => match serde_json::from_str::<EventBridgeEvent<Box<RawValue>>>(json) {
            Ok(envelope) => (envelope.source, None),
            Err(_) => return Err(Rejection::NoEnvelope),
        },
    };
    if source != SOURCE {
        return Err(Rejection::Source(Text::new(&source, MAX_QUOTED_BYTES)));
    }
    let denial = match denial {
        None => Record::denial_in(json.as_bytes())?,
        denial => denial,
    };
    let is_future = |denial: &Denial| {
        denial.time().duration_since(now) > SignedDuration::from_secs(MAX_FUTURE_SECONDS)
    };
    match denial {
        Some(denial) if is_future(&denial) => Err(Rejection::Future(denial.time())),
        other => Ok(other),
    }
}

fn log(finding: &Finding, suppressed: bool) {
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
        finding.title
    );
    if suppressed {
        warn!(finding = finding.id, "the finding is recorded and not sent");
    }
}
