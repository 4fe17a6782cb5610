//! Hardening controls, measured over a finished tree.
