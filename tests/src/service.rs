//! A service on the host's loopback, for tests of what a sandbox can reach.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers every connection with one HTTP response. It runs on the test's own runtime and ends with this value.
#[derive(Debug)]
pub struct Service {
    /// Its port on 127.0.0.1.
    pub port: u16,
    task: JoinHandle<()>,
}

impl Service {
    /// A service whose responses have this body.
    pub async fn start(body: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0_u8; 4096];
                let response =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                if stream.read(&mut request).await.is_ok() {
                    // A client that is gone does not want the answer.
                    let _gone = stream.write_all(response.as_bytes()).await;
                }
            }
        });
        Self { port, task }
    }

    /// The name under which a sandbox may reach it, with the port.
    pub fn inner_name(&self) -> String {
        format!("host.loopbox.internal:{}", self.port)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}
