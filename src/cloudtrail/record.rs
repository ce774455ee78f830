//! One CloudTrail record, alone or wrapped, and what it is about.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::call::{Call, Denial, EventId, SecretRead};
use super::error::Malformed;
use super::identity::{Identified, UserIdentity};
use super::lenient::{Nested, Scalar, ScalarList};
use super::message::DenialMessage;
use super::secret::{Secret, Secrets};
use crate::text::Text;

const MAX_ID_BYTES: usize = 64;
const MAX_REGION_BYTES: usize = 32;
const MAX_SOURCE_IP_BYTES: usize = 39;
const MAX_ARN_BYTES: usize = 256;
const MAX_QUOTED_BYTES: usize = 48;

const EVENT_SOURCE: &str = "secretsmanager.amazonaws.com";
const READ: &str = "GetSecretValue";
const EVENT_NAMES: [&str; 2] = [READ, "BatchGetSecretValue"];
const ERROR_CODE_PREFIX: &str = "AccessDenied";
/// `detail-type` of the EventBridge events that carry a record.
pub const CLOUDTRAIL_DETAIL_TYPE: &str = "AWS API Call via CloudTrail";

/// 2013-11-13, the day on which CloudTrail began.
const FIRST_EVENT_TIME: Timestamp = Timestamp::constant(1_384_300_800, 0);
/// 2100-01-01 in epoch seconds. A fixed bound, so that the same input always gives the same
/// output.
pub(crate) const LAST_EVENT_SECOND: i64 = 4_102_444_800;
const LAST_EVENT_TIME: Timestamp = Timestamp::constant(LAST_EVENT_SECOND, 0);

/// A JSON object that is, or wraps, a CloudTrail record: the bare record, an
/// EventBridge envelope (`detail`), or an item of the output of
/// `aws cloudtrail lookup-events` (`CloudTrailEvent`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Record<'a> {
    event_version: Scalar<'a>,
    #[serde(rename = "eventID")]
    event_id: Scalar<'a>,
    event_time: Scalar<'a>,
    event_source: Scalar<'a>,
    event_name: Scalar<'a>,
    error_code: Scalar<'a>,
    error_message: Scalar<'a>,
    aws_region: Scalar<'a>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Scalar<'a>,
    recipient_account_id: Scalar<'a>,
    user_identity: Nested<UserIdentity<'a>>,
    request_parameters: Nested<RequestParameters<'a>>,

    // an EventBridge envelope
    #[serde(rename = "detail-type")]
    detail_type: Scalar<'a>,
    account: Scalar<'a>,
    detail: Nested<Box<Record<'a>>>,

    // an item of `aws cloudtrail lookup-events`
    #[serde(rename = "CloudTrailEvent")]
    cloud_trail_event: Scalar<'a>,

    // a digest file, which CloudTrail writes beside its logs
    digest_start_time: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct RequestParameters<'a> {
    secret_id: Scalar<'a>,
    secret_id_list: ScalarList<'a>,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Recorded {
    Denial(Denial),
    Read(SecretRead),
    /// A call that is neither counted nor watched.
    Other,
}

impl Recorded {
    fn denial(self) -> Option<Denial> {
        match self {
            Self::Denial(denial) => Some(denial),
            Self::Read(_) | Self::Other => None,
        }
    }
}

impl Record<'_> {
    /// The denial in the JSON text of one record; `None` if it is another event.
    pub fn denial_in(json: &[u8]) -> Result<Option<Denial>, Malformed> {
        Self::read(json, |record| record.recorded(false)).map(Recorded::denial)
    }

    /// Reads the JSON text of one record, and looks in it for `what`.
    ///
    /// What a caller typed into a secret id comes back in the record. If it left the text
    /// undecodable, the broken characters are replaced, so that nobody can hide a denial
    /// behind them.
    pub(super) fn read<T>(
        json: &[u8],
        what: impl Fn(&Record<'_>) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        if json.trim_ascii_start().starts_with(b"[") {
            // The decoder would take a list for the fields in their order.
            return Err(Malformed::NotARecord);
        }
        // As text always: a second way to read records would be a second parser in the binary.
        let strict = str::from_utf8(json).map(serde_json::from_str::<Record<'_>>);
        let error = match strict {
            Ok(Ok(record)) => return what(&record),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        match serde_json::from_str::<Record<'_>>(&super::repair::decodable(json)) {
            Ok(record) => what(&record),
            Err(repaired) => Err(Malformed::syntax(&error.unwrap_or(repaired))),
        }
    }

    /// The denial that this is or wraps; `None` if it is another event.
    pub fn denial(&self) -> Result<Option<Denial>, Malformed> {
        self.recorded(false).map(Recorded::denial)
    }

    /// What this is about, or the record in it. Only with `reads` are secrets looked for that
    /// were read.
    pub(super) fn recorded(&self, reads: bool) -> Result<Recorded, Malformed> {
        if let Some(detail) = self.detail.get() {
            return match self.detail_type.text("detail-type")? {
                None | Some(CLOUDTRAIL_DETAIL_TYPE) => {
                    detail.recorded_alone(self.account.text_or_number("account")?, reads)
                }
                Some(_) => Ok(Recorded::Other),
            };
        }
        if let Some(inner) = self.cloud_trail_event.text("CloudTrailEvent")? {
            return Record::read(inner.as_bytes(), |record| record.recorded_alone(None, reads));
        }
        if !self.digest_start_time.is_absent() {
            return Ok(Recorded::Other);
        }
        self.recorded_alone(None, reads)
    }

    pub(super) fn names_its_account(&self) -> bool {
        !self.recipient_account_id.is_absent()
    }

    /// The same without looking for a record in it. `envelope_account` stands in for a missing
    /// account.
    pub(super) fn recorded_alone(
        &self,
        envelope_account: Option<&str>,
        reads: bool,
    ) -> Result<Recorded, Malformed> {
        if self.event_source.is_absent() && self.event_name.is_absent() {
            return Err(Malformed::NotARecord);
        }
        if self.event_source.required("eventSource")? != EVENT_SOURCE {
            return Ok(Recorded::Other);
        }
        let name = self.event_name.required("eventName")?;
        if !EVENT_NAMES.contains(&name) {
            return Ok(Recorded::Other);
        }
        match self.error_code.text("errorCode")? {
            Some(code) if code.starts_with(ERROR_CODE_PREFIX) => {
                self.watched_denial(envelope_account).map(Recorded::Denial)
            }
            None if reads && name == READ && self.succeeded() => self.secret_read(envelope_account),
            _ => Ok(Recorded::Other),
        }
    }

    fn succeeded(&self) -> bool {
        self.error_code.is_absent() && self.error_message.is_absent()
    }

    fn watched_denial(&self, envelope_account: Option<&str>) -> Result<Denial, Malformed> {
        self.check_version()?;
        let call = self.call(envelope_account)?;
        let message = DenialMessage::parse(self.error_message.text("errorMessage")?.unwrap_or(""));
        let policy_arn = bounded(message.policy_arn, MAX_ARN_BYTES);
        Ok(Denial::new(call, self.secrets(message.resource)?, message.cause, policy_arn))
    }

    /// A call that names no secret reads none.
    fn secret_read(&self, envelope_account: Option<&str>) -> Result<Recorded, Malformed> {
        let named = match self.request_parameters.get() {
            Some(parameters) => {
                parameters.secret_id.text_or_number("requestParameters.secretId")?
            }
            None => None,
        };
        match named.and_then(Secret::from_id) {
            Some(secret) => {
                Ok(Recorded::Read(SecretRead { call: self.call(envelope_account)?, secret }))
            }
            None => Ok(Recorded::Other),
        }
    }

    fn call(&self, envelope_account: Option<&str>) -> Result<Call, Malformed> {
        let none = UserIdentity::default();
        let identity = self.user_identity.get().unwrap_or(&none);
        let account = self.account(identity, envelope_account)?;
        let Identified { principal, session } = identity.identify(&account)?;
        Ok(Call {
            id: self.event_id()?,
            time: self.time()?,
            principal: Arc::new(principal),
            session,
            region: bounded(self.aws_region.text("awsRegion")?, MAX_REGION_BYTES),
            source_ip: bounded(
                self.source_ip_address.text("sourceIPAddress")?,
                MAX_SOURCE_IP_BYTES,
            ),
        })
    }

    /// A minor version only adds fields. A major one may change their meaning.
    fn check_version(&self) -> Result<(), Malformed> {
        match self.event_version.text_or_number("eventVersion")? {
            Some(version) if version.split('.').next() != Some("1") => Err(Malformed::Invalid {
                field: "eventVersion",
                value: Text::new(version, MAX_QUOTED_BYTES),
                expected: "1.x",
            }),
            _ => Ok(()),
        }
    }

    fn event_id(&self) -> Result<EventId, Malformed> {
        let id = self.event_id.required("eventID")?;
        if id.len() > MAX_ID_BYTES || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Malformed::Invalid {
                field: "eventID",
                value: Text::new(id, MAX_QUOTED_BYTES),
                expected: "an event id of at most 64 printable characters",
            });
        }
        Ok(Text::new(id, MAX_ID_BYTES).into())
    }

    fn time(&self) -> Result<Timestamp, Malformed> {
        let text = self.event_time.required("eventTime")?;
        text.parse()
            .ok()
            .filter(|time| (FIRST_EVENT_TIME..LAST_EVENT_TIME).contains(time))
            .ok_or_else(|| Malformed::Invalid {
                field: "eventTime",
                value: Text::new(text, MAX_QUOTED_BYTES),
                expected: "a time such as 2026-01-31T23:59:59Z, from 2013-11-13 (when CloudTrail \
                           began) to 2099",
            })
    }

    /// The account whose secrets were asked for: 12 digits, or `unknown`. Leading zeros are
    /// restored, since exporters that turn it into a number lose them.
    fn account(
        &self,
        identity: &UserIdentity<'_>,
        envelope_account: Option<&str>,
    ) -> Result<String, Malformed> {
        let recipient = self.recipient_account_id.text_or_number("recipientAccountId")?;
        let account = match recipient.or(envelope_account) {
            Some(account) => Some(account),
            None => identity.account_id()?,
        };
        let Some(account) = account else {
            return Ok("unknown".to_owned());
        };
        if account.len() > 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed::Invalid {
                field: "recipientAccountId",
                value: Text::new(account, MAX_QUOTED_BYTES),
                expected: "an account id of 12 digits",
            });
        }
        Ok(format!("{account:0>12}"))
    }

    fn secrets(&self, resource: Option<&str>) -> Result<Secrets, Malformed> {
        let mut ids = Vec::new();
        if let Some(parameters) = self.request_parameters.get() {
            ids.extend(parameters.secret_id.text_or_number("requestParameters.secretId")?);
            for id in &parameters.secret_id_list.0 {
                ids.extend(id.text_or_number("requestParameters.secretIdList")?);
            }
        }
        if ids.is_empty() {
            // A batch call is refused on `*`, which names no secret.
            ids.extend(resource.filter(|resource| *resource != "*"));
        }
        Ok(Secrets::from_ids(ids))
    }
}

fn bounded(text: Option<&str>, max_bytes: usize) -> Option<Text> {
    text.map(|text| Text::new(text, max_bytes))
}
