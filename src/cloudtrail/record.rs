//! One CloudTrail record, alone or in the wrapping it arrived in, and what it means.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::call::{Denial, DenialParts, EventDigest};
use super::error::Malformed;
use super::identity::{Identified, UserIdentity};
use super::lenient::{Nested, Scalar, ScalarList};
use super::message::DenialMessage;
use super::read::SecretRead;
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

/// 2013-11-13, the day CloudTrail began: no event is older.
const FIRST_EVENT_TIME: Timestamp = Timestamp::constant(1_384_300_800, 0);
/// 2100-01-01 in epoch seconds. Fixed, not "now", so that the same input always gives the same
/// output.
pub(crate) const LAST_EVENT_SECOND: i64 = 4_102_444_800;
const LAST_EVENT_TIME: Timestamp = Timestamp::constant(LAST_EVENT_SECOND, 0);

/// A JSON object that is, or wraps, a CloudTrail record: the bare record, an
/// EventBridge envelope (`detail`), or an item of the output of
/// `aws cloudtrail lookup-events` (`CloudTrailEvent`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record<'a> {
    #[serde(borrow)]
    event_version: Scalar<'a>,
    #[serde(borrow, rename = "eventID")]
    event_id: Scalar<'a>,
    #[serde(borrow)]
    event_time: Scalar<'a>,
    #[serde(borrow)]
    event_source: Scalar<'a>,
    #[serde(borrow)]
    event_name: Scalar<'a>,
    #[serde(borrow)]
    error_code: Scalar<'a>,
    #[serde(borrow)]
    error_message: Scalar<'a>,
    #[serde(borrow)]
    aws_region: Scalar<'a>,
    #[serde(borrow, rename = "sourceIPAddress")]
    source_ip_address: Scalar<'a>,
    #[serde(borrow)]
    recipient_account_id: Scalar<'a>,
    #[serde(borrow)]
    user_identity: Nested<UserIdentity<'a>>,
    #[serde(borrow)]
    request_parameters: Nested<RequestParameters<'a>>,

    // an EventBridge envelope
    #[serde(borrow, rename = "detail-type")]
    detail_type: Scalar<'a>,
    #[serde(borrow)]
    account: Scalar<'a>,
    #[serde(borrow)]
    detail: Nested<Box<Record<'a>>>,

    // an item of `aws cloudtrail lookup-events`
    #[serde(borrow, rename = "CloudTrailEvent")]
    cloud_trail_event: Scalar<'a>,

    // a digest file, which CloudTrail writes beside its logs
    #[serde(borrow)]
    digest_start_time: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestParameters<'a> {
    #[serde(borrow)]
    secret_id: Scalar<'a>,
    #[serde(borrow)]
    secret_id_list: ScalarList<'a>,
}

/// The `detail` of an EventBridge event, read together with its envelope: the commonest
/// input is read once.
#[derive(Debug, Default, Serialize)]
pub struct Detail {
    /// The denial, if the record names its own account and nothing is wrong with it. Of any
    /// other, [`Record::denial_in`] says what it is.
    #[serde(skip)]
    pub denial: Option<Denial>,
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let detail = Nested::<Record<'de>>::deserialize(deserializer)?;
        let record = detail.get().filter(|record| !record.recipient_account_id.is_absent());
        Ok(Self { denial: record.and_then(|record| record.bare_denial(None).ok().flatten()) })
    }
}

impl Record<'_> {
    /// Reads the JSON text of one record and says which denial it is, if any.
    ///
    /// What a caller typed into a secret id comes back in the record. If it left the text
    /// undecodable, the broken characters are replaced, so that nobody can hide a denial
    /// behind them.
    pub fn denial_in(json: &[u8]) -> Result<Option<Denial>, Malformed> {
        if json.trim_ascii_start().starts_with(b"[") {
            // The decoder would take a list for the fields in their order.
            return Err(Malformed::NotARecord);
        }
        // As text always: a second way to read records would be a second parser in the binary.
        let strict = str::from_utf8(json).map(serde_json::from_str::<Record<'_>>);
        let error = match strict {
            Ok(Ok(record)) => return record.denial(),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        match serde_json::from_str::<Record<'_>>(&super::repair::decodable(json)) {
            Ok(record) => record.denial(),
            Err(repaired) => Err(Malformed::syntax(&error.unwrap_or(repaired))),
        }
    }

    /// The secret that was read in the event of an EventBridge envelope, or nothing if it is
    /// another event. The envelope was looked at before: what is not readable is a denial's
    /// matter.
    pub fn read_in(json: &str) -> Result<Option<SecretRead>, Malformed> {
        let Ok(envelope) = serde_json::from_str::<Record<'_>>(json) else { return Ok(None) };
        let Some(detail) = envelope.detail.get() else { return Ok(None) };
        detail.secret_read(envelope.account.text_or_number("account")?)
    }

    fn secret_read(&self, envelope_account: Option<&str>) -> Result<Option<SecretRead>, Malformed> {
        let is_read = self.event_source.text("eventSource")? == Some(EVENT_SOURCE)
            && self.event_name.text("eventName")? == Some(READ)
            && self.error_code.is_absent()
            && self.error_message.is_absent();
        if !is_read {
            return Ok(None);
        }
        let named = match self.request_parameters.get() {
            Some(parameters) => {
                parameters.secret_id.text_or_number("requestParameters.secretId")?
            }
            None => None,
        };
        // A call that names no secret reads none.
        let Some(secret) = named.and_then(Secret::from_id) else { return Ok(None) };
        let none = UserIdentity::default();
        let identity = self.user_identity.get().unwrap_or(&none);
        let account = self.account(identity, envelope_account)?;
        let Identified { principal, .. } = identity.identify(&account)?;
        Ok(Some(SecretRead {
            digest: EventDigest::of(self.event_id()?.as_str()),
            time: self.time()?,
            principal: Arc::new(principal),
            secret,
            region: bounded(self.aws_region.text("awsRegion")?, MAX_REGION_BYTES),
        }))
    }

    /// The denial this is, or nothing if it is another event.
    pub fn denial(&self) -> Result<Option<Denial>, Malformed> {
        if let Some(detail) = self.detail.get() {
            return match self.detail_type.text("detail-type")? {
                None | Some(CLOUDTRAIL_DETAIL_TYPE) => {
                    detail.bare_denial(self.account.text_or_number("account")?)
                }
                Some(_) => Ok(None),
            };
        }
        if let Some(inner) = self.cloud_trail_event.text("CloudTrailEvent")? {
            return Record::denial_in_item(inner);
        }
        if !self.digest_start_time.is_absent() {
            return Ok(None);
        }
        self.bare_denial(None)
    }

    fn denial_in_item(json: &str) -> Result<Option<Denial>, Malformed> {
        if json.trim_start().starts_with('[') {
            return Err(Malformed::NotARecord);
        }
        let repaired;
        let record: Record<'_> = match serde_json::from_str(json) {
            Ok(record) => record,
            Err(error) => {
                repaired = super::repair::decodable(json.as_bytes());
                serde_json::from_str(&repaired).map_err(|_| Malformed::syntax(&error))?
            }
        };
        record.bare_denial(None)
    }

    fn bare_denial(&self, envelope_account: Option<&str>) -> Result<Option<Denial>, Malformed> {
        if self.event_source.is_absent() && self.event_name.is_absent() {
            return Err(Malformed::NotARecord);
        }
        if self.event_source.required("eventSource")? != EVENT_SOURCE
            || !EVENT_NAMES.contains(&self.event_name.required("eventName")?)
            || !self
                .error_code
                .text("errorCode")?
                .is_some_and(|code| code.starts_with(ERROR_CODE_PREFIX))
        {
            return Ok(None);
        }
        self.watched_denial(envelope_account).map(Some)
    }

    fn watched_denial(&self, envelope_account: Option<&str>) -> Result<Denial, Malformed> {
        self.check_version()?;
        let none = UserIdentity::default();
        let identity = self.user_identity.get().unwrap_or(&none);
        let account = self.account(identity, envelope_account)?;
        let Identified { principal, session } = identity.identify(&account)?;
        let message = DenialMessage::parse(self.error_message.text("errorMessage")?.unwrap_or(""));
        Ok(Denial::new(DenialParts {
            event_id: self.event_id()?,
            time: self.time()?,
            principal: Arc::new(principal),
            region: bounded(self.aws_region.text("awsRegion")?, MAX_REGION_BYTES),
            secrets: self.secrets(message.resource)?,
            source_ip: bounded(
                self.source_ip_address.text("sourceIPAddress")?,
                MAX_SOURCE_IP_BYTES,
            ),
            session,
            cause: message.cause,
            policy_arn: bounded(message.policy_arn, MAX_ARN_BYTES),
        }))
    }

    /// Minor versions add fields and change nothing; a new major one may.
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

    fn event_id(&self) -> Result<Text, Malformed> {
        let id = self.event_id.required("eventID")?;
        if id.len() > MAX_ID_BYTES || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Malformed::Invalid {
                field: "eventID",
                value: Text::new(id, MAX_QUOTED_BYTES),
                expected: "an event id of at most 64 printable characters",
            });
        }
        Ok(Text::new(id, MAX_ID_BYTES))
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

    /// The account whose secrets were asked for, 12 digits, or `unknown`. Exporters that
    /// turn it into a number lose its leading zeros.
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
