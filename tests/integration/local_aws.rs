//! The local AWS and a strict DynamoDB, each started once for all tests that need it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use rattle::aws::Environment;
use rattle::store::dynamodb::episodes::INDEX;

use crate::support::project_file;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A client of the local AWS, with a table of its own.
pub async fn table(name: &str) -> Client {
    let client = client(local_aws());
    create_table(&client, name).await;
    client
}

/// A client of a DynamoDB whose parser is as strict as the real one, with a table of its own.
pub async fn strict_table(name: &str) -> Client {
    let client = client(strict_dynamodb());
    create_table(&client, name).await;
    client
}

pub fn client(endpoint: &str) -> Client {
    environment(endpoint).dynamodb()
}

pub fn environment(endpoint: &str) -> Environment {
    let variable = |name: &str| {
        let value = match name {
            "AWS_REGION" => "eu-west-1",
            "AWS_ACCESS_KEY_ID" => "111122223333",
            "AWS_SECRET_ACCESS_KEY" => "unused",
            "AWS_ENDPOINT_URL" => endpoint,
            _ => return None,
        };
        Some(value.to_owned())
    };
    Environment::read(variable).unwrap()
}

pub fn local_aws() -> &'static str {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(Emulator::start).endpoint()
}

/// A running local AWS, which is stopped when this value is dropped.
pub struct Emulator {
    endpoint: String,
    process: Child,
}

impl Emulator {
    pub fn start() -> Self {
        let mut child = Command::new(tool("venv/bin/python"))
            .arg(project_file("tests/emulator/local_aws.py"))
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        let address = endpoint.strip_prefix("http://").unwrap();
        wait_until(|| answers(address, "/_ministack/health"));
        Self { endpoint, process: child }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn strict_dynamodb() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The emulator cannot end with its parent, so a shell waits for the parent's end.
        let child = Command::new("sh")
            .args(["-c", "\"$0\" --host 127.0.0.1 --port \"$1\" >&2 & cat >/dev/null; kill $!"])
            .arg(tool("node/node_modules/.bin/dynalite"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        wait_until(|| TcpStream::connect(&address).is_ok());
        keep_until_exit(child);
        format!("http://{address}")
    })
}

fn tool(path: &str) -> std::path::PathBuf {
    let tool = project_file("tests/.tools").join(path);
    assert!(tool.exists(), "install the tools first: tests/emulator/emulator.py install");
    tool
}

/// The child ends when its standard input closes, which happens when this process ends.
fn keep_until_exit(child: Child) {
    std::mem::forget(child);
}

fn wait_until(is_ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_ready() {
        assert!(start.elapsed() < READY_WITHIN, "the emulator did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(address: &str, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let mut answer = [0; 12];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b"200")
}

/// The table of `template.yaml`, with its index.
pub async fn create_table(client: &Client, name: &str) {
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(key("agenda", KeyType::Hash))
        .key_schema(key("due", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("principal", ScalarAttributeType::S))
        .attribute_definitions(attribute("agenda", ScalarAttributeType::S))
        .attribute_definitions(attribute("due", ScalarAttributeType::N))
        .key_schema(key("principal", KeyType::Hash))
        .global_secondary_indexes(index)
        .send()
        .await;
    // On a slow machine the SDK may have sent the request twice.
    if let Err(error) = created {
        assert_eq!(error.code(), Some("ResourceInUseException"), "{error:?}");
    }
    loop {
        let described = client.describe_table().table_name(name).send().await.unwrap();
        let status = described.table().and_then(|table| table.table_status().cloned());
        if status.is_some_and(|status| status.as_str() == "ACTIVE") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
