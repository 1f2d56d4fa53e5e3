//! Sandboxes for unattended coding agents: lifecycle, exec, policy
