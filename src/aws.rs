//! Clients of AWS services, from the environment that Lambda gives a function.
//!
//! No credential chain and no profile files: on Lambda the keys stand in the environment,
//! and looking elsewhere costs start-up time. `AWS_ENDPOINT_URL`, and the same with
//! `_DYNAMODB` or `_SNS`, point to another endpoint.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, IdentityCache, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait for one answer.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Longest time of one operation, its retries included. Several fit into an invocation.
const OPERATION: Duration = Duration::from_secs(6);
const MAX_ATTEMPTS: u32 = 3;

/// What all clients share.
#[derive(Clone, Debug)]
pub struct Environment {
    region: Region,
    credentials: Credentials,
    http_client: SharedHttpClient,
    endpoint: Option<String>,
    dynamodb_endpoint: Option<String>,
    #[cfg(feature = "lambda")]
    sns_endpoint: Option<String>,
}

/// A variable that Lambda sets, and is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not set")]
pub struct Unset(&'static str);

impl Environment {
    /// Reads the environment through `variable`.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Unset> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| variable(name).ok_or(Unset(name));
        Ok(Self {
            region: Region::new(match variable("AWS_REGION") {
                Some(region) => region,
                None => required("AWS_DEFAULT_REGION")?,
            }),
            credentials: Credentials::from_keys(
                required("AWS_ACCESS_KEY_ID")?,
                required("AWS_SECRET_ACCESS_KEY")?,
                variable("AWS_SESSION_TOKEN"),
            ),
            http_client: Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https(),
            endpoint: variable("AWS_ENDPOINT_URL"),
            dynamodb_endpoint: variable("AWS_ENDPOINT_URL_DYNAMODB"),
            #[cfg(feature = "lambda")]
            sns_endpoint: variable("AWS_ENDPOINT_URL_SNS"),
        })
    }

    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http_client.clone())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(timeouts())
            .retry_config(retries());
        config.set_endpoint_url(self.dynamodb_endpoint.clone().or_else(|| self.endpoint.clone()));
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of SNS.
    #[cfg(feature = "lambda")]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        let mut config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http_client.clone())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(timeouts())
            .retry_config(retries());
        config.set_endpoint_url(self.sns_endpoint.clone().or_else(|| self.endpoint.clone()));
        aws_sdk_sns::Client::from_conf(config.build())
    }
}

/// The service's error code, or what went wrong before it could answer.
pub(crate) fn failure<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> String {
    match (error.as_service_error(), error.source()) {
        (Some(service), _) => error_code(service),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// The code of an error that the service answered.
pub(crate) fn error_code(error: &impl ProvideErrorMetadata) -> String {
    error.code().unwrap_or("unknown").to_owned()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS)
}
