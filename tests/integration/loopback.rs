//! An HTTP server on the loopback interface, for tests that inspect requests or need faster answers
//! than the local AWS gives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Status and body of an answer.
pub type Answer = (u16, String);

/// Answers each request by its body, on connections that stay open until the process ends.
pub fn serve(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || answer_all(stream.unwrap(), &*answer));
        }
    });
    url
}

fn answer_all(stream: TcpStream, answer: &(impl Fn(&str) -> Answer + ?Sized)) {
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(body) = request(&mut reader) {
        let (status, text) = answer(&body);
        let length = text.len();
        let answer =
            format!("HTTP/1.1 {status} \r\ncontent-length: {length}\r\n\r\n{text}").into_bytes();
        if writer.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The body of the next request, or `None` when the client has disconnected.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(given) = line.strip_prefix("content-length: ") {
            length = given.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).unwrap())
}
