//! Egress policy and HTTP proxy of a loopbox sandbox
