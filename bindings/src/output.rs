//! Chunks of output on their way to a JavaScript callback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loopbox_core::OutputStream;
use napi::Status;
use napi::bindgen_prelude::{Buffer, FnArgs};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue};
use tokio::sync::Notify;

/// How many chunks may wait for the event loop. With one more the command has to wait: what a sandbox writes never
/// piles up here.
const QUEUE: usize = 16;

type Chunk = FnArgs<(bool, Buffer)>;

/// The facade's callback, called with whether a chunk is of standard error, and the chunk.
pub(crate) type OutputCallback = ThreadsafeFunction<Chunk, UnknownReturnValue, Chunk, Status, false, false, QUEUE>;

/// Brings the chunks of one exec to its callback, in order.
pub(crate) struct Delivery {
    callback: OutputCallback,
    waiting: Arc<Waiting>,
}

/// The chunks that the event loop has not taken yet.
#[derive(Default)]
struct Waiting {
    chunks: AtomicUsize,
    none_left: Notify,
}

impl Delivery {
    pub(crate) fn new(callback: OutputCallback) -> Self {
        Self { callback, waiting: Arc::default() }
    }

    /// Hands over one chunk; while the queue is full, this waits for the event loop.
    pub(crate) fn send(&self, stream: OutputStream, chunk: &[u8]) {
        let is_stderr = stream == OutputStream::Stderr;
        let chunk = FnArgs::from((is_stderr, Buffer::from(chunk)));
        let waiting = Arc::clone(&self.waiting);
        let may_block = waiting.chunks.fetch_add(1, Ordering::AcqRel) >= QUEUE - 1;
        let taken = {
            let waiting = Arc::clone(&waiting);
            move |_, _| {
                waiting.take_one();
                Ok(())
            }
        };
        let call = || self.callback.call_with_return_value(chunk, ThreadsafeFunctionCallMode::Blocking, taken);
        // Only a full queue is worth the price of moving the runtime's other tasks to another thread.
        let status = if may_block { tokio::task::block_in_place(call) } else { call() };
        if status != Status::Ok {
            // The environment is shutting down: nobody is there to take it.
            waiting.take_one();
        }
    }

    /// Waits until the callback has been called with every chunk.
    pub(crate) async fn finished(self) {
        while self.waiting.chunks.load(Ordering::Acquire) > 0 {
            self.waiting.none_left.notified().await;
        }
    }
}

impl Waiting {
    fn take_one(&self) {
        if self.chunks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none_left.notify_one();
        }
    }
}
