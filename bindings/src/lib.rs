//! Node-API bindings of loopbox-core
