//! Debian packages: indexes, signatures, dependency solving, unpacking.
