//! Sandboxes whose processes die: at each step of making, starting, stopping and removing one, and at rest. Whatever
//! died, the next call puts everything right, and nothing stays behind.
//!
//! The calls under test are made by processes of their own, `fault-driver`, which also plays the helper executable.

mod at_rest;
mod damage;
mod race;
mod steps;
mod storage;
mod world;
