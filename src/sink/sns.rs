//! Alerts through SNS: one message each, with a body for each protocol.

use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use serde::Serialize;
use tokio::sync::OnceCell;
use tracing::error;

use super::{Receipt, Sink};
use crate::alert;
use crate::alert::email::Email;
use crate::alert::sms::sms;
use crate::alert::{Deployment, MachineFormat, chat, pager, storm};
use crate::aws::failure;
use crate::detection::finding::Finding;
use crate::settings::Settings;
use crate::text::Text;
use crate::weekly_digest::WeeklyDigest;

/// The limit of SNS is 256 KiB for message and attributes together. This leaves room for the
/// attributes.
const MAX_MESSAGE_BYTES: usize = 250 << 10;
const MAX_ATTRIBUTE_BYTES: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum SnsError {
    /// It may succeed later.
    #[error("Publish failed: {code}")]
    Request {
        /// The service's error code, or what went wrong before it could answer.
        code: String,
    },
    #[error("the message cannot be built: {0}")]
    Message(String),
}

/// Publishes to the topic of the alerts and, if there is one, to that for chat. The client is made
/// for the first alert, because most invocations have none.
#[derive(Debug)]
pub struct SnsSink<F> {
    make_client: F,
    client: OnceCell<Client>,
    topic_arn: String,
    chat_topic_arn: Option<String>,
    format: MachineFormat,
    deployment: Deployment,
}

/// The texts of one message, by kind of subscriber.
struct Message {
    email: Email,
    sms: String,
    pager: String,
    machine: String,
}

/// The bodies by protocol, as `MessageStructure: json` wants them.
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
    pub fn new(topic_arn: impl Into<String>, settings: &Settings, make_client: F) -> Self {
        Self {
            make_client,
            client: OnceCell::new(),
            topic_arn: topic_arn.into(),
            chat_topic_arn: settings.chat_topic_arn.clone(),
            format: settings.machine_format,
            deployment: settings.deployment(),
        }
    }

    async fn send(&self, message: &Message, attributes: &[(&str, &str)]) -> Result<(), SnsError> {
        let Message { email: Email { subject, body }, sms, pager, machine } = message;
        let bodies = Bodies {
            default: body,
            email: body,
            sms,
            https: pager,
            http: pager,
            sqs: machine,
            lambda: machine,
        };
        let message =
            serde_json::to_string(&bodies).map_err(|error| SnsError::Message(error.to_string()))?;
        let request = self.request(&self.topic_arn, message, attributes).await?;
        finish(request.subject(subject).message_structure("json")).await
    }

    /// Publishes to the topic for chat, if there is one. A failure is logged and no more: the alert
    /// itself was sent, and an error would send it again.
    async fn send_to_chat(&self, finding: &Finding, attributes: &[(&str, &str)]) -> Receipt {
        let Some(topic_arn) = &self.chat_topic_arn else { return Receipt::default() };
        let message = chat::body(finding, &self.deployment).to_string();
        let sent = match self.request(topic_arn, message, attributes).await {
            Ok(request) => finish(request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &sent {
            error!(
                error_type = "ChatNotPublished",
                finding = finding.id,
                error = %error,
                "the alert is sent, and chat does not show it"
            );
        }
        Receipt { chat_failed: sent.is_err() }
    }

    async fn request(
        &self,
        topic_arn: &str,
        message: String,
        attributes: &[(&str, &str)],
    ) -> Result<PublishFluentBuilder, SnsError> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(SnsError::Message(format!("it has {} bytes", message.len())));
        }
        let client = self.client.get_or_init(|| async { (self.make_client)() }).await;
        let mut request = client.publish().topic_arn(topic_arn).message(message);
        for (name, value) in attributes {
            let value = Text::new(value, MAX_ATTRIBUTE_BYTES);
            let attribute = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(if value.is_empty() { "unknown" } else { value.as_str() })
                .build()
                .map_err(|error| SnsError::Message(error.to_string()))?;
            request = request.message_attributes(*name, attribute);
        }
        Ok(request)
    }
}

async fn finish(request: PublishFluentBuilder) -> Result<(), SnsError> {
    request.send().await.map(drop).map_err(|error| SnsError::Request { code: failure(&error) })
}

impl<F: Fn() -> Client> Sink for SnsSink<F> {
    type Error = SnsError;

    async fn publish(&self, finding: &Finding) -> Result<Receipt, SnsError> {
        let message = Message {
            email: Email::about(finding, &self.deployment),
            sms: sms(finding),
            pager: pager::body(finding, &self.deployment).to_string(),
            machine: self
                .format
                .body(finding, &self.deployment)
                .map_err(|error| SnsError::Message(error.to_string()))?,
        };
        let attributes = attributes(finding, finding.status.name());
        self.send(&message, &attributes).await?;
        Ok(self.send_to_chat(finding, &attributes).await)
    }

    async fn publish_weekly_digest(&self, digest: &WeeklyDigest) -> Result<(), SnsError> {
        let json = alert::digest::json(digest).to_string();
        let message = Message {
            email: alert::digest::email(digest, &self.deployment),
            sms: alert::digest::sms(digest),
            pager: json.clone(),
            machine: json,
        };
        // The digest has no severity, so that subscribers that filter on it, such as the pager, do
        // not get it.
        self.send(&message, &[("status", "digest")]).await
    }

    async fn publish_storm(&self, finding: &Finding, limit: u32) -> Result<(), SnsError> {
        let message = Message {
            email: storm::email(finding, limit, &self.deployment),
            sms: storm::sms(finding, limit),
            pager: storm::pager(finding, limit, &self.deployment).to_string(),
            machine: storm::json(finding, limit).to_string(),
        };
        let storm = [("severity", "high"), ("status", "storm")];
        let attributes: Vec<_> = attributes(finding, "storm")
            .into_iter()
            .filter(|(name, _)| !storm.iter().any(|(taken, _)| taken == name))
            .chain(storm)
            .collect();
        self.send(&message, &attributes).await
    }
}

/// The attributes that a filter policy can use.
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
