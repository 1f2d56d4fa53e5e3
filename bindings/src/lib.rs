//! Node-API bindings of loopbox-core: conversions, and nothing else.
//!
//! The only caller is the facade in `npm/loopbox`, which checks the types of what users pass in, reads
//! `process.env`, and owns the names and words that users see. So this interface is private and changes with it.
//!
//! A failure of the library crosses as data ([`failure::Failed`]), because only the facade can make a
//! `LoopboxError`. A promise from here rejects only for a defect of this crate.
#![deny(unsafe_code)]

pub mod create;
pub mod exec;
pub mod failure;
mod identity;
mod output;
pub mod sandbox;
pub mod settings;
