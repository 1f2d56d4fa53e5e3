//! Conformance and end-to-end tests of loopbox
