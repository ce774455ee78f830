//! Alerts to an SNS topic: one message for each, with a body for each protocol.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use serde::Serialize;
use tokio::sync::OnceCell;

use super::Sink;
use crate::alert::email::Email;
use crate::alert::json::FindingLine;
use crate::detection::finding::Finding;
use crate::text::Text;

/// SNS counts message and attributes; this leaves room for the attributes.
const MAX_MESSAGE_BYTES: usize = 250 << 10;
/// Longest body by SMS, in bytes: one part.
const MAX_SMS_BYTES: usize = 140;
const MAX_ATTRIBUTE_BYTES: usize = 256;

/// Why an alert was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnsError {
    /// The request failed. It may succeed later.
    #[error("Publish failed: {code}")]
    Request {
        /// The service's error code, or what went wrong before it could answer.
        code: String,
    },
    /// The message cannot be built.
    #[error("the message cannot be built: {0}")]
    Message(String),
}

/// One topic. Its client is made when the first alert is due: most invocations have none.
#[derive(Debug)]
pub struct SnsSink<F> {
    make_client: F,
    client: OnceCell<Client>,
    topic_arn: String,
}

/// Bodies by protocol, for `MessageStructure: json`.
#[derive(Serialize)]
struct Bodies<'a> {
    default: &'a str,
    email: &'a str,
    sms: &'a str,
    https: &'a str,
    http: &'a str,
    sqs: &'a str,
    lambda: &'a str,
}

impl<F: Fn() -> Client> SnsSink<F> {
    /// A topic, and how to make the client for it.
    pub fn new(topic_arn: impl Into<String>, make_client: F) -> Self {
        Self { make_client, client: OnceCell::new(), topic_arn: topic_arn.into() }
    }

    async fn send(
        &self,
        subject: &str,
        email: &str,
        json: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), SnsError> {
        let sms = Text::new(subject, MAX_SMS_BYTES);
        let bodies = Bodies {
            default: email,
            email,
            sms: sms.as_str(),
            https: json,
            http: json,
            sqs: json,
            lambda: json,
        };
        let message =
            serde_json::to_string(&bodies).map_err(|error| SnsError::Message(error.to_string()))?;
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(SnsError::Message(format!("it has {} bytes", message.len())));
        }
        let client = self.client.get_or_init(|| async { (self.make_client)() }).await;
        let mut publish = client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(subject)
            .message_structure("json")
            .message(message);
        for (name, value) in attributes {
            let value = Text::new(value, MAX_ATTRIBUTE_BYTES);
            let attribute = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(if value.is_empty() { "unknown" } else { value.as_str() })
                .build()
                .map_err(|error| SnsError::Message(error.to_string()))?;
            publish = publish.message_attributes(*name, attribute);
        }
        publish.send().await.map(drop).map_err(|error| SnsError::Request { code: code(&error) })
    }
}

impl<F: Fn() -> Client> Sink for SnsSink<F> {
    type Error = SnsError;

    async fn publish(&self, finding: &Finding) -> Result<(), SnsError> {
        let Email { subject, body } = Email::about(finding);
        let json = serde_json::to_string(&FindingLine::of(finding))
            .map_err(|error| SnsError::Message(error.to_string()))?;
        let status = finding.status.name();
        self.send(&subject, &body, &json, &attributes(finding, status)).await
    }

    async fn publish_storm(&self, finding: &Finding, limit: u32) -> Result<(), SnsError> {
        let Email { subject, body } = Email::storm(finding, limit);
        let json = serde_json::json!({
            "type": "storm",
            "schema": "rattle.storm/1",
            "account": finding.account,
            "region": finding.region,
            "limit": limit,
            "explanation": subject,
        });
        let storm = [("severity", "high"), ("status", "storm")];
        let attributes: Vec<_> = attributes(finding, "storm")
            .into_iter()
            .filter(|(name, _)| !storm.iter().any(|(taken, _)| taken == name))
            .chain(storm)
            .collect();
        self.send(&subject, &body, &json.to_string(), &attributes).await
    }
}

/// What subscribers may filter on.
fn attributes<'a>(finding: &'a Finding, status: &'a str) -> [(&'static str, &'a str); 6] {
    [
        ("severity", finding.severity.name()),
        ("status", status),
        ("signal", finding.signal.name()),
        ("account", finding.account.as_str()),
        ("region", finding.region.as_ref().map_or("unknown", Text::as_str)),
        ("principal_type", finding.principal.principal.type_name().as_str()),
    ]
}

fn code(error: &SdkError<PublishError>) -> String {
    match error.as_service_error() {
        Some(service) => service.code().unwrap_or("unknown").to_owned(),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
