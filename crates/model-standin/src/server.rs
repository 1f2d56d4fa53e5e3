//! The running server: one thread, one listener on 127.0.0.1.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::request_log::{LoggedRequest, RequestLog};
use crate::service::Service;
use crate::story::Story;

const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// How the server behaves. The default: any free port, the default [`Story`], any credential.
#[derive(Debug, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// What the agent is told to do when its prompt brings no story.
    pub story: Story,
    /// Who is let in.
    pub accepted: Accepted,
    /// Where each request is written as a line of JSON, besides being kept in memory.
    pub log_file: Option<File>,
}

/// Which credentials (`Authorization: Bearer …` or `x-api-key`) open the API; others get 401.
#[derive(Debug, Default, Clone)]
pub enum Accepted {
    /// Any, and none.
    #[default]
    Any,
    /// One of these.
    Tokens(Vec<String>),
}

/// A running server; dropping it ends it and closes its connections.
#[derive(Debug)]
pub struct ModelStandin {
    address: SocketAddr,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl ModelStandin {
    /// Starts a server on a thread of its own. Fails when the port is taken or the system has no
    /// thread or descriptor left.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)))?;
        let address = listener.local_addr()?;
        let log = RequestLog::new(options.log_file);
        let service = Arc::new(Service::new(options.story, options.accepted, log));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&service);
        let thread = std::thread::Builder::new().name("model-standin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, service, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`: claude's `ANTHROPIC_BASE_URL`; codex needs `/v1` behind it.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last 1000 requests that were answered, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.service.requests()
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its only way to fail is a panic, which has been reported already.
            let _ = thread.join();
        }
    }
}

impl Drop for ModelStandin {
    fn drop(&mut self) {
        self.stop = None;
        self.join();
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    loop {
        // A failed accept (a client gone already, descriptors used up) must neither end the server
        // nor make it spin.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let service = Arc::clone(&service);
                async move { Ok::<_, Infallible>(service.serve(request).await) }
            });
            // An error ends this connection only; what matters of it is in the request log.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}
