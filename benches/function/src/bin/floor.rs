//! The least work that a function with one DynamoDB request per event can do: one `UpdateItem`,
//! with the clients, the runtime and the allocator of `rattle-lambda`.
//!
//! `FLOOR=bare` adds 1 to a counter. `FLOOR=same` sends the request that Rattle sends and reads the
//! item that comes back, without looking at the event or the item. The difference between it and
//! Rattle is Rattle's own work.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use rattle::aws::Environment;
use rattle::lambda::telemetry::start_log;
use rattle::store::dynamodb::expression;
use rattle::store::dynamodb::item::{Item, name};
use serde_json::value::RawValue;

const KEY: &str = "111122223333#AROAEXAMPLEORDERSWK01";

#[tokio::main(flavor = "local")]
async fn main() -> Result<(), Error> {
    tokio::task::spawn_local(serve()).await?
}

async fn serve() -> Result<(), Error> {
    start_log(|name| std::env::var(name).ok());
    let client = Environment::read(|name| std::env::var(name).ok())?.dynamodb();
    let table = std::env::var("RATTLE_TABLE_NAME")?;
    let same = std::env::var("FLOOR").is_ok_and(|floor| floor == "same");
    lambda_runtime::run(service_fn(|_: LambdaEvent<Box<RawValue>>| {
        let update = client
            .update_item()
            .table_name(&table)
            .key(name::PRINCIPAL, AttributeValue::S(KEY.to_owned()));
        let update = if same { like_rattle(update) } else { bare(update) };
        async move { update.send().await.map(drop).map_err(|error| error.to_string()) }
    }))
    .await
}

type Update = aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn bare(update: Update) -> Update {
    update
        .update_expression("ADD #n :one")
        .expression_attribute_names("#n", "n")
        .expression_attribute_values(":one", number(1))
}

fn like_rattle(update: Update) -> Update {
    let names = [
        ("#format", name::FORMAT),
        ("#version", name::VERSION),
        ("#evidence", name::EVIDENCE[0]),
        ("#window", name::WINDOW),
    ];
    let evidence = Item::from([
        ("t".to_owned(), number(1_760_000_000)),
        ("c".to_owned(), AttributeValue::S("i".to_owned())),
        ("s".to_owned(), AttributeValue::S("staging/orders/webhook".to_owned())),
        ("i".to_owned(), AttributeValue::S("198.51.100.21".to_owned())),
        ("n".to_owned(), AttributeValue::S("i-0c91b00fdbf96d124".to_owned())),
    ]);
    let digest = Blob::new([7; 8]);
    let values = [
        (":one", number(1)),
        (":format", number(1)),
        (":recent", number(1)),
        (":id", AttributeValue::Bs(vec![digest.clone()])),
        (":digest", AttributeValue::B(digest)),
        (":cap", number(256)),
        (":now", number(1_760_000_000)),
        (":window", number(5_866_666)),
        (":evidence", AttributeValue::M(evidence)),
        (":secrets", AttributeValue::Ns(vec!["210".to_owned()])),
    ];
    let names = names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
    let values = values.map(|(placeholder, value)| (placeholder.to_owned(), value));
    update
        .set_expression_attribute_names(Some(names.into()))
        .set_expression_attribute_values(Some(values.into()))
        .update_expression(expression::COUNT_SECRETS)
        .condition_expression(expression::COUNTS)
        .return_values(ReturnValue::AllOld)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}
