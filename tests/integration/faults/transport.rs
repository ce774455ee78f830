//! The path between the function and the services: the real local AWS, and the faults on the way
//! there and back.
//!
//! Time is virtual and passes only while every invocation waits. A request to the service takes no
//! virtual time: another thread makes it, and the clock stops until that thread is done. The SDK's
//! own time-outs and back-offs therefore run without real waiting, and a seed always gives the same
//! order of requests.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use fastrand::Rng;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Count,
    Roll,
    Read,
    Claim,
    Note,
    Admit,
    Publish,
    Confirm,
    /// Records which episode is to be checked, and when next.
    Agenda,
    ClaimEnd,
    ConfirmEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Error500(When),
    Error503(When),
    Throttled(When),
    Reset(When),
    /// No answer comes.
    Silence(When),
    /// The invocation ends here.
    Kill(When),
    /// No answer comes, and the request is applied long after the caller gave it up.
    Late,
    /// No further request of this invocation is answered, so it runs out of time.
    Outage,
}

/// Whether the service applied the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    Before,
    After,
}

impl Fault {
    pub const ALL: [Self; 14] = [
        Self::Error500(When::Before),
        Self::Error500(When::After),
        Self::Error503(When::Before),
        Self::Error503(When::After),
        Self::Throttled(When::Before),
        Self::Throttled(When::After),
        Self::Reset(When::Before),
        Self::Reset(When::After),
        Self::Silence(When::Before),
        Self::Silence(When::After),
        Self::Kill(When::Before),
        Self::Kill(When::After),
        Self::Late,
        Self::Outage,
    ];

    fn when(self) -> When {
        match self {
            Self::Error500(when)
            | Self::Error503(when)
            | Self::Throttled(when)
            | Self::Reset(when)
            | Self::Silence(when)
            | Self::Kill(when) => when,
            Self::Late | Self::Outage => When::Before,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Error500(_) => "500",
            Self::Error503(_) => "503",
            Self::Throttled(_) => "throttled",
            Self::Reset(_) => "connection reset",
            Self::Silence(_) => "no answer in time",
            Self::Kill(_) => "process killed",
            Self::Late => return f.write_str("no answer in time, applied much later"),
            Self::Outage => return f.write_str("no answer until the invocation ends"),
        };
        let when = match self.when() {
            When::Before => "not applied",
            When::After => "applied",
        };
        write!(f, "{what}, {when}")
    }
}

/// A request that a service applied.
#[derive(Clone, Debug)]
pub struct Applied {
    pub step: Step,
    /// For DynamoDB the request's JSON, for SNS its parameters.
    pub request: Value,
    /// Only for DynamoDB.
    pub answer: Value,
}

/// What all processes of one schedule share.
pub struct Wire {
    real: Handle,
    /// Admits one request at a time, so that the seed determines the order in which they are
    /// applied.
    turn: tokio::sync::Mutex<()>,
    applied: Mutex<Vec<Applied>>,
    hits: Mutex<BTreeMap<(Step, Fault), u64>>,
    /// When each request was made, whether it succeeded or not.
    asked: Mutex<Vec<(Step, Instant)>>,
}

impl Wire {
    pub fn new(real: Handle) -> Self {
        Self {
            real,
            turn: tokio::sync::Mutex::default(),
            applied: Mutex::default(),
            hits: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub fn applied(&self) -> Vec<Applied> {
        lock(&self.applied).clone()
    }

    pub fn hits(&self) -> BTreeMap<(Step, Fault), u64> {
        lock(&self.hits).clone()
    }

    pub fn asked(&self) -> Vec<(Step, Instant)> {
        lock(&self.asked).clone()
    }

    async fn forward(self: Arc<Self>, to: SharedHttpConnector, request: HttpRequest) -> Answer {
        let _turn = self.turn.lock().await;
        let wire = Arc::clone(&self);
        let ask = move || {
            let body = request.body().bytes().unwrap_or_default().to_vec();
            let (step, sent) = read(&body);
            let response = wire.real.block_on(async {
                let mut response = to.call(request).await?;
                let body = ByteStream::new(response.take_body()).collect().await;
                Ok::<_, ConnectorError>((response, body.unwrap().into_bytes()))
            });
            let (response, body) = response?;
            if response.status().is_success() {
                let answer = serde_json::from_slice(&body).unwrap_or_default();
                lock(&wire.applied).push(Applied { step, request: sent, answer });
            }
            Ok(response.map(|_| SdkBody::from(body.to_vec())))
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }
}

type Answer = Result<HttpResponse, ConnectorError>;

/// The connection from one process to the services.
#[derive(Clone)]
pub struct Line {
    wire: Arc<Wire>,
    plan: Arc<Mutex<Plan>>,
    killed: Arc<Notify>,
}

/// The faults of one invocation.
#[derive(Clone, Debug)]
pub struct Plan {
    pub rng: Rng,
    pub fault_rate: f64,
    /// A step that gets no answer.
    pub unanswered: Option<Step>,
    /// Whether every request is throttled.
    pub is_throttled: bool,
    /// Whether every second request gets no answer and the others are answered just in time.
    pub is_slow: bool,
    /// The invocation's remaining time, if something else has used the rest.
    pub time_left: Option<Duration>,
    is_out: bool,
    asked: u32,
}

impl Plan {
    pub fn new(seed: u64, fault_rate: f64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let is_short = rng.f64() < fault_rate / 2.0;
        let time_left = is_short.then(|| Duration::from_millis(rng.u64(1..12_000)));
        Self {
            rng,
            fault_rate,
            unanswered: None,
            is_throttled: false,
            is_slow: false,
            time_left,
            is_out: false,
            asked: 0,
        }
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(match self.rng.u32(0..10) {
            _ if self.is_slow => 1_900,
            0 => self.rng.u64(100..900),
            _ => self.rng.u64(1..30),
        })
    }

    fn fault(&mut self, step: Step) -> Option<Fault> {
        if self.is_out {
            return Some(Fault::Outage);
        }
        if self.is_throttled {
            return Some(Fault::Throttled(When::Before));
        }
        self.asked += 1;
        if self.unanswered == Some(step) || self.is_slow && self.asked % 2 == 1 {
            return Some(Fault::Silence(When::Before));
        }
        // Counting is by far the most common request.
        let share = if step == Step::Count { 0.5 } else { 1.0 };
        if self.rng.f64() >= self.fault_rate * share {
            return None;
        }
        let fault = *self.rng.choice(Fault::ALL.as_slice()).unwrap();
        self.is_out = fault == Fault::Outage;
        Some(fault)
    }
}

impl Line {
    pub fn new(wire: Arc<Wire>) -> Self {
        let plan = Arc::new(Mutex::new(Plan::new(0, 0.0)));
        Self { wire, plan, killed: Arc::default() }
    }

    pub fn begin(&self, plan: Plan) {
        *lock(&self.plan) = plan;
    }

    /// Completes when the invocation is killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Returns a client that sends its requests through this connection.
    pub fn in_front_of(&self, services: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Disturbed { line: self.clone(), services })
    }

    async fn pass(self, to: SharedHttpConnector, request: HttpRequest) -> Answer {
        let (step, _) = read(request.body().bytes().unwrap_or_default());
        lock(&self.wire.asked).push((step, Instant::now()));
        let (latency, fault, late_by) = {
            let mut plan = lock(&self.plan);
            (plan.latency(), plan.fault(step), plan.rng.u64(3_000..90_000))
        };
        if let Some(fault) = fault {
            *lock(&self.wire.hits).entry((step, fault)).or_default() += 1;
        }
        tokio::time::sleep(latency).await;
        let is_publish = step == Step::Publish;
        let forward = Arc::clone(&self.wire).forward(to, request);
        let Some(fault) = fault else { return forward.await };
        if fault == Fault::Late {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(late_by)).await;
                let _ = forward.await;
            });
            return pending().await;
        }
        if fault.when() == When::After {
            forward.await?;
        }
        match fault {
            Fault::Error500(_) if is_publish => Ok(sns_error(500, "InternalFailure")),
            Fault::Error500(_) => Ok(dynamodb_error(500, "InternalServerError")),
            Fault::Error503(_) if is_publish => Ok(sns_error(503, "ServiceUnavailable")),
            Fault::Error503(_) => Ok(dynamodb_error(503, "ServiceUnavailable")),
            Fault::Throttled(_) if is_publish => Ok(sns_error(400, "Throttling")),
            Fault::Throttled(_) if latency.as_millis().is_multiple_of(2) => {
                Ok(dynamodb_error(400, "ThrottlingException"))
            }
            Fault::Throttled(_) => {
                Ok(dynamodb_error(400, "ProvisionedThroughputExceededException"))
            }
            Fault::Reset(_) => {
                let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                Err(ConnectorError::io(Box::new(reset)))
            }
            Fault::Kill(_) => {
                self.killed.notify_one();
                pending().await
            }
            Fault::Silence(_) | Fault::Outage | Fault::Late => pending().await,
        }
    }
}

fn dynamodb_error(status: u16, code: &str) -> HttpResponse {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"-"}}"#);
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn sns_error(status: u16, code: &str) -> HttpResponse {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>-</Message></Error>\
         <RequestId>0</RequestId></ErrorResponse>"
    );
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// The purpose of a request, and its content.
fn read(body: &[u8]) -> (Step, Value) {
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return (Step::Publish, form(body));
    };
    let updates =
        |what: &str| request["UpdateExpression"].as_str().is_some_and(|e| e.contains(what));
    let is_episode = |request: &Value| {
        let key = request["principal"]["S"].as_str();
        key.is_some_and(|key| key.starts_with("#episode#"))
    };
    let is_listed = request["Item"]["agenda"]["S"] == "digest";
    let step = if request.get("KeyConditionExpression").is_some() || is_listed {
        Step::Agenda
    } else if is_episode(&request["Key"]) {
        match request["UpdateExpression"].as_str() {
            Some(update) if update.starts_with("REMOVE") => Step::ConfirmEnd,
            Some(update) if update.starts_with("SET ending") => Step::ClaimEnd,
            _ => Step::Agenda,
        }
    } else if request.get("Item").is_some() {
        Step::Roll
    } else if request.get("UpdateExpression").is_none() {
        Step::Read
    } else if updates("REMOVE pending") {
        Step::Confirm
    } else if updates("pending") {
        Step::Claim
    } else if updates("alerts") || updates("storm") {
        Step::Admit
    } else if updates("ids") {
        Step::Count
    } else if updates("hit_window") {
        Step::Note
    } else {
        panic!("an unknown request: {request}")
    };
    (step, request)
}

/// The parameters of a form.
fn form(body: &[u8]) -> Value {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let body = std::str::from_utf8(body).unwrap();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), Value::String(decode(value)))).collect()
}

/// The services as a process reaches them.
#[derive(Clone)]
struct Disturbed {
    line: Line,
    services: SharedHttpClient,
}

impl HttpClient for Disturbed {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // The local AWS may be slow on a busy machine, which is not a fault of the schedule.
        let patient = HttpConnectorSettings::builder().build();
        let to = self.services.http_connector(&patient, components);
        SharedHttpConnector::new(Connection { line: self.line.clone(), to })
    }
}

struct Connection {
    line: Line,
    to: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.line.clone().pass(self.to.clone(), request))
    }
}

impl fmt::Debug for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disturbed")
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
