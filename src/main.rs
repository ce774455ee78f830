//! The Lambda function `rattle-lambda`: reads settings and makes clients once, then handles one
//! event after the other.

// The SDK's operations are deeply nested futures.
#![recursion_limit = "256"]

use std::process::ExitCode;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use rattle::aws::Environment;
use rattle::engine::Engine;
use rattle::lambda::Function;
use rattle::lambda::telemetry::start_log;
use rattle::settings::{Settings, TABLE_NAME, TOPIC_ARN};
use rattle::sink::sns::SnsSink;
use rattle::store::dynamodb::DynamoDbStore;
use serde_json::value::RawValue;
use tokio::task::spawn_local;
use tracing::error;

/// ARN of the role that the function runs under; the template sets it.
const OWN_ROLE: &str = "FUNCTION_ROLE_ARN";

#[tokio::main(flavor = "local")]
async fn main() -> ExitCode {
    start_log(variable);
    let function = match start() {
        Ok(function) => function,
        Err(faults) => {
            error!("the function cannot start: {faults}");
            return ExitCode::FAILURE;
        }
    };
    // In a task of its own, since each wake-up of the main task takes two system calls.
    let invocations = spawn_local(async move {
        let handle = service_fn(|event: LambdaEvent<Box<RawValue>>| {
            let function = &function;
            async move { Box::pin(function.handle(&event.payload, now())).await }
        });
        lambda_runtime::run(handle).await
    });
    match invocations.await.map_err(Error::from).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("the function stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<Function<SnsSink<impl Fn() -> aws_sdk_sns::Client>>, Error> {
    let given = std::env::vars_os().map(|(variable, value)| {
        (variable.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    });
    let settings = Settings::read_for_function(given)?;
    let environment = Environment::read(variable)?;
    let (Some(table), Some(topic)) = (settings.table_name.clone(), settings.topic_arn.clone())
    else {
        return Err(
            format!("{} and {} must be set", TABLE_NAME.variable, TOPIC_ARN.variable).into()
        );
    };
    let store = DynamoDbStore::new(environment.dynamodb(), table)
        .with_weekly_digest(settings.weekly_digest);
    let sink = SnsSink::new(topic, &settings, move || environment.sns());
    let engine = Engine::new(store, sink, settings);
    Ok(Function::new(engine, variable(OWN_ROLE).filter(|arn| !arn.is_empty())))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The one place where the wall clock is read.
#[expect(clippy::disallowed_methods, reason = "it is passed on as the time of arrival")]
fn now() -> Timestamp {
    Timestamp::now()
}
