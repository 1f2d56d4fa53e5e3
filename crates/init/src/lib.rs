//! PID 1 and guest agent of a loopbox sandbox: namespaces, exec protocol
