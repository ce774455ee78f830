//! Requests to one table: sends them, counts them, and tells their answers apart.

use std::cell::Cell;
use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure,
};

use super::item::{CorruptItem, Item, name};
use crate::aws::{error_code, failure};
use crate::text::Text;

/// Times a write is tried after another invocation changed the item.
pub(super) const MAX_RACES: u32 = 8;

/// Why DynamoDB did not take a change.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// It may succeed later.
    #[error("{operation} failed: {code}")]
    Request {
        operation: &'static str,
        /// The service's error code, or what prevented an answer.
        code: String,
    },
    #[error("the item was changed by others {MAX_RACES} times")]
    Contended,
    #[error(transparent)]
    Corrupt(#[from] CorruptItem),
}

/// What was used since it was last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Requests sent. Retries of the SDK are not counted.
    pub requests: u32,
    /// Conditions that failed because another invocation was first.
    pub lost_races: u32,
    /// Capacity units, if answers are asked to state them.
    pub capacity_units: f64,
}

/// One `UpdateItem`.
pub(super) struct Update<'a> {
    pub(super) expression: &'a str,
    pub(super) condition: Option<&'a str>,
    /// Names without `#`, and the attributes they stand for.
    pub(super) names: &'a [(&'static str, &'static str)],
    /// Values by their names without `:`.
    pub(super) values: Vec<(&'static str, AttributeValue)>,
}

pub(super) enum Written {
    /// The item as it was before.
    Stored(Option<Item>),
    /// The condition failed. The item as it is.
    Refused(Option<Item>),
}

#[derive(Debug)]
pub(super) struct Table {
    client: Client,
    name: String,
    measure_capacity: bool,
    usage: Cell<Usage>,
}

impl Table {
    pub(super) fn new(client: Client, name: String) -> Self {
        Self { client, name, measure_capacity: false, usage: Cell::default() }
    }

    pub(super) fn measuring_capacity(self) -> Self {
        Self { measure_capacity: true, ..self }
    }

    pub(super) fn take_usage(&self) -> Usage {
        self.usage.take()
    }

    /// Reads consistently.
    pub(super) async fn get(&self, key: &Text) -> Result<Option<Item>, DynamoDbError> {
        self.used(|usage| usage.requests += 1);
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(name::PRINCIPAL, AttributeValue::S(key.to_string()))
            .consistent_read(true)
            .set_return_consumed_capacity(self.capacity());
        let answer = request.send().await.map_err(|error| failed("GetItem", &error))?;
        self.measure(answer.consumed_capacity());
        Ok(answer.item)
    }

    /// A `PutItem` that gives back an item in its way.
    pub(super) fn put(&self, item: Item) -> PutItemFluentBuilder {
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_return_consumed_capacity(self.capacity())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    pub(super) async fn send_put(
        &self,
        put: PutItemFluentBuilder,
    ) -> Result<Written, DynamoDbError> {
        self.used(|usage| usage.requests += 1);
        match put.send().await {
            Ok(answer) => {
                self.measure(answer.consumed_capacity());
                Ok(Written::Stored(None))
            }
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                PutItemError::ConditionalCheckFailedException(refused) => {
                    Ok(Written::Refused(refused.item))
                }
                other => Err(refused("PutItem", &other)),
            },
            Err(other) => Err(failed("PutItem", &other)),
        }
    }

    pub(super) async fn update(
        &self,
        key: &Text,
        Update { expression, condition, names, values }: Update<'_>,
    ) -> Result<Written, DynamoDbError> {
        self.used(|usage| usage.requests += 1);
        // DynamoDB refuses an empty map of names.
        let names = names.iter().map(|(mark, name)| (format!("#{mark}"), (*name).to_owned()));
        let names = (names.len() > 0).then(|| names.collect());
        let values = values.into_iter().map(|(mark, value)| (format!(":{mark}"), value));
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(name::PRINCIPAL, AttributeValue::S(key.to_string()))
            .update_expression(expression)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(values.collect()))
            .set_return_consumed_capacity(self.capacity())
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(answer) => {
                self.measure(answer.consumed_capacity());
                Ok(Written::Stored(answer.attributes))
            }
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                UpdateItemError::ConditionalCheckFailedException(refused) => {
                    Ok(Written::Refused(refused.item))
                }
                other => Err(refused("UpdateItem", &other)),
            },
            Err(other) => Err(failed("UpdateItem", &other)),
        }
    }

    pub(super) fn query(&self, index: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name(index)
            .set_return_consumed_capacity(self.capacity())
    }

    /// One page of items, and the key from which the next page begins.
    pub(super) async fn send_query(
        &self,
        query: QueryFluentBuilder,
    ) -> Result<(Vec<Item>, Option<Item>), DynamoDbError> {
        self.used(|usage| usage.requests += 1);
        let answer = query.send().await.map_err(|error| failed("Query", &error))?;
        self.measure(answer.consumed_capacity());
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    fn capacity(&self) -> Option<ReturnConsumedCapacity> {
        self.measure_capacity.then_some(ReturnConsumedCapacity::Total)
    }

    fn measure(&self, consumed: Option<&ConsumedCapacity>) {
        let units = consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
        self.used(|usage| usage.capacity_units += units);
    }

    pub(super) fn used(&self, change: impl FnOnce(&mut Usage)) {
        let mut usage = self.usage.get();
        change(&mut usage);
        self.usage.set(usage);
    }
}

fn failed<E: ProvideErrorMetadata + Error + 'static>(
    operation: &'static str,
    error: &SdkError<E>,
) -> DynamoDbError {
    DynamoDbError::Request { operation, code: failure(error) }
}

/// A request that the service refused.
fn refused(operation: &'static str, error: &impl ProvideErrorMetadata) -> DynamoDbError {
    DynamoDbError::Request { operation, code: error_code(error) }
}
