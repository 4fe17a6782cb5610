//! The DHI definition format: YAML to typed definitions, with spans and diagnostics.
