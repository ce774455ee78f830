//! The function over a table of the local AWS and a topic whose messages a test can inspect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;
use rattle::aws::Environment;
use rattle::engine::Engine;
use rattle::lambda::Function;
use rattle::settings::Settings;
use rattle::sink::Sink;
use rattle::sink::sns::{SnsError, SnsSink};
use rattle::store::dynamodb::DynamoDbStore;
use serde_json::value::RawValue;

use crate::dynamodb::settings;
use crate::loopback::serve;

const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A topic that records each request.
#[derive(Clone, Default)]
pub struct Topic(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

impl Topic {
    pub fn sink(&self) -> SnsSink<impl Fn() -> aws_sdk_sns::Client + use<>> {
        let published = Arc::clone(&self.0);
        let endpoint = serve(move |body| {
            published.lock().unwrap().push(form(body));
            let answer = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
                          <PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
            (200, answer.to_owned())
        });
        let environment = environment(&endpoint);
        SnsSink::new(TOPIC, &Settings::read([]).unwrap(), move || environment.sns())
    }

    pub fn take(&self) -> Vec<BTreeMap<String, String>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub fn environment(endpoint: &str) -> Environment {
    Environment::read(|name| {
        Some(match name {
            "AWS_REGION" => "eu-west-1".to_owned(),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "unused".to_owned(),
            "AWS_ENDPOINT_URL" => endpoint.to_owned(),
            _ => return None,
        })
    })
    .unwrap()
}

/// The fields of a body of type `application/x-www-form-urlencoded`.
fn form(body: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, more @ ..] = rest {
            rest = more;
            bytes.push(match first {
                b'+' => b' ',
                b'%' => {
                    let digits = std::str::from_utf8(&more[..2]).unwrap();
                    rest = &more[2..];
                    u8::from_str_radix(digits, 16).unwrap()
                }
                other => *other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair =
        |pair: &str| pair.split_once('=').map(|(name, value)| (decoded(name), decoded(value)));
    body.split('&').filter_map(pair).collect()
}

pub fn function<P: Sink<Error = SnsError>>(client: &Client, table: &str, sink: P) -> Function<P> {
    Function::new(Engine::new(DynamoDbStore::new(client.clone(), table), sink, settings()), None)
}

pub fn raw(event: &str) -> Box<RawValue> {
    RawValue::from_string(event.to_owned()).unwrap()
}
