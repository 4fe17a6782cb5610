//! Builds hardened container images from declarative definitions.
