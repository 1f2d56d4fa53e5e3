//! Leased credentials for loopbox sandboxes, and the secrets CLI
