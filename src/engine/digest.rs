//! Sends the weekly digest.

use super::{Engine, EngineError};
use crate::sink::Sink;
use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};
use crate::weekly_digest::Week;

impl<P: Sink> Engine<DynamoDbStore, P> {
    pub async fn send_weekly_digest(
        &self,
        week: Week,
    ) -> Result<(), EngineError<DynamoDbError, P::Error>> {
        let digest = self.store.weekly_digest(week).await.map_err(EngineError::Store)?;
        self.sink.publish_weekly_digest(&digest).await.map_err(EngineError::Sink)
    }
}
