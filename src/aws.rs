//! Clients of AWS services, made from the environment that Lambda gives a function.
//!
//! There is no credential chain and no profile file: on Lambda the keys are in the environment,
//! and looking elsewhere costs start-up time. `AWS_ENDPOINT_URL` names another endpoint for all
//! services; `AWS_ENDPOINT_URL_DYNAMODB` and `AWS_ENDPOINT_URL_SNS` win over it.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_types::SdkConfig;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait for the answer to one attempt.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Longest time of one operation with its retries. Several fit into an invocation.
const OPERATION: Duration = Duration::from_secs(6);
const MAX_ATTEMPTS: u32 = 3;

#[derive(Clone, Debug)]
pub struct Environment {
    /// Shared by all clients, save the endpoint that a service may have of its own.
    config: SdkConfig,
    dynamodb_endpoint: Option<String>,
    #[cfg(feature = "lambda")]
    sns_endpoint: Option<String>,
}

/// A variable that Lambda sets is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not set")]
pub struct MissingVariable(&'static str);

impl Environment {
    /// Reads the environment through `variable`. An empty value counts as missing.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| variable(name).ok_or(MissingVariable(name));
        let region = match variable("AWS_REGION") {
            Some(region) => region,
            None => required("AWS_DEFAULT_REGION")?,
        };
        let credentials = Credentials::from_keys(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN"),
        );
        let http_client =
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(timeouts())
            .retry_config(retries());
        config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
        Ok(Self {
            config: config.build(),
            dynamodb_endpoint: variable("AWS_ENDPOINT_URL_DYNAMODB"),
            #[cfg(feature = "lambda")]
            sns_endpoint: variable("AWS_ENDPOINT_URL_SNS"),
        })
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        if let Some(endpoint) = &self.dynamodb_endpoint {
            config = config.endpoint_url(endpoint);
        }
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    #[cfg(feature = "lambda")]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        let mut config = aws_sdk_sns::config::Builder::from(&self.config);
        if let Some(endpoint) = &self.sns_endpoint {
            config = config.endpoint_url(endpoint);
        }
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
