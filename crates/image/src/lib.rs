//! Layers, OCI types, image layouts and docker archives.
