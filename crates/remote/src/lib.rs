//! HTTP fetch with resume, retries and limits.
