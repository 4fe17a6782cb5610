//! An in-memory root file system, and tar in and out.
